"""Operators as layers of tf.keras: a TensorFlow function by name in ``TFOpLambda``, slices in ``SlicingOpLambda``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.outlined import Argument, Outline, values_in


@dataclass(frozen=True)
class Function:
    """What TensorFlow calls an operator of ``keras.ops``."""

    name: str
    values: tuple[str, ...] = ("x",)
    """Its arguments that are values; the first is what the layer is called on."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Setting in ``keras.ops`` -> argument."""
    convert: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


_AXES = {"axis": "axis", "keepdims": "keepdims"}
_PAIR = ("x", "y")

_UNARY = (
    "Absolute=math.abs Abs=math.abs Negative=math.negative Sign=math.sign Square=math.square Floor=math.floor "
    "Ceil=math.ceil Round=math.round Sqrt=math.sqrt Rsqrt=math.rsqrt Reciprocal=math.reciprocal Exp=math.exp "
    "Expm1=math.expm1 Log=math.log Log1p=math.log1p Sin=math.sin Cos=math.cos Tan=math.tan Arcsin=math.asin "
    "Arccos=math.acos Arctan=math.atan Sinh=math.sinh Cosh=math.cosh Tanh=math.tanh Arcsinh=math.asinh "
    "Arccosh=math.acosh Arctanh=math.atanh Erf=math.erf Sigmoid=math.sigmoid LogicalNot=math.logical_not"
)
_FEATURES = "Relu=nn.relu Relu6=nn.relu6 Softplus=math.softplus Softsign=nn.softsign Selu=nn.selu Silu=nn.silu"
_BINARY = (
    "Add=math.add Subtract=math.subtract Multiply=math.multiply TrueDivide=math.truediv Divide=math.truediv "
    "FloorDivide=math.floordiv Power=math.pow Maximum=math.maximum Minimum=math.minimum Equal=math.equal "
    "NotEqual=math.not_equal Less=math.less LessEqual=math.less_equal Greater=math.greater Mod=math.floormod "
    "GreaterEqual=math.greater_equal LogicalAnd=math.logical_and LogicalOr=math.logical_or"
)
_REDUCTIONS = (
    "Sum=math.reduce_sum Mean=math.reduce_mean Max=math.reduce_max Amax=math.reduce_max Min=math.reduce_min "
    "Amin=math.reduce_min Prod=math.reduce_prod Any=math.reduce_any All=math.reduce_all "
    "Logsumexp=math.reduce_logsumexp Var=math.reduce_variance Std=math.reduce_std"
)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(kind, name) for kind, _, name in (word.partition("=") for word in text.split())]


def _one(axes: Any) -> Any:
    """One axis where a list of one was meant."""
    return axes[0] if isinstance(axes, list) and len(axes) == 1 else axes


def _sizes(pieces: Any) -> Any:
    """So many equal pieces, or the sizes between the places of the cuts, of which the last is what is left."""
    if isinstance(pieces, int):
        return pieces
    return [*(end - start for start, end in pairwise([0, *pieces])), -1]


_WORDS = {"data_format": lambda word: "NHWC" if word == "channels_last" else "NCHW"}

