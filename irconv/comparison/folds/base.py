"""What the folds share: a view of both models in which one holds in parts what the other may have merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from math import sqrt
from typing import Any, Literal

import ml_dtypes
import numpy as np

from irconv.comparison.model import FoldKind
from irconv.comparison.sides import Operand, Side, Unit
from irconv.comparison.stream import TILE_BYTES, rows
from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.layout import Array

UNITS_IN_THE_LAST_PLACE = 16
"""How far a merged number may be from the computed one, in the merged type: frameworks fold in single precision."""


@dataclass(frozen=True)
class View:
    """Both models, one way round: `split` may hold in parts what `merged` holds as one."""

    split: Side
    merged: Side
    pairs: Mapping[str, Unit]
    """Unit of `split` -> the same of `merged`."""
    alone: Sequence[Unit]
    """The units of `split` that `merged` lacks."""
    merged_is: Literal["a", "b"]
    loose_split: Sequence[Operand] = ()
    """The tensors of `split` that have no counterpart of their own role."""
    loose_merged: Sequence[Operand] = ()
    """Those of `merged`."""


@dataclass(frozen=True)
class Result:
    """A merged tensor, beside the split side's tensor of the same role, and how far it is from what the parts give."""

    split: Operand | None
    merged: Operand | None
    residual: float
    right: bool
    """Whether the residual is no more than rounding, or than the tolerance asked for."""


@dataclass(frozen=True)
class Merge:
    """One fold."""

    kind: FoldKind
    into: str
    """The unit of the merged side."""
    parts: tuple[Operand, ...]
    """The tensors of the split side that went in and are gone."""
    results: tuple[Result, ...]
    gone: tuple[str, ...] = ()
    """The units of the split side that are gone."""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Residual:
    """``||merged - computed|| / ||computed||``, added up block by block; and how far the merged one is from another."""

    gap: float = 0.0
    norm: float = 0.0
    other: float = 0.0

    def add(self, merged: Array, computed: Array, other: Array | None = None) -> None:
        """Take in a block; `other` is what it would be without the fold."""
        self.gap += float(np.square(merged - computed).sum())
        self.norm += float(np.square(computed).sum())
        if other is not None:
            self.other += float(np.square(merged - other).sum())

    @property
    def value(self) -> float:
        """The residual; 0 where both are zero."""
        if self.norm == 0:
            return 0.0 if self.gap == 0 else float("inf")
        return sqrt(self.gap / self.norm)

    @property
    def explains(self) -> bool:
        """Whether the fold is nearer to what was found than no fold is."""
        return self.gap < self.other / 4


def wide(operand: Operand) -> Array:
    """A small tensor in float64."""
    return operand.data.numpy().astype(np.float64)


def row_blocks(*operands: Operand) -> Iterator[tuple[Array, ...]]:
    """Tensors with the same first axis in float64, some of their rows at a time."""
    count = operands[0].data.shape[0] if operands[0].data.shape else 0
    largest = max(operand.data.nbytes for operand in operands)
    step = max(1, count * TILE_BYTES // max(1, largest))
    for start in range(0, count, step):
        stop = min(start + step, count)
        yield tuple(rows(operand.data, start, stop).astype(np.float64) for operand in operands)


def limit(operand: Operand, rtol: float) -> float:
    """The residual up to which a merged tensor is what its parts give."""
    dtype = numpy_dtype(operand.data.dtype)
    kind = np.dtype(np.float32) if dtype.kind == "f" and dtype.itemsize == 8 else dtype
    if kind.kind not in "fV":
        return rtol
    return max(rtol, UNITS_IN_THE_LAST_PLACE * _eps(kind))


def _eps(kind: np.dtype[Any]) -> float:
    finfo: Any = ml_dtypes.finfo
    return float(finfo(kind).eps)


def operand_of(unit: Unit, *roles: str) -> Operand | None:
    """The first of some roles that a unit has."""
    return next((unit.operands[role] for role in roles if role in unit.operands), None)
