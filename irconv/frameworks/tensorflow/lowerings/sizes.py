"""Sizes that are not known until the model runs become inputs that are computed, wherever a row wants numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from irconv.codec import Codec, Draft
from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.tensor_ops import Transpose
from irconv.passes import to_channels_last
from irconv.passes.sizes import SizeNodes
from irconv.translate import native_axes
from irconv.vocabularies.tensorflow import TABLE
from irconv.vocabularies.tensorflow.rows import NumbersInput, flattened


def run(bundle: Bundle) -> Bundle:
    """The bundle with every size of its graph that depends on an input computed, in the type that the row wants.

    It comes after the choice of layout: sizes are taken of values that stay as they are. Raises one `Refused` that
    names every layer with a symbol that is the size of no value before it.
    """
    assert bundle.graph is not None, "the caller has looked"
    graph, types, problems = bundle.graph, infer_types(bundle), Problems()
    sizes = SizeNodes(f"{graph.outputs[0].value}/sizes")
    turned = {node.inputs["x"] for node in graph.nodes if isinstance(bundle.layers[node.layer], Transpose)}
    for port in graph.inputs:
        sizes.note(port.value, types[port.value])
    for node in graph.nodes:
        layer, inputs = bundle.layers[node.layer], dict(node.inputs)
        given = {slot: types[value] for slot, value in {**node.inputs, **node.outputs}.items()}
        given |= bundle.operand_types(layer)
        for field, value, dtype in _unknown(layer, node.layer, given):
            try:
                inputs[field] = sizes.cast(_made(sizes, value), dtype) if dtype != "int64" else _made(sizes, value)
            except KeyError as missing:
                where = f"layer {node.layer} ({layer.type})"
                problems.add(where, f"its {field} depends on {missing.args[0]}, which is the size of no value")
        sizes.nodes.append(node.model_copy(update={"inputs": inputs}))
        for value in node.outputs.values():
            if not isinstance(layer, Transpose) and value not in turned:
                sizes.note(value, types[value])
    problems.raise_any()
    changed = graph.model_copy(update={"nodes": tuple(sizes.nodes)})
    return replace(bundle, layers={**bundle.layers, **sizes.layers}, graph=changed)


def axes(
    bundle: Bundle, name: str, given: Mapping[str, ValueType]
) -> tuple[to_channels_last.Turns, to_channels_last.Turns]:
    """For `to_channels_last.run`: how a layer turns where its sizes will have been computed."""
    layer = bundle.layers[name]
    unknown = _unknown(layer, name, {**given, **bundle.operand_types(layer)})
    computed = {field: ValueType(dtype, ()) for field, _, dtype in unknown}
    return native_axes(TABLE)(bundle, name, {**given, **computed})


def _unknown(layer: Layer, name: str, given: Mapping[str, ValueType]) -> list[tuple[str, Any, str]]:
    """(Field, what stands in the op for it, its type) of every input of numbers that are not all known."""
    codec = _codec(layer, given)
    if codec is None:
        return []
    found: list[tuple[str, Any, str]] = []
    draft = Draft(codec.layer, f"layer {name} ({layer.type})", types=dict(given), fields=layer.settings())
    for row in codec.rows:
        if not hasattr(row, "wanted"):
            continue
        try:
            wanted = row.wanted(draft)
        except Refused:
            continue  # encoding will say it
        dtype = row.dtype if isinstance(row, NumbersInput) else "int32"
        found += [(f, v, dtype) for f, v in wanted.items() if any(isinstance(size, str) for size in flattened(v))]
    return found


def _codec(layer: Layer, given: Mapping[str, ValueType]) -> Codec | None:
    """The codec that will write the layer."""
    candidates = TABLE.of_layer(type(layer))
    return next((codec for codec in candidates if codec.fits(layer, given)), None)


def _made(sizes: SizeNodes, value: Any) -> str:
    if not isinstance(value, list | tuple):
        return sizes.scalar(value)
    if value and isinstance(value[0], Sequence) and not isinstance(value[0], str):
        return sizes.table(value, len(value[0]))
    return sizes.vector(value)
