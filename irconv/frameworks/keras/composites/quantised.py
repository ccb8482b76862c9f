"""Layers of Keras 3 whose kernel is kept in few bits: those of 8-bit integers; of 4 see `four_bits`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites import four_bits, layers
from irconv.frameworks.keras.composites.fused import activate, before_activation, plain
from irconv.frameworks.keras.composites.layers import Steps, each_call
from irconv.frameworks.keras.variables import bits_of


def _dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``q K / (s k) + b`` with the integers K and their scales k; q is x in whole steps of 1 / s.

    ``s = 127 / (max(abs(x)) + 1e-7)`` along the last axis, ``q = min(max(round(s x), -127), 127)``; without a quantiser
    of the inputs, q is x and s is 1.
    """
    if "kernel_scale" not in layer.tensors:
        return plain(builder, merged(layer))
    if _of_four_bits(builder, layer):
        return four_bits.dense(builder, layer)
    _known_alone(builder, layer, "kernel", "kernel_scale", "bias")
    quantiser = _quantiser(builder, layer)
    activation = layer.config.get("activation") or "linear"
    values = [value_name(layer.name, call.index) for call in layer.calls]
    results = before_activation(values, activation)
    for (call, step), result in zip(each_call(builder, layer), results, strict=True):
        x, scale = call.inputs[0], step.variable("kernel_scale", layer.tensors["kernel_scale"])
        if quantiser is not None:
            x, steps = _in_steps(step, x, quantiser)
            scale = step("ops.Multiply", "scale", scale, steps)
        integers = step.variable("kernel", layer.tensors["kernel"])
        kernel = step("ops.Cast", "numbers", integers, dtype="float32")
        product = step("ops.Matmul", "product", x, kernel)
        if "bias" in layer.tensors:
            bias = step.variable("bias", layer.tensors["bias"])
            step.ends("ops.Add", step("ops.TrueDivide", "unscaled", product, scale), bias, result=result)
        else:
            step.ends("ops.TrueDivide", product, scale, result=result)
    activate(builder, layer, activation, values)
    return [(value,) for value in values]


