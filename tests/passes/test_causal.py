"""Masks up to the query's own place are told by what they hold, however they are made; other masks stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.comparisons import Cast, Equal, Greater, GreaterOrEqual, LessOrEqual, Not, Where
from irconv.ir.layers.matrix import MatMul, Trilu
from irconv.ir.layers.shape_ops import Expand, Full, Range, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Mul, Transpose
from irconv.passes.recompose import causal
from tests.helpers import numbers
from tests.passes.test_recompose import Graph

X = (2, 3, 5, 4)
INFINITE, LARGE = float("-inf"), float(np.finfo(np.float32).min)


def attended(f: Graph, mask: str) -> Bundle:
    """Attention of a value to itself under a mask, after the pass, which changes no number."""
    layer = ScaledDotProductAttention(scale=0.5, softcap=None, causal="none", fully_masked="average")
    before = f.bundle(f(layer, "x", "x", "x", mask=mask))
    after = causal.run(before)
    x = numbers(*X)
    for want, got in zip(*(irconv.run(b, [x], runtime="numpy").values() for b in (before, after)), strict=True):
        assert np.abs(want - got).max() <= 1e-6
    return after


def found(f: Graph, mask: str) -> tuple[str, bool]:
    """Whether the attention is causal, and whether it takes a mask."""
    after = attended(f, mask)
    assert after.graph is not None
    (node,) = (n for n in after.graph.nodes if after.layers[n.layer].type == "ScaledDotProductAttention")
    return after.layers[node.layer].settings()["causal"], "mask" in node.inputs


def constant(f: Graph, array: Any) -> str:
    f.count += 1
    return f.importer.constant(f"n{f.count}", np.asarray(array))


def lower(f: Graph) -> str:
    """Ones on and below the diagonal."""
    return f(Trilu(upper=False, diagonal=0), f(Expand(shape=(5, 5)), constant(f, np.ones(1, np.float32))))


def by_a_triangle(f: Graph) -> str:
    barred = f(Equal(), lower(f), f.number(0.0))
    return f(Where(), barred, f.number(INFINITE), f.number(0.0))


def by_truths(f: Graph) -> str:
    return f(Cast(dtype="bool"), lower(f))


def by_a_difference(f: Graph) -> str:
    return f(Mul(), f(Sub(), f.number(1.0), lower(f)), f.number(LARGE))


def by_what_is_above(f: Graph) -> str:
    return f(Trilu(upper=True, diagonal=1), f(Full(shape=(5, 5), value=LARGE, dtype="float32")))


def by_places(f: Graph) -> str:
    rows = f(Unsqueeze(axes=(1,)), f(Range(start=0, limit=5, step=1)))
    return f(LessOrEqual(), f(Range(start=0, limit=5, step=1)), rows)


def by_later_places(f: Graph) -> str:
    rows = f(Unsqueeze(axes=(1,)), f(Range(start=0, limit=5, step=1)))
    return f(Not(), f(Greater(), f(Range(start=0, limit=5, step=1)), rows))


def by_rows(f: Graph) -> str:
    rows = f(Unsqueeze(axes=(1,)), f(Range(start=0, limit=5, step=1)))
    return f(GreaterOrEqual(), rows, f(Range(start=0, limit=5, step=1)))


def by_numbers(f: Graph) -> str:
    return constant(f, np.triu(np.full((1, 1, 5, 5), LARGE, np.float32), 1))


def by_a_part_of_a_buffer(f: Graph) -> str:
    whole = constant(f, np.tri(8)[None, None] > 0)
    return f(Slice(axes=(2, 3), starts=(0, None), ends=(5, 5), steps=(1, 1)), whole)


WAYS = [
    by_a_triangle,
    by_truths,
    by_a_difference,
    by_what_is_above,
    by_places,
    by_later_places,
    by_rows,
    by_numbers,
    by_a_part_of_a_buffer,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_mask_up_to_the_own_place_is_a_setting(way: Any) -> None:
    f = Graph(X)
    assert found(f, way(f)) == ("first", False)


def shifted(f: Graph) -> str:
    return constant(f, np.tri(5, 5, 1) > 0)


def strict(f: Graph) -> str:
    return constant(f, np.where(np.tri(5, 5, -1) > 0, 0, -5).astype(np.float32))


def upwards(f: Graph) -> str:
    return constant(f, np.tri(5).T > 0)


def mild(f: Graph) -> str:
    return constant(f, np.triu(np.full((5, 5), -9.0, np.float32), 1))


def of_another_part(f: Graph) -> str:
    whole = constant(f, np.tri(8) > 0)
    return f(Slice(axes=(0, 1), starts=(1, 0), ends=(6, 5), steps=(1, 1)), whole)


def one_row(f: Graph) -> str:
    return constant(f, np.asarray([[True, False, False, False, False]]))


def of_two_kinds(f: Graph) -> str:
    return constant(f, np.stack([np.tri(5) > 0, np.tri(5) > -1, np.tri(5) > 0]))


@pytest.mark.parametrize(
    "way", [shifted, strict, upwards, mild, of_another_part, one_row, of_two_kinds], ids=lambda way: way.__name__
)
def test_any_other_mask_stays(way: Any) -> None:
    f = Graph(X)
    assert found(f, way(f)) == ("none", True)


def seen(f: Graph) -> str:
    """Truth values that depend on the input; some queries may attend to nothing."""
    products = f(MatMul(), "x", f(Transpose(permutation=(0, 1, 3, 2)), "x"))
    return f(Greater(), products, f.number(1.5))


def test_numbers_made_of_truths_are_truths_again_and_a_query_without_keys_averages() -> None:
    f = Graph(X)
    after = attended(f, f(Where(), seen(f), f.number(0.0), f.number(LARGE)))
    assert not any(layer.type == "Where" for layer in after.layers.values())
    layer = next(layer for layer in after.layers.values() if layer.type == "ScaledDotProductAttention")
    assert layer.settings()["fully_masked"] == "average"


def test_numbers_beside_which_scores_count_stay_numbers() -> None:
    f = Graph(X)
    after = attended(f, f(Where(), seen(f), f.number(0.0), f.number(-50.0)))
    assert any(layer.type == "Where" for layer in after.layers.values())
