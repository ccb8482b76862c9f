"""Rows of a batch that were merged for what treats each alone, kept apart: (n t, f) as (n, t, f).

TensorFlow's BERT and its like merge samples and places once, compute with matrices, and cut them apart where attention
needs it. What lies between is the same for rows that stay where they are, and then is written as people write it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, Pointwise
from irconv.ir.layers.tensor_ops import Constant, Identity, Reshape
from irconv.ir.layers.training import Dropout
from irconv.ir.shapes import Shape, size_product
from irconv.log import timed
from irconv.passes import remove_identity, unused

_EACH_ROW = ("Linear", "Embedding", "OneHot", "Cast")
"""Layers that compute with the last axis, or with no axis at all."""
_ALONG = ("LayerNorm", "RMSNorm", "Softmax", "LogSoftmax", "Reduce")
"""Layers that compute along the axes that they name."""


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with rows apart wherever that leaves no more reshapes than there were."""
    if bundle.graph is None or not any(layer.type == "Reshape" for layer in bundle.layers.values()):
        return bundle
    found = _Rows.of(bundle, bundle.graph)
    return remove_identity.left_over(unused.run(found.bundle())) if found.chosen() else bundle


@dataclass
class _Region:
    """Values of merged rows that depend on one another."""

    lead: Shape
    """The two axes that were merged."""
    values: set[str] = field(default_factory=set)
    exits: int = 0


