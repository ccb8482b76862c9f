"""Tensors of one side that stand end to end along the first axis of one tensor of the other, bit for bit: the kernels
of query, key and value, or those of two directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from irconv.comparison.folds.base import Merge, Result, View
from irconv.comparison.numbers import bits
from irconv.comparison.sides import Operand
from irconv.comparison.stream import TILE_BYTES, rows


def find(view: View, rtol: float) -> Iterator[Merge]:
    """The tensors of the merged side that are several of the split side, none of which has another counterpart."""
    pieces = list(view.loose_split)
    for whole in view.loose_merged:
        found = _pieces(whole, pieces)
        if found is None:
            continue
        pieces = [piece for piece in pieces if piece not in found]
        yield Merge("joined", whole.unit, tuple(found), (Result(None, whole, 0.0, True),))


def _pieces(whole: Operand, pieces: Sequence[Operand]) -> list[Operand] | None:
    """The pieces whose rows follow each other in a tensor, all of them and at least two; None where there are none."""
    shape = whole.data.shape
    fits = [p for p in pieces if p.data.dtype == whole.data.dtype and p.data.shape[1:] == shape[1:] and p.data.shape]
    found: list[Operand] = []
    start = 0
    while shape and start < shape[0]:
        following = next((p for p in fits if p not in found and _stands_at(p, whole, start)), None)
        if following is None:
            return None
        found.append(following)
        start += following.data.shape[0]
    return found if len(found) > 1 else None


def _stands_at(piece: Operand, whole: Operand, start: int) -> bool:
    """Whether the rows of a tensor are those of another from a place on."""
    count = piece.data.shape[0]
    if count == 0 or start + count > whole.data.shape[0]:
        return False
    step = max(1, count * TILE_BYTES // max(1, piece.data.nbytes))
    return all(
        np.array_equal(
            bits(rows(piece.data, first, min(first + step, count))),
            bits(rows(whole.data, start + first, start + min(first + step, count))),
        )
        for first in range(0, count, step)
    )
