"""What a file keeps of layers that ONNX has no op for: what each was, beside the ops that it is written as.

A reader takes such a note for a guess. It writes the layer that is named once more, and takes it where the ops of the
file are those that it is written as (`irconv.frameworks.onnx.reading.noted`); a file that was changed reads as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers import MODULES
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.control import Opaque, Scan
from irconv.ir.layers.tensor_ops import Constant
from irconv.translate import NativeModel

KEY = "irconv_layers"
_NEVER = (Constant, Opaque, Scan)


def text(before: Bundle, lowered: Bundle, model: NativeModel, initializers: Mapping[str, str]) -> str:
    """The notes as JSON, of all layers that became others on the way to ONNX; empty where there is none."""
    assert before.graph is not None, "only graphs are written"
    weights: dict[str, str] = {}
    constants: dict[str, str] = {}
    for name, native in model.layers.items():
        for slot, weight in native.tensors.items():
            weights.setdefault(weight.path, initializers[f"{name}.{slot}"])
    for use in model.uses:
        if model.layers[use.layer].type == "Constant":
            constants[use.outputs[0]] = initializers[f"{use.layer}.value"]
    found = [
        note
        for node in before.graph.nodes
        if _is_other(before.layers[node.layer], lowered.layers.get(node.layer))
        for note in _note(node, before.layers[node.layer], weights, constants)
    ]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""


def _is_other(layer: Layer, written: Layer | None) -> bool:
    known = layer.type in MODULES and not isinstance(layer, _NEVER)
    return known and (written is None or written.type != layer.type)


def _note(node: Node, layer: Layer, weights: Mapping[str, str], constants: Mapping[str, str]) -> Iterator[Any]:
    """A note, where the file has every weight of the layer by itself."""
    operands: dict[str, Any] = {}
    for role, operand in layer.operands.items():
        if isinstance(operand, LiteralOperand):
            operands[role] = operand.model_dump(mode="json")
        elif operand.tensor in weights:
            operands[role] = weights[operand.tensor]
        else:
            return
    yield {
        "layer": layer.model_dump(mode="json", exclude={"operands", "origin"}),
        "name": node.layer,
        "operands": operands,
        "inputs": {slot: constants.get(value, value) for slot, value in node.inputs.items()},
        "outputs": dict(node.outputs),
    }
