"""Constants of an element type that a target lacks."""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import float8_e4m3fn

from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import LiteralOperand, StoredOperand
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Constant
from irconv.passes import wider_constants
from tests.helpers import Builder, tensor

NUMBERS = np.array([0.5, -1.75, 448], float8_e4m3fn)


def constants(stored: bool) -> Bundle:
    build = Builder(x=("N", 3))
    literal = LiteralOperand(literal=NUMBERS.astype(float).tolist(), dtype="float8_e4m3fn")
    build.tensors["a.value"] = tensor(NUMBERS, role="constant")
    operand = StoredOperand(tensor="a.value") if stored else literal
    build.add("a", Constant(operands={"value": operand})).add("y", Cast(dtype="float32"), "a")
    return build.build()


@pytest.mark.parametrize("stored", [True, False])
def test_a_constant_that_is_cast_anyway_is_wide_from_the_start(stored: bool) -> None:
    made = wider_constants.run(constants(stored), "float8")
    assert {kind.dtype for kind in infer_types(made).values()} == {"float32"}
    (operand,) = (layer.operands["value"] for layer in made.layers.values() if isinstance(layer, Constant))
    if isinstance(operand, StoredOperand):
        assert made.tensors[operand.tensor].data.numpy().tolist() == NUMBERS.astype(float).tolist()
    else:
        assert operand.literal == NUMBERS.astype(float).tolist()


def test_a_bundle_without_such_constants_stays_the_same() -> None:
    bundle = constants(True)
    assert wider_constants.run(bundle, "float16") is bundle
