"""Layouts in which a tensor of unknown axes fits another, and what a changed tensor may be the other one in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from irconv.comparison.numbers import elementwise, equal_bits
from irconv.comparison.sides import Operand
from irconv.comparison.stream import joined, row_pairs
from irconv.ir.tensors import LazyTensor
from irconv.layout import Relayout, relayout

_MOST_GATES = 4


def fitted(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """Both operands in one layout, as far as they are known to have one.

    Where one is without a graph and both files store arrays alike, it takes the steps of the other. Where the axes of
    one are not known, it takes the layout in which it is the other one bit for bit; without such a layout, the only one
    in which the shapes agree. Axes that are known are never doubted.
    """
    if (recorded := _as_recorded(a, b)) is not None:
        return recorded, b
    if (recorded := _as_recorded(b, a)) is not None:
        return a, recorded
    if a.known and b.known:
        return a, b
    return (_fit(a, b), b) if not a.known and b.known else (a, _fit(b, a))


def _fit(unknown: Operand, wanted: Operand) -> Operand:
    fits = [change for change, _ in _changes(unknown.data.shape, wanted) if change.shape == wanted.data.shape]
    same = unknown.data.shape == wanted.data.shape
    if same and _equal(unknown.data, wanted.data):
        return unknown
    for change in fits:
        moved = unknown.data.relayout(change)
        if _equal(moved, wanted.data):
            return replace(unknown, data=moved)
    if not same and len({c.permutation for c in fits}) == 1:
        return replace(unknown, data=unknown.data.relayout(fits[0]))
    return unknown


def _as_recorded(bare: Operand, wanted: Operand) -> Operand | None:
    """A tensor without a graph, after the steps that the other side's took from the same storage; None where it has
    axes of its own, or is not stored as the other was."""
    record, other = bare.tensor.record, wanted.tensor.record
    source = other.source
    if record.axes or not other.steps or source is None or bare.storage != wanted.storage:
        return None
    if source.shape != record.shape or source.piece is not None or source.members:
        return None
    data = bare.tensor.data
    try:
        for step in other.steps:
            data = data.relayout(relayout(step.source, step.target, data.shape, step.orders, step.sizes))
    except ValueError:
        return None
    return replace(bare, data=data, known=True) if data.shape == wanted.data.shape else None


def hint(a: Operand, b: Operand) -> tuple[str, ...]:
    """What b is of a, where it is a in another layout: the commonest mistake of a port by hand."""
    for change, words in _changes(b.data.shape, a):
        if change.shape == a.data.shape and _equal(a.data, b.data.relayout(change)):
            return (f"the second is the first {words}",)
    return ()


def _equal(a: LazyTensor, b: LazyTensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    pairing = joined(a, b)
    if pairing is not None:
        return equal_bits(pairing)
    return all(np.array_equal(elementwise(left), elementwise(right)) for left, right in row_pairs(a, b))


def _changes(shape: tuple[int, ...], like: Operand) -> Iterator[tuple[Relayout, str]]:
    """Changes of layout that ports forget, from a shape, with what they say of the other way round."""
    rank = len(shape)
    if rank == 2:
        yield relayout("in out", "out in", shape), "transposed"
    if rank > 2:
        yield relayout("*k in out", "out in *k", shape), "with its channels last"
        yield relayout("out in *k", "in out *k", shape), "with its first two axes exchanged"
        yield relayout("out in ~*k", "out in *k", shape), "with its kernel turned by 180 degrees"
        yield relayout("~*k in out", "out in *k", shape), "with its channels last and its kernel turned by 180 degrees"
    if rank == 4:
        yield relayout("out in w h", "out in h w", shape), "with the axes of its kernel exchanged"
    yield from _flattened(shape, like)
    yield from _gates(shape, like)


def _flattened(shape: tuple[int, ...], like: Operand) -> Iterator[tuple[Relayout, str]]:
    """The rows of a matrix after a Flatten, in the order that its source's axes have."""
    for step in like.tensor.record.steps:
        if len(step.sizes) > 1 and "(" in step.target and len(shape) == 2:
            for source, target in ((step.source, step.target), (step.target, step.source)):
                try:
                    change = relayout(source, target, shape, step.orders, step.sizes)
                except ValueError:
                    continue
                words = "with the rows of its Flatten in the order of other axes"
                yield change, words


def _gates(shape: tuple[int, ...], like: Operand) -> Iterator[tuple[Relayout, str]]:
    """The gates of a recurrent layer in another order."""
    gates = getattr(like.layer, "ORDERS", {}).get("gate", "")
    axes = like.tensor.record.axes
    if not gates or len(gates) > _MOST_GATES or "gate" not in axes or shape[0] % len(gates):
        return
    for other in permutations(gates):
        order = "".join(other)
        if order != gates:
            change = relayout(axes, axes, shape, {"gate": (order, gates)})
            yield change, f"with its gates in the order {' '.join(order)} instead of {' '.join(gates)}"
