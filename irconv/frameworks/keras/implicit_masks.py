"""Masks that travel with their values, as Keras 2.3 has them: it has no operators that could compute one.

A `Masking` and the mask that recurrent layers are given become one layer again, and so does the mask of an Embedding.
Every layer that such a mask would reach must do with it what the graph says: a recurrent layer is given this very mask,
and the layers between hand it on. Where one does not, the graph stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import Elu, LeakyRelu, Relu, Selu, Sigmoid, Softmax, Softplus, Tanh
from irconv.ir.layers.base import AxisBehaviour, Barrier, Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast, NotEqual
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.tensor_ops import Concat, Constant, Identity, Mul, Reduce
from irconv.ir.layers.training import TrainingAlone
from irconv.passes import unused

_Mask: TypeAlias = tuple[str, str, float]
"""What a mask is: the kind of layer that makes it, the value that it looks at, and the number that it is unlike."""


_HANDED_ON = (Linear, Identity, TrainingAlone, Relu, LeakyRelu, Elu, Selu, Sigmoid, Tanh, Softplus, Softmax)
"""What becomes a layer of Keras 2.3 that hands a mask on."""


class Masked(Layer):
    """Keras' Masking, which sends its mask with its value. Part of no bundle that is kept."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n t *c"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t *c"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Masked"] = "Masked"
    mask_value: float


@dataclass(frozen=True)
class Implicit:
    """A bundle whose masks travel, and the Embeddings that send one."""

    bundle: Bundle
    embeddings: frozenset[str]


def run(bundle: Bundle) -> Implicit:
    """The same function, with masks that travel where all of them can."""
    graph = bundle.graph
    if graph is None or not any("mask" in node.inputs for node in graph.nodes):
        return Implicit(bundle, frozenset())
    work = _Work(bundle, graph)
    for node in graph.nodes:
        if not work.visit(node):
            return Implicit(bundle, frozenset())
    if work.zeroed & {port.value for port in graph.outputs}:
        return Implicit(bundle, frozenset())
    return Implicit(unused.run(work.bundle()), frozenset(work.embeddings))


