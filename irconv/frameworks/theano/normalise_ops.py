"""Layers and ops on whole values of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irconv.frameworks.theano.builder import Part
from irconv.frameworks.theano.functions import ALL
from irconv.ir.shapes import Dimension, Size, size_product

_COMMON = frozenset({"name", "kind", "inputs", "arrays", "array_shapes", "activation", "note"})


def _dense(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    if layer.flatten_input and part.rank(x) > 2:
        x = part.add("flatten", {"outdim": 2}, [x], name="flatten")
    return part.add("dense", {}, [x], part.tensors("W", "b"), main=True)


def _bias(part: Part, layer: Any) -> str:
    tensors = part.tensors("b")
    if len(tensors["b"].data.shape) != 1:
        raise part.refuse(f"expected a vector, which is added along axis 1, got shape {tensors['b'].data.shape}")
    return part.add("bias", {}, part.inputs, tensors, main=True)


def _lrn(part: Part, layer: Any) -> str:
    config = {name: getattr(layer, name) for name in ("alpha", "beta", "k", "n")}
    return part.add("lrn", config, part.inputs, main=True)


def _embedding(part: Part, layer: Any) -> str:
    return part.add("embedding", {}, part.inputs, part.tensors("W"), main=True)


def _last_step(part: Part, layer: Any) -> str:
    return part.add("slice", {"axis": 1, "index": -1}, part.inputs, main=True)


def _slice(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    if layer.index is not None:
        if layer.start is not None or layer.stop is not None:
            raise part.refuse("expected an index, or start and stop, got both")
        return part.add("slice", {"axis": layer.axis, "index": layer.index}, [x], main=True)
    rank = part.rank(x)
    if not -rank <= layer.axis < rank:
        raise part.refuse(f"expected an axis of a value of rank {rank}, got {layer.axis}")
    config = {"axes": [layer.axis % rank], "starts": [layer.start], "stops": [layer.stop], "steps": [1]}
    return part.add("subtensor", config, [x], main=True)


def _flatten(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    if layer.outdim > part.rank(x):
        raise part.refuse(f"a value of rank {part.rank(x)} does not become one of rank {layer.outdim}")
    return part.add("flatten", {"outdim": layer.outdim}, [x], main=True)


def _reshape(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    shape: list[Dimension] = [part.shape(x)[0] if size == 0 else size for size in layer.shape]
    open_axes = [axis for axis, size in enumerate(shape) if size == -1]
    if len(open_axes) > 1 or any(isinstance(size, int) and size < -1 for size in shape):
        raise part.refuse(f"expected sizes, and one -1 at most, got {layer.shape}")
    if open_axes:
        shape[open_axes[0]] = _left(part, x, [size for size in shape if size != -1])
    return part.add("reshape", {"shape": shape}, [x], main=True)


def _left(part: Part, value: str, known: list[Dimension]) -> Dimension:
    """What is left of a value's elements for one axis: sizes that stand on both sides are taken out first."""
    before = list(part.shape(value))
    for size in list(known):
        if isinstance(size, str) and size in before:
            before.remove(size)
            known.remove(size)
    divisor = size_product(known).dimension
    if not isinstance(divisor, int) or divisor < 1:
        raise part.refuse(f"the size that -1 stands for does not follow from shape {part.shape(value)}")
    total = size_product(before)
    return Size.floor_divide(total, divisor).dimension


