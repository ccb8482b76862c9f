"""Settings that only PyTorch has, as they are written in emitted calls: element types, sizes known at run time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from irconv.python_source.literals import Code


@dataclass(frozen=True)
class Symbolic:
    """A dimension that depends on the sizes of the inputs, as `irconv.ir.shapes` spells it."""

    size: str


class Dtype(Code):
    """An element type; its logical name is also PyTorch's.

    >>> Dtype("int8").text
    'torch.int8'
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"torch.{name}")

    @property
    def name(self) -> str:
        """The logical name."""
        return self.text.removeprefix("torch.")


_COLLAPSED = ("kernel_size", "stride", "padding", "dilation", "output_padding")


def collapsed(name: str, value: Any) -> Any:
    """One number for a window's tuple of equal ones, as PyTorch takes it."""
    return value[0] if name in _COLLAPSED and isinstance(value, tuple) and len(set(value)) == 1 else value
