"""Steps that are computed one by one and stacked, as the same computed of the whole sequence.

Static recurrent networks give lists of steps: joining those of two directions, or a projection of each, and stacking
what comes of it, is a Concat or a Linear of sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import Layer, Pointwise, StoredOperand
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.slicing import Flip, Stack
from irconv.ir.layers.tensor_ops import Concat
from irconv.ir.layers.training import Dropout
from irconv.log import timed
from irconv.passes import unused
from irconv.passes.recompose.sums import Body
from irconv.passes.recompose.unrolled import index_of


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with stacks of steps as sequences, where all steps come from sequences."""
    graph = bundle.graph
    if graph is None or not any(isinstance(layer, Stack) for layer in bundle.layers.values()):
        return bundle
    work = _Work(Body(bundle, graph, {}), dict(bundle.layers))
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        found = None
        if isinstance(layer, Stack) and layer.axis == 1:
            mark = len(work.nodes)
            found = work.sequence(list(node.inputs.values()), node.outputs["y"])
            if found is None:
                del work.nodes[mark:]
        if found is None:
            work.nodes.append(node)
        else:
            work.renamed[node.outputs["y"]] = found
    if not work.renamed:
        return bundle
    return unused.run(replace(bundle, layers=work.layers, graph=work.graph(graph)))


@dataclass
class _Work:
    body: Body
    layers: dict[str, Layer]
    nodes: list[Node] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    """Stack -> the sequence that it is."""

    def graph(self, graph: Graph) -> Graph:
        """The graph with sequences in the place of stacks."""

        def now(value: str) -> str:
            return self.renamed.get(value, value)

        nodes = [n.model_copy(update={"inputs": {s: now(v) for s, v in n.inputs.items()}}) for n in self.nodes]
        outputs = [port.model_copy(update={"value": now(port.value)}) for port in graph.outputs]
        return graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})

    def sequence(self, values: Sequence[str], name: str) -> str | None:
        """The sequence whose steps some values are; None where they are those of none."""
        places = [index_of(self.body, value) for value in values]
        if places[0] is not None:
            whole, axis, _ = places[0]
            order = [(whole, axis, index) for index in range(len(values))]
            if axis != 1 or places not in (order, order[::-1]) or self.body.types[whole].shape[1] != len(values):
                return None
            return whole if places == order else self._place(Flip(axes=(1,)), f"{name}/backwards", [whole])
        return self._lifted(values, name)

    def _lifted(self, values: Sequence[str], name: str) -> str | None:
        layers = [self.body.layer(value) for value in values]
        first = layers[0]
        if first is None or len(self.body.types[values[0]].shape) != 2 or not self._is_liftable(first):
            return None
        if any(layer is None or self._said(layer) != self._said(first) for layer in layers):
            return None
        given = [list(self.body.inputs(value)) for value in values]
        if len({len(inputs) for inputs in given}) != 1:
            return None
        wholes = []
        for i, steps in enumerate(zip(*given, strict=True)):
            whole = self.sequence(list(steps), f"{name}/{i}")
            if whole is None:
                return None
            wholes.append(whole)
        layer = Concat(axis=2) if isinstance(first, Concat) else first
        return self._place(layer, f"{name}/steps", wholes)

    def _is_liftable(self, layer: Layer) -> bool:
        """Whether a layer acts on the last axis, or on each element alone."""
        if isinstance(layer, Concat):
            return layer.axis == 1
        if isinstance(layer, Dropout):
            return layer.shared == ()
        return isinstance(layer, Linear) or (isinstance(layer.BEHAVIOUR, Pointwise) and not layer.operands)

    def _said(self, layer: Layer) -> object:
        """What has to be the same of the layers of all steps."""
        weights = {}
        for role, operand in layer.operands.items():
            if not isinstance(operand, StoredOperand):
                return id(layer)
            record = self.body.bundle.tensors[operand.tensor].record
            weights[role] = (record.source, record.steps)
        return layer.type, layer.settings(), weights

    def _place(self, layer: Layer, name: str, inputs: Sequence[str]) -> str:
        while name in self.layers or name in self.body.types:
            name += "_"
        self.layers[name] = layer
        slots = [f"x{i}" for i in range(len(inputs))] if layer.VARIADIC else ["x"]
        self.nodes.append(Node(layer=name, scope="", inputs=dict(zip(slots, inputs, strict=True)), outputs={"y": name}))
        return name
