"""Two arrays side by side: equal bits, distances and ULPs in every type, whatever the layouts of storage."""

from __future__ import annotations

from math import isnan

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.comparison.numbers import Distance, Tolerance, equal_bits, largest_ulp, measured
from irconv.comparison.stream import blocks, paired, rows
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import Array, numbers


def distance(a: Array, b: Array, tolerance: Tolerance | None = None) -> Distance:
    return measured(paired(LazyTensor.of(a), LazyTensor.of(b)), tolerance or Tolerance())


def stored(array: Array, axes: str) -> LazyTensor:
    """An array of axes ``a b c`` as a file keeps it that has them in another order."""
    order = ["abc".index(axis) for axis in axes.split()]
    kept = np.ascontiguousarray(array.transpose(order))
    return LazyTensor.of(kept).relayout(relayout(axes, "a b c", kept.shape))


@pytest.mark.parametrize("first", ["a b c", "c b a", "b c a"])
@pytest.mark.parametrize("second", ["a b c", "c a b"])
def test_two_storages_of_one_tensor_are_equal_piece_by_piece(first: str, second: str) -> None:
    array = numbers(5, 7, 9)
    pairing = paired(stored(array, first), stored(array, second))
    seen = 0
    for piece in pairing.pieces(tile_bytes=64):
        assert np.array_equal(piece.a, piece.b)
        assert piece.a.nbytes <= 64
        seen += piece.a.size
    assert seen == array.size
    assert equal_bits(pairing)


@pytest.mark.parametrize("axes", ["a b c", "c b a", "b c a"])
def test_the_element_that_differs_most_is_named_by_its_canonical_index(axes: str) -> None:
    array = numbers(5, 7, 9)
    other = array.copy()
    other[3, 6, 2] += 1
    found = measured(paired(stored(array, "c a b"), stored(other, axes)), Tolerance())
    assert (found.at, found.changed) == ((3, 6, 2), 1)
    assert found.values == (float(array[3, 6, 2]), float(other[3, 6, 2]))


@pytest.mark.parametrize("axes", ["a b c", "c b a"])
def test_blocks_follow_each_other_in_canonical_order_and_rows_are_those_of_the_first_axis(axes: str) -> None:
    array = numbers(5, 7, 9)
    tensor = stored(array, axes)
    assert np.array_equal(np.concatenate(list(blocks(tensor, 64))), array.ravel())
    assert np.array_equal(rows(tensor, 1, 3), array[1:3])


def test_distances_are_those_of_numpy_in_float64() -> None:
    a, b = numbers(40, 30), numbers(40, 30) + np.float32(0.01) * numbers(40, 30, seed=8)
    found, wide = distance(a, b), (a.astype(np.float64), b.astype(np.float64))
    gap = wide[1] - wide[0]
    assert found.max_abs == np.abs(gap).max()
    assert found.relative_l2 == pytest.approx(np.linalg.norm(gap) / np.linalg.norm(wide[0]), rel=1e-12)
    cosine = (wide[0] * wide[1]).sum() / np.linalg.norm(wide[0]) / np.linalg.norm(wide[1])
    assert found.cosine == pytest.approx(cosine, rel=1e-12)
    assert found.changed == np.count_nonzero(a != b)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_neighbours_are_one_ulp_apart_in_every_floating_type(kind: type) -> None:
    a = np.array([1.5, -2, 0.25]).astype(kind)
    bits = a.view(f"u{a.dtype.itemsize}").copy()
    bits[1] += 1
    found = distance(a, bits.view(a.dtype))
    assert (found.max_ulp, found.changed, found.at) == (1, 1, (1,))


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=5))
def test_ulps_count_the_numbers_between_on_both_sides_of_zero(values: list[float]) -> None:
    a = np.array(values, np.float32)
    up = np.nextafter(np.nextafter(a, np.float32(np.inf)), np.float32(np.inf))
    kept = np.isfinite(up)
    assert largest_ulp(a[kept], up[kept]) == (2 if kept.any() else 0)


def test_minus_zero_has_other_bits_and_is_no_ulp_away() -> None:
    found = distance(np.array([0.0, 1.0], np.float32), np.array([-0.0, 1.0], np.float32))
    assert (found.changed, found.max_abs, found.max_ulp) == (1, 0.0, 0)


def test_an_infinity_is_counted_and_takes_no_part_in_the_sums() -> None:
    found = distance(np.array([1.0, 2.0], np.float32), np.array([1.0, np.inf], np.float32))
    assert (found.not_finite, found.max_abs, found.relative_l2, found.at) == ((0, 1), 0.0, 0.0, (1,))
    found = distance(np.array([np.nan], np.float32), np.array([2.0], np.float32))
    assert isnan(found.values[0])


def test_numbers_of_different_types_are_compared_by_value() -> None:
    assert distance(np.arange(6), np.arange(6).astype(np.float32)).changed == 0
    found = distance(numbers(6), numbers(6).astype(np.float16))
    assert (found.changed, found.rounded, found.max_ulp) == (6, True, None)
    assert not distance(numbers(6), (numbers(6) + 1).astype(np.float16)).rounded


@pytest.mark.parametrize(
    "array", [np.zeros((0, 3), np.float32), np.array(3), np.array([True, False]), np.array([1 + 2j])]
)
def test_any_shape_and_type_equals_itself(array: Array) -> None:
    assert equal_bits(paired(LazyTensor.of(array), LazyTensor.of(array.copy())))
    assert distance(array, array.copy()).changed == 0


def test_the_tolerance_is_relative_to_the_first_side() -> None:
    a, b = np.array([100.0, 0.0]), np.array([101.0, 0.0])
    assert distance(a, b, Tolerance(rtol=0.0101)).beyond == 0
    assert distance(a, b, Tolerance(rtol=0.0099)).beyond == 1
    assert distance(a, b, Tolerance(atol=1.0)).beyond == 0
    assert distance(np.array([np.nan, 1.0]), np.array([np.nan, 1.5]), Tolerance(atol=1.0)).beyond == 0
    assert distance(np.array([np.inf]), np.array([1.0]), Tolerance(atol=1e9)).beyond == 1
