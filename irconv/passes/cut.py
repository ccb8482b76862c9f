"""The part of a graph between values that the user names (``--inputs``, ``--outputs``), for every source with a graph.

A name is that of a port, of a layer that is used once and has one result, or of a value. What is left out is listed.
TensorFlow's graphs, which may not say where they begin and end, and ONNX's outputs are cut while they are read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from irconv.errors import MissingFact, Problems
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import ChannelFirst, Pointwise
from irconv.ir.manifest import Omitted
from irconv.layout import customary
from irconv.log import timed
from irconv.passes import unused

_IMAGE, _LAST = "n c *s", "n *s c"


@timed
def run(bundle: Bundle, inputs: Sequence[str], outputs: Sequence[str]) -> Bundle:
    """The function of the named inputs that gives the named outputs, in this order; without names those of the model.

    Raises `MissingFact` for a name that no value has, for an input of which the outputs do not depend, for one that
    they need beside those, and for one whose size is computed.
    """
    assert bundle.graph is not None, "the caller has looked"
    work, problems = _Work(bundle, bundle.graph), Problems()
    starts, ends = (work.named(names, flag, problems) for names, flag in ((inputs, "--inputs"), (outputs, "--outputs")))
    problems.raise_any()
    given = {value: work.port(value, f"--inputs {name}", problems) for name, value in starts.items()}
    results = [work.port(value) for value in ends.values()] or list(bundle.graph.outputs)
    nodes, wanted = _between(bundle.graph, {port.value for port in results}, given.keys())
    for name, value in starts.items():
        if value not in wanted:
            problems.add(f"--inputs {name}", "the outputs do not depend on it", "Leave it out.", MissingFact)
    others = [port for port in bundle.graph.inputs if port.value in wanted and port.value not in given]
    for port in others if inputs else ():
        problems.add(f"input {port.name}", "the outputs need it, too", "Name it in --inputs.", MissingFact)
    problems.raise_any()
    ports = tuple(given.values()) if inputs else tuple(others)
    graph = bundle.graph.model_copy(update={"inputs": ports, "outputs": tuple(results), "nodes": tuple(nodes)})
    made = unused.run(replace(bundle, graph=graph, checks=(), probe=None))
    said = (("--inputs", inputs), ("--outputs", outputs))
    reason = " ".join(f"{flag} {','.join(names)}" for flag, names in said if names)
    left = [tensor.record.source or key for key, tensor in bundle.tensors.items() if key not in made.tensors]
    gone = dict.fromkeys(one if isinstance(one, str) else one.name for one in left)
    omitted = tuple(Omitted(name=name, reason=f"not part of {reason}") for name in gone)
    return replace(made, omitted=(*bundle.omitted, *omitted))


def _between(graph: Graph, wanted: set[str], starts: Collection[str]) -> tuple[list[Node], set[str]]:
    """The nodes that the wanted values need, and all values these need, back to the values it starts from."""
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        made = set(node.outputs.values())
        if any(value in wanted and value not in starts for value in made):
            wanted |= set(node.inputs.values())
            kept.append(node)
    return kept[::-1], wanted


class _Work:
    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self.bundle, self.graph, self.types = bundle, graph, infer_types(bundle)
        self.ports: Mapping[str, Port] = {port.value: port for port in (*graph.outputs, *graph.inputs)}
        self.makers = {value: (node, slot) for node in graph.nodes for slot, value in node.outputs.items()}
        self.takers = {value: (node, slot) for node in graph.nodes for slot, value in node.inputs.items()}

    def named(self, names: Sequence[str], flag: str, problems: Problems) -> dict[str, str]:
        """Name -> value."""
        found: dict[str, str] = {}
        for name in names:
            ports = [port.value for port in self.ports.values() if port.name == name]
            uses = [node for node in self.graph.nodes if node.layer == name]
            if ports or name in self.types:
                found[name] = ports[0] if ports else name
            elif len(uses) == 1 and len(uses[0].outputs) == 1:
                found[name] = next(iter(uses[0].outputs.values()))
            elif uses:
                values = ", ".join(value for node in uses for value in node.outputs.values())
                problems.add(f"{flag} {name}", f"means several values: {values}", "Name one of them.", MissingFact)
            else:
                what = "the model has no port, layer or value of this name"
                problems.add(f"{flag} {name}", what, "`irconv inspect` lists them.", MissingFact)
        return found

    def port(self, value: str, where: str = "", problems: Problems | None = None) -> Port:
        """The port of a value: its own, or a new one of its name."""
        if value in self.ports:
            return self.ports[value]
        dtype, shape = self.types[value]
        computed = [size for size in shape if isinstance(size, str) and not size.isidentifier()]
        if computed and problems is not None:
            what = f"has the size {computed[0]}, which depends on the model's own inputs"
            problems.add(where, what, "Give their sizes with --input-shape.", MissingFact)
        rank = len(shape)
        axes = customary(_IMAGE, rank) if rank > 2 and self._is_image(value) else ""
        last = any(port.axes != port.source_axes for port in (*self.graph.inputs, *self.graph.outputs))
        source_axes = customary(_LAST, rank) if axes and last else axes
        return Port(name=value, value=value, dtype=dtype, shape=shape, axes=axes, source_axes=source_axes)

    def _is_image(self, value: str) -> bool:
        """Whether the layers before or after it say that axis 1 is the channels'."""
        if value in self.takers:
            node, slot = self.takers[value]
            if self.bundle.layers[node.layer].SLOTS.get(slot) == _IMAGE:
                return True
        while value in self.makers:
            node, slot = self.makers[value]
            layer = self.bundle.layers[node.layer]
            if layer.RESULTS.get(slot) == _IMAGE:
                return True
            if not isinstance(layer.BEHAVIOUR, Pointwise | ChannelFirst):
                return False
            value = next(iter(node.inputs.values()), "")
        return value in self.ports and self.ports[value].axes == customary(_IMAGE, len(self.ports[value].shape))
