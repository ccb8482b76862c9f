"""Native layers as an architecture file: the same records that the reader takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from irconv.codec import Native, NativeUse
from irconv.frameworks.theano.architecture import FORMAT
from irconv.frameworks.theano.functions import ACTIVATIONS
from irconv.ir.dtypes import shortest_float32
from irconv.ir.graph import Port
from irconv.ir.layers.base import ValueType
from irconv.translate import NativeModel

_STEPS = ("x", "initial_h", "initial_c", "mask")


def described(
    model: NativeModel, types: Mapping[str, ValueType], names: Mapping[str, str], places: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole file. `names` maps the path of a weight to its array, `places` arrays to where they are."""
    layers = [_layer(model.layers[use.layer], use, types, names) for use in model.uses]
    return {
        "format": FORMAT,
        "framework": "theano",
        "version": "1.0.5",
        "floatX": "float64" if any(port.dtype == "float64" for port in model.inputs) else "float32",
        "inputs": [_input(port) for port in model.inputs],
        "layers": layers,
        "outputs": [{"name": p.name, "layer": p.value, "layout": _layout(p)} for p in model.outputs],
        "weights": {"arrays": dict(places)},
    }


def _input(port: Port) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else None for size in port.shape]
    return {"name": port.value, "shape": shape, "layout": _layout(port), "dtype": port.dtype}


def _layout(port: Port) -> str:
    return port.axes if len(port.axes) == len(port.shape) else ""


def _layer(native: Native, use: NativeUse, types: Mapping[str, ValueType], names: Mapping[str, str]) -> dict[str, Any]:
    """One use of a layer: the format has no shared layers, but layers may share arrays."""
    found: dict[str, Any] = {"name": use.outputs[-1], "kind": native.type, "inputs": [v for v in use.inputs if v]}
    if native.tensors:
        found["arrays"] = {role: names[weight.path] for role, weight in native.tensors.items()}
        found["array_shapes"] = {role: list(weight.data.shape) for role, weight in native.tensors.items()}
    config = {name: _plain(value) for name, value in native.config.items()}
    if native.type == "elementwise" and config["op"] in ACTIVATIONS:
        op, alpha = config.pop("op"), config.pop("alpha", None)
        found |= {"kind": "activation", "activation": op if alpha is None else {"kind": op, "alpha": alpha}}
    if native.type == "reshape":
        batch = types[use.inputs[0]].shape[:1]
        config["shape"] = [0 if (size,) == batch and i == 0 else size for i, size in enumerate(config["shape"])]
    if native.type in ("lstm", "gru", "rnn") and len(found["inputs"]) > 1:
        slots = native.inputs or _STEPS
        found["inputs_are"] = [slot for slot, value in zip(slots, use.inputs, strict=False) if value]
    return found | config


def _plain(value: Any) -> Any:
    """Tuples as lists, float32 numbers by their shortest decimals."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return shortest_float32(value)


def text(data: Mapping[str, Any]) -> str:
    """The file as JSON, one layer and one array to a line: people read it."""
    lines = []
    for key, value in data.items():
        if key == "weights":
            arrays = [f"   {json.dumps(name)}: {json.dumps(place)}" for name, place in value["arrays"].items()]
            storage = json.dumps(value["storage"])
            inner = ",\n".join(arrays)
            lines.append(f' "weights": {{\n  "storage": {storage},\n  "arrays": {{\n{inner}\n  }}\n }}')
        elif isinstance(value, list):
            lines.append(f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
