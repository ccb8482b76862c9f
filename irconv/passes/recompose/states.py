"""Recurrent layers without what they do anyway: first states of zeros, lengths that are all steps.

Exporters write both out, often computed from the size of the batch; a target that has the layer but not those inputs,
or cannot compute them, would else lose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.kept import names_of
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.control import Scan
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.ir.layers.slicing import Select
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import Omitted
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.sums import is_zero

_MOVES = frozenset(
    ("Expand", "Reshape", "Tile", "Slice", "Select", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Split", "Unstack")
)
"""Layers whose results are elements of their first input, wherever they stand."""
_STATES = ("initial_h", "initial_c")
_MOST = 1 << 16
_REASON = "a first state of zeros, which the layer starts from without it"


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; only the inputs of recurrent layers change."""
    graph = bundle.graph
    if graph is None or not any(isinstance(bundle.layers[node.layer], Recurrent) for node in graph.nodes):
        return bundle
    makers = {value: node for node in graph.nodes for value in node.outputs.values()}
    types = infer_types(bundle)
    nodes = []
    for node in graph.nodes:
        given = dict(node.inputs)
        if isinstance(bundle.layers[node.layer], Recurrent):
            for state in _STATES:
                if state in given and _zeros(bundle, makers, given[state]):
                    del given[state]
            steps = types[given["x"]].shape[1]
            if isinstance(steps, int) and _all_steps(bundle, makers, given.get("lengths", ""), steps):
                del given["lengths"]
        nodes.append(node.model_copy(update={"inputs": given}))
    if tuple(nodes) == graph.nodes:
        return bundle
    done = unused.run(replace(bundle, graph=graph.model_copy(update={"nodes": tuple(nodes)})))
    gone = [bundle.tensors[key].record for key in bundle.tensors.keys() - done.tensors.keys()]
    named = sorted(record.source.name for record in gone if record.source and record.role == "parameter")
    omitted = tuple(Omitted(name=name, reason=_REASON) for name in named)
    return replace(done, omitted=(*done.omitted, *omitted))


def _zeros(bundle: Bundle, makers: Mapping[str, Node], value: str) -> bool:
    """Whether a value is zeros alone, whatever its shape."""
    node = makers.get(value)
    while node is not None and bundle.layers[node.layer].type in _MOVES:
        node = makers.get(node.inputs.get("x", ""))
    if node is None:
        return False
    array = _constant(bundle, bundle.layers[node.layer])
    return is_zero(bundle, node) or (array is not None and not array.any())


def _all_steps(bundle: Bundle, makers: Mapping[str, Node], value: str, steps: int) -> bool:
    """Whether lengths are known, and each is as long as the sequence."""
    node = makers.get(value)
    while node is not None and bundle.layers[node.layer].type in ("Cast", "Expand", "Identity"):
        node = makers.get(node.inputs.get("x", ""))
    array = None if node is None else _constant(bundle, bundle.layers[node.layer])
    return array is not None and bool((array >= steps).all())


def _constant(bundle: Bundle, layer: Layer) -> Array | None:
    """The numbers of a small constant that is no weight, which training might change."""
    if not isinstance(layer, Constant):
        return None
    operand = layer.operands.get("value")
    if isinstance(operand, LiteralOperand):
        return np.asarray(operand.literal)
    if not isinstance(operand, StoredOperand):
        return None
    tensor = bundle.tensors[operand.tensor]
    if tensor.data.nbytes > _MOST:
        return None
    if tensor.record.role == "constant":
        return tensor.data.numpy()
    # ONNX does not tell weights from constants that exporters folded: what is zeros is no state that was learnt
    folded = bundle.source.framework == "onnx" and operand.tensor not in (names_of(bundle) or {})
    array = tensor.data.numpy() if folded else None
    return array if array is not None and not array.any() else None


def ends(bundle: Bundle) -> Bundle:
    """The same function, in which the last step of what a loop carries is taken from what it carries at the end."""
    graph = bundle.graph
    assert graph is not None, "only graphs have loops"
    last: dict[str, str] = {}
    for node in graph.nodes:
        scan = bundle.layers[node.layer]
        if not isinstance(scan, Scan) or scan.reverse or scan.order != "time":
            continue
        values = [port.value for port in scan.body.outputs]
        for i, value in enumerate(values[scan.carried :]):
            place = values.index(value)
            if place < scan.carried and {f"stacked{i}", f"carried{place}"} <= node.outputs.keys():
                last[node.outputs[f"stacked{i}"]] = node.outputs[f"carried{place}"]
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, Select) and (layer.axis, layer.index) == (1, -1) and node.inputs["x"] in last:
            renamed[node.outputs["y"]] = last[node.inputs["x"]]
    if not renamed:
        return bundle
    nodes = [
        node.model_copy(update={"inputs": {slot: renamed.get(value, value) for slot, value in node.inputs.items()}})
        for node in graph.nodes
    ]
    outputs = [port.model_copy(update={"value": renamed.get(port.value, port.value)}) for port in graph.outputs]
    changed = graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})
    return unused.run(replace(bundle, graph=changed))
