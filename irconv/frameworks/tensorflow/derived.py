"""Weights that lie otherwise than their variables: the graph makes them, and variables keep their names and bytes.

A model that came from TensorFlow has one kernel for input and state, gates in another order, heads on an axis of their
own. What the layers need is cut out, joined, picked and turned by nodes, the last where possible by whoever takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from irconv.containers.graph_def import ElementType
from irconv.data_classes import dataclass
from irconv.ir.layers.base import ValueType
from irconv.ir.tensors import LazyTensor
from irconv.layout import Relayout, invert
from irconv.passes.stored_operands import Joined, Part

if TYPE_CHECKING:
    from irconv.frameworks.tensorflow.emit import Emitter

_INT = ElementType("int32")
_MOST = 1 << 24
"""Elements of a tensor of which it is found out what a cut takes."""


@dataclass(frozen=True)
class _Held:
    """A value of the graph which is a tensor, but for `order`: ``tensor = value.transpose(order)``."""

    value: str
    shape: tuple[int, ...]
    order: tuple[int, ...]

    def axis(self, axis: int) -> int:
        """The axis of the value that an axis of the tensor is."""
        return self.order[axis]


def made(emitter: Emitter, wanted: LazyTensor, name: str) -> tuple[LazyTensor, str] | None:
    """A tensor made of variables of TensorFlow's own file, as it lies in the graph; None where it is not of such."""
    if not emitter.naming.own:
        return None
    if (key := emitter.naming.sources.get(id(wanted.source))) is not None:
        return emitter.original(key)
    found = _Maker(emitter, wanted.dtype, name).held(LazyTensor(wanted.source))
    if found is None:
        return None
    return LazyTensor(wanted.source).relayout(_turn(tuple(wanted.source.shape), invert(found.order))), found.value


def changed(
    emitter: Emitter, kept: tuple[LazyTensor, str], wanted: LazyTensor, name: str
) -> tuple[LazyTensor, str] | None:
    """What is kept in another layout, all but turned; None where that is another tensor, or not TensorFlow's own."""
    data, value = kept
    if not emitter.naming.own or (data.source is not wanted.source and data.source != wanted.source):
        return None
    maker = _Maker(emitter, wanted.dtype, name)
    undone = [change.inverse() for change in reversed(data.changes)]
    found = maker.laid(_Held(value, data.shape, tuple(range(len(data.shape)))), [*undone, *wanted.changes])
    return wanted.relayout(_turn(wanted.shape, invert(found.order))), found.value


