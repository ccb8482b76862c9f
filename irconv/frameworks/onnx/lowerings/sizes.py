"""Sizes that are not known until the model runs: a field such as ``("N", "2*T + 1")`` becomes a computed input.

`irconv.passes.sizes` makes the nodes. Rows that take such a field (`SizesInput`) then find an input of the field's
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from irconv.errors import Problems
from irconv.frameworks.onnx.table import TABLE
from irconv.frameworks.onnx.table.rows import SizesInput
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, ValueType
from irconv.passes.sizes import SizeNodes


@cache
def _rows(kind: type[Layer]) -> tuple[SizesInput, ...]:
    """The sizes that the ops for a type take as inputs, each once."""
    found = (row for codec in TABLE.of_layer(kind) for row in codec.rows if isinstance(row, SizesInput))
    return tuple(dict.fromkeys(found))


def run(bundle: Bundle) -> Bundle:
    """The bundle with every size of its graph that depends on an input computed.

    Raises one `Refused` that names every layer with a symbol that is the size of no value before it.
    """
    if bundle.graph is None or not any(_rows(type(layer)) for layer in bundle.layers.values()):
        return bundle
    graph, problems, types = bundle.graph, Problems(), infer_types(bundle)
    computed = _computed(bundle, graph, types)
    sizes = SizeNodes(f"{graph.outputs[0].value}/sizes")
    for port in graph.inputs:
        sizes.note(port.value, types[port.value])
    for node in graph.nodes:
        layer, inputs = bundle.layers[node.layer], dict(node.inputs)
        for row in computed.get(node.layer, ()):
            flat = row.flat(layer.settings(), {slot: types[value] for slot, value in node.inputs.items()})
            try:
                inputs[row.field] = sizes.scalar(flat[0]) if row.scalar else sizes.vector(flat)
            except KeyError as missing:
                where = f"layer {node.layer} ({layer.type})"
                problems.add(where, f"its {row.field} depends on {missing.args[0]}, which is the size of no value")
        sizes.nodes.append(node.model_copy(update={"inputs": inputs}))
        for value in node.outputs.values():
            sizes.note(value, types[value])
    problems.raise_any()
    changed = graph.model_copy(update={"nodes": tuple(sizes.nodes)})
    return replace(bundle, layers={**bundle.layers, **sizes.layers}, graph=changed)


def _computed(bundle: Bundle, graph: Graph, types: Mapping[str, ValueType]) -> dict[str, list[SizesInput]]:
    """The rows of each layer that need an input; one use that needs it makes every use have it."""
    found: dict[str, list[SizesInput]] = {}
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        given = {slot: types[value] for slot, value in node.inputs.items()}
        for row in _rows(type(layer)):
            unknown = any(isinstance(size, str) for size in row.flat(layer.settings(), given))
            if unknown and row not in found.setdefault(node.layer, []):
                found[node.layer].append(row)
    return found
