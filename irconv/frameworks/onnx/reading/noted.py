"""Layers that ONNX has no op for, put together again by what the file notes of them.

A note (`irconv.frameworks.onnx.noted`) is never believed: the layer that it names is written as ONNX once more, with
the types and weights that the file at hand has, and read. Only where the file's own layers are those, setting by
setting and bit by bit, do they become the one that is noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from irconv.containers.onnx_model import OnnxFile
from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.frameworks.onnx.noted import KEY
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers import parse_layer
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType, symbols_in
from irconv.ir.layers.control import Scan
from irconv.ir.manifest import SourceRecord
from irconv.ir.tensors import LazyTensor
from irconv.layout import customary
from irconv.log import timed
from irconv.options import ReadOptions
from irconv.passes import bodies, unused

_LONGEST = 1 << 20
"""Characters of a note, and the largest whole number in one, as settings may ask for so much memory."""


@dataclass(frozen=True)
class Note:
    """What a file says that some of its nodes are."""

    layer: Layer
    """Without its operands."""
    name: str
    operands: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def of(model: Any) -> Sequence[Note]:
    """The notes of a model that can be read; anybody can write some."""
    said = next((entry.value for entry in model.metadata_props if entry.key == KEY), "")
    try:
        found = json.loads(said) if said else []
    except (ValueError, RecursionError):
        return []
    return list(_parsed(found if isinstance(found, list) else []))


def weights(notes: Sequence[Note]) -> frozenset[str]:
    """The tensors that the layers have, by their names."""
    return frozenset(said for note in notes for said in note.operands.values() if isinstance(said, str))


@timed
def run(bundle: Bundle, file: OnnxFile, notes: Sequence[Note], values: Mapping[str, str]) -> Bundle:
    """The bundle with the layers that are noted where they are proved; `values`: names in the file -> in the graph."""
    if not notes or bundle.graph is None:
        return bundle
    proof = _Proof.of(bundle, file, values)
    for note in notes:
        proof.attempt(note)
    return proof.bundle() if proof.changed else bundle


def _parsed(found: list[Any]) -> Iterator[Note]:
    for entry in found:
        if not isinstance(entry, dict) or len(json.dumps(entry)) > _LONGEST or _is_large(entry):
            continue
        operands, inputs, outputs = (entry.get(part) for part in ("operands", "inputs", "outputs"))
        if not isinstance(operands, dict) or not isinstance(inputs, dict) or not isinstance(outputs, dict):
            continue
        texts = (entry.get("name"), *inputs.values(), *outputs.values())
        if not outputs or not all(isinstance(text, str) for text in texts):
            continue
        try:
            layer = parse_layer(entry.get("layer"))
        except (ValueError, RecursionError):
            continue
        yield Note(layer, entry["name"], operands, inputs, outputs)


def _is_large(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_is_large, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > _LONGEST


@dataclass(frozen=True)
class _Part:
    """Layers with the nodes that make values."""

    layers: Mapping[str, Layer]
    tensors: Mapping[str, Tensor]
    makers: Mapping[str, Node]


@dataclass
class _Proof:
    """A graph while noted layers take the place of those that they are written as."""

    source: Bundle
    graph: Graph
    types: Mapping[str, ValueType]
    file: OnnxFile
    values: Mapping[str, str]
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    makers: dict[str, Node]
    nodes: list[Node] = field(default_factory=list)
    changed: bool = False

    @staticmethod
    def of(bundle: Bundle, file: OnnxFile, values: Mapping[str, str]) -> _Proof:
        """Before anything is proved."""
        graph = bundle.graph
        assert graph is not None, "only graphs have notes"
        makers = {value: node for node in graph.nodes for value in node.outputs.values()}
        layers, tensors = dict(bundle.layers), dict(bundle.tensors)
        types = infer_types(bundle)
        return _Proof(bundle, graph, types, file, values, layers, tensors, makers, list(graph.nodes))

    def bundle(self) -> Bundle:
        """The bundle as it stands."""
        graph = self.graph.model_copy(update={"nodes": tuple(self.nodes)})
        return unused.run(replace(self.source, layers=self.layers, tensors=self.tensors, graph=graph))

    def attempt(self, note: Note) -> None:
        """Put a noted layer in its place, where it is one."""
        inputs = {slot: self.values.get(name, name) for slot, name in note.inputs.items()}
        outputs = {slot: self.values.get(name, name) for slot, name in note.outputs.items()}
        there = [self.makers[value] for value in outputs.values() if value in self.makers]
        if not there or not set(inputs.values()) <= self.types.keys():
            return  # results that nothing takes need not be there
        node = Node(layer=note.name, scope=there[0].scope, inputs=inputs, outputs=outputs)
        nodes = self._replaced(node)
        for operands, tensors in self._operands(note) if nodes is not None else ():
            layer = note.layer.model_copy(update={"operands": operands}) if operands else note.layer
            if nodes is not None and self._is_proved(node, layer, tensors):
                self._put(node, layer, tensors, nodes)
                return

    def _replaced(self, node: Node) -> list[Node] | None:
        """The nodes with one in the place of those that make its results, and of all that only these needed; None where
        there is no such place."""
        roots = {id(self.makers[value]) for value in node.outputs.values() if value in self.makers}
        place = min(index for index, one in enumerate(self.nodes) if id(one) in roots)
        late = {value for one in self.nodes[place:] for value in one.outputs.values()}
        if late & set(node.inputs.values()):
            return None
        nodes = [*self.nodes[:place], node, *(one for one in self.nodes[place:] if id(one) not in roots)]
        wanted, kept = {port.value for port in self.graph.outputs}, list[Node]()
        for one in reversed(nodes):
            # what makes a size (`Layer.MAKES`) may be needed by no value
            if wanted & set(one.outputs.values()) or self._makes_sizes(one):
                wanted |= set(one.inputs.values())
                kept.append(one)
        made = {value for one in kept for value in one.outputs.values()} | {port.value for port in self.graph.inputs}
        return list(reversed(kept)) if wanted <= made else None

    def _makes_sizes(self, node: Node) -> bool:
        layer = self.layers.get(node.layer)
        return layer is not None and bool(layer.MAKES)

    def _operands(self, note: Note) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
        """The operands of a noted layer, as the file has them: each tensor in every layout that a layer has it in."""
        found: list[tuple[dict[str, Any], dict[str, Tensor]]] = [({}, {})]
        for role, said in note.operands.items():
            if role not in note.layer.PARAMETERS:
                return
            if isinstance(said, dict):
                try:
                    ways: list[tuple[Any, dict[str, Tensor]]] = [(LiteralOperand.model_validate(said), {})]
                except ValueError:
                    return
            else:
                ways = [self._named(key, note.layer.PARAMETERS[role].axes) for key in self._stored(said)]
            found = [({**o, role: one}, {**t, **more}) for o, t in found for one, more in ways]
        yield from found

    def _stored(self, name: str) -> list[str]:
        sources = {key: tensor.record.source for key, tensor in self.tensors.items()}
        return [key for key, source in sources.items() if source is not None and source.name == name]

    def _named(self, key: str, axes: str) -> tuple[StoredOperand, dict[str, Tensor]]:
        """A tensor under the words that a layer has for its axes."""
        tensor = self.tensors[key]
        if tensor.record.axes == axes:
            return StoredOperand(tensor=key), {}
        letters = customary(axes, len(tensor.data.shape))
        other = f"{key}/{axes.replace(' ', '')}"
        record = replace(tensor.record, axes=axes, letters=letters)
        return StoredOperand(tensor=other), {other: replace(tensor, record=record)}

    def _is_proved(self, node: Node, layer: Layer, tensors: Mapping[str, Tensor]) -> bool:
        """Whether the layer, written and read, is what the graph has in its place."""
        known = {**self.tensors, **tensors}
        given = {value: self.makers.get(value) for value in node.inputs.values()}
        constants = [one for one in given.values() if one is not None and not one.inputs]
        numbers = {value for one in constants for value in one.outputs.values()}
        own = {"layer": layer} | {f"constant{i}": self.layers[one.layer] for i, one in enumerate(constants)}
        nodes = [one.model_copy(update={"layer": f"constant{i}"}) for i, one in enumerate(constants)]
        nodes.append(node.model_copy(update={"layer": "layer"}))
        taken = [self._port(value) for value in given if value not in numbers]
        if symbols_in(layer, layer.SIZES):  # which some input of the graph has
            taken += [port for port in self.graph.inputs if port.value not in given]
        graph = Graph(
            inputs=tuple(taken),
            outputs=tuple(self._port(value) for value in node.outputs.values() if value in self.makers),
            nodes=tuple(nodes),
        )
        alone = Bundle(SourceRecord(framework="", version="", files=(), facts=()), own, graph, known)
        try:
            again = _again(unused.run(alone), self.file)
        except (IrconvError, ValueError, KeyError, IndexError):
            return False  # the note is of a layer that does not fit here
        assert again.graph is not None, "graphs are read with one"
        if [port.value for port in again.graph.inputs] != [port.value for port in graph.inputs]:
            return False
        makers = {value: one for one in again.graph.nodes for value in one.outputs.values()}
        there = _Part(again.layers, again.tensors, makers)
        here = _Part(self.layers, self.tensors, self.makers)
        pairs = {port.value: port.value for port in again.graph.inputs}
        wanted = [(b.value, a.value) for a, b in zip(graph.outputs, again.graph.outputs, strict=True)]
        return _are_same(there, here, wanted, pairs)

    def _port(self, value: str) -> Port:
        dtype, shape = self.types[value]
        return Port(name=value, value=value, dtype=dtype, shape=shape, axes="", source_axes="")

    def _put(self, node: Node, layer: Layer, tensors: Mapping[str, Tensor], nodes: list[Node]) -> None:
        others = self.graph.model_copy(update={"nodes": tuple(one for one in nodes if one is not node)})
        used = set(bodies.used(self.layers, others))
        name, number = node.layer, 1
        while name in used and self.layers[name] != layer:
            number += 1
            name = f"{node.layer}_{number}"
        named = node.model_copy(update={"layer": name})
        self.layers[name] = layer
        self.tensors |= tensors
        self.nodes = [named if one is node else one for one in nodes]
        self.makers = {value: one for one in self.nodes for value in one.outputs.values()}
        self.changed = True


@dataclass
class _Written(OnnxFile):
    """A model that was never a file: its weights are where the one at hand has them."""

    weights: Mapping[str, LazyTensor] = field(default_factory=dict)

    def tensor(self, message: Any, where: str) -> LazyTensor:
        """The elements of a weight by its name."""
        return self.weights[message.name] if message.name in self.weights else super().tensor(message, where)


def _again(bundle: Bundle, file: OnnxFile) -> Bundle:
    """A bundle written as ONNX, and read, with the weights where a file has them."""
    from irconv.frameworks.onnx.reading.model import ModelReader
    from irconv.frameworks.onnx.write import build, with_headers

    model, weights = build(bundle, None)
    reader = ModelReader(_Written(file.path, with_headers(model, weights), file.file, {}, weights), ReadOptions())
    return reader.importer.bundle(bundle.source, reader.read())


def _are_same(one: _Part, other: _Part, wanted: list[tuple[str, str]], pairs: dict[str, str]) -> bool:
    """Whether pairs of values are made by the same layers of the same values."""
    waiting = list(wanted)
    while waiting:
        a, b = waiting.pop()
        if a in pairs:
            if pairs[a] != b:
                return False
            continue
        first, second = one.makers.get(a), other.makers.get(b)
        if first is None or second is None or first.inputs.keys() != second.inputs.keys():
            return False
        gives = {value: slot for slot, value in first.outputs.items()}
        if second.outputs.get(gives[a]) != b or not _is_same(one, other, first.layer, second.layer):
            return False
        pairs[a] = b
        waiting += [(value, second.inputs[slot]) for slot, value in first.inputs.items()]
    return True


def _is_same(one: _Part, other: _Part, name: str, theirs: str) -> bool:
    """Whether two layers differ in nothing but their names."""
    a, b = one.layers[name], other.layers[theirs]
    if a.type != b.type or a.operands.keys() != b.operands.keys():
        return False
    if not all(_is_equal(one, other, operand, b.operands[role]) for role, operand in a.operands.items()):
        return False
    if isinstance(a, Scan) and isinstance(b, Scan):
        empty = Graph(inputs=(), outputs=(), nodes=())
        alike = a.model_copy(update={"body": empty}).settings() == b.model_copy(update={"body": empty}).settings()
        return alike and _have_same_body(one, other, a.body, b.body)
    return a.settings() == b.settings()


def _have_same_body(one: _Part, other: _Part, a: Graph, b: Graph) -> bool:
    if len(a.inputs) != len(b.inputs) or len(a.outputs) != len(b.outputs):
        return False
    if any((x.dtype, x.shape) != (y.dtype, y.shape) for x, y in zip(a.inputs, b.inputs, strict=True)):
        return False
    first, second = (
        replace(part, makers={value: node for node in body.nodes for value in node.outputs.values()})
        for part, body in ((one, a), (other, b))
    )
    pairs = {x.value: y.value for x, y in zip(a.inputs, b.inputs, strict=True)}
    return _are_same(first, second, [(x.value, y.value) for x, y in zip(a.outputs, b.outputs, strict=True)], pairs)


def _is_equal(one: _Part, other: _Part, a: Any, b: Any) -> bool:
    """Whether two operands have the same elements, bit for bit."""
    if isinstance(a, StoredOperand) and isinstance(b, StoredOperand):
        first, second = one.tensors[a.tensor].data, other.tensors[b.tensor].data
        if first.shape != second.shape or first.dtype != second.dtype:
            return False
        if first.source is second.source and first.changes == second.changes:
            return True
        return np.ascontiguousarray(first.numpy()).tobytes() == np.ascontiguousarray(second.numpy()).tobytes()
    return bool(a == b)
