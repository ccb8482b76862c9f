"""Layers that only Keras 1 has, as layers and operators of later versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation, refuse_keywords
from irconv.frameworks.keras.composites.operators import add
from irconv.ir.manifest import Omitted

_EPSILON = 1e-7
"""What Keras calls its fuzz factor."""


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


def _cosine(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``a . b / max(sqrt((a . a) (b . b)), 1e-7)`` along an axis of each, with a new axis after the batch."""
    refuse_keywords(builder, layer)
    names = {pair: f"{layer.name}.{''.join(pair)}" for pair in (("a", "b"), ("a", "a"), ("b", "b"))}
    for name in names.values():
        config = {"axes": layer.config["axes"], "normalize": False, "name": name}
        builder.place("Dot", name, config, origin=layer.part, of=layer.name)
    made = []
    for call in layer.calls:
        index, sides = call.index, dict(zip("ab", call.inputs, strict=True))
        products = {pair: value_name(name, index) for pair, name in names.items()}
        for (first, second), value in products.items():
            builder.use(names[first, second], (sides[first], sides[second]), (value,))
        product, *norms = products.values()
        squares = add(builder, layer, index, "Multiply", norms, {}, "squares")
        norm = add(builder, layer, index, "Sqrt", squares, {}, "norm")
        least = add(builder, layer, index, "Maximum", [*norm, _EPSILON], {}, "least")
        cosine = add(builder, layer, index, "TrueDivide", [product, *least], {}, "cosine")
        made.append(add(builder, layer, index, "ExpandDims", cosine, {"axis": 1}))
    return made


def _normalised_samples(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """BatchNormalization of mode 1, which normalises every sample along an axis, its statistics unused:
    ``gamma (x - mean) / (sqrt(variance + epsilon) + epsilon) + beta``."""
    refuse_keywords(builder, layer)
    unused = [weight for name, weight in layer.tensors.items() if name not in ("gamma", "beta")]
    builder.omitted += [Omitted(name=weight.path, reason="mode 1 does not use running statistics") for weight in unused]
    along, epsilon = {"axis": [layer.config["axis"]], "keepdims": True}, layer.config["epsilon"]
    gamma, beta = _variables(builder, layer, ("gamma", "beta"))
    made = []
    for call in layer.calls:
        index, (x,) = call.index, call.inputs
        mean = add(builder, layer, index, "Mean", [x], along, "mean")
        centred = add(builder, layer, index, "Subtract", [x, *mean], {}, "centred")
        squares = add(builder, layer, index, "Square", centred, {}, "squares")
        variance = add(builder, layer, index, "Mean", squares, along, "variance")
        above = add(builder, layer, index, "Add", [*variance, epsilon], {}, "above")
        root = add(builder, layer, index, "Sqrt", above, {}, "root")
        spread = add(builder, layer, index, "Add", [*root, epsilon], {}, "spread")
        normed = add(builder, layer, index, "TrueDivide", [*centred, *spread], {}, "normed")
        scaled = add(builder, layer, index, "Multiply", [*normed, gamma], {}, "scaled")
        made.append(add(builder, layer, index, "Add", [*scaled, beta], {}))
    return made


def _variables(builder: Builder, layer: KerasLayer, roles: Sequence[str]) -> list[Value]:
    """The weights of a layer as values of the graph."""
    for role in roles:
        name = f"{layer.name}.{role}"
        builder.place("variable", name, {"name": name}, {"value": layer.tensors[role]}, layer.part, of=layer.name)
        builder.use(name, (), (name,))
    return [Value(f"{layer.name}.{role}") for role in roles]


def _parametric_softplus(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``alphas softplus(betas x)``."""
    refuse_keywords(builder, layer)
    alphas, betas = _variables(builder, layer, ("alphas", "betas"))
    made = []
    for call in layer.calls:
        scaled = add(builder, layer, call.index, "Multiply", [call.inputs[0], betas], {}, "scaled")
        soft = add(builder, layer, call.index, "Softplus", scaled, {}, "soft")
        made.append(add(builder, layer, call.index, "Multiply", [*soft, alphas], {}))
    return made


def _srelu(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Three straight lines that meet at ``l = t_left`` and ``r = l + abs(t_right)``:
    ``l + min(max(x - l, 0), r - l) - a_left max(l - x, 0) + a_right max(x - r, 0)``."""
    refuse_keywords(builder, layer)
    left, left_slope, right, right_slope = _variables(builder, layer, ("t_left", "a_left", "t_right", "a_right"))
    made = []
    for call in layer.calls:
        x = call.inputs[0]

        def op(kind: str, part: str, *inputs: Any, index: int = call.index) -> Value:
            return add(builder, layer, index, kind, list(inputs), {}, part)[0]

        width = op("Absolute", "width", right)
        above, below = op("Subtract", "above", x, left), op("Subtract", "below", left, x)
        middle = op("Minimum", "middle", op("Maximum", "kept", above, 0.0), width)
        lower = op("Multiply", "lower", left_slope, op("Maximum", "under", below, 0.0))
        over = op("Maximum", "over", op("Subtract", "beyond", above, width), 0.0)
        upper = op("Multiply", "upper", right_slope, over)
        inside = op("Subtract", "inside", op("Add", "from", left, middle), lower)
        made.append(add(builder, layer, call.index, "Add", [inside, upper], {}))
    return made


EXPANSIONS: Mapping[str, Any] = {
    "CosineMerge": _cosine,
    "NormalizedSamples": _normalised_samples,
    "Deconvolution2D": _deconvolution,
    "Highway": _highway,
    "MaxoutDense": _maxout,
    "ParametricSoftplus": _parametric_softplus,
    "SReLU": _srelu,
}