def _embedding(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Row i of the integers over the scale of row i."""
    if "embeddings_scale" not in layer.tensors:
        return plain(builder, merged(layer))
    if _of_four_bits(builder, layer):
        return four_bits.embedding(builder, layer)
    _known_alone(builder, layer, "embeddings", "embeddings_scale")
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        index = step("ops.Cast", "index", *call.inputs, dtype="int32")
        table, scales = (step.variable(name, layer.tensors[name]) for name in ("embeddings", "embeddings_scale"))
        rows = step("ops.Cast", "numbers", step("ops.Take", "rows", table, index, axis=0), dtype="float32")
        scale = step("ops.ExpandDims", "scale", step("ops.Take", "scales", scales, index, axis=0), axis=-1)
        made.append((step.ends("ops.TrueDivide", rows, scale),))
    return made


def _einsum_dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """As Dense, along named axes: the largest element is that of the axes that the product takes away."""
    if "kernel_scale" not in layer.tensors:
        return layers.EXPANSIONS["EinsumDense"](builder, merged(layer))
    if _of_four_bits(builder, layer):
        return four_bits.einsum_dense(builder, layer)
    _known_alone(builder, layer, "kernel", "kernel_scale", "bias")
    equation = str(layer.config["equation"]).replace(" ", "")
    left, _, result = equation.partition("->")
    given = left.partition(",")[0]
    if not (given + result).isalpha():
        builder.problem(layer.name, f"has 8-bit weights and the equation {equation}, and irconv reads letters there")
    quantiser, activation = _quantiser(builder, layer), layer.config.get("activation") or "linear"
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for (call, step), end in zip(each_call(builder, layer), before_activation(values, activation), strict=True):
        x, scale = call.inputs[0], step.variable("kernel_scale", layer.tensors["kernel_scale"])
        if quantiser is not None:
            gone = [axis for axis, letter in enumerate(given) if letter not in result]
            x, steps = _in_steps(step, x, quantiser, gone)
            scale = step("ops.Multiply", "scale", scale, _laid_along(step, steps, given, result, gone))
        kernel = step("ops.Cast", "numbers", step.variable("kernel", layer.tensors["kernel"]), dtype="float32")
        product = step("ops.Einsum", "product", x, kernel, subscripts=equation)
        if "bias" in layer.tensors:
            bias = step.variable("bias", layer.tensors["bias"])
            step.ends("ops.Add", step("ops.TrueDivide", "unscaled", product, scale), bias, result=end)
        else:
            step.ends("ops.TrueDivide", product, scale, result=end)
    activate(builder, layer, activation, values)
    return [(value,) for value in values]


def _laid_along(step: Steps, steps: Value, given: str, result: str, gone: list[int]) -> Value:
    """Numbers along the axes `given`, of which some are `gone`, along those of `result`."""
    steps = step("ops.Squeeze", "kept", steps, axis=gone)
    kept = [letter for letter in given if letter in result]
    order = sorted(range(len(kept)), key=lambda axis: result.index(kept[axis]))
    steps = step("ops.Transpose", "ordered", steps, axes=order)
    new = [axis for axis, letter in enumerate(result) if letter not in kept]
    return step("ops.ExpandDims", "laid", steps, axis=new) if new else steps


def merged(layer: KerasLayer) -> KerasLayer:
    """Without the settings of a low-rank adaptation: Keras adds its pieces to the kernel when it saves."""
    kept = {key: value for key, value in layer.config.items() if key not in ADAPTED}
    return replace(layer, config=kept) if len(kept) < len(layer.config) else layer


def _of_four_bits(builder: Builder, layer: KerasLayer) -> bool:
    """Whether its integers have 4 bits. Notes a problem where its inputs are quantised, too."""
    mode = bits_of(layer.config)
    if mode.startswith("int4") and _quantiser(builder, layer) is not None:
        builder.problem(layer.name, "quantises its inputs beside 4-bit weights, which irconv does not read")
    return mode.startswith("int4")


def _known_alone(builder: Builder, layer: KerasLayer, *known: str) -> None:
    """Note a problem for another policy, and for weights of an adaptation beside those of 8 bits."""
    if (policy := _policy(layer.config.get("dtype"))) != "int8_from_float32":
        read = "int8_from_float32 and int4_from_float32"
        builder.problem(layer.name, f"computes by the policy {policy}, and irconv reads {read}")
    elif left := sorted(set(layer.tensors) - set(known)):
        what = f"has weights {', '.join(left)} besides an 8-bit kernel, which irconv does not read"
        builder.problem(layer.name, what)


def _in_steps(step: Steps, x: Value, quantiser: Mapping[str, Any], axis: int | list[int] = -1) -> tuple[Value, Value]:
    """The value in whole steps of its largest element along an axis, and how many steps make one."""
    low, high = quantiser["value_range"]
    largest = step("ops.Max", "largest", step("ops.Absolute", "size", x), axis=axis, keepdims=True)
    room = step("ops.Add", "room", largest, step.number("epsilon", float(quantiser["epsilon"])))
    steps = step("ops.TrueDivide", "steps", step.number("high", float(high)), room)
    whole = step("ops.Round", "whole", step("ops.Multiply", "many", x, steps))
    return step("ops.Clip", "quantised", whole, x_min=float(low), x_max=float(high)), steps


def _policy(dtype: Any) -> str:
    """The name of a policy, which a file has as such or spelt out."""
    if not isinstance(dtype, Mapping):
        return str(dtype)
    config = dtype.get("config", {})
    return f"{config.get('mode')}_from_{config.get('source_name')}" if "mode" in config else str(config.get("name"))


def _quantiser(builder: Builder, layer: KerasLayer) -> Mapping[str, Any] | None:
    """The settings of what quantises the inputs; earlier versions of Keras 3 wrote none and had these."""
    usual: dict[str, Any] = {"value_range": (-127, 127), "epsilon": 1e-7}
    written = layer.config.get("quantization_config")
    if written is None:
        return usual
    found = written.get("config", {}).get("activation_quantizer")
    if found is None:
        return None
    settings = found.get("config", {})
    if found.get("class_name") != "AbsMaxQuantizer" or settings.get("axis") not in (None, -1):
        builder.problem(layer.name, f"quantises its inputs by {found}, and irconv knows AbsMaxQuantizer")
        return usual
    return {**usual, **settings}


def _plainly(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A convolution, whose kernel is merged with what adapts it."""
    return plain(builder, merged(layer))


ADAPTED = ("lora_rank", "lora_alpha")
EXPANSIONS = {
    **{f"Conv{n}D": _plainly for n in (1, 2, 3)},
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
}
