"""What the numpy runtime does otherwise than onnx's own evaluator: the numbers are those of the frameworks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from irconv.frameworks.onnx.reference import OPS
from irconv.layout import Array


def _resized(x: Array, scales: list[float], **attributes: str) -> Array:
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, *scales])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnxruntime = pytest.importorskip("onnxruntime")
    (judge,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    (got,) = ReferenceEvaluator(model, new_ops=OPS).run(None, {"x": x})
    np.testing.assert_allclose(got, judge, rtol=0, atol=3e-6)
    return np.asarray(got)


@pytest.mark.parametrize("scale", [2.3, 1.6, 0.6, 3.3])
@pytest.mark.parametrize("size", [10, 8, 7, 23])
def test_float32_scales_mean_the_decimal_number_that_was_written(scale: float, size: int) -> None:
    x = np.random.default_rng(size).standard_normal((1, 2, size, 4)).astype(np.float32)
    got = _resized(x, [scale, 1.5], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    wanted = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=(scale, 1.5), mode="nearest")
    assert got.shape == tuple(wanted.shape)


@pytest.mark.parametrize("rule", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
def test_every_rule_of_the_nearest_element_is_onnxruntimes(rule: str, rounding: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 1, 7, 10)).astype(np.float32)
    got = _resized(x, [1.6, 0.45], mode="nearest", coordinate_transformation_mode=rule, nearest_mode=rounding)
    assert got.shape == (2, 1, 11, 4)


def test_a_linear_resize_has_as_many_elements_as_the_frameworks_make() -> None:
    x = np.random.default_rng(2).standard_normal((1, 1, 10, 4)).astype(np.float32)
    got = _resized(x, [2.3, 1.0], mode="linear", coordinate_transformation_mode="half_pixel")
    wanted = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=(2.3, 1.0), mode="bilinear").numpy()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-6)
