"""Layers that only Keras 1 has, as layers and operators of later versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation, refuse_keywords
from irconv.frameworks.keras.composites.operators import add


def _maxout(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``max_k(x W_k + b_k)``: a dense layer with one more axis, of which the largest is taken."""
    refuse_keywords(builder, layer)
    name, units, features = f"{layer.name}.dense", layer.config["units"], layer.config["nb_feature"]
    tensors = {"kernel": layer.tensors["W"]} | ({"bias": layer.tensors["b"]} if "b" in layer.tensors else {})
    config = {
        "equation": "ab,cbd->acd",
        "output_shape": [features, units],
        "bias_axes": "cd" if "b" in layer.tensors else None,
    }
    builder.where[name] = builder.where[layer.name]
    dense = KerasLayer("EinsumDense", name, config | {"activation": "linear"}, tensors, layer.calls, layer.origin)
    made = []
    for call, (value,) in zip(layer.calls, builder.add(dense), strict=True):
        made.append(add(builder, layer, call.index, "Max", [value], {"axis": [1], "keepdims": False}))
    return made


def _highway(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``t act(x W + b) + (1 - t) x`` with ``t = sigmoid(x W_carry + b_carry)``."""
    refuse_keywords(builder, layer)
    carry, change = f"{layer.name}.carry", f"{layer.name}.change"
    for name, suffix, origin in ((change, "", layer.origin), (carry, "_carry", layer.part)):
        kernel = layer.tensors[f"W{suffix}"]
        tensors = {"kernel": kernel} | ({"bias": layer.tensors[f"b{suffix}"]} if f"b{suffix}" in layer.tensors else {})
        config = {"units": kernel.data.shape[1], "use_bias": "bias" in tensors, "activation": "linear", "name": name}
        builder.place("Dense", name, config, tensors, origin, of=layer.name)
    activation = layer.config.get("activation", "linear")
    results = [value_name(change, call.index) for call in layer.calls]
    for call, result in zip(layer.calls, before_activation(results, activation), strict=True):
        builder.use(change, call.inputs, (result,))
    activate(builder, replace(layer, name=change), activation, results)
    made = []
    for call, changed in zip(layer.calls, results, strict=True):
        gate = value_name(carry, call.index)
        builder.use(carry, call.inputs, (gate,))
        index = call.index
        (t,) = add(builder, layer, index, "Sigmoid", [gate], {}, "gate")
        (new,) = add(builder, layer, index, "Multiply", [changed, t], {}, "new")
        (rest,) = add(builder, layer, index, "Subtract", [1.0, t], {}, "rest")
        (old,) = add(builder, layer, index, "Multiply", [rest, call.inputs[0]], {}, "old")
        made.append(add(builder, layer, index, "Add", [new, old], {}))
    return made


def _deconvolution(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Keras 1 states the shape of the result, which a Reshape to it checks."""
    config = {key: value for key, value in layer.config.items() if key != "stated_shape"}
    inner = replace(layer, kind="Conv2DTranspose", name=f"{layer.name}.unchecked", config=config)
    builder.where[inner.name] = builder.where[layer.name]
    made, check = builder.add(inner), f"{layer.name}.shape"
    builder.place(
        "Reshape", check, {"target_shape": layer.config["stated_shape"][1:]}, origin=layer.part, of=layer.name
    )
    outputs: list[Outputs] = []
    for call, values in zip(layer.calls, made, strict=True):
        value = value_name(layer.name, call.index)
        builder.use(check, values, (value,))
        outputs.append((value,))
    return outputs


EXPANSIONS: Mapping[str, Any] = {"Deconvolution2D": _deconvolution, "Highway": _highway, "MaxoutDense": _maxout}
