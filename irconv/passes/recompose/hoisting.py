"""Steps that no state has a part in, taken out of a loop: what they do to each step is done to the sequence.

Wrappers of cells (dropout, residual sums, projections) stand between the layers of a loop; once the cells before them
are layers of their own, these come after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, Pointwise, ValueType
from irconv.ir.layers.control import Scan
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.normalisation import ChannelAffine
from irconv.ir.layers.tensor_ops import Add, Concat, Constant
from irconv.ir.layers.training import Dropout


def hoisted(bundle: Bundle, node: Node) -> Bundle | None:
    """The bundle with every node before the loop that can be there; None where there is none."""
    scan, graph = bundle.layers[node.layer], bundle.graph
    if not isinstance(scan, Scan) or graph is None or scan.reverse or scan.order != "time":
        return None
    found = _Hoisting.of(bundle, graph, node, scan)
    return found.bundle() if found.moved else None


@dataclass
class _Hoisting:
    source: Bundle
    graph: Graph
    node: Node
    scan: Scan
    layers: dict[str, Layer]
    known: dict[str, str]
    """Value of the body -> the sequence outside whose step it is."""
    types: Mapping[str, ValueType]
    moved: list[Node]

    @staticmethod
    def of(bundle: Bundle, graph: Graph, node: Node, scan: Scan) -> _Hoisting:
        """The loop with everything found that can be moved."""
        ports = scan.body.inputs[scan.carried :]
        known = {port.value: node.inputs[f"scanned{i}"] for i, port in enumerate(ports)}
        types, around = infer_types(bundle, scan.body), set(infer_types(bundle))
        found = _Hoisting(bundle, graph, node, scan, dict(bundle.layers), known, types, [])
        constants = {v: n for n in scan.body.nodes for v in n.outputs.values() if _is_constant(bundle, n)}
        for inner in scan.body.nodes:
            taken, results = list(inner.inputs.values()), list(inner.outputs.values())
            movable = any(value in known for value in taken) and len(results) == 1 and results[0] not in around
            if not movable or any(value not in known and value not in constants for value in taken):
                continue
            layer = found.lifted(inner, bundle.layers[inner.layer])
            if layer is not None:
                found.layers[inner.layer] = layer
                for value in taken:
                    if value not in known and value not in around:
                        found.moved.append(constants[value])
                        around.add(value)
                found.move(inner, layer)
                known[results[0]] = results[0]
                around.add(results[0])
        return found

    def lifted(self, node: Node, layer: Layer) -> Layer | None:
        """What does to a sequence what a layer does to each step; None where nothing here does."""
        ranks = [len(self.types[value].shape) for value in node.inputs.values() if value in self.known]
        fixed = [len(self.types[value].shape) for value in node.inputs.values() if value not in self.known]
        if len(set(ranks)) != 1 or any(rank > 1 for rank in fixed) or ranks[0] < 2:
            return None
        if isinstance(layer, Concat):
            return None if layer.axis == 0 or fixed else layer.model_copy(update={"axis": layer.axis + 1})
        if isinstance(layer, ChannelAffine):  # along axis 1, which is the last of a step
            return layer if ranks[0] == 2 and "scale" not in layer.operands else None
        whole = layer.settings().get("shared", ()) == ()
        pointwise = isinstance(layer, Dropout) or (isinstance(layer.BEHAVIOUR, Pointwise) and not layer.operands)
        return layer if isinstance(layer, Linear) or (pointwise and whole) else None

    def move(self, node: Node, layer: Layer) -> None:
        """Put a node before the loop; a vector along the channels of steps lies along the last axis of sequences."""
        inputs = {slot: self.known.get(value, value) for slot, value in node.inputs.items()}
        if isinstance(layer, ChannelAffine):
            shift = f"{node.layer}/shift"
            self.layers[shift] = Constant(operands={"value": layer.operands["shift"]})
            self.layers[node.layer] = Add()
            self.moved.append(Node(layer=shift, scope=node.scope, inputs={}, outputs={"y": shift}))
            inputs = {"x0": inputs["x"], "x1": shift}
        self.moved.append(node.model_copy(update={"inputs": inputs}))

    def bundle(self) -> Bundle:
        """The bundle with the nodes moved, and without the loop where nothing is left of it."""
        scan, node = self.scan, self.node
        gone = {value for inner in self.moved for value in inner.outputs.values()}
        carried, outs = scan.body.inputs[: scan.carried], scan.body.outputs
        stacked = [i for i in range(scan.carried, len(outs)) if outs[i].value not in self.known]
        renamed = {
            node.outputs[f"stacked{i - scan.carried}"]: self.known[outs[i].value]
            for i in range(scan.carried, len(outs))
            if i not in stacked and f"stacked{i - scan.carried}" in node.outputs
        }
        outputs = (*outs[: scan.carried], *(outs[i] for i in stacked))
        nodes = [n for n in scan.body.nodes if not gone & set(n.outputs.values()) or _is_constant(self.source, n)]
        inner = needed(nodes, [port.value for port in outputs])
        taken = {value for n in inner for value in n.inputs.values()} | {port.value for port in outputs}
        steps = [self._port(value) for value in self.known if value in taken]
        steps = steps or list(scan.body.inputs[scan.carried :][:1])
        loop: list[Node] = []
        if outputs:
            body = Graph(inputs=(*carried, *steps), outputs=outputs, nodes=tuple(inner))
            changed = {"body": body, "scanned": len(steps)}
            self.layers[node.layer] = scan.model_copy(update=changed)
            loop = [self._loop(steps, stacked)]
        return self._replaced([*self.moved, *loop], renamed)

    def _port(self, value: str) -> Port:
        dtype, shape = self.types[value]
        return Port(name=value, value=value, dtype=dtype, shape=shape, axes="", source_axes="")

    def _loop(self, steps: Sequence[Port], stacked: Sequence[int]) -> Node:
        count = self.scan.carried
        inputs = {f"carried{i}": self.node.inputs[f"carried{i}"] for i in range(count)}
        inputs |= {f"scanned{i}": self.known[port.value] for i, port in enumerate(steps)}
        given = [*(f"carried{i}" for i in range(count)), *(f"stacked{i - count}" for i in stacked)]
        slots = [*(f"carried{i}" for i in range(count)), *(f"stacked{i}" for i in range(len(stacked)))]
        outputs = {new: self.node.outputs[old] for new, old in zip(slots, given, strict=True)}
        return self.node.model_copy(update={"inputs": inputs, "outputs": outputs})

    def _replaced(self, nodes: Sequence[Node], renamed: Mapping[str, str]) -> Bundle:
        place = self.graph.nodes.index(self.node)
        before, after = self.graph.nodes[:place], self.graph.nodes[place + 1 :]

        def now(value: str) -> str:
            return renamed.get(value, value)

        later = [n.model_copy(update={"inputs": {s: now(v) for s, v in n.inputs.items()}}) for n in after]
        outputs = [port.model_copy(update={"value": now(port.value)}) for port in self.graph.outputs]
        graph = self.graph.model_copy(update={"nodes": (*before, *nodes, *later), "outputs": tuple(outputs)})
        return replace(self.source, layers=self.layers, graph=graph)


def _is_constant(bundle: Bundle, node: Node) -> bool:
    return isinstance(bundle.layers[node.layer], Constant) and not node.inputs


def needed(nodes: Sequence[Node], values: Sequence[str]) -> list[Node]:
    """The nodes that make some values, in their order."""
    wanted, found = set(values), []
    for node in reversed(nodes):
        if wanted & set(node.outputs.values()):
            found.append(node)
            wanted |= set(node.inputs.values())
    return found[::-1]
