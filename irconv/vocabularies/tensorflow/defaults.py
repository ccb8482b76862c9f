"""What attributes of ops are that a graph leaves out: TensorFlow strips those that hold their default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WINDOW = {"data_format": "NHWC", "explicit_paddings": ()}
_CONV = {**_WINDOW, "dilations": (1, 1, 1, 1), "use_cudnn_on_gpu": True}
_CONV3D = {"data_format": "NDHWC", "dilations": (1, 1, 1, 1, 1)}
_NORM = {"epsilon": 1e-4, "data_format": "NHWC", "is_training": True}
_REDUCED = {"keep_dims": False}

#: Op -> attribute -> default, as TensorFlow's op registry has them.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Conv2D": _CONV,
    "DepthwiseConv2dNative": {**_WINDOW, "dilations": (1, 1, 1, 1)},
    "Conv2DBackpropInput": _CONV,
    "Conv3D": _CONV3D,
    "Conv3DBackpropInputV2": _CONV3D,
    "MaxPool": _WINDOW,
    "AvgPool": {"data_format": "NHWC"},
    "MaxPool3D": {"data_format": "NDHWC"},
    "AvgPool3D": {"data_format": "NDHWC"},
    "BiasAdd": {"data_format": "NHWC"},
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2"), _NORM),
    "FusedBatchNormV3": {**_NORM, "exponential_avg_factor": 1.0},
    "LRN": {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.2},
    "MatMul": {"transpose_a": False, "transpose_b": False},
    **{name: {"adj_x": False, "adj_y": False} for name in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")},
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm"), _REDUCED),
    "Squeeze": {"squeeze_dims": ()},
    **{name: {"axis": 0} for name in ("Pack", "Unpack")},
    "GatherV2": {"batch_dims": 0},
    "Gather": {"validate_indices": True},
    "ResourceGather": {"batch_dims": 0, "validate_indices": True},
    "Cumsum": {"exclusive": False, "reverse": False},
    "Cumprod": {"exclusive": False, "reverse": False},
    "OneHot": {"axis": -1},
    "Cast": {"Truncate": False},
    "StridedSlice": dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0),
    **{
        name: {"align_corners": False, "half_pixel_centers": False}
        for name in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic")
    },
    **{name: {"data_format": "NHWC"} for name in ("DepthToSpace", "SpaceToDepth")},
    "TopKV2": {"sorted": True},
    "ArgMax": {"output_type": "int64"},
    "ArgMin": {"output_type": "int64"},
    "ReverseSequence": {"batch_dim": 0},
    "BlockLSTM": {"forget_bias": 1.0, "cell_clip": 3.0, "use_peephole": False},
    "BlockLSTMV2": {"cell_clip": 0.0, "use_peephole": False},
    "LSTMBlockCell": {"forget_bias": 1.0, "cell_clip": 3.0, "use_peephole": False},
    **{name: {"incompatible_shape_error": True} for name in ("Equal", "NotEqual")},
    "MatrixBandPart": {},
}
