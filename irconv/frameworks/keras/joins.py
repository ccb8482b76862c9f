"""Puts together what `irconv.frameworks.keras.composites` took apart, where the parts still are what they were made.

The origin of a part names the Keras layer it comes from. Whether the parts may be one layer again is read off the
parts themselves, never off the origin: a pass may have changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.join_directions import join_directions
from irconv.frameworks.keras.outline import uses_of
from irconv.frameworks.keras.outlined import Call, Outline, Outlined
from irconv.ir.dtypes import shortest_float32
from irconv.ir.tensors import LazyTensor


def join(model: Outline, dialect: Dialect) -> None:
    """Join composite layers that the dialect has, then fused activations; changes the model in place."""
    for kind, joined in _COMPOSITES.items():
        if dialect.arguments(kind) is None:
            continue
        for first in [layer for layer in model.layers if _is_first_of(layer, kind)]:
            joined(model, first)
    join_directions(model, dialect)
    for layer in list(model.layers):
        if layer.kind == "Activation" and layer.origin is not None and layer.origin.split_from:
            _activation(model, layer)


def _is_first_of(layer: Outlined, kind: str) -> bool:
    origin = layer.origin
    return origin is not None and origin.framework == "keras" and origin.type == kind and origin.split_from is None


def _activation(model: Outline, activation: Outlined) -> None:
    """An Activation split from the layer whose values it takes becomes the setting of that layer again."""
    first = activation.calls[0].arguments[0]
    layer = next((layer for layer in model.layers if any(first in call.outputs for call in layer.calls)), None)
    if layer is None or layer.config.get("activation") != "linear" or not _from_one_layer(layer, activation):
        return
    if _follow(model, layer, activation):
        layer.config["activation"] = activation.config["activation"]
        _replace(model, [layer, activation], layer)


def _from_one_layer(layer: Outlined, part: Outlined) -> bool:
    """Whether a part was split from what this layer was, too."""
    if layer.origin is None or part.origin is None or part.origin.split_from is None:
        return False
    return layer.origin.name == part.origin.split_from == part.origin.name


def _follow(model: Outline, first: Outlined, second: Outlined) -> bool:
    """Whether the calls of one layer take the only result of the calls of another, in order, and nobody else does."""
    if len(first.calls) != len(second.calls) or first is second:
        return False
    uses = uses_of(model.layers)
    for before, after in zip(first.calls, second.calls, strict=True):
        taken = [argument for argument in after.arguments if isinstance(argument, Value)]
        if taken != list(before.outputs) or len(taken) != 1 or uses[taken[0]] != 1 or taken[0] in model.outputs:
            return False
    return True


def _replace(model: Outline, parts: list[Outlined], made: Outlined) -> None:
    """Put one layer in the place of a chain: it takes what the first takes and gives what the last gives."""
    calls = [
        Call(first.arguments, last.outputs, first.keywords, first.scope)
        for first, last in zip(parts[0].calls, parts[-1].calls, strict=True)
    ]
    made.calls = calls
    position = model.layers.index(parts[-1])
    model.layers[position] = made
    model.layers[:] = [layer for i, layer in enumerate(model.layers) if i == position or layer not in parts]


def _next(model: Outline, layer: Outlined) -> Outlined | None:
    """The layer that follows in the chain of one Keras layer's parts."""
    found = [part for part in model.layers if _from_one_layer(layer, part) and _follow(model, layer, part)]
    return found[0] if len(found) == 1 else None


def _separable(depthwise_kind: str, pointwise_kind: str, rank: int) -> Callable[[Outline, Outlined], None]:
    """A depthwise convolution without bias, then one of single points."""
    ones = {"kernel_size": [1] * rank, "strides": [1] * rank, "dilation_rate": [1] * rank}

    def joined(model: Outline, first: Outlined) -> None:
        second = _next(model, first)
        if first.kind != depthwise_kind or second is None or second.kind != pointwise_kind or "bias" in first.weights:
            return
        points = all(second.config.get(key, one) == one for key, one in ones.items()) and second.config["groups"] == 1
        if not points or first.config.get("activation", "linear") != "linear":
            return
        taken = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier")
        config = {key: first.config[key] for key in taken}
        config |= {key: second.config[key] for key in ("filters", "use_bias", "activation")}
        weights = {"depthwise_kernel": first.weights["depthwise_kernel"]}
        weights |= {"pointwise_kernel" if k == "kernel" else k: weight for k, weight in second.weights.items()}
        assert first.origin is not None, "the caller has looked"
        made = Outlined(first.origin.type, first.origin.name, config, weights, origin=first.origin)
        _replace(model, [first, second], made)

    return joined


def _rescaling(model: Outline, first: Outlined) -> None:
    """A product and a sum with constants."""
    second = _next(model, first)
    if second is None or (first.kind, second.kind) != ("ops.Multiply", "ops.Add") or first.origin is None:
        return
    config: dict[str, Any] = {}
    for key, part in (("scale", first), ("offset", second)):
        constants = [a for call in part.calls for a in call.arguments if isinstance(a, LazyTensor)]
        numbers = [_along_the_last_axis(constant) for constant in constants]
        if numbers[:1] * len(part.calls) != numbers or numbers[:1] == [None]:
            return
        config[key] = numbers[0]
    for call in first.calls:
        call.arguments = [argument for argument in call.arguments if isinstance(argument, Value)]
    _replace(model, [first, second], Outlined("Rescaling", first.origin.name, config, {}, origin=first.origin))


def _along_the_last_axis(constant: LazyTensor) -> Any:
    """A number, or numbers along the last axis, as a config has them; None for other constants."""
    if any(size != 1 for size in constant.shape[:-1]):
        return None
    return shortest_float32(constant.numpy().reshape(constant.shape[-1:]))


_COMPOSITES: Mapping[str, Callable[[Outline, Outlined], None]] = {
    "SeparableConv2D": _separable("DepthwiseConv2D", "Conv2D", 2),
    "Rescaling": _rescaling,
}
