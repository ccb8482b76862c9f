"""Resize for onnx's reference evaluator, whose own takes float32 scales for exact numbers: 10 elements by 2.3 are 22
to it, and 23 to ONNX Runtime, PyTorch and TensorFlow. Imports that evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_resize import Resize as Standard

_ROUNDED: Mapping[str, Callable[[Any], Any]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda places: np.ceil(places - np.float32(0.5)),
    "round_prefer_ceil": lambda places: np.floor(places + np.float32(0.5)),
}

_STANDARD: Any = Standard


class Resize(OpRun):
    """The standard's Resize of all axes, in ONNX Runtime's arithmetic: places are float32 numbers."""

    op_domain = ""

    def _run(self, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, **attributes: Any) -> Any:
        if attributes.get("axes") or attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
            return _STANDARD._run(self, x, roi, scales, sizes, **attributes)
        by_scale = scales is not None and len(scales) > 0
        if attributes.get("mode") != "nearest":
            exact = np.array([float(str(s)) for s in scales]) if by_scale else scales
            return _STANDARD._run(self, x, roi, exact, sizes, **attributes)
        old = np.array(x.shape, np.float32)
        new = np.floor(old * scales) if by_scale else np.array(sizes, np.float32)
        factors = np.asarray(scales, np.float32) if by_scale else new / old
        rule, rounded = attributes["coordinate_transformation_mode"], _ROUNDED[attributes["nearest_mode"]]
        for axis, numbers in enumerate(zip(old, new, factors, strict=True)):
            places = np.clip(rounded(_places(rule, *numbers)), 0, x.shape[axis] - 1)
            x = np.take(x, places.astype(np.int64), axis)
        return (x,)


def _places(rule: str, old: Any, new: Any, scale: Any) -> Any:
    """Where each new element is read, as `irconv.ir.layers.resampling.Resize` says."""
    here = np.arange(int(new), dtype=np.float32)
    half = np.float32(0.5)
    if rule == "asymmetric":
        return here / scale
    if rule == "align_corners":
        return here * (old - 1) / (new - 1) if new > 1 else here * 0
    centred = (here + half) / scale - half
    if rule == "half_pixel_symmetric":
        return old / 2 * (1 - new / (scale * old)) + centred
    return here * 0 if rule == "pytorch_half_pixel" and new == 1 else centred


OPS = [Resize]
