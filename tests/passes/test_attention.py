"""Multi-head attention that is written out becomes the layer, where nothing in it differs."""

from __future__ import annotations

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Softmax
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.attention import MultiHeadAttention
from irconv.ir.layers.base import LiteralOperand
from irconv.ir.layers.comparisons import Cast, Greater
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.tensor_ops import Add, Constant, Mul, Reshape, Transpose
from irconv.passes.recompose import attention
from tests.helpers import Builder, error, numbers, used_types

N, T, S, H, D, V = 2, 5, 4, 3, 2, 7


def written_out(
    scale: str = "scores",
    axis: int = 3,
    einsum: bool = False,
    outputs: tuple[str, ...] = (),
    bars: float | None = -1e9,
) -> Bundle:
    """Attention of x to z by matrices, or by sums of products; the scale where it is said, and a mask that is added: a
    number where another is not positive, or the numbers themselves."""
    build = Builder(x=(N, T, 6), z=(N, S, 9), mask=(N, 1, 1, S))
    mask = "mask"
    if bars is not None:
        for name, number in (("zero", 0.0), ("one", 1.0), ("barred", bars)):
            build.add(name, Constant(operands={"value": LiteralOperand(literal=number, dtype="float32")}))
        build.add("told", Greater(), "mask", "zero").add("cast", Cast(dtype="float32"), "told")
        build.add("rest", Sub(), "one", "cast").add("added", Mul(), "rest", "barred")
        mask = "added"
    build.add("half", Constant(operands={"value": LiteralOperand(literal=0.25, dtype="float32")}))
    for name, value, size, width in (("q", "x", T, D), ("k", "z", S, D), ("v", "z", S, V)):
        inner = 6 if value == "x" else 9
        build.add(name, Linear(), value, kernel=numbers(H * width, inner), bias=numbers(H * width))
        build.add(f"{name}/cut", Reshape(shape=(N, size, H, width)), name)
    query = "q/cut"
    if scale == "query":
        query = "q/scaled"
        build.add(query, Mul(), "q/cut", "half")
    if einsum:
        build.add("products", Einsum(equation="aecd,abcd->acbe"), "k/cut", query)
    else:
        build.add("q/turned", Transpose(permutation=(0, 2, 1, 3)), query)
        build.add("k/turned", Transpose(permutation=(0, 2, 3, 1)), "k/cut")
        build.add("products", MatMul(), "q/turned", "k/turned")
    scores = "products"
    if scale == "scores":
        scores = "scaled"
        build.add(scores, Mul(), "half", "products")
    build.add("masked", Add(), scores, mask).add("weights", Softmax(axis=axis), "masked")
    if einsum:
        build.add("joined", Einsum(equation="acbe,aecd->abcd"), "weights", "v/cut")
    else:
        build.add("v/turned", Transpose(permutation=(0, 2, 1, 3)), "v/cut")
        build.add("sums", MatMul(), "weights", "v/turned")
        build.add("joined", Transpose(permutation=(0, 2, 1, 3)), "sums")
    build.add("rows", Reshape(shape=(N, T, H * V)), "joined")
    build.add("y", Linear(), "rows", kernel=numbers(8, H * V), bias=numbers(8))
    return build.build(*outputs)


@pytest.mark.parametrize("scale", ["query", "scores", "none"])
@pytest.mark.parametrize("einsum", [True, False])
def test_attention_that_is_written_out_becomes_the_layer(scale: str, einsum: bool) -> None:
    bundle = written_out(scale, einsum=einsum)
    made = attention.run(bundle)
    assert used_types(made) == ["Constant", "Greater", "MultiHeadAttention"]
    (layer,) = (layer for layer in made.layers.values() if isinstance(layer, MultiHeadAttention))
    assert (layer.heads, layer.scale, layer.fully_masked) == (H, 1.0 if scale == "none" else 0.25, "average")
    given = [numbers(N, T, 6), numbers(N, S, 9), (np.arange(N * S) % 3).reshape(N, 1, 1, S)]
    feeds = [array.astype(np.float32) for array in given]
    assert error([*irconv.run(made, feeds).values()], [*irconv.run(bundle, feeds).values()]) < 1e-6
    assert attention.run(made) is made


@pytest.mark.parametrize("bars", [None, -3.0])
def test_numbers_that_are_added_and_bar_nothing_stay(bars: float | None) -> None:
    assert "MultiHeadAttention" not in used_types(attention.run(written_out(bars=bars)))


def test_weights_that_something_else_takes_stay() -> None:
    assert "MultiHeadAttention" not in used_types(attention.run(written_out(outputs=("y", "weights"))))


def test_a_softmax_over_the_queries_is_no_attention() -> None:
    assert "MultiHeadAttention" not in used_types(attention.run(written_out(axis=2)))
