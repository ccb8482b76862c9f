"""What the code of a module asks of tensors, as calls of the reader of programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from irconv.codec import NativeWeight
from irconv.errors import Refused
from irconv.frameworks.torch.aten import masks, opaque
from irconv.frameworks.torch.aten.handlers import HANDLERS
from irconv.frameworks.torch.aten.program import Call, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.frameworks.torch.pickles_tensors import InParts, PickledTensor, Unreadable
from irconv.frameworks.torch.script.builtins import plain as plain_size
from irconv.frameworks.torch.script.calls import ELEMENT_TYPES, convolution, resolved
from irconv.frameworks.torch.script.signatures import Signature
from irconv.ir.known import numeric
from irconv.ir.shapes import Size, size_product

_INTEGERS = {name: number for number, name in ELEMENT_TYPES.items()}


class Ops:
    """Calls of ATen, added to a reader in the order in which the code makes them; `names` are those of the module's
    tensors by their identity."""

    def __init__(self, reader: ProgramReader, names: Mapping[tuple[Any, ...], str]) -> None:
        self.reader, self.file, self.names = reader, reader.file, names
        self.counts: dict[str, int] = {}

    def constant(self, name: str, value: Any) -> Any:
        """An attribute or a constant: a tensor of the file as one of the graph, plain data as it is."""
        if isinstance(value, InParts | Unreadable):
            raise Refused(f"{self.file}: {name}", f"is {value.kind}, which irconv does not compute with")
        if isinstance(value, list | tuple) and any(isinstance(item, PickledTensor) for item in value):
            return [self.constant(f"{name}.{i}", item) for i, item in enumerate(value)]
        if not isinstance(value, PickledTensor):
            return value
        name = self.names.get(value.view.identity(), name)
        if name not in self.reader.values:
            data = value.view.tensor(f"{self.file}: {name}")
            number = name.startswith("CONSTANTS.") and data.shape == ()
            weight = NativeWeight(name, data, value.trainable, number, role="constant" if number else "parameter")
            self.reader.values[name] = self.reader.importer.weight(name, weight)
            if not name.startswith("CONSTANTS."):
                self.reader.aliases.kept[name] = f"{'parameter' if value.trainable else 'buffer'} {name}"
        return Tensor(name)

    def number(self, tensor: Tensor) -> Any:
        """The value of a tensor of one element, where it is known while reading."""
        known = self.reader.importer.known(self.reader.value(tensor))
        return known.item() if known is not None and numeric(known) and np.size(known) == 1 else None

    def dtype(self, tensor: Tensor) -> int:
        """The number of an element type."""
        return _INTEGERS[self.reader.type_of(tensor).dtype]

    def called(
        self, name: str, given: list[Any], named: dict[str, Any], path: str, hint: str, plain: Callable[..., Any] | None
    ) -> Any:
        """What ``torch.NAME`` gives. Raises `Refused` where irconv has no rule for it."""
        where = f"{self.file}: {f'{path}: ' if path else ''}{hint or name} ({name})"
        tensors = [v for v in (*given, *named.values()) if isinstance(v, Tensor) or _holds_tensors(v)]
        if tensors and name in ("size", "dim", "is_floating_point", "numel"):
            return self._asked(name, given)
        if plain is not None and given and not isinstance(given[0], Tensor):
            given = [self._settled(value) for value in given]
            tensors = [v for v in (*given, *named.values()) if isinstance(v, Tensor) or _holds_tensors(v)]
        if name == "tensor" and given and isinstance(given[0], int | float):
            name, named, given = "full", {key: v for key, v in named.items() if key == "dtype"}, [[], given[0]]
            named = named if named.get("dtype") is not None else {}
        if name == "copy_" and len(given) > 1 and isinstance(given[1], int | float):
            name, given = "fill_", given[:2]
        if plain is not None and (not tensors or name in _OF_LISTS or _of_references(name, given)):
            try:
                return plain(*given, **named)
            except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, AttributeError) as error:
                raise Refused(where, f"computes {name} of {str(given)[:80]}: {error}") from error
        if name == "_convolution_mode":  # the padding is a word
            spatial = len(self.reader.shape(given[1])) - 2
            name = f"conv{spatial}d"
        if name in ("_convolution", "convolution"):
            spatial = len(self.reader.shape(given[1])) - 2
            op, arguments = convolution(given, spatial)
            return self._run(Signature(op, 1, ()), arguments, path, hint, where, in_place=False)
        in_place = (name.endswith("_") and not name.startswith("_")) or name.startswith("__i")
        plain_name = name.replace("__i", "__", 1) if name.startswith("__i") else name.removesuffix("_")
        if name in ("mul", "add") and len(given) == 2 and not isinstance(given[0], Tensor):
            given = given[::-1]  # a number in front, which a trace takes for a tensor
        found = resolved(plain_name if in_place else name, given, named)
        if found is None:
            kinds = ", ".join(type(value).__name__ for value in (*given, *named.values()))
            raise Refused(where, f"irconv has no rule for torch.{name} of ({kinds})")
        signature, arguments = found
        return self._run(signature, arguments, path, hint, where, in_place)

    def _settled(self, value: Any) -> Any:
        """The number that a constant of no axes is, where traces compute sizes with it."""
        if isinstance(value, Tensor) and self.reader.shape(value) == ():
            found = self.number(value)
            return value if found is None else found
        return value

    def _asked(self, name: str, given: list[Any]) -> Any:
        masks.settle(self.reader, given[0].name, self.file)
        dtype, shape = self.reader.type_of(given[0])
        sizes = [size if isinstance(size, int) else Size.of(size) for size in shape]
        if name == "size":
            return sizes[given[1]] if len(given) > 1 else sizes
        if name == "numel":
            return plain_size(size_product(shape))
        return len(shape) if name == "dim" else "float" in dtype

    @property
    def keeps(self) -> bool:
        """Whether ops of other libraries are kept as they are (``--keep-opaque``)."""
        return self.reader.options.keep_opaque

    def kept(self, name: str, given: list[Any], named: dict[str, Any], path: str, hint: str) -> Tensor:
        """The one result of an op of another library, kept as it is; the file says no types of results."""
        arguments = {**{str(place): value for place, value in enumerate(given)}, **named}
        label = self._label(name, path, hint)
        where = f"{self.file}: {f'{path}: ' if path else ''}{hint or name} ({name})"
        self.reader.importer.scope = path.replace(".", "/")
        with self.reader.importer.reading(where, (label,)):
            opaque.keep(self.reader, Call(name, arguments, (label,), where, path))
        return Tensor(label)

    def _label(self, op: str, path: str, hint: str) -> str:
        label = f"{path}.{hint or op.partition('.')[0]}".lstrip(".")
        number = self.counts[label] = self.counts.get(label, 0) + 1
        return label if number == 1 else f"{label}_{number}"

    def _run(
        self, signature: Signature, arguments: Mapping[str, Any], path: str, hint: str, where: str, in_place: bool
    ) -> Any:
        count = signature.results if signature.results is not None else self._pieces(signature.op, arguments, where)
        label = self._label(signature.op, path, hint)
        outputs = tuple(label if i == 0 else f"{label}.{i}" for i in range(count))
        call = Call(signature.op, arguments, outputs, where, path)
        if signature.op not in HANDLERS:
            raise Refused(where, f"irconv has no rule for {signature.op}")
        self.reader.importer.scope = path.replace(".", "/")
        with self.reader.importer.problems.collect():
            self.reader.apply(call, in_place)
        results = [Tensor(output) for output in outputs]
        return results if signature.results is None else results[0] if count == 1 else tuple(results)

    def _pieces(self, op: str, arguments: Mapping[str, Any], where: str) -> int:
        if "tensors" in arguments:
            return len(arguments["tensors"])
        if op in ("nonzero_numpy.default", "where.default"):
            return len(self.reader.shape(arguments.get("self", arguments.get("condition"))))
        if op.startswith(("tensor_split", "hsplit", "vsplit", "dsplit")):
            return int(arguments.get("sections") or len(arguments["indices"]) + 1)
        shape = self.reader.shape(arguments["self"])
        axis = arguments.get("dim", 0)
        sizes = arguments.get("split_sizes", arguments.get("split_size"))
        if isinstance(sizes, list):
            return len(sizes)
        whole = shape[axis]
        if not isinstance(whole, int):
            raise Refused(where, f"cuts an axis of {whole} into pieces whose count is not known")
        if op.startswith("unbind"):
            return whole
        each = sizes or -(-whole // arguments["chunks"])
        return int(-(-whole // each))


_OF_LISTS = frozenset(("len", "append", "list", "__getitem__", "__is__", "__isnot__", "__not__", "is_grad_enabled"))


def _of_references(name: str, given: list[Any]) -> bool:
    return name == "add" and bool(given) and isinstance(given[0], list | tuple)


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value)
