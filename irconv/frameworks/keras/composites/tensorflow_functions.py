"""Functions of TensorFlow as operators of `keras.ops`: a table, and steps where one operator does not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from itertools import accumulate
from typing import Any

from irconv.codec import TypeOf
from irconv.data_classes import dataclass
from irconv.frameworks.keras import masks
from irconv.frameworks.keras.builder import KerasCall, Outputs, Value, value_name
from irconv.frameworks.keras.calls import leaves
from irconv.frameworks.keras.composites import resizing
from irconv.frameworks.keras.composites import tensorflow_sizes as sizes
from irconv.frameworks.keras.composites.drawing import Drawing
from irconv.frameworks.keras.composites.tensorflow_call import Arguments, Call, Steps
from irconv.frameworks.keras.composites.tensorflow_written import WRITTEN


@dataclass(frozen=True)
class Function:
    """A function of TensorFlow that is one operator of Keras."""

    kind: str
    tensors: tuple[str, ...]
    """The arguments that are tensors, in the order of Keras'."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Keras' settings -> the arguments."""
    absent: Mapping[str, Any] = field(default_factory=dict)
    """What arguments are that are not given; None unless said."""

    def __call__(self, call: Call, given: Arguments) -> Outputs:
        tensors = [given.pop(name, None) for name in self.tensors]
        if self.kind not in _OF_LISTS:
            tensors = [_stacked(call, name, given) for name, given in zip(self.tensors, tensors, strict=True)]
        settings = {key: given.pop(name, self.absent.get(name)) for key, name in self.settings.items()}
        return call.add(self.kind, *tensors, **settings)


#: Operators that take a list of tensors; elsewhere a list is one tensor with an axis more.
_OF_LISTS = {"Concatenate", "Stack", "AddN"}


def _stacked(call: Call, name: str, given: Any) -> Any:
    """A tensor, where it is given as a list of them stacked along a new first axis."""
    if isinstance(given, list) and any(isinstance(leaf, Value) for leaf in leaves(given)):
        return call.add(
            "Stack", *(_stacked(call, f"{name}{i}", part) for i, part in enumerate(given)), part=name, axis=0
        )[0]
    return given


def _one(kind: str, tensor: str = "x", settings: str = "", **absent: Any) -> Function:
    """A function of one tensor; settings are words, ``keras=tensorflow`` where the names differ."""
    pairs = [word.partition("=") for word in settings.split()]
    return Function(kind, (tensor,), {key: name or key for key, _, name in pairs}, absent)


def _two(kind: str, tensors: str = "x y") -> Function:
    return Function(kind, tuple(tensors.split()))


def _split(call: Call, given: Arguments) -> Outputs:
    wanted = given.pop("num_or_size_splits")
    parts = wanted if isinstance(wanted, int) else _cuts(wanted)
    axis = given.pop("axis", None) or 0
    return call.add("Split", given.pop("value"), indices_or_sections=parts, axis=axis)


def _cuts(sizes: list[int]) -> list[int]:
    """The places between pieces of these sizes; behind the one whose size is -1, what is left, they count from the
    end."""
    if -1 not in sizes:
        return list(accumulate(sizes))[:-1]
    open_one = sizes.index(-1)
    after = [-size for size in accumulate(reversed(sizes[open_one + 1 :]))]
    return [*accumulate(sizes[:open_one]), *reversed(after)]


def _unstack(call: Call, given: Arguments) -> Outputs:
    count = given.pop("num", None)
    value, axis = _stacked(call, "value", given.pop("value")), given.pop("axis", None) or 0
    return call.add("Unstack", value, num=count, axis=axis, results=count or call.results)


def _add_n(call: Call, given: Arguments) -> Outputs:
    """The sum of a list, from the first on."""
    first, *rest = given.pop("inputs")
    for i, value in enumerate(rest):
        first = call.add("Add", first, value, part=f"sum{i}" if i < len(rest) - 1 else "")[0]
    return (first,)


def _matmul(call: Call, given: Arguments) -> Outputs:
    sides = []
    for name in ("a", "b"):
        side = given.pop(name)
        if given.pop(f"transpose_{name}", False) or given.pop(f"adjoint_{name}", False):
            side = call.add("Swapaxes", side, part=f"{name}_turned", axis1=-2, axis2=-1)[0]
        sides.append(side)
    return call.add("Matmul", *sides)


def _clip(call: Call, given: Arguments) -> Outputs:
    x, low, high = (given.pop(name) for name in ("t", "clip_value_min", "clip_value_max"))
    if all(isinstance(bound, int | float) for bound in (low, high)):
        return call.add("Clip", x, x_min=low, x_max=high)
    return call.add("Maximum", call.add("Minimum", x, high, part="below")[0], low)


def _l2_normalize(call: Call, given: Arguments) -> Outputs:
    """``x / sqrt(max(sum(x^2), epsilon))``; Keras' own takes the maximum of the norm instead."""
    x, axis = given.pop("x"), given.pop("axis", None)
    squares = call.add("Square", x, part="squares")[0]
    total = call.add("Sum", squares, part="sum", axis=axis, keepdims=True)[0]
    least = call.add("Maximum", total, given.pop("epsilon", 1e-12), part="least")[0]
    return call.add("Multiply", x, call.add("Rsqrt", least, part="rsqrt")[0])


