"""Operands that a model leaves out are written with the value their absence means, for targets that need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from irconv.errors import Refused
from irconv.ir.bundle import Bundle, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor
from irconv.log import timed


@timed
def run(bundle: Bundle, required: Mapping[str, Sequence[str]], only: Collection[str] | None = None) -> Bundle:
    """`required` maps a layer type to the roles that must be there; each gets the shape of the first operand it has.
    `only` names the layers looked at, where that is not all."""
    layers: dict[str, Layer] = dict(bundle.layers)
    tensors = dict(bundle.tensors)
    nodes = {node.layer: node for node in (bundle.graph.nodes if bundle.graph else ())}
    types: dict[str, ValueType] = {}
    for name, layer in bundle.layers.items():
        computed = nodes[name].inputs if name in nodes else {}
        missing = [role for role in required.get(layer.type, ()) if role not in {*layer.operands, *computed}]
        if not missing or (only is not None and name not in only):
            continue
        like = next(iter(bundle.operand_types(layer).values()), None)
        if like is None:
            types = types or infer_types(bundle)
            given = {slot: types[value] for slot, value in computed.items()}
            like = next((given[role] for role in given if role in layer.PARAMETERS), None)
            like = like or _of_input(name, layer, missing[0], given)
        operands = dict(layer.operands)
        for role in missing:
            parameter, key = layer.PARAMETERS[role], f"{name}.{role}"
            data = np.full(static(like.shape) or (), parameter.fill, numpy_dtype(like.dtype))
            tensors[key] = made(LazyTensor.of(data), "constant", trainable=True, axes=parameter.axes)
            operands[role] = StoredOperand(tensor=key)
        layers[name] = layer.model_copy(update={"operands": operands})
    return replace(bundle, layers=layers, tensors=tensors)


def _of_input(name: str, layer: Layer, role: str, given: Mapping[str, ValueType]) -> ValueType:
    """What an operand of one axis is like where there is no other one: as long as the axis of the input of its name.

    Raises `Refused` where that is not known.
    """
    slot, axes = next(iter(layer.SLOTS.items()))
    place = axes.split().index(layer.PARAMETERS[role].axes)
    size = given[slot].shape[place]
    if not isinstance(size, int):
        what = f"has no {role}, which is needed here, and its {size} elements are not a known number"
        raise Refused(f"layer {name} ({layer.type})", what, "--input-shape gives the size a number.")
    return ValueType(given[slot].dtype, (size,))
