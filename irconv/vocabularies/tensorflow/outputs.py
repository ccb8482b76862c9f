"""What the results of operations are called in TensorFlow's definitions; functions say ``node:product:0``."""

from __future__ import annotations

from collections.abc import Mapping

_OPERATIONS: Mapping[tuple[str, ...], str] = {
    ("y",): (
        "Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Cos Cosh Erf Exp Expm1 Floor Inv Invert IsFinite "
        "IsInf IsNan Log Log1p LogicalNot Neg Reciprocal Rint Round Rsqrt Sigmoid Sign Sin Sinh Sqrt "
        "Square Tan Tanh Transpose "
    ),
    ("z",): (
        "Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor Div Equal FloorDiv FloorMod Greater GreaterEqual "
        "LeftShift Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul NotEqual Pow RealDiv "
        "RightShift Sub TruncateMod "
    ),
    ("sum",): "AddN",
    ("output",): (
        "All Any ArgMax ArgMin AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BiasAdd BroadcastTo Concat "
        "ConcatV2 Const Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 DepthToSpace "
        "DepthwiseConv2dNative Einsum EuclideanNorm ExpandDims Fill Gather GatherNd GatherV2 Identity LRN "
        "MatrixDeterminant Max MaxPool MaxPool3D Mean Min MirrorPad OneHot Pack Pad PadV2 Placeholder "
        "PlaceholderWithDefault Prod Range Reshape ResourceGather ReverseSequence ReverseV2 SelectV2 "
        "Shape SpaceToDepth Split SplitV Squeeze StatelessWhile StridedSlice Sum TensorScatterAdd "
        "TensorScatterUpdate Tile Unpack While "
    ),
    ("out",): "Cumprod Cumsum",
    ("activations",): "Elu LeakyRelu Relu Relu6 Selu Softplus Softsign",
    ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"): "FusedBatchNorm FusedBatchNormV2",
    ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"): "FusedBatchNormV3",
    ("logsoftmax",): "LogSoftmax",
    ("product",): "MatMul",
    ("band",): "MatrixBandPart",
    ("value",): "ReadVariableOp",
    ("resized_images",): "ResizeBicubic ResizeBilinear ResizeNearestNeighbor",
    ("tensors",): "RestoreV2",
    ("softmax",): "Softmax",
    ("output_handle",): "TensorListFromTensor TensorListSetItem",
    ("item",): "TensorListGetItem",
    ("handle",): "TensorListReserve",
    ("tensor",): "TensorListStack",
    ("values", "indices"): "TopKV2",
    ("index",): "Where",
    ("y", "idx"): "Unique UniqueV2",
    ("y", "idx", "count"): "UniqueWithCounts UniqueWithCountsV2",
    ("selected_indices",): "NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3",
    ("selected_indices", "valid_outputs"): "NonMaxSuppressionV4",
    ("selected_indices", "selected_scores", "valid_outputs"): "NonMaxSuppressionV5",
    ("resource",): "VarHandleOp",
}

#: Operation -> the names of its results, in order; a name may stand for a list.
OUTPUTS: Mapping[str, tuple[str, ...]] = {op: names for names, ops in _OPERATIONS.items() for op in ops.split()}
