"""What `irconv.passes.channels_last` counts while it chooses layouts: views of values, votes for layouts, elements."""

from __future__ import annotations

from dataclasses import field
from math import prod

from irconv.data_classes import dataclass
from irconv.ir.shapes import Shape
from irconv.passes.moves import Order

_UNKNOWN_SIZE = 64  # stands for a symbolic dimension when costs are compared


@dataclass(frozen=True)
class View:
    """A value of the naive graph as a transposed root."""

    root: str
    order: Order


@dataclass
class Votes:
    """What the consumers of a root want: layout -> elements, and the layouts that a spatial layer wants."""

    wanted: dict[Order, int] = field(default_factory=dict)
    spatial: set[Order] = field(default_factory=set)

    def winner(self) -> Order | None:
        """The layout that would serve most elements; None where nobody wants one."""
        return max(self.wanted, key=lambda order: self.wanted[order]) if self.wanted else None


def elements(shape: Shape) -> int:
    """How many elements a value has, for comparing costs."""
    return prod(size if isinstance(size, int) else _UNKNOWN_SIZE for size in shape)
