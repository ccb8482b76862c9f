"""Axis strings and the changes of layout derived from them: the only file that transposes arrays.

A layout is a string of axis words, outermost first:

* ``out in *k`` names each axis of an array; one word with ``*`` stands for all axes that remain (the spatial ones).
* ``~`` in front of a word means that the array holds this axis in reverse (Theano: ``out in ~*k``).
* ``(gate unit) in`` is a rank-2 array whose first axis is made of two, the first of them outermost.
* ``out [a (h w c) b]`` is one whose second axis is three parts end to end, the middle one made of three axes.

A change of layout is derived from two such strings, so its inverse is the same two strings swapped. `Relayout` is the
change as numbers; it can be applied to an array, to one box of it (`Relayout.box`), inverted, and composed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from irconv.axes import (
    GROUP,
    common_atoms,
    compose,
    customary,
    factor_groups,
    invert,
    letter_order,
    parse,
    permutation,
    regrouped,
)
from irconv.data_classes import dataclass
from irconv.tiles import Box, tiles

__all__ = [
    "Array",
    "Box",
    "Orders",
    "Relayout",
    "compose",
    "customary",
    "equal_turned",
    "factor_groups",
    "invert",
    "letter_order",
    "merged_sizes",
    "parse",
    "permutation",
    "regrouped",
    "relayout",
    "turned",
]

Array: TypeAlias = npt.NDArray[Any]
#: Named axis -> (order of its members where it comes from, order where it goes): ``{"gate": ("ifco", "iofc")}``.
Orders: TypeAlias = Mapping[str, tuple[str, str]]

_PARTS = re.compile(r"\[[^\[\]]*\]")
#: Bytes of a transposed copy that is made in one go, of a block of a larger one, and between the rows of its buffer.
_UNBLOCKED, _BLOCK, _APART = 2**16, 2**18, 64


def turned(array: Array, order: Sequence[int]) -> Array:
    """A small array with its axes permuted, as a Transpose node does it; a view."""
    return array.transpose(tuple(order))


@dataclass(frozen=True)
class Relayout:
    """A change of layout as numbers: split the axes into atoms, reorder and reverse within, permute, join.

    The destination's element at atom indices ``d`` is the source's element at ``s``, where for destination axis ``a``
    with ``p = permutation[a]``: ``s[p] = picks[p][d[a]]`` (or ``d[a]`` where ``picks[p]`` is None).
    """

    source_shape: tuple[int, ...]
    atoms: tuple[int, ...]
    picks: tuple[tuple[int, ...] | None, ...]
    permutation: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the bytes stay as they are (the shape may change)."""
        long = [p for p in self.permutation if self.atoms[p] != 1]
        return long == sorted(long) and not any(self.picks)

    def apply(self, array: Array) -> Array:
        """The whole array in the new layout, in C order; materialises it."""
        whole = tuple((0, self.atoms[p]) for p in self.permutation)
        return self.place(array.reshape(self.atoms), whole).reshape(self.shape)

    def source_box(self, box: Box) -> Box:
        """The smallest box of the source (split into its atoms) that holds all that a destination box needs."""
        needed = list(box)
        for (start, stop), axis in zip(box, self.permutation, strict=True):
            pick = self.picks[axis]
            needed[axis] = (start, stop) if pick is None else (min(pick[start:stop]), max(pick[start:stop]) + 1)
        return tuple(needed)

    def place(self, piece: Array, box: Box) -> Array:
        """The destination's box in C order, made from the part of the source that `source_box` named."""
        for (start, stop), axis in zip(box, self.permutation, strict=True):
            if (pick := self.picks[axis]) is not None:
                wanted = pick[start:stop]
                piece = piece.take(np.asarray(wanted) - min(wanted), axis)
        return _copy_blocked(piece.transpose(self.permutation))

    def inverse(self) -> Relayout:
        """The change that undoes this one."""
        back = tuple(self.permutation.index(i) for i in range(len(self.permutation)))
        picks = tuple(
            None if (pick := self.picks[p]) is None else tuple(pick.index(i) for i in range(len(pick)))
            for p in self.permutation
        )
        atoms = tuple(self.atoms[p] for p in self.permutation)
        return Relayout(self.shape, atoms, picks, back, self.source_shape)

    def then(self, after: Relayout) -> Relayout | None:
        """Both changes as one, or None where their axes split incompatibly (then apply one after the other)."""
        middle = tuple(self.atoms[p] for p in self.permutation)
        pieces = common_atoms(middle, after.atoms)
        if pieces is None:
            return None
        first = self._refine([pieces[0][self.permutation.index(p)] for p in range(len(self.atoms))])
        second = after._refine(pieces[1])
        if first is None or second is None:
            return None
        picks: list[tuple[int, ...] | None] = list(first.picks)
        for position, source in enumerate(first.permutation):
            pick, base = second.picks[position], picks[source]
            if pick is not None:
                picks[source] = pick if base is None else tuple(base[i] for i in pick)
        picks = [None if pick == tuple(range(len(pick or ()))) else pick for pick in picks]
        order = tuple(first.permutation[p] for p in second.permutation)
        return Relayout(self.source_shape, first.atoms, tuple(picks), order, after.shape)

    def _refine(self, pieces: Sequence[Sequence[int]]) -> Relayout | None:
        """The same change with each source atom split into `pieces`; None where a picked atom would be split."""
        if any(pick is not None and len(piece) > 1 for pick, piece in zip(self.picks, pieces, strict=True)):
            return None
        starts = np.cumsum([0, *map(len, pieces)])
        atoms = tuple(size for piece in pieces for size in piece)
        picks = tuple(pick for pick, piece in zip(self.picks, pieces, strict=True) for _ in piece)
        order = tuple(int(starts[p]) + i for p in self.permutation for i in range(len(pieces[p])))
        return Relayout(self.source_shape, atoms, picks, order, self.shape)


