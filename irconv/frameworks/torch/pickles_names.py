"""Which names a PyTorch pickle may hold.

A name alone is text, and an object of any class outside the standard library is only described (`Instance`): neither
is ever imported, so that reading around them is safe. A call is what runs programs: the calls that are described too,
and never made, are those of classes, which by convention are spelt with a capital letter, and of the functions listed
here. A file with any other call is refused by the name of what it calls.
"""

from __future__ import annotations

import sys

_DESCRIBED = {
    # What the standard library's own plain objects are pickled with.
    "argparse.Namespace",
    "builtins.getattr",  # functions and enum members that are attributes of a class
    "builtins.type",  # the type of None
    "collections.abc.Callable",
    "decimal.Decimal",
    "fractions.Fraction",
    "functools.partial",
    "_io.BytesIO",
    "_io.StringIO",
    "logging.getLogger",
    "operator.attrgetter",
    "operator.itemgetter",
    "operator.methodcaller",
    "_operator.getitem",  # typing.Optional[int]
    "_operator.or_",  # flags of an enum
    "random.Random",
    "re._compile",
    "types.GenericAlias",
    "types.MappingProxyType",
    "types.SimpleNamespace",
    "uuid.UUID",
    "zoneinfo.ZoneInfo._unpickle",
    # Settings of PyTorch, and arrays of numpy with a mask.
    "torch.device",
    "torch.finfo",
    "torch.iinfo",
    "torch._C._disabled_torch_function_impl",
    "torch._utils._get_restored_type",
    "torch.serialization._get_layout",
    "torch.nn.backends.thnn._get_thnn_function_backend",
    "numpy.ma.core._mareconstruct",
}
_DESCRIBED_MODULES = "pathlib.", "datetime.", "enum.", "numpy.random."


def any_name(name: str) -> bool:
    """Every name, where nothing is made of it."""
    return True


def is_class(name: str) -> bool:
    """Any class: an object of it is only described. What the standard library has is refused unless it is harmless."""
    return _module(name) not in sys.stdlib_module_names or is_call(name)


def is_call(name: str) -> bool:
    """Calls that are only described: of classes outside the standard library, of exceptions, and the listed ones."""
    if name in _DESCRIBED or name.startswith(_DESCRIBED_MODULES):
        return True
    module, last = _module(name), name.rsplit(".", maxsplit=1)[-1]
    # Of what Python itself has, the exceptions alone begin with a capital.
    return (module not in sys.stdlib_module_names or module == "builtins") and last.lstrip("_")[:1].isupper()


def _module(name: str) -> str:
    return name.split(".", maxsplit=1)[0]
