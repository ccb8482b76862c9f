"""Recurrent layers that are given a sequence turned around, as layers that read backwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.log import timed
from irconv.passes import unused


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; a sequence is turned only where no layer can read it backwards."""
    if bundle.graph is None or not any(isinstance(layer, LSTM | GRU | RNN) for layer in bundle.layers.values()):
        return bundle
    return _changed(_changed(bundle, _Graph.leave), _Graph.turn)


def _changed(bundle: Bundle, change: Callable[[_Graph, int, Node, LSTM | GRU | RNN], None]) -> Bundle:
    """The bundle with a change tried at each recurrent layer that is used once."""
    assert bundle.graph is not None, "only graphs have layers"
    work = _Graph(bundle, bundle.graph)
    uses = Counter(node.layer for node in work.nodes)
    for place, node in enumerate(work.nodes):
        layer = work.layers[node.layer]
        if isinstance(layer, LSTM | GRU | RNN) and uses[node.layer] == 1:
            change(work, place, node, layer)
    return unused.run(work.bundle()) if work.renamed else bundle


class _Graph:
    """A graph while layers in it are turned around."""

    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self.source, self.graph, self.layers = bundle, graph, dict(bundle.layers)
        self.nodes = list(graph.nodes)
        self.maker = {value: node for node in self.nodes for value in node.outputs.values()}
        self.renamed: dict[str, str] = {}
        """Value -> the one that takes its place."""

    def bundle(self) -> Bundle:
        """The bundle as it stands."""
        nodes = [node.model_copy(update={"inputs": self._now(node.inputs)}) for node in self.nodes]
        outputs = [p.model_copy(update={"value": self.renamed.get(p.value, p.value)}) for p in self.graph.outputs]
        graph = self.graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})
        return replace(self.source, layers=self.layers, graph=graph)

    def turn(self, place: int, node: Node, layer: LSTM | GRU | RNN) -> None:
        """Let a layer read backwards where what it takes is turned around."""
        if layer.reverse:
            return
        x, lengths = node.inputs["x"], node.inputs.get("lengths")
        users = [n for n in self.nodes if node.outputs.get("y") in n.inputs.values()]
        shown = any(port.value == node.outputs.get("y") for port in self.graph.outputs)
        turned = [n for n in users if self._turns(n, lengths)]
        every = not shown and len(turned) == len(users)
        before = self._before(x, lengths)
        mask = node.inputs.get("mask")
        flipped = None if mask is None else self._before(mask, None)
        if before is None or (mask is not None and flipped is None) or (lengths is not None and not every):
            return
        if lengths is not None and layer.masked_output != "zero" and users:
            return
        inputs = {**node.inputs, "x": before} | ({} if flipped is None else {"mask": flipped})
        order = "time" if every else "processing"
        self.layers[node.layer] = layer.model_copy(update={"reverse": True, "order": order})
        self.nodes[place] = node.model_copy(update={"inputs": inputs})
        self.renamed[x] = x
        if every:
            self.renamed |= {value: node.outputs["y"] for n in turned for value in n.outputs.values()}

    def leave(self, place: int, node: Node, layer: LSTM | GRU | RNN) -> None:
        """Let a layer that reads backwards give its results in that order, where all that takes them turns them."""
        y = node.outputs.get("y")
        if not layer.reverse or layer.order != "time" or "lengths" in node.inputs:
            return
        users = [n for n in self.nodes if y in n.inputs.values()]
        if y is None or not users or any(port.value == y for port in self.graph.outputs):
            return
        if all(self._turns(n, None) for n in users):
            self.layers[node.layer] = layer.model_copy(update={"order": "processing"})
            self.renamed |= {value: y for n in users for value in n.outputs.values()}

    def _before(self, value: str, lengths: str | None) -> str | None:
        """What is turned around, along its second axis, to a value."""
        node = self.maker.get(value)
        return node.inputs["x"] if node is not None and self._turns(node, lengths) else None

    def _turns(self, node: Node, lengths: str | None) -> bool:
        """Whether a node turns sequences around: whole ones, or as many steps as each has."""
        layer: Layer = self.layers[node.layer]
        settings = layer.settings()
        if lengths is None:
            return layer.type == "Flip" and settings["axes"] == (1,)
        if layer.type != "ReverseSequence" or (settings["batch_axis"], settings["time_axis"]) != (0, 1):
            return False
        return self._plain(node.inputs["lengths"]) == self._plain(lengths)

    def _plain(self, value: str) -> str:
        """A value before it was given another type."""
        while (node := self.maker.get(value)) is not None and self.layers[node.layer].type == "Cast":
            value = node.inputs["x"]
        return value

    def _now(self, inputs: Mapping[str, str]) -> dict[str, str]:
        return {slot: self.renamed.get(value, value) for slot, value in inputs.items()}