def with_ones(shape: Sequence[int], target: Sequence[int]) -> Relayout | None:
    """The change of an array that gives it another shape by axes of one; None where the other axes are not the same.

    >>> with_ones((5,), (1, 5, 1, 1)).shape, with_ones((5, 1, 1), (5,)).shape, with_ones((2, 3), (3, 2))
    ((1, 5, 1, 1), (5,), None)
    """
    longer = [size for size in shape if size != 1]
    if not longer or longer != [size for size in target if size != 1]:
        return None
    here, there = (
        [f"{side}{axis}" if size == 1 else "" for axis, size in enumerate(sizes)]
        for side, sizes in (("u", shape), ("v", target))
    )
    sizes = dict.fromkeys(filter(None, (*here, *there)), 1)
    return relayout(_with_units(here, there), _with_units(there, here), tuple(shape), None, sizes)


def _with_units(units: Sequence[str], others: Sequence[str]) -> str:
    """A layout whose axes of one have names, and the rest numbers; the first of these holds the other side's units."""
    numbers = (f"a{place}" for place in range(len(units)))
    axes = [unit or next(numbers) for unit in units]
    return " ".join(f"({' '.join(('a0', *filter(None, others)))})" if axis == "a0" else axis for axis in axes)


def relayout(
    source: str,
    target: str,
    shape: Sequence[int],
    orders: Orders | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Relayout:
    """Derive the change that carries an array of `shape` from layout `source` to layout `target`.

    `orders` gives the member order of named axes on both sides; `sizes` the lengths of the parts of merged axes, of
    which at most one per merged axis may be left out.

    >>> relayout("*k in out", "out in *k", (3, 5, 4, 8)).shape
    (8, 4, 3, 5)
    >>> "".join(relayout("gate", "gate", (4,), {"gate": ("iofg", "ifgo")}).apply(np.array(list("iofg"))))
    'ifgo'
    >>> flat = relayout("(h w c)", "(c h w)", (8,), sizes={"h": 2, "w": 2, "c": 2})
    >>> flat.apply(np.arange(8)).tolist()
    [0, 2, 4, 6, 1, 3, 5, 7]
    >>> relayout("[a (w c)]", "[a (c w)]", (6,), sizes={"a": 2, "w": 2, "c": 2}).apply(np.arange(6)).tolist()
    [0, 1, 2, 4, 3, 5]

    Raises `ValueError` when the strings do not name the same axes or the sizes do not multiply to the shape.
    """
    if not orders and not sizes:
        return _plain(source, target, tuple(shape))
    return _derived(source, target, tuple(shape), orders or {}, sizes or {})


@lru_cache(maxsize=4096)
def _plain(source: str, target: str, shape: tuple[int, ...]) -> Relayout:
    """The change between layouts that say all; a model has few of them, and many tensors."""
    return _derived(source, target, shape, {}, {})


def _derived(source: str, target: str, shape: tuple[int, ...], orders: Orders, sizes: Mapping[str, int]) -> Relayout:
    source, target, joined = _joined(source, target, sizes)
    have = parse(source, len(shape))
    stars = sum(name[-1].isdigit() for group in have for name in group) if "*" in source else 0
    want = parse(target, len(GROUP.findall(target)) + (stars - 1 if "*" in target else 0))
    lengths = _lengths(
        source,
        have,
        shape,
        {axis: len(before) for axis, (before, _) in orders.items()}
        | dict(sizes)
        | {word: len(members) for word, members in joined.items()},
    )
    before, after = [name for group in have for name in group], [name for group in want for name in group]
    bare = [name.lstrip("~") for name in before]
    if sorted(bare) != sorted(name.lstrip("~") for name in after):
        raise ValueError(f"layouts {source!r} and {target!r} do not name the same axes")
    picks = tuple(
        joined.get(name)
        or _pick(
            lengths[name.lstrip("~")], orders.get(name.lstrip("~")), name.startswith("~") != (f"~{bare[i]}" in after)
        )
        for i, name in enumerate(before)
    )
    order = tuple(bare.index(name.lstrip("~")) for name in after)
    atoms = tuple(lengths[name] for name in bare)
    merged = tuple(prod(lengths[name.lstrip("~")] for name in group) for group in want)
    return Relayout(shape, atoms, picks, order, merged)


def _joined(source: str, target: str, sizes: Mapping[str, int]) -> tuple[str, str, dict[str, tuple[int, ...]]]:
    """Both layouts with a plain word for each axis of parts end to end, and where each of its members comes from."""
    picks: dict[str, tuple[int, ...]] = {}
    if "[" not in source and "[" not in target:
        return source, target, picks
    for number, (left, right) in enumerate(zip(_PARTS.findall(source), _PARTS.findall(target), strict=False)):
        members: list[int] = []
        for have, want in zip_longest(GROUP.findall(left[1:-1]), GROUP.findall(right[1:-1]), fillvalue=""):
            names, wanted = have.strip("()").split(), want.strip("()").split()
            if sorted(names) != sorted(wanted):
                raise ValueError(f"layouts {source!r} and {target!r} do not name the same axes")
            order = [names.index(name) for name in wanted]
            part = np.arange(prod(sizes[name] for name in names)).reshape([sizes[name] for name in names])
            members += (part.transpose(order).reshape(-1) + len(members)).tolist()
        word = f"joined{number}"
        source, target = source.replace(left, word, 1), target.replace(right, word, 1)
        picks[word] = tuple(members)
    return source, target, picks


def merged_sizes(source: str, target: str, shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int]:
    """The lengths of all words that stand in merged axes on either side: what it takes to change back as well.

    >>> merged_sizes("*k c (m one)", "(c m) one *k", (3, 3, 5, 2), {"one": 1})
    {'c': 5, 'm': 2, 'one': 1}
    """
    if "(" not in source and "(" not in target:
        return {}
    words = [
        word
        for text in (source, target)
        for group in GROUP.findall(text)
        if "(" in group
        for word in group[1:-1].split()
    ]
    lengths = _lengths(source, parse(source, len(shape)), shape, dict(sizes))
    return {word: lengths[word] for word in sorted(set(words)) if word in lengths}


def _lengths(source: str, have: Sequence[Sequence[str]], shape: Sequence[int], known: dict[str, int]) -> dict[str, int]:
    """The length of every named axis. Raises `ValueError` where they do not multiply to the shape."""
    lengths = dict(known)
    for group, length in zip(have, shape, strict=True):
        names = [name.lstrip("~") for name in group]
        unknown = [name for name in names if name not in lengths]
        product = prod(lengths.get(name, 1) for name in names)
        if len(unknown) > 1 or (product and length % product) or (not unknown and product != length):
            raise ValueError(f"layout {source!r} with sizes {known} does not describe an array of shape {tuple(shape)}")
        lengths |= dict.fromkeys(unknown, length // product if product else 0)
    return lengths


def _pick(length: int, order: tuple[str, str] | None, reverse: bool) -> tuple[int, ...] | None:
    """Where each member of the destination's axis stands in the source's, or None where nothing moves."""
    members = tuple(range(length))
    if order is not None:
        members = tuple(order[0].index(member) for member in order[1])
    if reverse:
        members = members[::-1]
    return None if members == tuple(range(length)) else members


def equal_turned(array: Array, order: Sequence[int], other: Array) -> bool:
    """Whether an array, its axes in this order, is element for element another; for blocks that fit the cache."""
    return bool(np.array_equal(array.transpose(order), other))


def _copy_blocked(view: Array) -> Array:
    """A C-ordered copy of a view, block by block, each by way of a buffer in the order of the source.

    Copying a large transposed view in one go misses the cache at every element. So do its blocks where rows lie a power
    of two apart, as the cache has few places for what is so far apart: the rows of the buffer are longer than the
    block's (measured, of a matrix with rows of 16 KiB: 28 ns an element in one go, 2 by blocks of 32 x 32, 0.7 so).
    """
    if view.flags.c_contiguous:
        return view
    out = np.empty(view.shape, view.dtype)
    order = sorted(range(view.ndim), key=lambda axis: -abs(view.strides[axis]))
    moved = [axis for axis in range(view.ndim) if view.shape[axis] > 1]
    back = [order.index(axis) for axis in range(view.ndim)]
    if view.nbytes <= _UNBLOCKED or [axis for axis in order if axis in moved] == moved:
        out[...] = view
        return out
    for box in tiles(view.shape, back, (None,) * view.ndim, _BLOCK // view.itemsize):
        cut = tuple(slice(*range_) for range_ in box)
        block = view[cut].transpose(order)
        held = np.empty((*block.shape[:-1], block.shape[-1] + _APART // view.itemsize), view.dtype)
        held = held[..., : block.shape[-1]]
        held[...] = block
        out[cut] = held.transpose(back)
    return out
