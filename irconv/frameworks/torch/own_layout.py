"""Weights that lie otherwise in the state dict than the module has them that would be written for their layer.

GPT-2's matrices are (in, out), those of ``nn.Linear`` (out, in): the network multiplies with a parameter of its own. So
does what is written for it, and the keys keep their arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.ir.bundle import Bundle
from irconv.ir.kept import Names, axes_of
from irconv.layout import invert, relayout


def as_stored(model: NativeModel, bundle: Bundle, names: Names) -> NativeModel:
    """The model with these weights as the state dict has them, and what turns or multiplies them written out."""
    layers, uses = dict(model.layers), list[NativeUse]()
    for use in model.uses:
        layer = model.layers[use.layer]
        slot = {"nn.Linear": "weight", "buffer": "value"}.get(layer.type, "")
        order = _order(bundle, layer.tensors[slot]) if slot else None
        if order is None:
            uses.append(use)
        elif layer.type == "buffer":
            uses += _turned(use, layer, order, layers)
        else:
            uses += _product(use, layer, order, layers)
    return replace(model, layers=_once(layers, bundle, names), uses=tuple(uses))


def _once(layers: Mapping[str, Native], bundle: Bundle, names: Names) -> dict[str, Native]:
    """The layers, each parameter of the network's own one tensor, in how many layouts it may have been read."""
    first: dict[tuple[str, ...], NativeWeight] = {}
    found = dict(layers)
    for name, layer in layers.items():
        weight = layer.tensors.get("value") if layer.type == "buffer" else None
        if weight is None or weight.literal or len(keys := names.get(weight.path, ())) != 1:
            continue
        if axes_of(bundle, weight.path, weight.data) == tuple(range(len(weight.data.shape))):
            kept = first.setdefault(keys, weight)
            if kept.data.shape == weight.data.shape and kept.role == weight.role:
                found[name] = replace(layer, tensors={"value": replace(weight, path=kept.path, data=kept.data)})
    return found


def _order(bundle: Bundle, weight: NativeWeight) -> tuple[int, ...] | None:
    """How a weight's axes lie beside those in the state dict; None where they lie alike, or nobody knows."""
    if weight.path not in bundle.tensors or weight.literal:
        return None
    order = axes_of(bundle, weight.path, weight.data)
    return None if order is None or len(order) < len(weight.data.shape) or order == tuple(range(len(order))) else order


def _own(weight: NativeWeight, order: tuple[int, ...]) -> NativeWeight:
    """The weight with its axes as in the state dict."""
    names = [f"a{axis}" for axis in range(len(order))]
    change = relayout(" ".join(names), " ".join(names[axis] for axis in invert(order)), weight.data.shape)
    return replace(weight, data=weight.data.relayout(change))


def _turned(use: NativeUse, layer: Native, order: tuple[int, ...], layers: dict[str, Native]) -> list[NativeUse]:
    (result,) = use.outputs
    stored, name = f"{result}.stored", f"{use.layer}.turned"
    layers[use.layer] = replace(layer, tensors={"value": _own(layer.tensors["value"], order)})
    layers[name] = Native("torch.permute", name, {"dims": order})
    return [replace(use, outputs=(stored,)), NativeUse(name, (stored,), (result,), use.scope)]


def _product(use: NativeUse, layer: Native, order: tuple[int, ...], layers: dict[str, Native]) -> list[NativeUse]:
    """A Linear as a product with a parameter, and a sum."""
    (result,), made = use.outputs, list[NativeUse]()

    def parameter(slot: str, weight: NativeWeight) -> str:
        name = f"{use.layer}.{slot}"
        trainable = weight.trainable is not False
        layers[name] = Native("buffer", name, {}, {"value": replace(weight, trainable=trainable)})
        value = f"{result}.{slot}"
        made.append(NativeUse(name, (), (value,), use.scope))
        return value

    def call(type_: str, name: str, inputs: tuple[str, ...], value: str) -> str:
        layers[name] = Native(type_, name, {})
        made.append(NativeUse(name, inputs, (value,), use.scope))
        return value

    matrix = parameter("weight", _own(layer.tensors["weight"], order))
    bias = layer.tensors.get("bias")
    value = result if bias is None else f"{result}.product"
    product = call("torch.matmul", f"{use.layer}.product", (use.inputs[0], matrix), value)
    if bias is not None:
        call("torch.add", f"{use.layer}.sum", (product, parameter("bias", bias)), result)
    return made
