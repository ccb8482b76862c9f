"""How far apart two predictions are, and how far they may be."""

from __future__ import annotations

import numpy as np
import pytest

from irconv.verification.compare import TOLERANCES, difference, power, spread, tolerance
from tests.helpers import numbers


def test_a_difference_is_relative_to_the_largest_value_of_the_first_side() -> None:
    a = np.array([[1.0, -4.0], [2.0, 3.0]], np.float32)
    b = np.array([[1.0, -4.0], [2.5, 3.0]], np.float32)
    found = difference(a, b)
    assert (found.max_abs, found.largest, found.relative) == (0.5, 4.0, 0.125)
    assert (found.where, found.pair) == ((1, 0), (2.0, 2.5))


def test_single_numbers_are_compared() -> None:
    found = difference(np.float32(4.0).reshape(()), np.float32(3.0).reshape(()))
    assert (found.max_abs, found.relative, found.where) == (1.0, 0.25, ())


@pytest.mark.filterwarnings("error")
def test_what_a_mask_fills_in_may_stand_beside_zeros_alone() -> None:
    a = np.array([0.0, 0.0, 1e9], np.float32)
    assert difference(a, a).max_abs == 0.0


def test_values_are_compared_in_their_places_and_not_sorted() -> None:
    a = np.arange(6, dtype=np.float32)
    assert difference(a, a[::-1]).max_abs == 5.0


def test_the_share_of_rows_with_the_same_largest_entries_is_counted_in_order() -> None:
    a = np.array([[1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1]], np.float32)
    b = np.array([[1, 2, 3, 4, 6, 5, 7], [6, 7, 5, 4, 3, 2, 1]], np.float32)
    assert difference(a, a).top == ((1, 1.0), (5, 1.0))
    assert difference(a, b).top == ((1, 0.5), (5, 0.0))


def test_arrays_of_other_shapes_are_apart_without_a_number() -> None:
    found = difference(numbers(2, 3), numbers(3, 2))
    assert (found.max_abs, found.relative, found.shapes) == (None, float("inf"), ((2, 3), (3, 2)))


def test_single_numbers_are_compared_too() -> None:
    found = difference(np.array(2.0, np.float32), np.array(2.5, np.float32))
    assert (found.max_abs, found.relative, found.where) == (0.5, 0.25, ())


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_on_one_side_alone_is_infinitely_far(wrong: float) -> None:
    a = numbers(4)
    b = a.copy()
    b[2] = wrong
    assert difference(a, b).max_abs == np.inf
    assert difference(b, b).max_abs == 0.0


def test_the_cosine_of_opposite_predictions_is_minus_one() -> None:
    a = numbers(5, 7)
    assert difference(a, -a).cosine == pytest.approx(-1.0)
    assert difference(a * 0, a * 0).cosine == 1.0


def test_a_model_that_amplifies_rounding_is_allowed_more_and_never_much_more() -> None:
    assert tolerance("float32", 1e-8) == TOLERANCES["float32"]
    assert tolerance("float32", 1e-5) == pytest.approx(1.6e-4)
    assert tolerance("float32", 1.0) == pytest.approx(1e-3)
    assert tolerance("float16", 1.0) == pytest.approx(2e-2)
    assert tolerance("float16", 0.0) > tolerance("float32", 0.0) > tolerance("float64", 0.0)


def test_an_output_that_is_always_the_same_has_no_spread() -> None:
    same = np.broadcast_to(np.float32([1.0, 2.0]), (4, 2))
    assert spread([same, same]) == 0.0
    assert spread([same, same * 2]) == 0.5


def test_numbers_are_shown_by_their_order_of_magnitude() -> None:
    assert [power(value) for value in (3.4e-7, 1e-5, 0.05, 0.0)] == ["3e-7", "1e-5", "5e-2", "0"]


def test_what_a_mask_fills_in_does_not_hide_what_is_not_masked() -> None:
    a = numbers(4, 6)
    a[0, :3] = a[2, 1] = -1e9
    b = a.copy()
    b[1, 1] += 0.5
    found = difference(a, b)
    assert found.largest < 5
    assert found.relative > 0.1
    b[0, 0] = 0.0  # and where it is not the same on both sides it counts
    assert difference(a, b).largest == pytest.approx(1e9)


@pytest.mark.parametrize("values", [[2e5, 1e4, 200.0, 5.0], [1.0, 1e-9, 1e-12, 0.0], [1e4, 2e4, 3e4, 4e4]])
def test_large_results_beside_small_ones_are_results(values: list[float]) -> None:
    a = np.array(values, np.float32)
    assert difference(a, a * np.float32([1, 1.5, 1, 1])).largest == a.max()
