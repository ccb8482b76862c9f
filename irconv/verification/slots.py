"""Inputs and outputs of a side in the axes that its runtime takes, and the changes of axes between two sides."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.data_classes import dataclass
from irconv.ir.graph import Graph, Port
from irconv.layout import invert, letter_order


@dataclass(frozen=True)
class Slot:
    """An input or output of a side."""

    name: str
    shape: tuple[int | str | None, ...] | None
    """A symbol or None for a size that varies; None as a whole where nothing says it."""
    dtype: str
    axes: str
    """The customary letters of its axes; empty where nothing says them."""


Slots = tuple[Slot, ...]
Order = tuple[int, ...]


def native_slots(graph: Graph) -> tuple[Slots, Slots]:
    """Inputs and outputs in the axes that the bundle has."""
    return tuple(map(_native, graph.inputs)), tuple(map(_native, graph.outputs))


def source_slots(graph: Graph) -> tuple[Slots, Slots]:
    """Inputs and outputs in the axes that the source framework had."""
    return tuple(map(_source, graph.inputs)), tuple(map(_source, graph.outputs))


def _native(port: Port) -> Slot:
    return Slot(port.name, port.shape, port.dtype, port.axes)


def _source(port: Port) -> Slot:
    if port.axes == port.source_axes:
        return _native(port)
    order = letter_order(port.axes, port.source_axes)
    return Slot(port.name, tuple(port.shape[axis] for axis in order), port.dtype, port.source_axes)


def paired(have: Sequence[Slot], want: Sequence[Slot]) -> list[int] | None:
    """For each slot of `want` the place in `have` that it is: by name where the names are the same, else in order;
    None where there are not as many."""
    if len(have) != len(want):
        return None
    names = [slot.name for slot in have]
    if len(set(names)) == len(names) and sorted(names) == sorted(slot.name for slot in want):
        return [names.index(slot.name) for slot in want]
    return list(range(len(have)))


def orders(shape: Sequence[int], have: str, slot: Slot | None) -> list[Order]:
    """The permutations by which an array of this shape and these axes may become what a slot takes, likeliest first.

    The letters decide where both are known. Else all of these that give the slot's shape: as it is, channels moved from
    the last place to the second or another, and back. Empty where none does.
    """
    rank = len(shape)
    same: Order = tuple(range(rank))
    if slot is None:
        return [same]
    if have and slot.axes and len(have) == rank and sorted(have) == sorted(slot.axes):
        return [letter_order(have, slot.axes)]
    if slot.shape is not None and len(slot.shape) != rank:
        return []
    moves = [_moved(rank, place) for place in range(1, rank - 1)][: 1 if rank < 5 else None]
    candidates = [same, *(order for move in moves for order in (move, invert(move)))]
    if len(have) == rank and have.endswith("C"):  # channels-first is customary elsewhere
        candidates.sort(key=lambda order: order not in moves)
    fitting = [order for order in candidates if _fits([shape[axis] for axis in order], slot.shape)]
    return list(dict.fromkeys(fitting))


def _moved(rank: int, place: int) -> Order:
    """The last of so many axes moved to a place."""
    return (*range(place), rank - 1, *range(place, rank - 1))


def _fits(shape: Sequence[int], wanted: tuple[int | str | None, ...] | None) -> bool:
    return wanted is None or all(not isinstance(w, int) or w == s for s, w in zip(shape, wanted, strict=True))
