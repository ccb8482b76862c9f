"""Arithmetic in an element type that a target lacks, done in float32 and rounded: the numbers are those of the type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.control import Scan
from irconv.ir.layers.tensor_ops import Constant
from irconv.log import timed


@timed
def run(bundle: Bundle, narrow: str = "bfloat16") -> Bundle:
    """The graph with every layer of `narrow` values computing in float32, and its results rounded to `narrow`.

    Ports and stored weights keep their types. A graph with a Scan stays as it is.
    """
    if bundle.graph is None or any(isinstance(layer, Scan) for layer in bundle.layers.values()):
        return bundle
    types = infer_types(bundle)
    if all(kind.dtype != narrow for kind in types.values()):
        return bundle
    narrowed = {value for value, kind in types.items() if kind.dtype == narrow}
    work = _Widening(bundle, narrow, narrowed)
    for port in bundle.graph.inputs:
        work.widen(port.value, "")
    for node in bundle.graph.nodes:
        work.add(node)
    graph = bundle.graph.model_copy(update={"nodes": tuple(work.nodes)})
    return replace(bundle, layers=work.layers, graph=graph)


class _Widening:
    def __init__(self, bundle: Bundle, narrow: str, narrowed: set[str]) -> None:
        self.bundle, self.narrow, self.narrowed = bundle, narrow, narrowed
        assert bundle.graph is not None, "the caller has looked"
        names = {*bundle.layers, *(value for node in bundle.graph.nodes for value in node.outputs.values())}
        names |= {port.value for port in bundle.graph.inputs}
        self.wide, self.exact = _free("wide", names), _free("exact", names)  # a model may have been widened before
        self.nodes: list[Node] = []
        self.layers: dict[str, Layer] = dict(bundle.layers)
        self.computed: dict[str, dict[str, str]] = {}
        """Layer -> role -> the widened value of its operand."""

    def widen(self, value: str, scope: str) -> None:
        """Add the float32 value of a narrow one; others are taken as they are."""
        if value in self.narrowed:
            self._cast(value, f"{value}{self.wide}", "float32", scope)

    def add(self, node: Node) -> None:
        """The node in float32, its results rounded and widened again."""
        layer = self.layers[node.layer]
        if not isinstance(layer, Constant | Cast):
            node = self._computing(node, layer)
        else:
            node = node.model_copy(update={"inputs": self._wide(node.inputs)})
        self.nodes.append(node)
        for value in node.outputs.values():
            if value.removesuffix(self.exact) in self.narrowed and value.endswith(self.exact):
                self._cast(value, value.removesuffix(self.exact), self.narrow, node.scope)
            self.widen(value.removesuffix(self.exact), node.scope)

    def _computing(self, node: Node, layer: Layer) -> Node:
        if node.layer not in self.computed:
            self.computed[node.layer] = self._operands(node, layer)
            layer = self.layers[node.layer]
            if getattr(layer, "dtype", None) == self.narrow:
                self.layers[node.layer] = layer.model_copy(update={"dtype": "float32"})
        outputs = {slot: f"{v}{self.exact}" if v in self.narrowed else v for slot, v in node.outputs.items()}
        inputs = self._wide(node.inputs) | self.computed[node.layer]
        return node.model_copy(update={"inputs": inputs, "outputs": outputs})

    def _operands(self, node: Node, layer: Layer) -> dict[str, str]:
        """The widened operands as values; numbers are rounded here."""
        kept, computed = dict(layer.operands), dict[str, str]()
        for role, operand in layer.operands.items():
            name = f"{node.layer}.{role}"
            if isinstance(operand, LiteralOperand) and operand.dtype == self.narrow:
                rounded = np.asarray(operand.literal, numpy_dtype(self.narrow)).astype(np.float32).tolist()
                kept[role] = LiteralOperand(literal=rounded, dtype="float32")
            if isinstance(operand, StoredOperand) and self.bundle.tensors[operand.tensor].record.dtype == self.narrow:
                self.layers[name] = Constant(operands={"value": kept.pop(role)})
                self.nodes.append(Node(layer=name, scope=node.scope, inputs={}, outputs={"y": name}))
                self._cast(name, f"{name}{self.wide}", "float32", node.scope)
                computed[role] = f"{name}{self.wide}"
        self.layers[node.layer] = layer.model_copy(update={"operands": kept})
        return computed

    def _wide(self, inputs: dict[str, str]) -> dict[str, str]:
        return {slot: f"{value}{self.wide}" if value in self.narrowed else value for slot, value in inputs.items()}

    def _cast(self, value: str, result: str, dtype: str, scope: str) -> None:
        name = f"{result}.cast"
        self.layers[name] = Cast(dtype=dtype)
        self.nodes.append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": result}))


def _free(word: str, names: set[str]) -> str:
    """An ending that makes no name that is there."""
    number, ending = 1, f".{word}"
    while any(name.endswith((ending, f"{ending}.cast")) for name in names):
        number += 1
        ending = f".{word}{number}"
    return ending