_FUNCTIONS: Mapping[str, Function] = {
    **{kind: Function(name) for kind, name in _pairs(_UNARY)},
    **{kind: Function(name, ("features",)) for kind, name in _pairs(_FEATURES)},
    **{kind: Function(name, _PAIR) for kind, name in _pairs(_BINARY)},
    **{kind: Function(name, ("input_tensor",), _AXES) for kind, name in _pairs(_REDUCTIONS)},
    "LeakyRelu": Function("nn.leaky_relu", ("features",), {"negative_slope": "alpha"}),
    "Gelu": Function("nn.gelu", ("features",), {"approximate": "approximate"}),
    "Softmax": Function("nn.softmax", ("logits",), {"axis": "axis"}),
    "LogSoftmax": Function("nn.log_softmax", ("logits",), {"axis": "axis"}),
    "Cumprod": Function("math.cumprod", ("x",), {"axis": "axis", "exclusive": "exclusive", "reverse": "reverse"}),
    "Cumsum": Function("math.cumsum", ("x",), {"axis": "axis", "exclusive": "exclusive", "reverse": "reverse"}),
    "Concatenate": Function("concat", ("values",), {"axis": "axis"}),
    "Stack": Function("stack", ("values",), {"axis": "axis"}),
    "Transpose": Function("transpose", ("a",), {"axes": "perm"}),
    "Reshape": Function("reshape", ("tensor",), {"newshape": "shape"}),
    "Squeeze": Function("squeeze", ("input",), {"axis": "axis"}),
    "ExpandDims": Function("expand_dims", ("input",), {"axis": "axis"}, {"axis": _one}),
    "Tile": Function("tile", ("input",), {"repeats": "multiples"}),
    "BroadcastTo": Function("broadcast_to", ("input",), {"shape": "shape"}),
    "Pad": Function(
        "pad",
        ("tensor",),
        {"pad_width": "paddings", "mode": "mode", "constant_values": "constant_values"},
        {"mode": lambda mode: str(mode).upper()},
    ),
    "Flip": Function("reverse", ("tensor",), {"axis": "axis"}),
    "Matmul": Function("linalg.matmul", ("a", "b")),
    "Where": Function("where", ("condition", "x", "y")),
    "Cast": Function("cast", ("x",), {"dtype": "dtype"}),
    "Clip": Function("clip_by_value", ("t",), {"x_min": "clip_value_min", "x_max": "clip_value_max"}),
    "Take": Function("gather", ("params", "indices"), {"axis": "axis"}),
    "OneHot": Function("one_hot", ("indices",), {"num_classes": "depth", "dtype": "dtype"}),
    "Split": Function(
        "split",
        ("value",),
        {"indices_or_sections": "num_or_size_splits", "axis": "axis"},
        {"indices_or_sections": _sizes},
    ),
    "Unstack": Function("unstack", ("value",), {"num": "num", "axis": "axis"}),
    **{
        kind: Function(name, ("input",), {"block_size": "block_size", "data_format": "data_format"}, _WORDS)
        for kind, name in (("DepthToSpace", "nn.depth_to_space"), ("SpaceToDepth", "nn.space_to_depth"))
    },
    "GetItem": Function("__operators__.getitem", ("tensor",), {"key": "slice_spec"}),
}


_MIRRORED = {
    **{
        kind: kind for kind in ("Add", "Multiply", "Maximum", "Minimum", "Equal", "NotEqual", "LogicalAnd", "LogicalOr")
    },
    "Less": "Greater",
    "Greater": "Less",
    "LessEqual": "GreaterEqual",
    "GreaterEqual": "LessEqual",
}


def has(kind: str) -> bool:
    """Whether a function can be an operator of ``keras.ops``."""
    return kind in _FUNCTIONS


def layer(kind: str, name: str) -> tuple[str, dict[str, Any]]:
    """The class and the config of the layer."""
    made = "SlicingOpLambda" if kind == "GetItem" else "TFOpLambda"
    return made, {"name": name, "trainable": True, "dtype": "float32", "function": _FUNCTIONS[kind].name}


def mirror(model: Outline) -> None:
    """Put the value before the constant where either may come first; changes the model in place.

    TensorFlow takes the element type of the first, and of a constant in a config it sees the numbers alone: 32 bits.
    """
    for layer in model.layers:
        turned = _MIRRORED.get(layer.kind.removeprefix("ops."))
        firsts = [(call.arguments[:1], call.arguments[1:]) for call in layer.calls]
        if turned and layer.kind.startswith("ops.") and all(_led(*pair) for pair in firsts):
            layer.kind = f"ops.{turned}"
            for call in layer.calls:
                call.arguments.reverse()


def _led(first: Sequence[Argument], others: Sequence[Argument]) -> bool:
    """Whether a constant comes before a value."""
    return not values_in(list(first)) and len(others) == 1 and isinstance(others[0], Value)


def call(kind: str, config: Mapping[str, Any], arguments: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """What the layer is called on, and the keywords. A setting without an argument says what TensorFlow does anyway."""
    function = _FUNCTIONS[kind]
    first, *others = arguments
    keywords = dict(zip(function.values[1:], others, strict=True))
    for key, argument in function.settings.items():
        if config.get(key) is not None:
            keywords[argument] = function.convert.get(key, lambda value: value)(config[key])
    return first, keywords
