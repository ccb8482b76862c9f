"""Dimensions calculate as integers do, and their text is read back as the same dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from irconv.ir.layers.window import window_outputs
from irconv.ir.shapes import Dimension, Size, size_product, static, symbols

SYMBOLS = ("H", "N", "W")
VALUES = st.fixed_dictionaries({symbol: st.integers(0, 50) for symbol in SYMBOLS})


@dataclass(frozen=True)
class Sum:
    """A size, and the integer it must be for given symbols."""

    size: Size
    number: Callable[[Mapping[str, int]], int]


def _leaf(symbol: str) -> Sum:
    return Sum(Size.of(symbol), lambda values: values[symbol])


def _number(number: int) -> Sum:
    return Sum(Size.of(number), lambda values: number)


def _joined(operator: str, a: Sum, b: Sum) -> Sum:
    if operator == "+":
        return Sum(a.size + b.size, lambda values: a.number(values) + b.number(values))
    if operator == "-":
        return Sum(a.size - b.size, lambda values: a.number(values) - b.number(values))
    return Sum(a.size * b.size, lambda values: a.number(values) * b.number(values))


POLYNOMIALS = st.recursive(
    st.one_of(st.sampled_from(SYMBOLS).map(_leaf), st.integers(-9, 9).map(_number)),
    lambda inner: st.builds(_joined, st.sampled_from("+-*"), inner, inner),
    max_leaves=8,
)


@st.composite
def window_sizes(draw: st.DrawFn) -> Sum:
    """What windows make of a size: sums and quotients in turn, as a stack of convolutions and pools does."""
    found = _leaf(draw(st.sampled_from(SYMBOLS)))
    for _ in range(draw(st.integers(1, 4))):
        shift, divisor, up = draw(st.integers(-5, 5)), draw(st.integers(1, 4)), draw(st.booleans())
        shifted = _joined("+", found, _number(shift))
        found = _divided(shifted, divisor, up)
    return found


def _divided(value: Sum, divisor: int, up: bool) -> Sum:
    if up:
        return Sum(value.size.ceil_divide(divisor), lambda values: -(-value.number(values) // divisor))
    return Sum(value.size.floor_divide(divisor), lambda values: value.number(values) // divisor)


#: Any expression over symbols, quotients of quotients and their products included.
EXPRESSIONS = st.recursive(
    st.one_of(st.sampled_from(SYMBOLS).map(_leaf), st.integers(-9, 9).map(_number)),
    lambda inner: st.one_of(
        st.builds(_joined, st.sampled_from("+-*"), inner, inner),
        st.builds(_divided, inner, st.integers(1, 5), st.booleans()),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, VALUES)
def test_sizes_calculate_as_integers_do(value: Sum, values: dict[str, int]) -> None:
    assert value.size.value(values) == value.number(values)


@given(POLYNOMIALS, st.integers(1, 7), st.booleans(), VALUES)
def test_sizes_divide_as_integers_do(value: Sum, divisor: int, up: bool, values: dict[str, int]) -> None:
    divided = _divided(value, divisor, up)
    assert divided.size.value(values) == divided.number(values)


@given(window_sizes(), VALUES)
def test_the_sizes_that_windows_make_calculate_as_integers_do(value: Sum, values: dict[str, int]) -> None:
    assert value.size.value(values) == value.number(values)


@given(st.one_of(EXPRESSIONS, window_sizes()), VALUES)
def test_the_text_of_a_size_is_read_back_as_the_same_size(value: Sum, values: dict[str, int]) -> None:
    text = str(value.size)
    assert Size.of(text) == value.size
    assert str(Size.of(text)) == text
    assert Size.of(text).value(values) == value.number(values)


@given(st.one_of(EXPRESSIONS, window_sizes()))
def test_a_dimension_is_an_integer_exactly_where_no_symbol_is_left(value: Sum) -> None:
    dimension = value.size.dimension
    assert isinstance(dimension, int) == (not symbols(dimension))
    assert Size.of(dimension) == value.size


@given(EXPRESSIONS, EXPRESSIONS)
def test_equal_sizes_have_equal_hashes_and_texts(a: Sum, b: Sum) -> None:
    there_and_back = a.size + b.size - b.size
    assert there_and_back == a.size
    assert hash(there_and_back) == hash(a.size)
    assert str(there_and_back) == str(a.size)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (Size.of("H") + 1, "H + 1"),
        (Size.of("H") * -1 + 1, "-H + 1"),
        (Size.of("H") * 2 - 3, "2*H - 3"),
        (Size.of("W") * "H", "H*W"),
        ((Size.of("H") * 2 + 3).floor_divide(2), "H + 1"),
        ((Size.of("H") + 3).floor_divide(2), "(H + 1)//2 + 1"),
        (Size.of("H").ceil_divide(2), "(H + 1)//2"),
        (Size.of("H") - "H", "0"),
        (Size.of("H+H"), "2*H"),
        (Size.of("3*4"), "12"),
    ],
)
def test_the_text_is_canonical(size: Size, text: str) -> None:
    assert str(size) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "H//0",
        "H//-1",
        "H//W",
        "H/2",
        "H**2",
        "H%2",
        "1.5",
        "f(H)",
        "H.x",
        "H[0]",
        "[H]",
        "'H'",
        "(H",
        "H;W",
        "H if W else 3",
        "__import__('os').system('true')",
        "lambda: 0",
        "+H",
        "H < W",
        "(" * 300 + "H" + ")" * 300,
    ],
)
def test_text_that_is_no_dimension_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a dimension: an integer, a symbol, or \+, -, \* and //"):
        Size.of(text)


def test_a_symbol_without_a_value_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="W"):
        (Size.of("H") + "W").value({"H": 1})


def test_the_number_of_elements_is_the_product_of_the_sizes() -> None:
    assert size_product((2, "H", 3)) == Size.of("6*H")
    assert size_product(()) == 1
    assert size_product(("H", 0)) == 0


def test_a_shape_is_static_where_all_its_sizes_are_integers() -> None:
    assert static((2, 3)) == (2, 3)
    assert static(()) == ()
    assert static((2, "N")) is None


@pytest.mark.parametrize(("dimension", "found"), [(3, set()), ("H", {"H"}), ("(H + 1)//2*W", {"H", "W"})])
def test_the_symbols_of_a_dimension_are_found(dimension: Dimension, found: set[str]) -> None:
    assert symbols(dimension) == found


# windows, against counting the places of the window one by one -----------------------------------------------------

WINDOWS = st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))


def places(size: int, window: int, stride: int) -> list[int]:
    return list(range(0, size - window + 1, stride))


@given(WINDOWS, st.integers(0, 4), st.integers(0, 4))
def test_windows_with_explicit_padding_are_counted_one_by_one(
    axis: tuple[int, int, int, int], before: int, after: int
) -> None:
    size, kernel, stride, dilation = axis
    window = (kernel - 1) * dilation + 1
    count = len(places(size + before + after, window, stride))
    if count:
        got = window_outputs((size,), (kernel,), (stride,), (dilation,), ((before, after),))
        symbolic = window_outputs(("H",), (kernel,), (stride,), (dilation,), ((before, after),))
        assert got == (count,)
        assert Size.of(symbolic[0]).value({"H": size}) == count
    else:
        with pytest.raises(ValueError, match=f"a window of {window} does not fit in {size} with padding"):
            window_outputs((size,), (kernel,), (stride,), (dilation,), ((before, after),))


@given(WINDOWS, st.integers(0, 2))
def test_a_last_window_partly_inside_is_kept_in_ceil_mode_unless_it_starts_in_the_padding(
    axis: tuple[int, int, int, int], pad: int
) -> None:
    size, kernel, stride, dilation = axis
    window = (kernel - 1) * dilation + 1
    assume(pad * 2 <= kernel and size + 2 * pad >= window)
    starts = range(0, size + 2 * pad, stride)
    full = [start for start in starts if start + window <= size + 2 * pad]
    partly = [start for start in starts if start > full[-1] and start < size + pad][:1]
    needed = full[-1] + window < size + 2 * pad
    wanted = len(full) + (len(partly) if needed else 0)
    assert window_outputs((size,), (kernel,), (stride,), (dilation,), ((pad, pad),), ceil_mode=True) == (wanted,)


def test_no_size_is_divided_by_zero() -> None:
    with pytest.raises(ValueError, match="a size can be divided by a positive number, not by 0"):
        Size.of("H").floor_divide(0)
