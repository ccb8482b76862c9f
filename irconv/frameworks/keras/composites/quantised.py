"""Layers of Keras 3 whose kernel is kept as 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation, plain
from irconv.frameworks.keras.composites.layers import Steps, each_call


def _dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``q K / (s k) + b`` with the integers K and their scales k; q is x in whole steps of 1 / s.

    ``s = 127 / (max(abs(x)) + 1e-7)`` along the last axis, ``q = min(max(round(s x), -127), 127)``; without a quantiser
    of the inputs, q is x and s is 1.
    """
    if "kernel_scale" not in layer.tensors:
        return plain(builder, layer)
    if (policy := _policy(layer.config.get("dtype"))) != "int8_from_float32":
        builder.problem(layer.name, f"computes by the policy {policy}, and irconv reads int8_from_float32")
    if left := sorted(set(layer.tensors) - {"kernel", "kernel_scale", "bias"}):
        builder.problem(
            layer.name, f"has weights {', '.join(left)} besides an 8-bit kernel, which irconv does not read"
        )
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


def _in_steps(step: Steps, x: Value, quantiser: Mapping[str, Any]) -> tuple[Value, Value]:
    """The value in whole steps of its largest element along the last axis, and how many steps make one."""
    low, high = quantiser["value_range"]
    largest = step("ops.Max", "largest", step("ops.Absolute", "size", x), axis=-1, keepdims=True)
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


EXPANSIONS = {"Dense": _dense}
