"""Encodes the graph of a bundle as native layers and uses, through a framework's table. Knows no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight, Table
from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.control import Scan
from irconv.ir.layers.tensor_ops import Transpose
from irconv.ir.tensors import LazyTensor
from irconv.passes import to_channels_last


def encode(bundle: Bundle, table: Table) -> NativeModel:
    """The bundle's graph as native layers and uses; inputs of a use are positional, in the op's own order.

    An input name is a value of the graph, or ``<layer>.<native tensor>`` for one of the layer's tensors, or empty for
    an optional one that is absent; a layer is called otherwise where a value has the name of such a tensor. Raises one
    error that names every layer the framework cannot express.
    """
    assert bundle.graph is not None, "a bundle without a graph has nothing to encode"
    while True:
        encoder = _Encoder(bundle, table)
        model = encoder.graph(bundle.graph)
        encoder.problems.raise_any()
        mixed = [
            name
            for name, native in encoder.natives.items()
            if any(f"{name}.{slot}" in encoder.values for slot in native.tensors)
        ]
        if not mixed:
            return replace(model, layers=encoder.natives)
        bundle = _renamed(bundle, mixed)
        assert bundle.graph is not None, "it had one"


def _renamed(bundle: Bundle, names: Sequence[str]) -> Bundle:
    """The bundle with some layers called otherwise, in bodies, too."""
    others: dict[str, str] = {}
    for name in names:
        other = f"{name}_"
        while other in bundle.layers or other in others.values():
            other += "_"
        others[name] = other

    def called(graph: Graph) -> Graph:
        nodes = (node.model_copy(update={"layer": others.get(node.layer, node.layer)}) for node in graph.nodes)
        return graph.model_copy(update={"nodes": tuple(nodes)})

    layers = {
        others.get(name, name): layer.model_copy(update={"body": called(layer.body)})
        if isinstance(layer, Scan)
        else layer
        for name, layer in bundle.layers.items()
    }
    assert bundle.graph is not None, "the caller has looked"
    return replace(bundle, layers=layers, graph=called(bundle.graph))


def _with_every_result(bundle: Bundle, graph: Graph) -> Graph:
    """The graph with a name for each result of a layer that gives any number of them: frameworks count them."""
    if not any(layer.VARIADIC_RESULTS for layer in bundle.layers.values()):
        return graph
    short = [node for node in graph.nodes if bundle.layers[node.layer].VARIADIC_RESULTS]
    types = infer_types(bundle, graph)
    changed: dict[int, Node] = {}
    for node in short:
        given = {slot: types[value] for slot, value in node.inputs.items()} | bundle.operand_types(
            bundle.layers[node.layer]
        )
        results = bundle.layers[node.layer].infer(given)
        if results.keys() != node.outputs.keys():
            named = {slot: node.outputs.get(slot) or _free(f"{node.layer}.{slot}", types) for slot in results}
            changed[id(node)] = node.model_copy(update={"outputs": named})
    if not changed:
        return graph
    return graph.model_copy(update={"nodes": tuple(changed.get(id(node), node) for node in graph.nodes)})


def _free(name: str, taken: Mapping[str, ValueType]) -> str:
    while name in taken:
        name += "_"
    return name


class _Encoder:
    """Encodes graph after graph, bodies included; each layer once."""

    def __init__(self, bundle: Bundle, table: Table) -> None:
        self.bundle, self.table = bundle, table
        self.problems = Problems()
        self.natives: dict[str, Native] = {}
        self.values: set[str] = set()
        """The names of all values, those of bodies included."""

    def graph(self, graph: Graph) -> NativeModel:
        graph = _with_every_result(self.bundle, graph)
        types = infer_types(self.bundle, graph)
        self.values |= types.keys()
        uses: list[NativeUse] = []
        bodies: dict[str, NativeModel] = {}
        for node in graph.nodes:
            if not isinstance(self.bundle.layers[node.layer], Transpose):
                self._encode(self.bundle, node, types)
        turns = {name: (native.input_axes, native.output_axes) for name, native in self.natives.items()}
        spelled = to_channels_last.taken_in(self.bundle, graph, turns)
        assert spelled.graph is not None, "it was given one"
        added: dict[str, ValueType] = {}
        for node in spelled.graph.nodes:
            layer = spelled.layers[node.layer]
            if isinstance(layer, Transpose):
                ends = to_channels_last.ends(node, layer, types)
                added |= {value: ends[value] for value in ends.keys() - types.keys()}
                self._encode(spelled, node, ends)
            if node.layer in self.natives:
                uses.append(self._use(node))
            if isinstance(layer, Scan):
                bodies[node.layer] = self.graph(layer.body)
        return NativeModel({}, tuple(uses), graph.inputs, graph.outputs, types={**types, **added}, bodies=bodies)

    def _encode(self, bundle: Bundle, node: Node, types: Mapping[str, ValueType]) -> None:
        """The node's layer, once; what its framework cannot express is noted."""
        with self.problems.collect():
            if node.layer not in self.natives:
                values = {**node.inputs, **node.outputs}
                given = {slot: types[value] for slot, value in values.items()}
                if why := self._uncounted(bundle.layers[node.layer], given):
                    # a value that a pass has turned is called after the one it turned
                    found = (v.rpartition("/")[0] if v.rpartition("/")[0] in types else v for v in node.inputs.values())
                    remedy = f"Give --outputs {','.join(dict.fromkeys(found))} to end the model before it."
                    raise Refused(f"layer {node.layer} ({bundle.layers[node.layer].type})", why, remedy)
                self.natives[node.layer] = _native(bundle, self.table, node.layer, given)

    def _uncounted(self, layer: Layer, given: Mapping[str, ValueType]) -> str:
        """Why a layer cannot be written whose results are as many as the numbers it is given say; else empty."""
        if not layer.MAKES or self.table.has(layer, given):
            return ""
        framework = self.table.framework
        return f"{framework} has no layer for it: how many elements it makes depends on the numbers that it is given"

    def _use(self, node: Node) -> NativeUse:
        native = self.natives[node.layer]
        slots = native.inputs or tuple(node.inputs)
        named = [node.inputs.get(slot) or (f"{node.layer}.{slot}" if slot in native.tensors else "") for slot in slots]
        while named and not named[-1]:
            named.pop()
        results = [node.outputs.get(slot, "") for slot in native.outputs or node.outputs]
        while not results[-1]:
            results.pop()
        return NativeUse(node.layer, tuple(named), tuple(results), node.scope)


