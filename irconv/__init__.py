"""irconv: any neural network's model file in, any framework's file out, through one typed, channels-first bundle.

>>> import irconv
>>> sorted(irconv.__all__)[:3]
['AdoptOptions', 'Bundle', 'DiffOptions']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irconv.api import (
        adopt,
        check,
        convert,
        diff,
        from_keras,
        from_torch,
        read,
        run,
        to_keras,
        to_torch,
        verify,
        write,
    )
    from irconv.errors import IrconvError
    from irconv.fleet.run import batch
    from irconv.ir.bundle import Bundle
    from irconv.options import AdoptOptions, DiffOptions, ReadOptions, WriteOptions

__version__ = "0.1.0"

_HOMES = {
    "AdoptOptions": "irconv.options",
    "Bundle": "irconv.ir.bundle",
    "DiffOptions": "irconv.options",
    "IrconvError": "irconv.errors",
    "ReadOptions": "irconv.options",
    "WriteOptions": "irconv.options",
    "adopt": "irconv.api",
    "batch": "irconv.fleet.run",
    "check": "irconv.api",
    "convert": "irconv.api",
    "diff": "irconv.api",
    "from_keras": "irconv.api",
    "from_torch": "irconv.api",
    "read": "irconv.api",
    "run": "irconv.api",
    "to_keras": "irconv.api",
    "to_torch": "irconv.api",
    "verify": "irconv.api",
    "write": "irconv.api",
}

__all__ = [
    "AdoptOptions",
    "Bundle",
    "DiffOptions",
    "IrconvError",
    "ReadOptions",
    "WriteOptions",
    "__version__",
    "adopt",
    "batch",
    "check",
    "convert",
    "diff",
    "from_keras",
    "from_torch",
    "read",
    "run",
    "to_keras",
    "to_torch",
    "verify",
    "write",
]


if not TYPE_CHECKING:  # which has the imports above, and is to find names that there are not

    def __getattr__(name: str) -> Any:
        """Public names are imported when they are first used (PEP 562), so that ``import irconv`` costs next to
        nothing."""
        if name not in _HOMES:
            raise AttributeError(f"module 'irconv' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