def _squared_difference(call: Call, given: Arguments) -> Outputs:
    return call.add("Square", call.add("Subtract", given.pop("x"), given.pop("y"), part="difference")[0])


def _slice(call: Call, given: Arguments) -> Outputs:
    begin, size = given.pop("begin"), given.pop("size")
    key = [_cut(start, None if length == -1 else start + length) for start, length in zip(begin, size, strict=True)]
    return call.add("GetItem", given.pop("input_"), key=key)


def _cut(start: int | None, stop: int | None, step: int | None = None) -> dict[str, int | None]:
    return {"start": start, "stop": stop, "step": step}


def _getitem(call: Call, given: Arguments) -> Outputs:
    spec = given.pop("slice_spec", None)
    key = [_entry(entry) for entry in (spec if isinstance(spec, list) else [spec])]
    return call.add("GetItem", given.pop("tensor"), key=key)


def _entry(entry: Any) -> Any:
    """An index; a mapping with `start`, or the word for an ellipsis."""
    return "..." if isinstance(entry, Mapping) and entry.get("class_name") == "__ellipsis__" else entry


def _strided_slice(call: Call, given: Arguments) -> Outputs:
    """A node of a graph: masks say which bounds are left open, which axes are new and which go."""
    masks = {
        name: int(given.pop(f"{name}_mask", 0)) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    key: list[Any] = []
    for bit, (begin, end, step) in enumerate(zip(*(given.pop(n) for n in ("begin", "end", "strides")), strict=True)):
        on = {name: mask >> bit & 1 for name, mask in masks.items()}
        if on["ellipsis"]:
            key.append("...")
        elif on["new_axis"]:
            key.append(None)
        elif on["shrink_axis"]:
            key.append(begin)
        else:
            key.append(_cut(None if on["begin"] else begin, None if on["end"] else end, None if step == 1 else step))
    return call.add("GetItem", given.pop("input"), key=key)


def _pad(call: Call, given: Arguments) -> Outputs:
    mode, value = str(given.pop("mode", None) or "constant").lower(), given.pop("constant_values", None) or 0
    settings = {
        "pad_width": given.pop("paddings"),
        "mode": mode,
        "constant_values": value if mode == "constant" else None,
    }
    return call.add("Pad", given.pop("tensor"), **settings)


def _gather(call: Call, given: Arguments) -> Outputs:
    axis, batch = given.pop("axis", None), given.pop("batch_dims", None) or 0
    if batch:
        call.builder.problem(call.layer.name, f"gathers with batch_dims={batch}, which irconv does not read")
    return call.add("Take", given.pop("params"), given.pop("indices"), axis=axis or 0)


def _one_hot(call: Call, given: Arguments) -> Outputs:
    if given.pop("on_value", None) not in (None, 1) or given.pop("off_value", None) not in (None, 0):
        call.builder.problem(call.layer.name, "writes other numbers than 0 and 1, which irconv does not read")
    axis = given.pop("axis", None)
    return call.add("OneHot", given.pop("indices"), num_classes=given.pop("depth"), axis=-1 if axis is None else axis)


def _pool(kind: str) -> Steps:
    def place(call: Call, given: Arguments) -> Outputs:
        size, strides = (_spatial(given, name) for name in ("ksize", "strides"))
        return call.add(kind, given.pop("input"), pool_size=size, strides=strides, **_layout(given))

    return place


def _conv(call: Call, given: Arguments) -> Outputs:
    strides, dilations = _spatial(given, "strides"), _spatial(given, "dilations") or 1
    kernel = given.pop("filters", None) or given.pop("filter")
    return call.add("Conv", given.pop("input"), kernel, strides=strides, dilation_rate=dilations, **_layout(given))


def _layout(given: Arguments) -> dict[str, Any]:
    word = str(given.get("data_format") or "NHWC")
    given.pop("data_format", None)
    padding = given.pop("padding")
    if isinstance(padding, str):
        padding = padding.lower()
    return {"padding": padding, "data_format": "channels_first" if word.startswith("NC") else "channels_last"}


def _spatial(given: Arguments, name: str) -> Any:
    """Sizes of the spatial axes; TensorFlow takes those of all four or five axes, too."""
    value, first = given.pop(name, None), str(given.get("data_format") or "NHWC").startswith("NC")
    if isinstance(value, list) and len(value) > 3:
        return value[2:] if first else value[1:-1]
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _resize(call: Call, given: Arguments) -> Outputs:
    method, antialias = given.pop("method", None) or "bilinear", given.pop("antialias", None) or False
    if given.pop("preserve_aspect_ratio", None):
        call.builder.problem(call.layer.name, "resizes with preserve_aspect_ratio, which irconv does not read")
    settings = {"size": given.pop("size"), "interpolation": method, "antialias": antialias}
    x, layer = given.pop("images"), replace(call.layer, config={**call.layer.config, **settings})
    one = replace(layer, calls=(KerasCall(call.index, (x,)),)) if isinstance(x, Value) else layer
    if isinstance(settings["size"], list) and resizing.is_drawn(call.builder, one):
        return call.add("Copy", resizing.resized(Drawing(call.builder, layer, KerasCall(call.index, (x,))), x))
    return call.add("Resize", x, **settings, data_format="channels_last")


def _argument(kind: str) -> Steps:
    def place(call: Call, given: Arguments) -> Outputs:
        axis, dtype = given.pop("axis", None), given.pop("output_type", None) or "int64"
        found = call.add(kind, given.pop("input"), part="index", axis=axis or 0, keepdims=False)[0]
        return call.add("Cast", found, dtype=dtype)

    return place


def _filled_like(value: bool | float) -> Steps:
    """One number for every element of another value, of its type unless another is said."""

    def place(call: Call, given: Arguments) -> Outputs:
        x, dtype = given.pop("input"), given.pop("dtype", None)
        name = value_name(call.layer.name, call.index)
        return (masks.full_like(call.builder, call.layer.name, name, x, value, dtype or TypeOf(x)),)

    return place


_REDUCED = "axis keepdims"
_KEEP = {"keepdims": False}

#: TensorFlow's functions; their names stand without ``compat.v1.``.
FUNCTIONS: Mapping[str, Steps] = {
    **{
        f"{module}.{name}": _one(kind, tensor)
        for module, tensor, names in (
            (
                "math",
                "x",
                "abs=Absolute acos=Arccos acosh=Arccosh asin=Arcsin asinh=Arcsinh atan=Arctan atanh=Arctanh ceil=Ceil",
            ),
            (
                "math",
                "x",
                "cos=Cos cosh=Cosh erf=Erf exp=Exp expm1=Expm1 floor=Floor is_nan=Isnan is_inf=Isinf log=Log",
            ),
            ("math", "x", "log1p=Log1p logical_not=LogicalNot negative=Negative reciprocal=Reciprocal round=Round"),
            (
                "math",
                "x",
                "rsqrt=Rsqrt sigmoid=Sigmoid sign=Sign sin=Sin sinh=Sinh sqrt=Sqrt square=Square tan=Tan tanh=Tanh",
            ),
            ("math", "x", "log_sigmoid=LogSigmoid is_finite=Isfinite"),
            ("math", "features", "softplus=Softplus"),
            (
                "nn",
                "features",
                "relu=Relu relu6=Relu6 elu=Elu selu=Selu softplus=Softplus softsign=Softsign swish=Silu silu=Silu",
            ),
            ("nn", "x", "sigmoid=Sigmoid tanh=Tanh"),
        )
        for name, _, kind in (word.partition("=") for word in names.split())
    },
    **{
        f"math.{name}": _two(kind)
        for name, _, kind in (
            word.partition("=")
            for word in [
                "add=Add",
                "subtract=Subtract",
                "multiply=Multiply",
                "truediv=TrueDivide",
                "divide=TrueDivide",
                "floordiv=FloorDivide",
                "floormod=Mod",
                "mod=Mod",
                "pow=Power",
                "maximum=Maximum",
                "minimum=Minimum",
                "greater=Greater",
                "less=Less",
                "equal=Equal",
                "greater_equal=GreaterEqual",
                "less_equal=LessEqual",
                "not_equal=NotEqual",
                "logical_and=LogicalAnd",
                "logical_or=LogicalOr",
                "logical_xor=LogicalXor",
                "divide_no_nan=DivideNoNan",
            ]
        )
    },
    **{
        f"math.reduce_{name}": _one(kind, "input_tensor", _REDUCED, **_KEEP)
        for name, kind in (
            ("mean", "Mean"),
            ("sum", "Sum"),
            ("max", "Max"),
            ("min", "Min"),
            ("prod", "Prod"),
            ("any", "Any"),
            ("all", "All"),
            ("std", "Std"),
            ("variance", "Var"),
            ("logsumexp", "Logsumexp"),
        )
    },
    "__operators__.add": _two("Add"),
    "__operators__.eq": _two("Equal", "self other"),
    "__operators__.ne": _two("NotEqual", "self other"),
    "__operators__.getitem": _getitem,
    "broadcast_to": _one("BroadcastTo", "input", "shape"),
    "add_n": _add_n,
    "cast": _one("Cast", "x", "dtype"),
    "clip_by_value": _clip,
    "concat": _one("Concatenate", "values", "axis", axis=0),
    "expand_dims": _one("ExpandDims", "input", "axis"),
    "fill": sizes.filled(),
    "floor_div": _two("FloorDivide"),
    "gather": _gather,
    "identity": _one("Copy", "input"),
    "image.resize": _resize,
    "linalg.l2_normalize": _l2_normalize,
    "linalg.matmul": _matmul,
    "math.add_n": _add_n,
    "math.argmax": _argument("Argmax"),
    "math.argmin": _argument("Argmin"),
    "math.atan2": _two("Arctan2", "y x"),
    "math.cumprod": _one("Cumprod", "x", "axis exclusive reverse", axis=0, exclusive=False, reverse=False),
    "math.cumsum": _one("Cumsum", "x", "axis exclusive reverse", axis=0, exclusive=False, reverse=False),
    "math.l2_normalize": _l2_normalize,
    "math.squared_difference": _squared_difference,
    "math.top_k": _one("TopK", "input", "k sorted", k=1, sorted=True),
    "nn.avg_pool": _pool("AveragePool"),
    "nn.avg_pool2d": _pool("AveragePool"),
    "nn.bias_add": _two("Add", "value bias"),
    "nn.conv2d": _conv,
    "nn.depth_to_space": _one("DepthToSpace", "input", "block_size"),
    "nn.gelu": _one("Gelu", "features", "approximate", approximate=False),
    "nn.l2_normalize": _l2_normalize,
    "nn.leaky_relu": _one("LeakyRelu", "features", "negative_slope=alpha", alpha=0.2),
    "nn.log_softmax": _one("LogSoftmax", "logits", "axis", axis=-1),
    "nn.max_pool": _pool("MaxPool"),
    "nn.max_pool2d": _pool("MaxPool"),
    "nn.softmax": _one("Softmax", "logits", "axis", axis=-1),
    "nn.space_to_depth": _one("SpaceToDepth", "input", "block_size"),
    "one_hot": _one_hot,
    "ones": sizes.filled(1.0),
    "ones_like": _filled_like(1.0),
    "pad": _pad,
    "range": sizes.counted,
    "rank": sizes.rank,
    "repeat": _one("Repeat", "input", "repeats axis"),
    "reshape": _one("Reshape", "tensor", "newshape=shape"),
    "reverse": _one("Flip", "tensor", "axis"),
    "roll": _one("Roll", "input", "shift axis"),
    "shape": sizes.shape,
    "size": sizes.size,
    "slice": _slice,
    "split": _split,
    "squeeze": _one("Squeeze", "input", "axis"),
    "stack": _one("Stack", "values", "axis", axis=0),
    "stop_gradient": _one("Copy", "input"),
    "strided_slice": _strided_slice,
    "tensordot": Function("Tensordot", ("a", "b"), {"axes": "axes"}),
    "tile": _one("Tile", "input", "repeats=multiples"),
    "transpose": _one("Transpose", "a", "axes=perm"),
    "unstack": _unstack,
    "where": Function("Where", ("condition", "x", "y")),
    "zeros": sizes.filled(0.0),
    "zeros_like": _filled_like(0.0),
    **WRITTEN,
}
