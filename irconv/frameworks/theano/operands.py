"""Arrays that become operands by a computation: gates put side by side, element types that Theano casts when loading.

The bundle keeps such arrays as they are in the file; Cast and Concat nodes make the operand of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from irconv.data_classes import dataclass
from irconv.frameworks.theano.weights import Used
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Concat, Constant
from irconv.ir.manifest import LayoutStep, NativeTensor, TensorRecord
from irconv.layout import customary, relayout


def run(bundle: Bundle, used: Mapping[str, Used], joined: Mapping[str, tuple[str, ...]], dtype: str) -> Bundle:
    """The bundle with every tensor as its file has it: raw shape, element type and place, all steps recorded.

    `dtype` is the element type that Theano casts floating-point weights to.
    """
    assert bundle.graph is not None, "an architecture gives a graph"
    work = _Work(bundle, used, dict(bundle.layers), {})
    for name, layer in bundle.layers.items():
        for role, operand in layer.operands.items():
            if isinstance(operand, StoredOperand):
                work.operand(name, role, operand.tensor, joined, dtype)
    nodes: list[Node] = []
    placed: set[str] = set()
    for node in bundle.graph.nodes:
        made = work.made.get(node.layer, {})
        if node.layer not in placed:
            nodes += [inner for part in made.values() for inner in part]
            placed.add(node.layer)
        values = {role: part[-1].outputs["y"] for role, part in made.items()}
        nodes.append(node.model_copy(update={"inputs": {**node.inputs, **values}}))
    nodes = [node for node in nodes if node.layer not in work.gone]
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes)})
    layers = {name: layer for name, layer in work.layers.items() if name not in work.gone}
    return replace(bundle, layers=layers, tensors=work.tensors, graph=graph)


@dataclass
class _Work:
    """The bundle while its operands are rewritten."""

    bundle: Bundle
    used: Mapping[str, Used]
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    made: dict[str, dict[str, list[Node]]] = field(default_factory=dict)
    """Layer -> role -> the nodes that compute the operand."""
    gone: set[str] = field(default_factory=set)

    def operand(self, name: str, role: str, key: str, joined: Mapping[str, tuple[str, ...]], dtype: str) -> None:
        """Keep a stored operand, or put its computation in its place."""
        tensor = self.bundle.tensors[key]
        source = tensor.record.source
        assert source is not None, "every tensor of an architecture is in a file"
        if source.name not in joined:
            self.tensors[key] = self._stored(source.name, tensor.record)
            if "float" not in tensor.record.dtype or tensor.record.dtype == dtype:
                return
            parts = [key]
        else:
            parts = self._parts(key, tensor.record, joined[source.name])
        nodes, values = [], []
        for part in parts:
            value = f"{part}.value"
            self.layers[value] = Constant(operands={"value": StoredOperand(tensor=part)})
            nodes.append(Node(layer=value, scope="", inputs={}, outputs={"y": value}))
            if self.tensors[part].record.dtype != dtype:
                self.layers.setdefault(f"cast_{dtype}", Cast(dtype=dtype))
                nodes.append(
                    Node(layer=f"cast_{dtype}", scope="", inputs={"x": value}, outputs={"y": f"{value}.{dtype}"})
                )
                value = f"{value}.{dtype}"
            values.append(value)
        if len(values) > 1:
            self.layers.setdefault("gates", Concat(axis=0))
            inputs = {f"x{i}": value for i, value in enumerate(values)}
            nodes.append(Node(layer="gates", scope="", inputs=inputs, outputs={"y": f"{key}.gates"}))
        layer = self.layers[name]
        if isinstance(layer, Constant):  # a value already: the nodes take its place
            self._rename(name, nodes)
            return
        operands = {other: operand for other, operand in layer.operands.items() if other != role}
        self.layers[name] = layer.model_copy(update={"operands": operands})
        self.made.setdefault(name, {})[role] = nodes

    def _rename(self, name: str, nodes: list[Node]) -> None:
        """Let the last node make the value that the Constant made."""
        assert self.bundle.graph is not None, "it has nodes"
        result = next(node.outputs["y"] for node in self.bundle.graph.nodes if node.layer == name)
        nodes[-1] = nodes[-1].model_copy(update={"outputs": {"y": result}})
        self.made[name] = {"value": nodes}
        self.gone.add(name)

    def _stored(self, path: str, record: TensorRecord) -> Tensor:
        """The tensor with its raw shape and place, and the architecture's own steps before the table's."""
        used = self.used[path]
        raw = used.stored.data
        first = used.steps[0].source if used.steps else record.source.axes if record.source else ""
        place = NativeTensor(file=used.stored.file, name=used.stored.name, shape=raw.shape, axes=first)
        steps = (*used.steps, *record.steps)
        data = raw
        for step in steps:
            data = data.relayout(relayout(step.source, step.target, data.shape, step.orders, step.sizes))
        full = replace(record, source=place, steps=steps, dtype=raw.dtype, shape=data.shape)
        return Tensor(full, data)

    def _parts(self, key: str, record: TensorRecord, paths: Sequence[str]) -> list[str]:
        """The gates as tensors of their own, in the order that the layer has them."""
        (step,) = record.steps
        order = step.orders["gate"]
        source, target = (text.replace("(gate unit)", "unit") for text in (step.source, step.target))
        gates = dict(zip(order[0], paths, strict=True))
        keys = []
        for gate in order[1]:
            change = () if source == target else (LayoutStep(source=source, target=target, orders={}, sizes={}),)
            raw = self.used[gates[gate]].data.shape
            place = NativeTensor(file="", name=gates[gate], shape=raw, axes=source)
            single = replace(record, axes=target, letters=customary(target, len(raw)), source=place, steps=change)
            keys.append(f"{key}_{gate}")
            self.tensors[keys[-1]] = self._stored(gates[gate], single)
        return keys
