"""Operators between layers, of `keras.ops` and of TensorFlow, as native kinds ``ops.Add`` and so on.

A native operator has the name of the class in `keras.ops` and its arguments there: tensors as inputs in order (a list
is spread out), numbers in the place of tensors as constants, everything else as settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        count = call.results if kind == "Unstack" and not (config | settings).get("num") else 0
        made.append(add(builder, layer, call.index, kind, tensors, config | settings, results=count))
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


def _divide_no_nan(builder: Builder, layer: KerasLayer, call: int, tensors: Sequence[Any], part: str) -> Outputs:
    """``x / y``, and 0 where y is 0."""
    x, y = tensors
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


def _count(kind: str, settings: Mapping[str, Any]) -> int:
    """How many values an operator makes."""
    if kind in ("Split", "ArraySplit"):
        parts = settings.get("indices_or_sections", 1)
        return parts if isinstance(parts, int) else len(parts) + 1
    if kind == "Unstack":
        return int(settings.get("num") or 1)
    return {"TopK": 2, "Moments": 2}.get(kind, 1)
