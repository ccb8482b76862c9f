"""Moves of elements that exporters write out come to fewer, or to nothing, and what moves anything is left alone."""

from __future__ import annotations

import numpy as np
import pytest

import irconv
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.indexing import Gather, GatherND, ScatterElements, ScatterND
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Expand, Tile, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Pad, Reshape, Transpose
from irconv.passes.recompose import plainer
from tests.helpers import numbers, used_types
from tests.passes.test_recompose import Graph, X


def plainest(graph: Graph, *outputs: str, shape: tuple[int, ...] = X) -> list[str]:
    """The types after the pass, which changes no number and does nothing the second time."""
    before = graph.bundle(*outputs)
    after = plainer.run(before)
    x = numbers(*shape) * 0.3
    for want, got in zip(*(irconv.run(b, [x], runtime="numpy").values() for b in (before, after)), strict=True):
        assert want.shape == got.shape
        assert np.abs(want - got).max() <= 1e-6
    assert used_types(plainer.run(after)) == used_types(after)
    return used_types(after)


def places(f: Graph, array: object) -> str:
    f.count += 1
    return f.importer.constant(f"n{f.count}", np.asarray(array, np.int64))


def cut(axis: int, start: int | None, end: int | None) -> Slice:
    return Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(1,))


@pytest.mark.parametrize(
    "layer",
    [
        Cast(dtype="float32"),
        Expand(shape=(1, 3, 1, 5)),
        Tile(repeats=(1, 1, 1, 1)),
        cut(2, 0, 4),
        Pad(pads=((0, 0),) * 4, mode="constant", value=0.0),
    ],
    ids=lambda layer: layer.type,
)
def test_a_move_that_gives_what_it_takes_is_gone(layer: object) -> None:
    f = Graph()
    assert plainest(f, f(Relu(), f(layer, "x"))) == ["Relu"]


@pytest.mark.parametrize(
    "layer",
    [Tile(repeats=(1, 1, 2, 1)), cut(2, 1, 4), Pad(pads=((0, 0), (0, 0), (1, -1), (0, 0)), mode="constant", value=0.0)],
    ids=lambda layer: layer.type,
)
def test_a_move_that_gives_anything_else_stays(layer: object) -> None:
    f = Graph()
    assert len(plainest(f, f(Relu(), f(layer, "x")))) == 2


def test_changes_of_shape_behind_each_other_are_one() -> None:
    f = Graph()
    opened = f(Unsqueeze(axes=(1,)), f(Reshape(shape=(6, 20)), "x"))
    assert plainest(f, f(Relu(), f(Reshape(shape=(6, 4, 5)), opened))) == ["Reshape", "Relu"]


def test_turns_behind_each_other_are_one_and_none_where_they_undo_each_other() -> None:
    f = Graph()
    once = f(Transpose(permutation=(2, 0, 1, 3)), "x")
    assert plainest(f, f(Relu(), f(Transpose(permutation=(0, 2, 1, 3)), once))) == ["Transpose", "Relu"]
    f = Graph()
    once = f(Transpose(permutation=(2, 0, 1, 3)), "x")
    assert plainest(f, f(Relu(), f(Transpose(permutation=(1, 2, 0, 3)), once))) == ["Relu"]


def test_a_turn_of_axes_of_length_one_between_changes_of_shape_is_part_of_these() -> None:
    f = Graph((4, 2, 6))
    turned = f(Transpose(permutation=(0, 2, 1, 3)), f(Unsqueeze(axes=(1,)), "x"))
    assert plainest(f, f(Relu(), f(Reshape(shape=(4, 2, 6)), turned)), shape=(4, 2, 6)) == ["Relu"]
    f = Graph((4, 2, 6))
    turned = f(Transpose(permutation=(2, 1, 0, 3)), f(Unsqueeze(axes=(1,)), "x"))
    assert "Transpose" in plainest(f, f(Relu(), f(Reshape(shape=(2, 24)), turned)), shape=(4, 2, 6))


def test_a_reshape_that_only_opens_or_closes_axes_says_so() -> None:
    f = Graph()
    assert plainest(f, f(Relu(), f(Reshape(shape=(2, 3, 1, 4, 1, 5)), "x"))) == ["Unsqueeze", "Relu"]
    f = Graph((2, 1, 3, 1))
    assert plainest(f, f(Relu(), f(Reshape(shape=(2, 3, 1)), "x")), shape=(2, 1, 3, 1)) == ["Squeeze", "Relu"]


def test_a_gather_of_all_places_in_order_is_a_change_of_shape() -> None:
    f = Graph((6, 5))
    taken = f(Gather(axis=0), "x", places(f, np.arange(6).reshape(2, 3)))
    assert plainest(f, f(Relu(), taken), shape=(6, 5)) == ["Reshape", "Relu"]
    f = Graph((6, 5))
    taken = f(Gather(axis=0), "x", places(f, np.arange(6)[::-1].reshape(2, 3)))
    assert "Gather" in plainest(f, f(Relu(), taken), shape=(6, 5))