class _Work:
    """The graph while it is gone through, in its order."""

    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self.source, self.graph, self.layers = bundle, graph, dict(bundle.layers)
        self.makers = {value: node for node in graph.nodes for value in node.outputs.values()}
        self.types: Mapping[str, ValueType] = infer_types(bundle)
        self.sent: dict[str, _Mask] = {}
        """Value -> the mask that travels with it."""
        self.wanted = {key for node in graph.nodes if (key := self._mask(node.inputs.get("mask", ""))) is not None}
        self.zeroed: set[str] = set()
        """Values that hold zeros for masked steps, of which Keras 2.3 knows nothing: nobody may see them."""
        self.nodes: list[Node] = []
        self.embeddings: set[str] = set()

    def bundle(self) -> Bundle:
        """The bundle as it stands."""
        graph = self.graph.model_copy(update={"nodes": tuple(self.nodes)})
        return replace(self.source, layers=self.layers, graph=graph)

    def visit(self, node: Node) -> bool:
        """Take a node over; False where Keras would do something else with a mask that reaches it."""
        layer = self.layers[node.layer]
        if (masked := self._masked(node, layer)) is not None and masked in self.wanted:
            name = f"{node.layer}.masked"
            self.layers[name] = Masked(mask_value=masked[2], origin=layer.origin)
            self.nodes.append(Node(layer=name, scope=node.scope, inputs={"x": masked[1]}, outputs=node.outputs))
            self.sent[node.outputs["y"]] = masked
            return True
        if isinstance(layer, Embedding) and (key := self._looked_up(node)) in self.wanted:
            self.embeddings.add(node.layer)
            self.sent[node.outputs["y"]] = key
        elif isinstance(layer, RNN | GRU | LSTM):
            return self._recurrent(node, layer)
        elif masks := [self.sent[value] for value in node.inputs.values() if value in self.sent]:
            if not self._hands_on(layer, node, masks):
                return False
            self.sent |= dict.fromkeys(node.outputs.values(), masks[0])
            if self.zeroed & set(node.inputs.values()):
                self.zeroed |= set(node.outputs.values())
        self.nodes.append(node)
        return True

    def _looked_up(self, node: Node) -> _Mask:
        """The mask that an Embedding may send: of the numbers that it is called on, before they become integers."""
        cast = self._made(node.inputs["x"], Cast)
        return "Embedding", node.inputs["x"] if cast is None else cast.inputs["x"], 0.0

    def _recurrent(self, node: Node, layer: RNN | GRU | LSTM) -> bool:
        """A recurrent layer is given the mask that travels with its value, or none where none does."""
        given, sent = node.inputs.get("mask", ""), self.sent.get(node.inputs["x"])
        if bool(given) != (sent is not None) or (given and self._mask(given) != sent) or "lengths" in node.inputs:
            return False
        if sent is not None and "y" in node.outputs:
            self.sent[node.outputs["y"]] = sent
            if layer.masked_output == "zero":
                self.zeroed.add(node.outputs["y"])
                self.layers[node.layer] = layer.model_copy(update={"masked_output": "repeat"})
        inputs = {slot: value for slot, value in node.inputs.items() if slot != "mask"}
        self.nodes.append(node.model_copy(update={"inputs": inputs}))
        return True

    def _hands_on(self, layer: Layer, node: Node, masks: list[_Mask]) -> bool:
        """Whether a layer of Keras 2.3 that this becomes hands the mask on: all of its values have the same one."""
        rank = len(self.types[node.inputs["x"]].shape) if "x" in node.inputs else 0
        if isinstance(layer, Concat):  # of both directions of a sequence
            return len(set(masks)) == 1 and len(masks) == len(node.inputs) and layer.axis == 2
        return isinstance(layer, _HANDED_ON) and rank == 3

    def _masked(self, node: Node, layer: Layer) -> _Mask | None:
        """What a product of a value with its own mask is, as Masking makes it."""
        if not isinstance(layer, Mul) or len(node.inputs) != 2:
            return None
        for value, factor in ((node.inputs["x0"], node.inputs["x1"]), (node.inputs["x1"], node.inputs["x0"])):
            cast = self._made(factor, Cast)
            wide = self._made(cast.inputs["x"], Unsqueeze) if cast is not None else None
            key = self._mask(wide.inputs["x"]) if wide is not None else None
            if key is not None and key[:2] == ("Masking", value) and len(self.types[factor].shape) == 3:
                return key
        return None

    def _mask(self, value: str) -> _Mask | None:
        """Which mask a value is, if it is one."""
        some = self._made(value, Reduce)
        layer = self.layers[some.layer] if some is not None else None
        if isinstance(layer, Reduce) and some is not None:
            rank = len(self.types[some.inputs["x"]].shape)
            if layer.op not in ("any", "max") or layer.axes != (rank - 1,) or layer.keepdims:
                return None
        unlike = self._made(some.inputs["x"] if some is not None else value, NotEqual)
        if unlike is None:
            return None
        for x, other in ((unlike.inputs["x0"], unlike.inputs["x1"]), (unlike.inputs["x1"], unlike.inputs["x0"])):
            number = self._number(other)
            if number is not None:
                kind = "Masking" if some is not None else "Embedding"
                return kind, x, number
        return None

    def _made(self, value: str, kind: type[Layer]) -> Node | None:
        """The node that makes a value, if it is of a kind; through copies and casts from truth values to such."""
        node = self.makers.get(value)
        while node is not None and isinstance(self.layers[node.layer], Identity):
            node = self.makers.get(node.inputs["x"])
        return node if node is not None and isinstance(self.layers[node.layer], kind) else None

    def _number(self, value: str) -> float | None:
        """The one number that a value is."""
        cast = self._made(value, Cast)
        node = self._made(value if cast is None else cast.inputs["x"], Constant)
        operand = self.layers[node.layer].operands["value"] if node is not None else None
        if isinstance(operand, StoredOperand):
            array = self.source.tensors[operand.tensor].data
            return float(array.numpy().reshape(-1)[0]) if not array.shape else None
        if not isinstance(operand, LiteralOperand):
            return None
        found = np.asarray(operand.literal).reshape(-1)
        return float(found[0]) if found.size == 1 else None
