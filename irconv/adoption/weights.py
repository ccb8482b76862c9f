"""A network together with where its weights are: what alignment compares by shape, adoption moves by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import reduce

import numpy as np

from irconv.align import Network, Part, Unit
from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.manifest import LayoutStep
from irconv.ir.tensors import LazyTensor, cut, take_box
from irconv.layout import Array, Box, relayout


@dataclass(frozen=True)
class Weights:
    """One side: its units, and its tensors by the names that `Part.name` has."""

    network: Network
    tensors: Mapping[str, LazyTensor]
    """In the layout that the parts' steps begin with."""
    moves: Mapping[str, tuple[LayoutStep, ...]] = field(default_factory=dict)
    """The changes of layout that a tensor has gone through since its file."""

    def steps(self, part: Part) -> tuple[LayoutStep, ...]:
        """All changes of layout from the file's to the canonical one."""
        return (*self.moves.get(part.name, ()), *part.steps)

    def canonical(self, part: Part) -> LazyTensor:
        """A part in canonical axes, unread."""
        data = self.tensors[part.name]
        if part.piece is not None:
            index, count = part.piece
            data = cut(data, count)[index]
        return canonical(data, part)


def canonical(data: LazyTensor, part: Part) -> LazyTensor:
    """A tensor in its own layout in the part's canonical axes."""
    for step in part.steps:
        data = data.relayout(relayout(step.source, step.target, data.shape, step.orders, step.sizes))
    return data


def native(data: LazyTensor, part: Part) -> LazyTensor:
    """A tensor in canonical axes in the part's own layout: all steps undone, last first."""

    def undo(found: LazyTensor, number: int) -> LazyTensor:
        back = part.steps[number].undo()
        return found.relayout(relayout(back.source, back.target, found.shape, back.orders, back.sizes))

    return reduce(undo, range(len(part.steps) - 1, -1, -1), data)


@dataclass(frozen=True)
class Computed:
    """A source of elements that are computed when they are first read, from other tensors."""

    dtype: str
    shape: tuple[int, ...]
    compute: Callable[[], Array]

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source`. Reading any of it computes all of it."""
        whole = np.ascontiguousarray(self.compute(), numpy_dtype(self.dtype))
        return take_box(whole.reshape(atoms), box)


def computed(like: LazyTensor | str, shape: tuple[int, ...], compute: Callable[[], Array]) -> LazyTensor:
    """A tensor that `compute` makes, in the type of another."""
    return LazyTensor(Computed(like if isinstance(like, str) else like.dtype, shape, compute))


def joined(parts: list[LazyTensor]) -> LazyTensor:
    """Tensors one after the other along their first axis."""
    first = parts[0]
    shape = (sum(part.shape[0] for part in parts), *first.shape[1:])
    return computed(first, shape, lambda: np.concatenate([part.numpy() for part in parts]))


def unit_of(network: Network, name: str) -> int | None:
    """The unit with a path, or with a parameter of that name."""
    for index, unit in enumerate(network.units):
        if unit.name == name or any(part.name == name for part in unit.parts.values()):
            return index
    return None


def described(unit: Unit) -> str:
    """A unit with its size, for messages: ``conv1 (kernel 8x3x3x3)``."""
    return f"{unit.name} ({unit.family} {'x'.join(map(str, unit.core)) or 'scalar'})"
