"""The graph of a network with everything left out that has neither parameters nor a second input.

`Skeleton` takes ops one by one, in the order in which they run, from a bundle's graph or from a trace of a module.
Two ways of writing one function become one: sums and concatenations of sums and concatenations are flattened, and
attention is two products of matrices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from irconv.align.axes import Axes
from irconv.align.network import Edge, Node, Step, Window
from irconv.data_classes import dataclass

COMMUTE = frozenset({"add", "mul", "max", "min", "mean"})
"""Joining ops whose inputs may stand in any order."""

ACTIVATIONS = frozenset(
    (
        *("abs", "clip", "elu", "erf", "exp", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leakyrelu"),
        *("logsoftmax", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus"),
        *("softsign", "tanh"),
    )
)
"""Ops that all frameworks have and name alike: evidence on the way between two nodes."""

STEPS = ACTIVATIONS | {"resize", "mean", "max"}
"""Ops on the way whose settings are kept."""


@dataclass(frozen=True)
class _Value:
    source: int
    trail: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass
class Skeleton:
    """Builds the nodes of a `Network`."""

    nodes: list[Node] = field(default_factory=list)
    values: dict[str, _Value] = field(default_factory=dict)
    axes: dict[str, Axes | None] = field(default_factory=dict)
    """What is known of the axes of values, see `Edge.axes`."""

    def input(self, value: str, number: int) -> None:
        """An input of the graph."""
        self._place(Node("input", exact=f"input {number}", value=value), value)

    def constant(self, value: str, unit: int) -> None:
        """A parameter that the graph uses as a value."""
        self._place(Node("unit", unit=unit, value=value), value)

    def unit(self, unit: int, inputs: Sequence[str], output: str, exact: str = "", window: Window | None = None) -> int:
        """A layer with parameters; further results of it are given with `alias`."""
        ports = ["" if len(inputs) == 1 else str(port) for port in range(len(inputs))]
        return self._place(Node("unit", self._edges(inputs, ports), unit, exact, output, window), output)

    def pass_through(
        self,
        label: str,
        taken: str,
        outputs: Sequence[str],
        exact: str,
        window: Window | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """An op of one value without parameters. Its results are that value, on a longer trail."""
        if taken not in self.values:
            return
        value = self.values[taken]
        trail = (*value.trail, label) if label in ACTIVATIONS else value.trail
        for number, output in enumerate(outputs):
            step = f"{exact}[{number}]" if len(outputs) > 1 else exact
            windows = value.windows if window is None else (*value.windows, window)
            found = _Value(value.source, trail, (*value.exact, step), windows, value.steps)
            own = (Step(label, settings or {}),) if label in STEPS else ()
            self.values[output] = replace(found, steps=(*value.steps, *own))

    def join(
        self,
        label: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        exact: str,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """An op of several values without parameters."""
        known = [value for value in inputs if value in self.values]
        if len(known) < 2:  # the others are numbers
            if known:
                self.pass_through(label, known[0], outputs, exact)
            return
        commutes = label in COMMUTE
        ports = ["" if commutes else str(port) for port, value in enumerate(inputs) if value in self.values]
        edges = self._edges(known, ports)
        if label in ("add", "concat"):
            edges = self._flattened(label, exact, edges)
        node = Node(label, edges, exact=exact, value=outputs[0], settings=settings or {})
        index = self._place(node, outputs[0])
        for number, output in enumerate(outputs):
            self.values[output] = _Value(index, exact=(f"[{number}]",) if len(outputs) > 1 else ())

    def attention(
        self, query: str, key: str, value: str, output: str, exact: str, settings: Mapping[str, object] | None = None
    ) -> None:
        """A weighted average of values: the product of queries and keys, which has the settings, and that of it and the
        values."""
        scores = f"{output}/scores"
        self.join("matmul", (query, key), (scores,), exact, settings)
        self.pass_through("softmax", scores, (f"{output}/shares",), "softmax")
        self.join("matmul", (f"{output}/shares", value), (output,), exact)

    def alias(self, output: str, other: str) -> None:
        """A second name for a value."""
        if output in self.values:
            self.values[other] = self.values[output]
            self.axes[other] = self.axes.get(output)

    def output(self, value: str, number: int) -> None:
        """An output of the graph."""
        if value in self.values:
            self.nodes.append(Node("output", self._edges([value], [str(number)]), exact=f"output {number}"))

    def _edges(self, values: Sequence[str], ports: Sequence[str]) -> tuple[Edge, ...]:
        found = []
        for name, port in zip(values, ports, strict=True):
            if name not in self.values:
                continue
            value = self.values[name]
            axes = self.axes.get(name)
            found.append(Edge(value.source, port, value.trail, value.exact, value.windows, value.steps, axes))
        return tuple(found)

    def _flattened(self, label: str, exact: str, edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        """The edges with those of nodes of the same kind put in the place of these. Sums are flattened again in
        `finish`, once it is known who else takes them."""
        if label != "concat":
            return edges
        flat: list[Edge] = []
        for edge in edges:
            node = self.nodes[edge.source]
            same = node.label == label and node.exact == exact and not edge.exact
            flat += node.inputs if same else [edge]
        return tuple(replace(edge, port=str(port)) for port, edge in enumerate(flat))

    def _place(self, node: Node, value: str) -> int:
        self.nodes.append(node)
        self.values[value] = _Value(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def finish(self) -> tuple[Node, ...]:
        """The nodes, without joins that nothing takes any more."""
        nodes = list(self.nodes)
        for index, node in enumerate(nodes):
            if node.label == "add":
                users = Counter(edge.source for other in nodes for edge in other.inputs)
                flat: list[Edge] = []
                for edge in node.inputs:
                    inner = nodes[edge.source]
                    once = inner.label == "add" and users[edge.source] == 1 and not edge.exact
                    flat += inner.inputs if once else [edge]
                nodes[index] = replace(node, inputs=tuple(flat))
        return pruned(nodes)


def pruned(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes without joins whose value nothing takes, last first; and their new numbers."""
    used: set[int] = set()
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if node.unit is not None or node.label in ("input", "output") or index in used:
            used.add(index)
            used |= {edge.source for edge in node.inputs}
    place = {old: new for new, old in enumerate(sorted(used))}
    return tuple(
        replace(node, inputs=tuple(replace(edge, source=place[edge.source]) for edge in node.inputs))
        for index, node in enumerate(nodes)
        if index in used
    )


def without_units(nodes: Sequence[Node], gone: Mapping[int, int | None]) -> tuple[Node, ...]:
    """The nodes without the uses of some units, whose first input takes over their value, too; `gone` numbers the units
    anew, with None for those that go."""
    stands: dict[int, Edge] = {}
    kept: list[Node] = []
    place: dict[int, int] = {}
    for index, node in enumerate(nodes):
        inputs = []
        for edge in node.inputs:
            through = stands.get(edge.source)
            if through is None:
                inputs.append(replace(edge, source=place[edge.source]))
            else:
                trail, exact = (*through.trail, *edge.trail), (*through.exact, *edge.exact)
                windows, steps = (*through.windows, *edge.windows), (*through.steps, *edge.steps)
                inputs.append(Edge(through.source, edge.port, trail, exact, windows, steps, edge.axes))
        if node.unit is not None and gone[node.unit] is None and inputs:
            stands[index] = inputs[0]
            kept[inputs[0].source] = replace(kept[inputs[0].source], value=node.value)
            continue
        place[index] = len(kept)
        unit = None if node.unit is None else gone[node.unit]
        kept.append(replace(node, inputs=tuple(inputs), unit=unit))
    return tuple(kept)