def native_axes(table: Table) -> to_channels_last.NativeAxes:
    """For `to_channels_last.run`: how layers turn where the table writes them.

    One that it cannot express turns nowhere; `encode` will refuse it.
    """

    def axes(
        bundle: Bundle, name: str, given: Mapping[str, ValueType]
    ) -> tuple[to_channels_last.Turns, to_channels_last.Turns]:
        try:
            native = _native(bundle, table, name, given)
        except Refused:
            return {}, {}
        return native.input_axes, native.output_axes

    return axes


def _native(bundle: Bundle, table: Table, name: str, given: Mapping[str, ValueType]) -> Native:
    """One layer through the table, given the types of its inputs and results."""
    layer = bundle.layers[name]
    return table.encode(layer, name, _operands(bundle, name, layer), {**given, **bundle.operand_types(layer)})


def _operands(bundle: Bundle, name: str, layer: Layer) -> dict[str, NativeWeight]:
    """The stored and literal operands by role; the keys of stored ones are their paths."""
    found: dict[str, NativeWeight] = {}
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand):
            tensor = bundle.tensors[operand.tensor]
            kind: Literal["parameter", "constant"] = "constant" if tensor.record.role == "constant" else "parameter"
            trained = None if tensor.record.role == "buffer" else tensor.record.trainable  # statistics say nothing
            found[role] = NativeWeight(operand.tensor, tensor.data, trained, role=kind)
        else:
            data = LazyTensor.of(np.asarray(operand.literal, numpy_dtype(operand.dtype)))
            found[role] = NativeWeight(f"{name}.{role}", data, literal=True)
    return found