@dataclass(frozen=True)
class _Maker:
    """Adds nodes for one weight."""

    emitter: Emitter
    dtype: str
    name: str

    def held(self, tensor: LazyTensor) -> _Held | None:
        """A tensor as a value of the graph; None where it is of no variable of the file."""
        source = tensor.source
        found: _Held | None
        if isinstance(source, Joined):
            found = self._joined(source)
        elif isinstance(source, Part):
            found = self._part(source)
        else:
            found = self._variable(source)
            if found is not None:  # which is laid as the file has it
                key = self.emitter.naming.sources[id(source)]
                native = self.emitter.original(key)[0]
                undone = [change.inverse() for change in reversed(native.changes)]
                return self.laid(found, [*undone, *tensor.changes])
        return None if found is None else self.laid(found, tensor.changes)

    def _variable(self, source: Any) -> _Held | None:
        key = self.emitter.naming.sources.get(id(source))
        if key is None:
            return None
        data, value = self.emitter.original(key)
        return _Held(value, data.shape, tuple(range(len(data.shape))))

    def _joined(self, source: Joined) -> _Held | None:
        parts = [self.held(part) for part in source.parts]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        if len({part.order for part in known}) > 1:
            known = [self._straight(part) for part in known]
        first, rank = known[0], len(known[0].shape)
        axis = first.axis(source.axis)
        shape = tuple(sum(p.shape[i] for p in known) if i == axis else first.shape[i] for i in range(rank))
        inputs = [*(part.value for part in known), self._constant("axis", np.asarray(axis, np.int32))]
        attrs = {"N": len(known), "T": ElementType(self.dtype), "Tidx": _INT}
        return _Held(self._add("concat", "ConcatV2", inputs, **attrs), shape, first.order)

    def _part(self, source: Part) -> _Held | None:
        """A box of a tensor, in any shape that keeps its elements in their order."""
        whole = source.tensor
        if prod(whole.shape) > _MOST or not prod(source.shape):
            return None
        places = source.layer.fold({"x": ValueType("int64", whole.shape)}, {"x": _places(whole.shape)})
        box = None if places is None else _box(np.asarray(places[source.slot]), whole.shape)
        held = self.held(whole) if box is not None else None
        if held is None or box is None:
            return None
        sizes = tuple(stop - start for start, stop in box)
        if sizes != whole.shape:
            turned = [box[held.order.index(axis)] for axis in range(len(box))]
            begin, size = [start for start, _ in turned], [stop - start for start, stop in turned]
            inputs = [held.value, self._numbers("begin", begin), self._numbers("size", size)]
            cut = self._add("cut", "Slice", inputs, T=ElementType(self.dtype), Index=_INT)
            held = _Held(cut, tuple(size), held.order)
        if sizes == source.shape:
            return held
        held = self._straight(held)
        return _Held(self._reshaped(held.value, held.shape, source.shape), source.shape, _same(source.shape))

    def laid(self, held: _Held, changes: Sequence[Relayout]) -> _Held:
        """A value with its layout changed."""
        for step in _composed(changes):
            if step.is_identity and step.source_shape == step.shape:
                continue
            if step.atoms == step.source_shape and step == _turn(step.atoms, step.permutation):
                held = _Held(held.value, held.shape, tuple(held.order[axis] for axis in step.permutation))
            else:
                held = self._changed(self._straight(held), step)
        return held

    def _changed(self, held: _Held, change: Relayout) -> _Held:
        value = self._reshaped(held.value, held.shape, change.atoms)
        for axis, pick in enumerate(change.picks):
            if pick is not None:
                inputs = [value, self._numbers("order/indices", pick), self._constant("order/axis", np.int32(axis))]
                attrs = {"Tparams": ElementType(self.dtype), "Tindices": _INT, "Taxis": _INT, "batch_dims": 0}
                value = self._add("order", "GatherV2", inputs, **attrs)
        groups = _groups(change)
        if groups is None:
            laid = _Held(value, change.atoms, change.permutation)
            turned = self._straight(laid)
            value = self._reshaped(turned.value, turned.shape, change.shape)
            return _Held(value, change.shape, _same(change.shape))
        order = sorted(range(len(groups)), key=lambda axis: groups[axis])
        shape = tuple(change.shape[axis] for axis in order)
        return _Held(self._reshaped(value, change.atoms, shape), shape, invert(order))

    def _straight(self, held: _Held) -> _Held:
        """The value turned as the tensor is."""
        if held.order == _same(held.shape):
            return held
        inputs = [held.value, self._numbers("transpose/perm", held.order)]
        value = self._add("transpose", "Transpose", inputs, T=ElementType(self.dtype), Tperm=_INT)
        return _Held(value, tuple(held.shape[axis] for axis in held.order), _same(held.shape))

    def _reshaped(self, value: str, before: Sequence[int], after: Sequence[int]) -> str:
        if tuple(before) == tuple(after):
            return value
        inputs = [value, self._numbers("reshape/shape", after)]
        return self._add("reshape", "Reshape", inputs, T=ElementType(self.dtype), Tshape=_INT)

    def _add(self, what: str, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        return self.emitter.made.add(self.emitter.names.unique(f"{self.name}/{what}"), op, inputs, **attrs)

    def _numbers(self, what: str, numbers: Sequence[int]) -> str:
        return self._constant(what, np.asarray(numbers, np.int32).reshape(len(numbers)))

    def _constant(self, what: str, array: Any) -> str:
        return self.emitter.constant(f"{self.name}/{what}", LazyTensor.of(np.asarray(array)))


def _composed(changes: Sequence[Relayout]) -> Sequence[Relayout]:
    """Changes as one, where their axes allow it."""
    whole: Relayout | None = None
    for number, change in enumerate(changes):
        whole = change if number == 0 else whole.then(change) if whole is not None else None
    return changes if whole is None else [whole]


def _same(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(len(shape)))


def _turn(shape: tuple[int, ...], order: Sequence[int]) -> Relayout:
    """A tensor of a shape with its axes permuted."""
    return Relayout(shape, shape, (None,) * len(shape), tuple(order), tuple(shape[axis] for axis in order))


def _places(shape: tuple[int, ...]) -> Any:
    return np.arange(prod(shape)).reshape(shape)


def _box(places: Any, shape: tuple[int, ...]) -> list[tuple[int, int]] | None:
    """The box of a tensor whose elements these are, in their order; None where they are no box."""
    flat = places.reshape(-1)
    corners = [np.unravel_index(int(flat[end]), shape) for end in (0, -1)]
    box = [(int(start), int(stop) + 1) for start, stop in zip(*corners, strict=True)]
    if any(start >= stop for start, stop in box) or prod(stop - start for start, stop in box) != flat.size:
        return None
    inside = _places(shape)[tuple(slice(*ends) for ends in box)]
    return box if np.array_equal(inside.reshape(-1), flat) else None


def _groups(change: Relayout) -> list[int] | None:
    """Of each axis of the result the first atom in it, where its atoms lie side by side before, too; else None."""
    firsts, place = [], 0
    for size in change.shape:
        count, product = 0, 1
        while place + count < len(change.permutation) and (product < size or count == 0):
            product *= change.atoms[change.permutation[place + count]]
            count += 1
        atoms = change.permutation[place : place + count]
        if product != size or not atoms or any(b != a + 1 for a, b in pairwise(atoms)):
            return None
        firsts.append(atoms[0])
        place += count
    return firsts if place == len(change.permutation) else None
