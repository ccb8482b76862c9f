"""Operators between layers, of `keras.ops` and of TensorFlow, as native kinds ``ops.Add`` and so on.

A native operator has the name of the class in `keras.ops` and its arguments there: tensors as inputs in order (a list
is spread out), numbers in the place of tensors as constants, everything else as settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irconv.codec import NumbersOf
from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.calls import leaves

#: The names of the tensors that operators of several are called on; all others take one, or a list of them.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Average",), ("x", "weights")),
    **dict.fromkeys(("BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift", "CDist"), ("x", "y")),
    **dict.fromkeys(("Percentile", "Quantile"), ("x", "q")),
    **dict.fromkeys(("Take", "TakeAlongAxis"), ("x", "indices")),
    "BatchNorm": ("x", "mean", "variance", "offset", "scale"),
    "Conv": ("inputs", "kernel"),
    "ConvTranspose": ("inputs", "kernel"),
    "DepthwiseConv": ("inputs", "kernel"),
    "Digitize": ("x", "bins"),
    "DotProductAttention": ("query", "key", "value", "bias", "mask", "scale"),
    "FullLike": ("x", "fill_value"),
    "GetItem": ("x", "key"),
    "LayerNorm": ("x", "gamma", "beta"),
    "Pad": ("x", "constant_values"),
    "RMSNorm": ("x", "scale"),
    "SearchSorted": ("sorted_sequence", "values"),
    "SeparableConv": ("inputs", "depthwise_kernel", "pointwise_kernel"),
    "Slice": ("inputs", "start_indices"),
    "SliceUpdate": ("inputs", "start_indices", "updates"),
    "ScatterUpdate": ("inputs", "indices", "updates"),
    "Solve": ("a", "b"),
    "Where": ("condition", "x1", "x2"),
}
_TWO = ("x1", "x2")
_WHOLE = {"start": None, "stop": None, "step": None}

#: Arguments of calls that are settings, not tensors.
_SETTINGS = {
    ("GetItem", "key"),
    ("Pad", "constant_values"),
    ("Slice", "start_indices"),
    ("DotProductAttention", "scale"),
}

#: Settings of every layer that an operator's config holds, too.
_OF_LAYERS = {"name", "trainable", "dtype"}


def place(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """An operator of `keras.ops`: a call gives its tensors, the config its settings."""
    kind = layer.kind.removeprefix("ops.")
    keep = {"dtype"} if kind in ("Cast", "SaturateCast", "Arange", "Full") else set[str]()
    config = {key: value for key, value in layer.config.items() if key not in _OF_LAYERS - keep}
    made = []
    for call in layer.calls:
        names = PARAMETERS.get(kind, _TWO)
        given = dict(zip(names, call.arguments, strict=False))
        if len(call.arguments) > len(names):  # Einsum and Meshgrid take any number
            given = {f"x{i}": argument for i, argument in enumerate(call.arguments)}
        given |= call.keywords
        settings = {key: value for key, value in given.items() if (kind, key) in _SETTINGS}
        tensors = [value for key, value in given.items() if key not in settings]
        if kind == "GetItem" and not isinstance(settings.get("key"), list):
            settings["key"] = [settings.get("key")]
        if kind in WRITTEN_OUT:
            made.append(WRITTEN_OUT[kind](Written(builder, layer, call.index), tensors, config | settings))
            continue
        results = call.results if kind == "Unstack" and not config.get("num") else 0
        made.append(add(builder, layer, call.index, kind, tensors, config | settings, results=results))
    return made


def add(
    builder: Builder,
    layer: KerasLayer,
    call: int,
    kind: str,
    tensors: Sequence[Any],
    settings: Mapping[str, Any],
    part: str = "",
    results: int = 0,
) -> Outputs:
    """One use of an operator; the values it makes, so many where its settings do not say.

    `part` names an operator that is one step of a layer.
    """
    if kind == "DivideNoNan":
        return _divide_no_nan(builder, layer, call, tensors, part)
    settings = {key: _numbers(value) for key, value in settings.items()}
    name = layer.name + (f".{part}" if part else "")
    origin, before = layer.part if part else layer.origin, builder.layers.get(name)
    if kind == "GetItem":  # a key of new axes alone takes nothing away
        settings = {**settings, "cuts": any(entry not in (None, "...", _WHOLE) for entry in settings["key"])}
    builder.place(f"ops.{kind}", name, settings, origin=origin, of=layer.name)
    if before is not None and before.config != builder.layers[name].config:
        builder.layers[name] = before  # operators may be called with other settings each time
        name = f"{name}#{call}"
        builder.place(f"ops.{kind}", name, settings, origin=origin, of=layer.name)
    inputs = tuple(_value(builder, layer, f"{name}#{call}.{i}", leaf) for i, leaf in enumerate(_spread(tensors)))
    result = layer.name + (f".{part}" if part else "")
    outputs = tuple(value_name(result, call, i) for i in range(results or _count(kind, settings)))
    builder.use(name, inputs, outputs)
    return outputs


class Written:
    """The operators of one call of an operator that is written out by others."""

    def __init__(self, builder: Builder, layer: KerasLayer, call: int) -> None:
        self.builder, self.layer, self.call, self.count = builder, layer, call, 0

    def __call__(self, kind: str, *tensors: Any, **settings: Any) -> Value:
        """The one result of a step."""
        self.count += 1
        (made,) = add(self.builder, self.layer, self.call, kind, tensors, settings, f"{kind.lower()}{self.count}")
        return made

    def ends(self, kind: str, *tensors: Any, **settings: Any) -> Outputs:
        """The last step, which gives what the operator gives."""
        return add(self.builder, self.layer, self.call, kind, tensors, settings)

    def refuse(self, what: str) -> Outputs:
        """Say that a form is not read."""
        self.builder.problem(self.layer.name, what)
        return (Value(""),)


def _divide_no_nan(builder: Builder, layer: KerasLayer, call: int, tensors: Sequence[Any], part: str) -> Outputs:
    """``x / y``, and 0 where y is 0."""
    x, y = tensors
    if isinstance(y, int | float) and y:
        return add(builder, layer, call, "TrueDivide", (x, y), {}, part)
    step = f"{part}." if part else ""
    (nothing,) = add(builder, layer, call, "Equal", (y, 0.0), {}, f"{step}nothing")
    (quotient,) = add(builder, layer, call, "TrueDivide", (x, y), {}, f"{step}quotient")
    return add(builder, layer, call, "Where", (nothing, 0.0, quotient), {}, part)


def _spread(tensors: Sequence[Any]) -> list[Any]:
    """Lists with values in them are spread out; lists of numbers are one constant."""
    found: list[Any] = []
    for given in tensors:
        if isinstance(given, list | tuple) and any(isinstance(leaf, Value) for leaf in leaves(given)):
            found += _spread(given)
        else:
            found.append(given)
    while found and found[-1] is None:
        found.pop()
    return found


def _value(builder: Builder, layer: KerasLayer, name: str, given: Any) -> Value:
    if isinstance(given, Value):
        return given
    numbers = leaves(given)
    if not numbers or not all(isinstance(number, int | float) for number in numbers):
        builder.problem(layer.name, f"is called on {given!r}, which irconv does not read")
        return Value("")
    short = f"constant_{given!r}" if isinstance(given, int | float) else f"constant_{name}"
    return builder.constant(short, given)


def _numbers(setting: Any) -> Any:
    """A setting in which values of the graph stand for the numbers that they hold."""
    if isinstance(setting, Value):
        return NumbersOf(setting)
    if isinstance(setting, Mapping):
        return {key: _numbers(part) for key, part in setting.items()}
    return [_numbers(part) for part in setting] if isinstance(setting, list) else setting


def _nan_to_num(o: Written, tensors: Sequence[Any], settings: Mapping[str, Any]) -> Outputs:
    """Infinities become the largest number of float32 unless another is said."""
    (x,), high, low = tensors, settings.get("posinf"), settings.get("neginf")
    kept = o("Where", o("Isnan", x), float(settings.get("nan") or 0.0), x)
    kept = o("Where", o("Greater", kept, _LARGEST), _LARGEST if high is None else float(high), kept)
    return o.ends("Where", o("Less", kept, -_LARGEST), -_LARGEST if low is None else float(low), kept)


def _log_add_exp(o: Written, tensors: Sequence[Any], _: Mapping[str, Any]) -> Outputs:
    """``max(x, y) + log(1 + exp(-|x - y|))``."""
    x, y = tensors
    apart = o("Negative", o("Absolute", o("Subtract", x, y)))
    return o.ends("Add", o("Maximum", x, y), o("Log1p", o("Exp", apart)))


def _norm(o: Written, tensors: Sequence[Any], settings: Mapping[str, Any]) -> Outputs:
    """Of vectors along an axis, of order 2, 1, infinity or another; of matrices of order ``fro``."""
    (x,), order, axis = tensors, settings.get("ord"), settings.get("axis")
    keep = {"axis": axis, "keepdims": bool(settings.get("keepdims", False))}
    several = axis is None or (isinstance(axis, list | tuple) and len(axis) > 1)
    if order in (None, "fro") or (order == 2 and not several):
        return o.ends("Sqrt", o("Sum", o("Square", x), **keep))
    if several or isinstance(order, str):
        return o.refuse(f"is a norm of order {order} of matrices, which irconv does not read")
    if order in (float("inf"), float("-inf"), "inf"):
        return o.ends("Max" if order != float("-inf") else "Min", o("Absolute", x), **keep)
    if order == 1:
        return o.ends("Sum", o("Absolute", x), **keep)
    if order == 0:
        return o.refuse("counts elements by a norm of order 0, which irconv does not read")
    return o.ends("Power", o("Sum", o("Power", o("Absolute", x), float(order)), **keep), 1 / float(order))


def _weighted(o: Written, tensors: Sequence[Any], settings: Mapping[str, Any]) -> Outputs:
    """``average``: a mean, by weights along one axis where there are some."""
    x, weights = (*tensors, None)[:2]
    axis = settings.get("axis")
    if weights is None:
        return o.ends("Mean", x, axis=axis, keepdims=False)
    if isinstance(weights, Value) or axis not in (-1,):
        return o.refuse("weighs elements along another axis than the last, or by computed weights")
    return o.ends("Divide", o("Sum", o("Multiply", x, weights), axis=axis), float(sum(leaves(weights))))


def _chosen(o: Written, tensors: Sequence[Any], settings: Mapping[str, Any]) -> Outputs:
    """``select``: the value of the first condition that holds."""
    count, default = len(tensors) // 2, tensors[-1]
    conditions, values = _listed(tensors[0]), _listed(tensors[1])
    if len(tensors) > 3 or len(conditions) != len(values):
        conditions, values = list(tensors[:count]), list(tensors[count : 2 * count])
    made = default
    for condition, value in reversed(list(zip(conditions, values, strict=True))[1:]):
        made = o("Where", condition, value, made)
    return o.ends("Where", conditions[0], values[0], made)


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _grey(o: Written, tensors: Sequence[Any], settings: Mapping[str, Any]) -> Outputs:
    """``image.rgb_to_grayscale``: 0.2989 red, 0.587 green and 0.114 blue."""
    if settings.get("data_format") not in (None, "channels_last"):
        return o.refuse("takes images with their channels first, which irconv does not read here")
    return o.ends("Sum", o("Multiply", tensors[0], [0.2989, 0.587, 0.114]), axis=-1, keepdims=True)


_LARGEST = 3.4028234663852886e38
"""The largest float32 number."""
WRITTEN_OUT: Mapping[str, Callable[[Written, Sequence[Any], Mapping[str, Any]], Outputs]] = {
    "NanToNum": _nan_to_num,
    "Logaddexp": _log_add_exp,
    "Norm": _norm,
    "Average": _weighted,
    "Select": _chosen,
    "RGBToGrayscale": _grey,
}
"""Operators that others make up -> how."""


def _count(kind: str, settings: Mapping[str, Any]) -> int:
    """How many values an operator makes."""
    if kind in ("Split", "ArraySplit"):
        parts = settings.get("indices_or_sections", 1)
        return parts if isinstance(parts, int) else len(parts) + 1
    if kind == "Unstack":
        return int(settings.get("num") or 1)
    return {"TopK": 2, "Moments": 2}.get(kind, 1)
