"""What becomes of the axes of a layer's result on its way to the next: which rows of the layer a piece has, and in
which order a matrix behind a Flatten takes them. Sizes alone, no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from irconv.data_classes import dataclass

Size = int | str
BATCH, CHANNELS = "n", "c"


@dataclass(frozen=True)
class Atom:
    """A range of one axis of a layer's result, or every so-many-th place of it."""

    label: str
    """``n``, ``c`` or ``s0``, ``s1``: the batch, the channels or the places of what the layer made."""
    size: Size
    stride: int = 1


@dataclass(frozen=True)
class Axes:
    """The axes of a value, each as the atoms that it runs through, the last one fastest."""

    axes: tuple[tuple[Atom, ...], ...]
    channels: int
    """How many channels the layer made."""
    offset: int = 0
    """The first of these that the value has."""

    @staticmethod
    def made(shape: Sequence[Size], channels: int) -> Axes | None:
        """The result of a layer that has its channels on this axis."""
        size = shape[channels]
        if not isinstance(size, int):
            return None
        places = [axis for axis in range(1, len(shape)) if axis != channels % len(shape)]
        labels = {0: BATCH, channels % len(shape): CHANNELS} | {axis: f"s{i}" for i, axis in enumerate(places)}
        return Axes(tuple(_axis(Atom(labels[axis], size)) for axis, size in enumerate(shape)), size)

    def arranged(self, order: Sequence[int | None]) -> Axes:
        """Axis `i` of the result is axis `order[i]`, or a new one of one place; others have one place and go."""
        return replace(self, axes=tuple(() if axis is None else self.axes[axis] for axis in order))

    def reshaped(self, shape: Sequence[Size]) -> Axes | None:
        """The same values in another shape; None where it tears what belongs together."""
        rest = [atom for axis in self.axes for atom in axis]
        found: list[tuple[Atom, ...]] = []
        for size in shape:
            taken = _taken(rest, size)
            if taken is None:
                return None
            found.append(taken)
        return replace(self, axes=tuple(found)) if not rest else None

    def cut(self, axis: int, start: int, size: int) -> Axes | None:
        """A range of one axis; None where that is no range of its first atom."""
        atoms = self.axes[axis]
        if size == _extent(atoms):
            return self
        inner = _extent(atoms[1:]) if atoms else None
        if not isinstance(inner, int) or not isinstance(atoms[0].size, int) or start % inner or size % inner:
            return None
        first = replace(atoms[0], size=size // inner)
        offset = self.offset + (start // inner * first.stride if first.label == CHANNELS else 0)
        axes = (*self.axes[:axis], (*_axis(first), *atoms[1:]), *self.axes[axis + 1 :])
        return replace(self, axes=axes, offset=offset)

    def resized(self, shape: Sequence[Size]) -> Axes | None:
        """What an op makes of it that leaves each axis where it is, such as a pool or an activation."""
        if len(shape) != len(self.axes):
            return None
        found = []
        for atoms, size in zip(self.axes, shape, strict=True):
            if _extent(atoms) == size or size == 1:
                found.append(atoms if size != 1 else ())
            elif len(atoms) == 1 and atoms[0].label != CHANNELS:
                found.append((replace(atoms[0], size=size),))
            else:
                return None
        return replace(self, axes=tuple(found))

    @property
    def piece(self) -> tuple[int, int] | None:
        """(Which, of how many) equal pieces of the layer's rows the value has; None where it has none as a whole."""
        kept = self._kept()
        if len(kept) > 1 or (kept and kept[0].stride != 1):
            return None
        size = kept[0].size if kept else 1
        if not isinstance(size, int) or self.channels % size or self.offset % size:
            return None
        return self.offset // size, self.channels // size

    @property
    def rows(self) -> tuple[object, ...]:
        """Which rows of the layer the value has."""
        return (self.offset, *((atom.size, atom.stride) for atom in self._kept()))

    def _kept(self) -> list[Atom]:
        atoms = [atom for axis in self.axes for atom in axis if atom.label == CHANNELS]
        return whole(sorted(atoms, key=lambda atom: -atom.stride))

    @property
    def last(self) -> list[Atom]:
        """What the last axis runs through."""
        return whole(self.axes[-1]) if self.axes else []


def joined(values: Sequence[Axes | None], shape: Sequence[Size]) -> Axes | None:
    """The axes of values side by side or one upon the other, where all have the same; one place fits any."""
    known = [value for value in values if value is not None and len(value.axes) == len(shape)]
    if not known or len(known) < len(values):
        return None
    axes: list[tuple[Atom, ...]] = []
    for axis, size in enumerate(shape):
        atoms = {value.axes[axis] for value in known} - {()}
        labels = {tuple(atom.label for atom in one) for one in atoms}
        if len(labels) > 1 or any(len(one) > 1 and _extent(one) != size for one in atoms):
            return None
        (words,) = labels or {()}
        axes.append(_axis(Atom(words[0], size)) if len(words) == 1 else next(iter(atoms), ()))
    channels = [atom.size for one in axes for atom in one if atom.label == CHANNELS]
    whole = len(channels) == 1 and isinstance(channels[0], int)
    return Axes(tuple(axes), int(channels[0])) if whole else None


def _axis(atom: Atom) -> tuple[Atom, ...]:
    return () if atom.size == 1 else (atom,)


def _extent(atoms: Sequence[Atom]) -> Size | None:
    if len(atoms) == 1:
        return atoms[0].size
    sizes = [atom.size for atom in atoms if isinstance(atom.size, int)]
    return prod(sizes) if len(sizes) == len(atoms) else None


def _taken(rest: list[Atom], size: Size) -> tuple[Atom, ...] | None:
    """The first atoms that make up an extent, taken away; the last of them may be cut in two."""
    found: list[Atom] = []
    while _extent(found) != size:
        have = _extent(found)
        if not rest or not isinstance(have, int):
            return None
        atom = rest.pop(0)
        if isinstance(size, int) and isinstance(atom.size, int) and have * atom.size > size:
            outer = size // have
            if size % have or atom.size % outer:
                return None
            inner = atom.size // outer
            rest.insert(0, replace(atom, size=inner))
            atom = replace(atom, size=outer, stride=atom.stride * inner)
        found.append(atom)
    return tuple(found)


def whole(atoms: Sequence[Atom]) -> list[Atom]:
    """The atoms with those put together that run through one axis as a whole."""
    found: list[Atom] = []
    for atom in atoms:
        last = found[-1] if found else None
        if last is not None and _go_on(last, atom):
            found[-1] = Atom(atom.label, int(last.size) * int(atom.size), atom.stride)
        else:
            found.append(atom)
    return found


def _go_on(one: Atom, other: Atom) -> bool:
    """Whether a range is the inner one of another."""
    numbers = isinstance(one.size, int) and isinstance(other.size, int)
    return numbers and one.label == other.label and one.stride == other.stride * int(other.size)