def _dimshuffle(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    rank, pattern = part.rank(x), list(layer.pattern)
    kept = [axis for axis in pattern if axis != "x"]
    if len(set(kept)) < len(kept) or any(not 0 <= axis < rank for axis in kept):
        raise part.refuse(f"{pattern} is no pattern for a value of rank {rank}")
    dropped = [axis for axis in range(rank) if axis not in kept]
    new = [place for place, axis in enumerate(pattern) if axis == "x"]
    remaining = [axis for axis in range(rank) if axis in kept]
    order = [remaining.index(axis) for axis in kept]
    steps: list[tuple[str, dict[str, Any]]] = []
    if dropped:
        steps.append(("squeeze", {"axes": dropped}))
    if order != sorted(order) or not (dropped or new):
        steps.append(("dimshuffle", {"pattern": order}))
    if new:
        steps.append(("unsqueeze", {"axes": new}))
    for index, (kind, config) in enumerate(steps):
        x = part.add(kind, config, [x], main=index == len(steps) - 1)
    return x


def _reduce(part: Part, layer: Any) -> str:
    return part.add("reduce", {"op": layer.op, "axis": layer.axis, "keepdims": layer.keepdims}, part.inputs, main=True)


def _upscale(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    factor = list(layer.factor)
    if len(factor) > part.rank(x) - 2:
        raise part.refuse(f"expected a factor for {part.rank(x) - 2} spatial axes, got {factor}")
    factor += [1] * (part.rank(x) - 2 - len(factor))
    return part.add("upscale", {"factor": factor}, [x], main=True)


def _feature_pool(part: Part, layer: Any) -> str:
    (x,) = part.inputs
    n, c, *rest = part.shape(x)
    if layer.channels % layer.pool_size or (isinstance(c, int) and c != layer.channels):
        raise part.refuse(f"{layer.channels} channels in pools of {layer.pool_size} do not fit shape {part.shape(x)}")
    grouped = [n, layer.channels // layer.pool_size, layer.pool_size, *rest]
    x = part.add("reshape", {"shape": grouped}, [x], name="groups")
    return part.add("reduce", {"op": "max", "axis": [2], "keepdims": False}, [x], main=True)


def _activation(part: Part, layer: Any) -> str:
    """The activation follows; one that does nothing is a layer all the same."""
    said = layer.activation
    kind = said if isinstance(said, str) else said.kind if said else "linear"
    (x,) = part.inputs
    return part.add("elementwise", {"op": "linear"}, [x], main=True) if kind == "linear" else x


def _identity(part: Part, layer: Any) -> str:
    return part.add("elementwise", {"op": "linear"}, part.inputs, main=True)


def _dropout(part: Part, layer: Any) -> str:
    return part.add("dropout", {}, part.inputs, main=True)


def _elementwise(part: Part, layer: Any) -> str:
    function = ALL.get(layer.op)
    if function is None:
        raise part.refuse(f"expected op to be one of {', '.join(ALL)}, got {layer.op!r}")
    config = {"op": layer.op, **{name: getattr(layer, name) for name in function.settings}}
    return part.add("elementwise", config, part.inputs, main=True)


def _as_it_is(part: Part, layer: Any) -> str:
    """Kinds whose fields and arrays are those of the native layer."""
    config = {name: getattr(layer, name) for name in type(layer).model_fields if name not in _COMMON}
    return part.add(layer.kind, config, part.inputs, part.tensors(*layer.ROLES, *layer.OPTIONAL), main=True)


_PLAIN = (
    "concat add mul parameter number full softmax log_softmax prelu instance_norm broadcast tile repeat subtensor "
    "squeeze unsqueeze cast take dot argmax argmin"
)

OPS: dict[str, Callable[[Part, Any], str]] = {
    "dense": _dense,
    "bias": _bias,
    "lrn": _lrn,
    "embedding": _embedding,
    "last_step": _last_step,
    "slice": _slice,
    "flatten": _flatten,
    "reshape": _reshape,
    "dimshuffle": _dimshuffle,
    "reduce": _reduce,
    "upscale": _upscale,
    "feature_pool": _feature_pool,
    "activation": _activation,
    "identity": _identity,
    "dropout": _dropout,
    "elementwise": _elementwise,
    **dict.fromkeys(_PLAIN.split(), _as_it_is),
}
"""Kind -> how it is taken apart; each gives the value before the activation."""