@dataclass
class _Rows:
    source: Bundle
    graph: Graph
    layers: dict[str, Layer]
    shapes: dict[str, Shape]
    makers: dict[str, Node]
    regions: dict[str, _Region] = field(default_factory=dict)
    """Value -> the region that it is in."""
    lifted: dict[str, Layer] = field(default_factory=dict)
    """Name of a layer within a region -> what does the same to rows that are apart."""

    @staticmethod
    def of(bundle: Bundle, graph: Graph) -> _Rows:
        """The graph with all regions found."""
        shapes = {value: type_.shape for value, type_ in infer_types(bundle).items()}
        makers = {value: node for node in graph.nodes for value in node.outputs.values()}
        found = _Rows(bundle, graph, dict(bundle.layers), shapes, makers)
        uses = Counter(node.layer for node in graph.nodes)
        for node in graph.nodes:
            if uses[node.layer] == 1 and len(node.outputs) == 1:
                found.seen(node)
        return found

    def seen(self, node: Node) -> None:
        """Where a node belongs, those before it being known."""
        layer, (result,) = self.layers[node.layer], node.outputs.values()
        if isinstance(layer, Reshape) and list(node.inputs) == ["x"]:
            region = self.regions.get(node.inputs["x"])
            if region is not None:
                region.exits += self.shapes[result][:2] == region.lead
                return
            lead = self.shapes[node.inputs["x"]][:2]
            if self._merges(self.shapes[node.inputs["x"]], self.shapes[result]):
                self.regions[result] = _Region(lead, {result})
            return
        inside = {id(r): r for value in node.inputs.values() if (r := self.regions.get(value)) is not None}
        lifted = self._lifted(node, layer, result) if inside else None
        if lifted is None or len({r.lead for r in inside.values()}) != 1:
            return
        first, *others = inside.values()
        for other in others:
            first.values |= other.values
            first.exits += other.exits
            self.regions |= dict.fromkeys(other.values, first)
        first.values.add(result)
        self.regions[result] = first
        self.lifted[node.layer] = lifted

    def _merges(self, before: Shape, after: Shape) -> bool:
        """Whether a Reshape makes one axis of the first two."""
        if len(before) < 2 or not after or (len(before) == 2 and len(after) > 1):
            return False
        return size_product(before[:2]).dimension == after[0] and before[:1] != after[:1]

    def _lifted(self, node: Node, layer: Layer, result: str) -> Layer | None:
        """What does to rows that are apart what a layer does to merged ones; None where nothing here does."""
        rank = len(self.shapes[result])
        for value in node.inputs.values():
            shape = self.shapes[value]
            if value not in self.regions and (not self._is_constant(value) or (len(shape) >= rank and shape[0] != 1)):
                return None
        if any(value in self.regions and len(self.shapes[value]) != rank for value in node.inputs.values()):
            return layer if layer.type in ("Embedding", "OneHot") else None
        settings = layer.settings()
        if layer.type in _ALONG:
            changed = {
                name: value + 1 if isinstance(value, int) else tuple(axis + 1 for axis in value)
                for name, value in settings.items()
                if name in ("axis", "axes")
            }
            first = min((a for v in changed.values() for a in ((v,) if isinstance(v, int) else v)), default=0)
            return layer.model_copy(update=changed) if first >= 2 else None
        alike = isinstance(layer.BEHAVIOUR, Pointwise) and not layer.operands and settings.get("shared", ()) == ()
        return layer if layer.type in _EACH_ROW or isinstance(layer, Dropout) or alike else None

    def _is_constant(self, value: str) -> bool:
        maker = self.makers.get(value)
        return maker is not None and isinstance(self.layers[maker.layer], Constant) and not maker.inputs

    # what is worth it

    def chosen(self) -> bool:
        """Whether any region is left, those that would cost reshapes being given up."""
        borders = self._borders()
        for region in {id(r): r for r in self.regions.values()}.values():
            if not region.exits or len(borders & region.values) > region.exits:
                for value in region.values:
                    del self.regions[value]
        return bool(self.regions)

    def _borders(self) -> set[str]:
        """Values of regions that something outside takes merged."""
        found = {port.value for port in self.graph.outputs}
        for node in self.graph.nodes:
            if not set(node.outputs.values()) & set(self.regions) and not self._leaves(node):
                found |= set(node.inputs.values())
        return found & set(self.regions)

    def _leaves(self, node: Node) -> bool:
        """Whether a node cuts rows apart."""
        region = self.regions.get(node.inputs.get("x", ""))
        if region is None or not isinstance(self.layers[node.layer], Reshape):
            return False
        (result,) = node.outputs.values()
        return self.shapes[result][:2] == region.lead

    # what it becomes

    def bundle(self) -> Bundle:
        """The bundle with the regions' rows apart."""
        borders, nodes, merged = self._borders(), list[Node](), dict[str, str]()
        for node in self.graph.nodes:
            (result, *_) = node.outputs.values()
            region = self.regions.get(result)
            if region is None:
                leaves = self._leaves(node)
                inputs = node.inputs if leaves else {s: merged.get(v, v) for s, v in node.inputs.items()}
                nodes.append(node.model_copy(update={"inputs": inputs}))
                if leaves and self.shapes[result] == self._apart(node.inputs["x"]):
                    self.layers[node.layer] = Identity()
                continue
            nodes.append(self._entered(node, result) if node.layer not in self.lifted else node)
            self.layers[node.layer] = self.lifted.get(node.layer, self.layers[node.layer])
            if result in borders:
                merged[result] = f"{result}/merged"
                nodes.append(self._merging(node, result, merged[result]))
        outputs = [port.model_copy(update={"value": merged.get(port.value, port.value)}) for port in self.graph.outputs]
        graph = self.graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})
        return replace(self.source, layers=self.layers, graph=graph)

    def _apart(self, value: str) -> Shape:
        return (*self.regions[value].lead, *self.shapes[value][1:])

    def _entered(self, node: Node, result: str) -> Node:
        """The reshape that a region begins with: what it is left with is what it does to each row."""
        wanted, value = self._apart(result), node.inputs["x"]
        before = self.makers.get(value)
        if before is not None and before.inputs and self.layers[before.layer].type == "Unsqueeze":
            value = before.inputs["x"] if self.shapes[before.inputs["x"]] == wanted else value
        self.layers[node.layer] = Identity() if self.shapes[value] == wanted else Reshape(shape=wanted)
        return node.model_copy(update={"inputs": {"x": value}})

    def _merging(self, node: Node, value: str, result: str) -> Node:
        name = f"{node.layer}/merged"
        self.layers[name] = Reshape(shape=self.shapes[value])
        return Node(layer=name, scope=node.scope, inputs={"x": value}, outputs={"y": result})
