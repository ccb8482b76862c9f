"""Padding by the other end, as PyTorch's exporter writes it: an axis between stretches of its own ends, one axis after
the other."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.ir.layers.tensor_ops import Pad
from irconv.ir.shapes import Dimension
from irconv.passes.recompose.matcher import Made, Match, Rule
from irconv.passes.recompose.patterns import Op, Var, op

X = Var("x")
_RANKS = range(3, 6)
"""Of values of which PyTorch pads the axes behind the second like this."""


def _length(match: Match, name: str, axis: int, at_end: bool) -> int | None:
    """How many elements a Slice takes of the end or the start of an axis; None where it takes others."""
    cut, size = match.settings(name), match.type_of("x").shape[axis]
    if cut["axes"] != (axis,) or cut["steps"] != (1,):
        return None
    start, end = cut["starts"][0], cut["ends"][0]
    if at_end:
        if isinstance(size, int) and isinstance(start, int) and start > 0:
            start -= size
        whole = end is None or end == size or (isinstance(size, int) and isinstance(end, int) and end > size)
        return -start if whole and isinstance(start, int) and start < 0 else None
    return end if start in (0, None) and isinstance(end, int) and end > 0 else None


def _wrapped(match: Match) -> Made | None:
    """An axis with its end before it, or its start behind it, or both."""
    axis, shape = match.settings("joined")["axis"], match.type_of("x").shape
    if len(shape) not in _RANKS or axis < 2:
        return None
    lengths = [_length(match, name, axis, name == "end") if name in match.nodes else 0 for name in ("end", "start")]
    before, after = lengths
    if before is None or after is None:
        return None
    if isinstance(shape[axis], int) and max(before, after) > shape[axis]:
        return None
    pads: list[tuple[Dimension, Dimension]] = [(0, 0)] * len(shape)
    pads[axis] = before, after
    return Made(Pad(pads=tuple(pads), mode="wrap", value=None), {"x": match.values["x"]})


def _together(match: Match) -> Made | None:
    """Padding of two different axes, which do not depend on each other."""
    first, second = (match.settings(name)["pads"] for name in ("first", "second"))
    if any((0, 0) not in pair for pair in zip(first, second, strict=True)):
        return None
    pads = tuple(b if a == (0, 0) else a for a, b in zip(first, second, strict=True))
    return Made(Pad(pads=pads, mode="wrap", value=None), {"x": match.values["x"]})


def _rules() -> Iterator[Rule]:
    end, start = op("Slice", X, name="end"), op("Slice", X, name="start")
    for parts in ((end, X, start), (end, X), (X, start)):
        yield Rule("padding by the other end", Op("Concat", parts, name="joined"), _wrapped)
    first = op("Pad", X, name="first", mode="wrap")
    yield Rule("padding of two axes", op("Pad", first, name="second", mode="wrap"), _together)


BORDERS = [*_rules()]
