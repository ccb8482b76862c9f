"""Tiles cover every element once, and the runs of a box are where its elements lie."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.tiles import bands, runs, tiles


@st.composite
def cut(draw: st.DrawFn) -> tuple[list[int], list[int], list[tuple[int, ...] | None], int]:
    """A shape, a permutation, picks of some source axes, and a limit."""
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    order = draw(st.permutations(range(len(shape))))
    picks: list[tuple[int, ...] | None] = [None] * len(shape)
    for axis, source in enumerate(order):
        if draw(st.booleans()):
            picks[source] = tuple(draw(st.permutations(range(shape[axis]))))
    return shape, list(order), picks, draw(st.integers(1, 40))


@given(cut())
def test_tiles_cover_each_element_exactly_once(
    given_cut: tuple[list[int], list[int], list[tuple[int, ...] | None], int],
) -> None:
    shape, order, picks, limit = given_cut
    covered = np.zeros(shape, int)
    for box in tiles(shape, order, picks, limit):
        assert prod(stop - start for start, stop in box) <= limit
        covered[tuple(slice(*r) for r in box)] += 1
    assert (covered == 1).all()


@given(cut(), st.integers(1, 9))
def test_tiles_cover_each_element_exactly_once_whatever_reading_weighs(
    given_cut: tuple[list[int], list[int], list[tuple[int, ...] | None], int], weight: int
) -> None:
    shape, order, picks, limit = given_cut
    covered = np.zeros(shape, int)
    for box in tiles(shape, order, picks, limit, weight):
        for band in bands(box, max(1, limit // 3)):
            covered[tuple(slice(*r) for r in band)] += 1
    assert (covered == 1).all()


def test_runs_that_are_written_grow_longer_where_they_cost_more() -> None:
    (rows, columns) = next(tiles((4096, 4096), (1, 0), (None, None), 2**16, 16))
    assert (rows[1] - rows[0], columns[1] - columns[0]) == (64, 1024)


def test_a_band_is_never_cut_below_one_of_its_outermost_axis() -> None:
    assert list(bands(((2, 4), (0, 9)), 1)) == [((2, 3), (0, 9)), ((3, 4), (0, 9))]
    assert list(bands(((5, 6), (7, 8)), 1)) == [((5, 6), (7, 8))]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.data())
def test_runs_are_where_the_elements_of_a_box_lie(shape: list[int], data: st.DataObject) -> None:
    box = []
    for size in shape:
        start = data.draw(st.integers(0, size - 1))
        box.append((start, data.draw(st.integers(start + 1, size))))
    array = np.arange(prod(shape)).reshape(shape)
    wanted = array[tuple(slice(*r) for r in box)].ravel()
    length, positions = runs(shape, tuple(box))
    got = np.concatenate([array.ravel()[position : position + length] for position in positions])
    assert np.array_equal(got, wanted)


def test_a_whole_array_is_one_run() -> None:
    assert runs((3, 4, 5), ((0, 3), (0, 4), (0, 5))) == (60, [0])


def test_a_scalar_is_one_run() -> None:
    assert runs((), ()) == (1, [0])


def test_whole_inner_axes_are_read_in_one_run() -> None:
    assert runs((3, 4, 5), ((1, 3), (0, 4), (0, 5))) == (40, [20])


def test_an_array_that_fits_is_one_tile() -> None:
    assert list(tiles((3, 4), (1, 0), (None, None), 12)) == [((0, 3), (0, 4))]


@pytest.mark.parametrize("picks", [(None, None), (None, tuple(range(511, -1, -1)))])
def test_a_transposed_matrix_is_cut_into_tiles_with_long_runs_on_both_sides(
    picks: tuple[tuple[int, ...] | None, ...],
) -> None:
    boxes = list(tiles((512, 512), (1, 0), picks, 4096))
    assert {tuple(stop - start for start, stop in box) for box in boxes} == (
        {(64, 64)} if picks == (None, None) else {(8, 512)}
    )
