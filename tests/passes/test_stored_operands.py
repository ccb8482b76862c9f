"""Operands that Cast and Concat make of stored arrays become stored; everything else stays."""

from __future__ import annotations

import numpy as np

from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Concat, Constant
from irconv.passes import stored_operands
from tests.helpers import Builder, numbers, used_types


def test_a_joined_and_cast_kernel_becomes_a_stored_one_of_the_right_numbers() -> None:
    first, second = numbers(2, 3).astype(np.float64), numbers(4, 3, seed=8).astype(np.float64)
    builder = Builder(x=("N", 3)).add("a", Constant(), value=first).add("b", Constant(), value=second)
    builder.add("joined", Concat(axis=0), "a", "b").add("cast", Cast(dtype="float32"), "joined")
    builder.add("dense", Linear(), "x")
    builder.nodes[-1] = builder.nodes[-1].model_copy(update={"inputs": {"x": "x", "kernel": "cast"}})
    done = stored_operands.run(builder.build("dense"))
    assert used_types(done) == ["Linear"]
    kernel = done.tensors["dense.kernel"].data.numpy()
    assert kernel.dtype == np.float32
    assert (kernel == np.concatenate([first, second]).astype(np.float32)).all()


def test_a_graph_without_computed_operands_is_left_alone() -> None:
    bundle = Builder(x=("N", 3)).add("dense", Linear(), "x", kernel=numbers(2, 3)).build()
    assert stored_operands.run(bundle) is bundle
