"""Puts together what `irconv.frameworks.keras.composites` took apart, where the parts still are what they were made.

The origin of a part names the Keras layer it comes from. Whether the parts may be one layer again is read off the
parts themselves, never off the origin: a pass may have changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.codec import NativeWeight
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.join_directions import join_directions
from irconv.frameworks.keras.outline import uses_of
from irconv.frameworks.keras.outlined import Call, Outline, Outlined
from irconv.ir.dtypes import shortest_float32
from irconv.ir.tensors import LazyTensor


def join(model: Outline, dialect: Dialect) -> None:
    """Join composite layers that the dialect has, then fused activations; changes the model in place."""
    whole = _Whole(model)
    for kind, (target, joined) in _COMPOSITES.items():
        if dialect.arguments(target) is None:
            continue
        for first in [layer for layer in model.layers if _is_first_of(layer, kind)]:
            joined(whole, first)
    join_directions(model, dialect)
    whole = _Whole(model)
    for layer in list(model.layers):
        if layer.kind == "Activation" and layer.origin is not None and layer.origin.split_from:
            _activation(whole, layer)


class _Whole:
    """A model with what joining looks up again and again; it stays right while chains become single layers."""

    def __init__(self, model: Outline) -> None:
        self.model = model
        self.uses = uses_of(model.layers)
        self.makers = {value: layer for value, (layer, _, _) in model.makers().items()}
        self.parts: dict[str, list[Outlined]] = {}
        """Name of a Keras layer -> what was split from it."""
        for layer in model.layers:
            if layer.origin is not None and layer.origin.split_from == layer.origin.name:
                self.parts.setdefault(layer.origin.name, []).append(layer)

    def replace(self, parts: list[Outlined], made: Outlined) -> None:
        """Put one layer in the place of a chain: it takes what the first takes and gives what the last gives."""
        made.calls = [
            Call(first.arguments, last.outputs, first.keywords, first.scope)
            for first, last in zip(parts[0].calls, parts[-1].calls, strict=True)
        ]
        self.makers |= {value: made for call in made.calls for value in call.outputs}
        last, gone = parts[-1], parts[:-1]
        kept = [layer for layer in self.model.layers if not any(layer is part for part in gone)]
        self.model.layers[:] = [made if layer is last else layer for layer in kept]


def _is_first_of(layer: Outlined, kind: str) -> bool:
    origin = layer.origin
    return origin is not None and origin.framework == "keras" and origin.type == kind and origin.split_from is None


def _activation(whole: _Whole, activation: Outlined) -> None:
    """An Activation split from the layer whose values it takes becomes the setting of that layer again."""
    first = activation.calls[0].arguments[0]
    layer = whole.makers.get(first) if isinstance(first, Value) else None
    if layer is None or layer.config.get("activation") != "linear" or not _from_one_layer(layer, activation):
        return
    if _follow(whole, layer, activation):
        layer.config["activation"] = activation.config["activation"]
        whole.replace([layer, activation], layer)


def _from_one_layer(layer: Outlined, part: Outlined) -> bool:
    """Whether a part was split from what this layer was, too."""
    if layer.origin is None or part.origin is None or part.origin.split_from is None:
        return False
    return layer.origin.name == part.origin.split_from == part.origin.name


def _follow(whole: _Whole, first: Outlined, second: Outlined) -> bool:
    """Whether the calls of one layer take the only result of the calls of another, in order, and nobody else does."""
    if len(first.calls) != len(second.calls) or first is second:
        return False
    for before, after in zip(first.calls, second.calls, strict=True):
        taken = [argument for argument in after.arguments if isinstance(argument, Value)]
        if taken != list(before.outputs) or len(taken) != 1:
            return False
        if whole.uses[taken[0]] != 1 or taken[0] in whole.model.outputs:
            return False
    return True


def _next(whole: _Whole, layer: Outlined) -> Outlined | None:
    """The layer that follows in the chain of one Keras layer's parts."""
    parts = whole.parts.get(layer.origin.name, []) if layer.origin is not None else []
    found = [part for part in parts if _from_one_layer(layer, part) and _follow(whole, layer, part)]
    return found[0] if len(found) == 1 else None


def _separable(depthwise_kind: str, pointwise_kind: str, rank: int) -> Callable[[_Whole, Outlined], None]:
    """A depthwise convolution without bias, then one of single points."""
    ones = {"kernel_size": [1] * rank, "strides": [1] * rank, "dilation_rate": [1] * rank}

    def joined(whole: _Whole, first: Outlined) -> None:
        second = _next(whole, first)
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
        whole.replace([first, second], made)

    return joined


def _rescaling(whole: _Whole, first: Outlined) -> None:
    """A product and a sum with constants."""
    second = _next(whole, first)
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
    whole.replace([first, second], Outlined("Rescaling", first.origin.name, config, {}, origin=first.origin))


def _along_the_last_axis(constant: LazyTensor) -> Any:
    """A number, or numbers along the last axis, as a config has them; None for other constants."""
    if any(size != 1 for size in constant.shape[:-1]):
        return None
    return shortest_float32(constant.numpy().reshape(constant.shape[-1:]))


def _layer_scale(whole: _Whole, first: Outlined) -> None:
    """A product with a factor for each channel, which is a weight: Keras lacks the class, an EinsumDense says it."""
    if first.kind != "ops.Multiply" or first.origin is None:
        return
    given = [call.arguments for call in first.calls]
    factors = [argument for arguments in given for argument in arguments if isinstance(argument, LazyTensor)]
    values = [argument for arguments in given for argument in arguments if isinstance(argument, Value)]
    if not len(factors) == len(values) == len(given) or any(factor is not factors[0] for factor in factors):
        return
    shapes = {whole.model.types[value].shape for value in values}
    channels, rank = factors[0].shape[-1:], len(next(iter(shapes)))
    if len(shapes) != 1 or not 1 <= len(factors[0].shape) <= rank or any(size != 1 for size in factors[0].shape[:-1]):
        return
    if any(shape[-1:] != channels for shape in shapes):
        return
    axes = "abcdefgh"[:rank]
    shape = [size if isinstance(size, int) else None for size in next(iter(shapes))[1:]]
    config = {"equation": f"{axes},{axes[-1]}->{axes}", "output_shape": shape, "bias_axes": None}
    factor = LazyTensor.of(factors[0].numpy().reshape(channels))
    weights = {"kernel": NativeWeight(f"{first.origin.name}/kernel", factor)}
    for call in first.calls:
        call.arguments = [argument for argument in call.arguments if isinstance(argument, Value)]
    whole.replace([first], Outlined("EinsumDense", first.origin.name, config, weights, origin=first.origin))


#: Keras layer that was taken apart -> (the layer to be made, how).
_COMPOSITES: Mapping[str, tuple[str, Callable[[_Whole, Outlined], None]]] = {
    "SeparableConv1D": ("SeparableConv1D", _separable("DepthwiseConv1D", "Conv1D", 1)),
    "SeparableConv2D": ("SeparableConv2D", _separable("DepthwiseConv2D", "Conv2D", 2)),
    "Rescaling": ("Rescaling", _rescaling),
    "LayerScale": ("EinsumDense", _layer_scale),
}
