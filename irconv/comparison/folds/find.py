"""All folds between two models, both ways round, and what is said of the tensors and layers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from irconv.comparison.folds import batch_norm, bias_pairs, joined, lora, weight_parts
from irconv.comparison.folds.base import Merge, Result, View
from irconv.comparison.model import Fold, Folds, Status, TensorDiff
from irconv.comparison.pairing import Paired
from irconv.comparison.sides import Operand, Side
from irconv.comparison.tensors import named

Find: TypeAlias = Callable[[View, float], Iterator[Merge]]

_KINDS: tuple[Find, ...] = (batch_norm.find, bias_pairs.find, weight_parts.find, lora.find, joined.find)


def found(left: Side, right: Side, paired: Paired, loose: tuple[list[Operand], list[Operand]], rtol: float) -> Folds:
    """The folds of either side; `loose` are the tensors of both that have no counterpart."""
    entries: list[TensorDiff] = []
    taken: dict[str, set[str]] = {"a": set(), "b": set()}
    layers: dict[str, str] = {}
    forth = {pair.a.name: pair.b for pair in paired.pairs}
    back = {pair.b.name: pair.a for pair in paired.pairs}
    renamed = {pair.a.name for pair in paired.pairs if pair.renamed}
    for view in (
        View(left, right, forth, paired.only_a, "b", *loose),
        View(right, left, back, paired.only_b, "a", *reversed(loose)),
    ):
        for find in _KINDS:
            for merge in find(view, rtol):
                made = list(_entries(merge, view, renamed))
                entries += made
                taken["a"] |= {entry.a.name for entry in made if entry.a is not None}
                taken["b"] |= {entry.b.name for entry in made if entry.b is not None}
                for name in merge.gone:
                    layers[name] = f"{merge.kind} folded into {merge.into}"
    return Folds(tuple(entries), frozenset(taken["a"]), frozenset(taken["b"]), layers)


def _entries(merge: Merge, view: View, renamed: set[str]) -> Iterator[TensorDiff]:
    worst = max((result.residual for result in merge.results), default=0.0)
    for result in merge.results:
        yield _result(merge, result, view, renamed)
    for part in merge.parts:
        fold = Fold(merge.kind, merge.into, view.merged_is, worst, merge.facts)
        one = named(part)
        a, b = (one, None) if view.merged_is == "b" else (None, one)
        yield TensorDiff(("folded",), a, b, fold=fold)


def _result(merge: Merge, result: Result, view: View, renamed: set[str]) -> TensorDiff:
    sides = [named(o) if o is not None else None for o in (result.split, result.merged)]
    a, b = sides if view.merged_is == "b" else reversed(sides)
    status: tuple[Status, ...] = ("folded",) if result.right else ("folded", "changed")
    if a is not None and a.unit in renamed:
        status = ("renamed", *status)
    fold = Fold(merge.kind, merge.into, view.merged_is, result.residual, merge.facts)
    notes = () if result.right else ("more than the fold has changed it",)
    return TensorDiff(status, a, b, fold=fold, notes=notes)
