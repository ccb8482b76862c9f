"""Norms and activations that TensorFlow's graphs write out are layers again; what differs in anything stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from irconv.ir.layers.activations import Exp, Relu, Sigmoid
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Pow, Sub
from irconv.ir.layers.comparisons import Greater, Where
from irconv.ir.layers.elementwise import Abs, Neg, Rsqrt, Square
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape
from tests.passes.test_recompose import Graph, recomposed

MOVES = ("Transpose",)


def kinds(f: Graph, *outputs: str) -> list[str]:
    return [kind for kind in recomposed(f, *outputs) if kind not in MOVES]


def own(f: Graph, x: str, axes: tuple[int, ...], **changed: float) -> tuple[str, str]:
    """A value without its mean, and its variance with an epsilon."""
    mean = f(Reduce(op="mean", axes=axes, keepdims=True), x)
    centred, again = f(Sub(), x, mean), f(Sub(), x, mean)
    variance = f(Reduce(op="mean", axes=axes, keepdims=True), f(Square(), again))
    return centred, f(Add(), variance, f.number(changed.get("epsilon", 1e-3)))


def test_a_root_written_as_a_power_is_one() -> None:
    f = Graph()
    centred, spread = own(f, "x", (1, 2))
    normed = f(Div(), f(Mul(), f.weight(5), centred), f(Pow(), spread, f.number(0.5)))
    assert kinds(f, normed) == ["InstanceNorm"]


@pytest.mark.parametrize("miss", ["power", "weight", "axes"])
def test_another_power_a_gamma_along_other_axes_or_other_axes_are_no_norm(miss: str) -> None:
    f = Graph()
    centred, spread = own(f, "x", (1, 3) if miss == "axes" else (1, 2))
    scaled = f(Mul(), f.weight(4, 5) if miss == "weight" else f.weight(5), centred)
    found = kinds(f, f(Div(), scaled, f(Pow(), spread, f.number(0.45 if miss == "power" else 0.5))))
    assert "Reduce" in found
    assert not {"InstanceNorm", "LayerNorm", "GroupNorm"} & set(found)


def groups(f: Graph, cut: tuple[int, ...], axes: tuple[int, ...], whole: tuple[int, ...]) -> str:
    centred, spread = own(f, f(Reshape(shape=cut), "x"), axes)
    return f(Reshape(shape=whole), f(Mul(), f(Mul(), centred, f(Rsqrt(), spread)), f.weight(1, 1, 1, 3, 2)))


SIX = (2, 3, 4, 6)


def test_channels_cut_into_groups_and_put_together_are_a_norm_of_groups() -> None:
    f = Graph(SIX)
    after = recomposed(f, groups(f, (2, 3, 4, 3, 2), (1, 2, 4), SIX), shape=SIX)
    assert [kind for kind in after if kind not in MOVES] == ["GroupNorm"]


@pytest.mark.parametrize(
    ("cut", "axes", "whole"),
    [
        ((2, 4, 3, 3, 2), (1, 2, 4), SIX),  # places exchanged by the cut
        ((2, 3, 4, 3, 2), (1, 2, 3), SIX),  # over the groups
        ((2, 3, 4, 3, 2), (1, 2, 4), (2, 4, 3, 6)),  # put together otherwise
    ],
)
def test_other_cuts_and_axes_are_no_norm_of_groups(
    cut: tuple[int, ...], axes: tuple[int, ...], whole: tuple[int, ...]
) -> None:
    f = Graph(SIX)
    assert "GroupNorm" not in recomposed(f, groups(f, cut, axes, whole), shape=SIX)


def test_a_norm_of_a_whole_sample_with_factors_of_the_channels_is_one_of_one_group() -> None:
    f = Graph()
    centred, spread = own(f, "x", (1, 2, 3))
    assert kinds(f, f(Mul(), centred, f(Mul(), f(Rsqrt(), spread), f.weight(5)))) == ["GroupNorm"]


Written = Callable[[Graph, str], str]
"""(Graph, slope) -> the activation."""


def added(f: Graph, slope: str) -> str:
    twice = f(Sub(), "x", f(Abs(), "x"))
    return f(Add(), f(Relu(), "x"), f(Mul(), f(Mul(), slope, twice), f.number(0.5)))


def taken_off(f: Graph, slope: str) -> str:
    return f(Sub(), f(Relu(), "x"), f(Mul(), slope, f(Relu(), f(Neg(), "x"))))


def of_keras(f: Graph, slope: str) -> str:
    return f(Add(), f(Relu(), "x"), f(Mul(), f(Neg(), slope), f(Relu(), f(Neg(), "x"))))


def lesser(f: Graph, slope: str) -> str:
    zero = f.number(0.0)
    return f(Add(), f(Maximum(), "x", zero), f(Mul(), slope, f(Minimum(), "x", zero)))


def chosen(f: Graph, slope: str) -> str:
    return f(Where(), f(Greater(), "x", f.number(0.0)), "x", f(Mul(), slope, "x"))


WRITTEN = [added, taken_off, of_keras, lesser, chosen]


@pytest.mark.parametrize("written", WRITTEN)
def test_slopes_where_a_value_is_negative_are_layers(written: Written) -> None:
    f = Graph()
    assert kinds(f, written(f, f.number(0.25))) == ["LeakyRelu"]
    for shape in ((5,), (3, 4, 5), (3, 1, 1), (1, 1, 5)):
        f = Graph()
        assert kinds(f, written(f, f.weight(*shape))) == ["PRelu"]


@pytest.mark.parametrize("miss", ["half", "sign", "threshold", "batch"])
def test_what_only_looks_like_a_slope_is_none(miss: str) -> None:
    f = Graph()
    slope = f.weight(2, 1, 1, 1) if miss == "batch" else f.weight(5)
    if miss == "half":
        twice = f(Sub(), "x", f(Abs(), "x"))
        made = f(Add(), f(Relu(), "x"), f(Mul(), f(Mul(), slope, twice), f.number(0.4)))
    elif miss == "threshold":
        made = f(Where(), f(Greater(), "x", f.number(0.1)), "x", f(Mul(), slope, "x"))
    else:
        negative = f(Relu(), "x" if miss == "sign" else f(Neg(), "x"))
        made = f(Sub(), f(Relu(), "x"), f(Mul(), slope, negative))
    found = kinds(f, made)
    assert "PRelu" not in found
    assert "LeakyRelu" not in found


@pytest.mark.parametrize(("slope", "wanted"), [(0.2, ["LeakyRelu"]), (1.5, None)])
def test_the_larger_of_two_lines_is_a_slope_up_to_1(slope: float, wanted: list[str] | None) -> None:
    f = Graph()
    found = kinds(f, f(Maximum(), "x", f(Mul(), f.number(slope), "x")))
    assert found == wanted if wanted else "LeakyRelu" not in found


@pytest.mark.parametrize(("bent", "raised"), [(0.35, True), (0.3, False)])
def test_a_line_and_a_bent_line_are_a_slope_where_they_add_up_to_1(bent: float, raised: bool) -> None:
    f = Graph()
    found = kinds(f, f(Add(), f(Mul(), f.number(0.65), "x"), f(Mul(), f.number(bent), f(Abs(), "x"))))
    assert (found == ["LeakyRelu"]) == raised


@pytest.mark.parametrize("miss", ["", "axis", "sum", "power"])
def test_shares_of_powers_are_a_softmax_along_one_axis(miss: str) -> None:
    f = Graph()
    largest = f(Reduce(op="max", axes=(3,), keepdims=True), "x")
    power = f(Exp(), f(Sub(), "x", largest))
    whole = f(Exp(), f(Sub(), "x", f.number(0.0))) if miss == "power" else power
    total = f(
        Reduce(op="mean" if miss == "sum" else "sum", axes=(2,) if miss == "axis" else (3,), keepdims=True), whole
    )
    assert (kinds(f, f(Div(), power, total)) == ["Softmax"]) == (not miss)


@pytest.mark.parametrize(("one", "sign", "raised"), [(1.0, True, True), (0.9, True, False), (1.0, False, False)])
def test_a_sigmoid_by_its_definition_is_one(one: float, sign: bool, raised: bool) -> None:
    f = Graph()
    below = f(Add(), f.number(one), f(Exp(), f(Neg(), "x") if sign else "x"))
    assert (kinds(f, f(Div(), f.number(1.0), below)) == ["Sigmoid"]) == raised


def test_a_swish_with_a_factor_of_1_is_a_silu_and_another_none() -> None:
    for factor, wanted in ((1.0, ["Silu"]), (1.2, None)):
        f = Graph()
        found = kinds(f, f(Mul(), f(Sigmoid(), f(Mul(), f.number(factor), "x")), "x"))
        assert found == wanted if wanted else "Silu" not in found


@pytest.mark.parametrize("miss", ["", "other", "mean", "least"])
def test_a_value_over_its_own_length_is_a_unit_norm(miss: str) -> None:
    f = Graph()
    squares = f(Reduce(op="mean" if miss == "mean" else "sum", axes=(3,), keepdims=True), f(Square(), "x"))
    bounded = f(Minimum() if miss == "least" else Maximum(), squares, f.number(1e-12 if miss != "least" else 1e6))
    value = f(Abs(), "x") if miss == "other" else "x"
    assert (kinds(f, f(Mul(), value, f(Rsqrt(), bounded))) == ["UnitNorm"]) == (not miss)