def test_a_gather_of_all_pairs_of_places_in_order_is_a_change_of_shape() -> None:
    pairs = np.stack(np.meshgrid(np.arange(2), np.arange(3), indexing="ij"), -1)
    f = Graph((2, 3, 5))
    taken = f(GatherND(batch_axes=0), "x", places(f, pairs[:, None]))
    assert plainest(f, f(Relu(), taken), shape=(2, 3, 5)) == ["Unsqueeze", "Relu"]
    f = Graph((2, 3, 5))
    taken = f(GatherND(batch_axes=0), "x", places(f, pairs[:, :2]))
    assert "GatherND" in plainest(f, f(Relu(), taken), shape=(2, 3, 5))


def test_what_is_cut_twice_is_cut_once() -> None:
    f = Graph()
    left, right = f(cut(2, 1, 3), "x"), f(cut(2, 1, 3), "x")
    assert plainest(f, f(Add(), left, f(Relu(), right))) == ["Slice", "Relu", "Add"]


def test_a_product_with_a_stored_matrix_and_a_sum_behind_it_are_a_linear() -> None:
    f = Graph((2, 3, 4))
    summed = f(Add(), f(MatMul(), "x", f.weight(4, 6)), f.weight(6))
    assert plainest(f, summed, shape=(2, 3, 4)) == ["Linear"]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (0, 2), (3, 0)])
def test_an_axis_between_stretches_of_its_own_ends_is_padded_by_the_other_end(before: int, after: int) -> None:
    f = Graph()
    value = "x"
    for axis in (2, 3):
        end = [f(cut(axis, -before, None), value)] if before else []
        start = [f(cut(axis, 0, after), value)] if after else []
        value = f(Concat(axis=axis), *end, value, *start)
    assert plainest(f, f(Relu(), value)) == ["Pad", "Relu"]


def test_a_stretch_of_the_wrong_end_or_of_another_axis_is_no_padding() -> None:
    f = Graph()
    assert "Pad" not in plainest(f, f(Relu(), f(Concat(axis=2), f(cut(2, 0, 2), "x"), "x")))
    f = Graph((2, 4))
    joined = f(Concat(axis=1), f(cut(1, -1, None), "x"), "x")
    assert "Pad" not in plainest(f, f(Relu(), joined), shape=(2, 4))


def grid(*axes: object) -> object:
    return np.stack(np.meshgrid(*map(np.asarray, axes), indexing="ij"), -1)


def test_a_scatter_over_a_stretch_of_an_axis_is_a_join() -> None:
    f = Graph((3, 7, 2))
    written = f(ScatterND(reduction="none"), "x", places(f, grid(range(3), [2, 3, 4])), f.weight(3, 3, 2))
    assert sorted(plainest(f, written, shape=(3, 7, 2))) == ["Concat", "Constant", "Slice", "Slice"]
    f = Graph((3, 7, 2))
    written = f(ScatterND(reduction="none"), "x", places(f, grid(range(3), [0, 1])), f.weight(3, 2, 2))
    assert sorted(plainest(f, written, shape=(3, 7, 2))) == ["Concat", "Constant", "Slice"]


def test_a_scatter_over_places_that_do_not_follow_each_other_takes_the_new_rows() -> None:
    f = Graph((3, 7))
    written = f(ScatterND(reduction="none"), "x", places(f, grid(range(3), [1, 3, 6])), f.weight(3, 3))
    assert sorted(plainest(f, written, shape=(3, 7))) == ["Concat", "Constant", "Constant", "Gather"]


def test_a_scatter_between_turns_is_a_join_without_them() -> None:
    f = Graph((3, 7, 2))
    turned = f(Transpose(permutation=(1, 0, 2)), "x")
    written = f(ScatterND(reduction="none"), turned, places(f, grid([4, 5, 6])), f.weight(3, 3, 2))
    found = plainest(f, f(Relu(), f(Transpose(permutation=(1, 0, 2)), written)), shape=(3, 7, 2))
    assert sorted(found) == ["Concat", "Constant", "Relu", "Slice", "Transpose"]  # of the constant alone


def test_a_scatter_of_whole_rows_element_by_element_is_a_join() -> None:
    f = Graph((3, 7, 2))
    rows = np.broadcast_to(np.asarray([2, 5])[:, None], (3, 2, 2))
    written = f(ScatterElements(axis=1, reduction="none"), "x", places(f, rows), f.weight(3, 2, 2))
    assert "Gather" in plainest(f, written, shape=(3, 7, 2))


@pytest.mark.parametrize("miss", ["order", "two axes", "sum", "twice"])
def test_any_other_scatter_stays(miss: str) -> None:
    f = Graph((3, 7))
    rows = {"order": grid(range(3), [2, 1]), "two axes": grid([0, 1], [2, 3]), "twice": grid(range(3), [2, 2])}
    found = rows.get(miss, grid(range(3), [2, 3]))
    new = f.weight(*np.shape(found)[:2])
    written = f(ScatterND(reduction="add" if miss == "sum" else "none"), "x", places(f, found), new)
    assert "ScatterND" in plainest(f, written, shape=(3, 7))
