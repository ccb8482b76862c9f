"""Ops of TensorFlow's graphs as calls of its functions: the names of their inputs and attributes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class GraphOp:
    """What an op is a call of."""

    function: str
    """As `tensorflow_operators.FUNCTIONS` names it."""
    inputs: tuple[str, ...]
    """The arguments that the inputs are; one that ends in a star takes several."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Arguments -> the attributes that they are."""


def _op(function: str, inputs: str = "x", **attributes: str) -> GraphOp:
    return GraphOp(function, tuple(inputs.split()), attributes)


def _words(text: str) -> list[tuple[str, str]]:
    pairs = (word.partition("=") for word in text.split())
    return [(op, function) for op, _, function in pairs]


_POINTWISE = (
    "Abs=abs Acos=acos Acosh=acosh Asin=asin Asinh=asinh Atan=atan Atanh=atanh Ceil=ceil Cos=cos Cosh=cosh Erf=erf "
    "Exp=exp Expm1=expm1 Floor=floor IsFinite=is_finite IsInf=is_inf IsNan=is_nan Log=log Log1p=log1p "
    "LogicalNot=logical_not Neg=negative Reciprocal=reciprocal Inv=reciprocal Round=round Rsqrt=rsqrt Sigmoid=sigmoid "
    "Sign=sign Sin=sin Sinh=sinh Sqrt=sqrt Square=square Tan=tan Tanh=tanh"
)
_BINARY = (
    "Add=add AddV2=add Sub=subtract Mul=multiply RealDiv=truediv Div=truediv FloorDiv=floordiv FloorMod=floormod "
    "Pow=pow Maximum=maximum Minimum=minimum Greater=greater Less=less Equal=equal GreaterEqual=greater_equal "
    "LessEqual=less_equal NotEqual=not_equal LogicalAnd=logical_and LogicalOr=logical_or DivNoNan=divide_no_nan "
    "SquaredDifference=squared_difference"
)
_REDUCTIONS = "Mean=mean Sum=sum Max=max Min=min Prod=prod Any=any All=all"
_ACTIVATIONS = "Relu=relu Relu6=relu6 Elu=elu Selu=selu Softplus=softplus Softsign=softsign"
_MASKS = {f"{name}_mask": f"{name}_mask" for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}

GRAPH_OPS: Mapping[str, GraphOp] = {
    **{op: _op(f"math.{function}") for op, function in _words(_POINTWISE)},
    **{op: _op(f"math.{function}", "x y") for op, function in _words(_BINARY)},
    **{
        op: _op(f"math.reduce_{function}", "input_tensor axis", keepdims="keep_dims")
        for op, function in _words(_REDUCTIONS)
    },
    **{op: _op(f"nn.{function}", "features") for op, function in _words(_ACTIVATIONS)},
    "ArgMax": _op("math.argmax", "input axis", output_type="output_type"),
    "ArgMin": _op("math.argmin", "input axis", output_type="output_type"),
    "AvgPool": _op(
        "nn.avg_pool", "input", ksize="ksize", strides="strides", padding="padding", data_format="data_format"
    ),
    "BatchMatMul": _op("linalg.matmul", "a b", transpose_a="adj_x", transpose_b="adj_y"),
    "BatchMatMulV2": _op("linalg.matmul", "a b", transpose_a="adj_x", transpose_b="adj_y"),
    "BiasAdd": _op("nn.bias_add", "value bias"),
    "BroadcastTo": _op("broadcast_to", "input shape"),
    "ClipByValue": _op("clip_by_value", "t clip_value_min clip_value_max"),
    "Cast": _op("cast", "x", dtype="DstT"),
    "ConcatV2": _op("concat", "values* axis"),
    "Conv2D": _op(
        "nn.conv2d",
        "input filters",
        strides="strides",
        padding="padding",
        dilations="dilations",
        data_format="data_format",
    ),
    "Cumsum": _op("math.cumsum", "x axis", exclusive="exclusive", reverse="reverse"),
    "DepthToSpace": _op("nn.depth_to_space", "input", block_size="block_size"),
    "ExpandDims": _op("expand_dims", "input axis"),
    "GatherV2": _op("gather", "params indices axis", batch_dims="batch_dims"),
    "Fill": _op("fill", "dims value"),
    "Identity": _op("identity", "input"),
    "LeakyRelu": _op("nn.leaky_relu", "features", alpha="alpha"),
    "LogSoftmax": _op("nn.log_softmax", "logits"),
    "MatMul": _op("linalg.matmul", "a b", transpose_a="transpose_a", transpose_b="transpose_b"),
    "MaxPool": _op(
        "nn.max_pool", "input", ksize="ksize", strides="strides", padding="padding", data_format="data_format"
    ),
    "MirrorPad": _op("pad", "tensor paddings", mode="mode"),
    "OneHot": _op("one_hot", "indices depth on_value off_value", axis="axis"),
    "OnesLike": _op("ones_like", "input"),
    "Pack": _op("stack", "values*", axis="axis"),
    "Pad": _op("pad", "tensor paddings"),
    "PadV2": _op("pad", "tensor paddings constant_values"),
    "Range": _op("range", "start limit delta"),
    "Rank": _op("rank", "input"),
    "Reshape": _op("reshape", "tensor shape"),
    "ReverseV2": _op("reverse", "tensor axis"),
    "Select": _op("where", "condition x y"),
    "SelectV2": _op("where", "condition x y"),
    "Shape": _op("shape", "input", out_type="out_type"),
    "Size": _op("size", "input", out_type="out_type"),
    "Slice": _op("slice", "input_ begin size"),
    "Softmax": _op("nn.softmax", "logits"),
    "SpaceToDepth": _op("nn.space_to_depth", "input", block_size="block_size"),
    "Split": _op("split", "axis value", num_or_size_splits="num_split"),
    "SplitV": _op("split", "value num_or_size_splits axis"),
    "Squeeze": _op("squeeze", "input", axis="squeeze_dims"),
    "StopGradient": _op("stop_gradient", "input"),
    "StridedSlice": _op("strided_slice", "input begin end strides", **_MASKS),
    "Tile": _op("tile", "input multiples"),
    "TopKV2": _op("math.top_k", "input k", sorted="sorted"),
    "Transpose": _op("transpose", "a perm"),
    "Unpack": _op("unstack", "value", num="num", axis="axis"),
    "ZerosLike": _op("zeros_like", "input"),
}
