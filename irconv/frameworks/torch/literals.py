"""Settings that only PyTorch has, as they are written in emitted calls: element types, sizes known at run time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.shapes import symbols
from irconv.python_source.literals import Code


@dataclass(frozen=True)
class Symbolic:
    """A dimension that depends on the sizes of the inputs, as `irconv.ir.shapes` spells it."""

    size: str


@dataclass(frozen=True)
class Counted:
    """A size that an op makes of the numbers it is given: no argument of the call, but the length of `axis` of its
    first result, which other ops may ask for."""

    size: str
    axis: int


def counts(config: Mapping[str, Any]) -> list[Counted]:
    """The sizes that an op with these settings makes."""
    return [value for value in config.values() if isinstance(value, Counted)]


def wanted_symbols(value: Any) -> set[str]:
    """The symbols that settings, or a part of them, depend on."""
    if isinstance(value, Mapping):
        return wanted_symbols(tuple(value.values()))
    if isinstance(value, tuple | list):
        return set().union(*map(wanted_symbols, value))
    return symbols(value.size) if isinstance(value, Symbolic) else set()


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
