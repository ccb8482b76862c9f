"""Words and numbers of axes: what a layout's string says, permutations, and how the axes of two shapes fit together.

A layout is a string of axis words, outermost first; see `irconv.layout`, which turns arrays by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np

GROUP = re.compile(r"\([^()]*\)|[^\s()]+")
_LETTERS = {"out": "O", "in": "I", "n": "N", "c": "C", "t": "T"}
_SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


@lru_cache(maxsize=4096)
def parse(axes: str, rank: int) -> tuple[tuple[str, ...], ...]:
    """Name the axes of an array of this rank; a merged axis has several names.

    >>> parse("out in ~*k", 4)
    (('out',), ('in',), ('~k0',), ('~k1',))
    >>> parse("(gate unit) in", 2)
    (('gate', 'unit'), ('in',))

    Raises `ValueError` when the string cannot describe an array of this rank.
    """
    groups = [group.strip("()").split() for group in GROUP.findall(axes)]
    rest = rank - sum("*" not in group[0] for group in groups)
    if rest < 0 or (rest > 0 and not any("*" in group[0] for group in groups)):
        raise ValueError(f"layout {axes!r} does not describe an array of rank {rank}")
    named: list[tuple[str, ...]] = []
    for group in groups:
        if "*" in group[0]:
            named += [(f"{group[0].replace('*', '')}{i}",) for i in range(rest)]
        else:
            named.append(tuple(group))
    return tuple(named)


def customary(axes: str, rank: int) -> str:
    """The letters people use for a layout where there are some (``OIHW``, ``NCHW``), else the words.

    >>> customary("out in *k", 4), customary("n *s c", 3), customary("(gate unit) in", 2)
    ('OIHW', 'NWC', '(gate unit) in')
    """
    groups = parse(axes, rank)
    rest = [name for group in groups for name in group if name.lstrip("~")[-1:].isdigit()]
    spatial = dict(zip(rest, _SPATIAL.get(len(rest), ""), strict=False))
    letters = [_LETTERS.get(group[0]) or spatial.get(group[0]) if len(group) == 1 else None for group in groups]
    return "".join(letter for letter in letters if letter) if all(letters) else axes


@lru_cache(maxsize=4096)
def permutation(source: str, target: str, rank: int) -> tuple[int, ...]:
    """The axis of `source` that each axis of `target` is, as a Transpose node wants it.

    >>> permutation("n *s c", "n c *s", 4)
    (0, 3, 1, 2)
    """
    have = [group[0] for group in parse(source, rank)]
    return tuple(have.index(group[0]) for group in parse(target, rank))


def compose(first: Sequence[int], then: Sequence[int]) -> tuple[int, ...]:
    """The permutation that transposes by `first`, then by `then`.

    >>> compose((0, 3, 1, 2), (0, 2, 3, 1))
    (0, 1, 2, 3)
    """
    return tuple(first[axis] for axis in then)


def invert(order: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes one."""
    return tuple(order.index(axis) for axis in range(len(order)))


def letter_order(have: str, want: str) -> tuple[int, ...]:
    """The permutation from one string of customary letters to another of the same letters.

    >>> letter_order("NHWC", "NCHW")
    (0, 3, 1, 2)
    """
    return tuple(have.index(letter) for letter in want)


def factor_groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]] | None:
    """Pair the axes of two shapes of equal size into the smallest groups of equal product, in order.

    >>> factor_groups((2, 3, 4), (6, 4))
    [([0, 1], [0]), ([2], [1])]

    Axes of length 1 join the group before them. None when the shapes cannot be paired (unequal sizes, or a zero).
    """
    if prod(before) != prod(after) or 0 in before or 0 in after:
        return None
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        left, right = [i] if i < len(before) else [], [j] if j < len(after) else []
        i, j = i + len(left), j + len(right)
        if not left or not right:
            if not groups:
                groups.append(([], []))
            groups[-1][0].extend(left)
            groups[-1][1].extend(right)
            continue
        while prod(before[k] for k in left) != prod(after[k] for k in right):
            if prod(before[k] for k in left) < prod(after[k] for k in right):
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        groups.append((left, right))
    return groups


def common_atoms(first: Sequence[int], second: Sequence[int]) -> tuple[list[list[int]], list[list[int]]] | None:
    """Split two factorings of the same sequence into the atoms they share, leaving out those of length 1; None where
    they cut across each other, such as (2, 3) and (3, 2)."""
    if 0 in first or 0 in second:
        return None
    cuts = sorted({int(cut) for sizes in (first, second) for cut in np.cumprod([1, *sizes[::-1]], dtype=object)})
    if any(outer % inner for inner, outer in pairwise(cuts)):
        return None
    length = {outer: outer // inner for inner, outer in pairwise(cuts)}
    refined: list[list[list[int]]] = []
    for sizes in (first, second):
        inner, pieces = 1, []
        for size in reversed(sizes):
            pieces.append([length[cut] for cut in reversed(cuts) if inner < cut <= inner * size])
            inner *= size
        refined.append(pieces[::-1])
    return refined[0], refined[1]


def regrouped(before: Sequence[int], after: Sequence[int]) -> tuple[str, str, dict[str, int]] | None:
    """Two layouts that differ as a reshape splits and joins axes, and the lengths of their words; None where the axes
    of the two shapes cut across each other.

    >>> regrouped((6, 4), (2, 3, 1, 4))
    ('(a0 a1 u0) a2', 'a0 a1 u0 a2', {'a0': 2, 'a1': 3, 'a2': 4, 'u0': 1})
    """
    pieces = None if prod(before) != prod(after) else common_atoms(before, after)
    if pieces is None:
        return None
    sizes: dict[str, int] = {}
    left, right = (_named(side, sizes) for side in pieces)
    units = 0
    for here, there in zip(_units(left), _units(right), strict=False):
        here.append(f"u{units}")
        there.append(f"u{units}")
        units += 1
    for side, other in ((left, right), (right, left)):
        for group in _units(side):
            host = next((found for found in other if found), None)
            if host is None:
                return None
            group.append(f"u{units}")
            host.append(f"u{units}")
            units += 1
    sizes |= {f"u{i}": 1 for i in range(units)}
    return _text(left), _text(right), sizes


def _named(side: list[list[int]], sizes: dict[str, int]) -> list[list[str]]:
    """A word for each atom of each axis, counted over the whole side; axes of length 1 have none yet."""
    count, groups = 0, []
    for axis in side:
        words = [f"a{count + i}" for i in range(len(axis))]
        sizes |= dict(zip(words, axis, strict=True))
        count += len(axis)
        groups.append(words)
    return groups


def _units(side: list[list[str]]) -> list[list[str]]:
    return [group for group in side if not group]


def _text(side: list[list[str]]) -> str:
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in side)
