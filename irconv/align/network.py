"""A network as alignment sees it: what has parameters, and how these feed each other. No data, no framework.

A `Unit` is a layer with parameters, a `Part` one of these in canonical axes (`irconv.ir.layers`: kernels ``out in *k``,
matrices ``out in``). A `Node` is a use of a unit, or an op that joins several values; what lies between and has neither
parameters nor a second input (activations, pooling, reshaping) is the *trail* of the `Edge` that goes through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from irconv.align.axes import Axes
from irconv.data_classes import dataclass
from irconv.ir.manifest import LayoutStep

KERNEL, MATRIX, NORM, CONSTANT = "kernel", "matrix", "norm", "constant"
"""Families that several types of layers share: a file without a graph does not tell Conv from ConvTranspose (`KERNEL`),
Linear from Embedding (`MATRIX`), or BatchNorm from the other norms (`NORM`). Other families are types of the IR."""

REVERSE = "reverse"
"""The tag of a recurrent layer that goes from the last step to the first."""

CORE: Mapping[str, tuple[str, ...]] = {
    KERNEL: ("kernel",),
    MATRIX: ("kernel", "table"),
    NORM: ("gamma", "beta", "mean", "variance"),
    CONSTANT: ("value",),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("kernel",)),
}
"""The roles of which the first that is there gives a unit its size."""


@dataclass(frozen=True)
class Part:
    """One parameter of a unit: its name on its own side, and its shape in canonical axes."""

    name: str
    shape: tuple[int, ...]
    steps: tuple[LayoutStep, ...] = ()
    """What its framework's layout takes to become the canonical one, where that is known but not done yet."""
    piece: tuple[int, int] | None = None
    """(Which, of how many) equal pieces of the parameter along its first axis, where it is only one of these."""


@dataclass(frozen=True)
class Unit:
    """A layer with parameters."""

    name: str
    """Its path: ``features.3``, ``block1_conv2``, ``down0/a/conv``."""
    family: str
    parts: Mapping[str, Part]
    """Role -> parameter; of a norm the running statistics, too."""
    kind: str = ""
    """The type of the IR, where the file or the graph says it."""
    tag: str = ""
    """What it is among siblings of its shape, such as ``q``, where its name or its layer says it."""
    settings: Mapping[str, object] = field(default_factory=dict, compare=False)
    """What else changes its function, such as strides and epsilons, where that is known."""

    @cached_property
    def core(self) -> tuple[int, ...]:
        """The shape that two units must share to be the same: that of the kernel, or the channels of a norm."""
        roles = CORE.get(self.family, tuple(self.parts))
        return next((self.parts[role].shape for role in roles if role in self.parts), ())

    @property
    def label(self) -> tuple[str, tuple[int, ...]]:
        """Family and size: what a unit of the other network must have, too."""
        return self.family, self.core

    @property
    def signature(self) -> tuple[object, ...]:
        """The label with the shapes of all parts."""
        return (*self.label, tuple(sorted((role, part.shape) for role, part in self.parts.items())))


@dataclass(frozen=True)
class Window:
    """How a convolution, a pool or a padding goes over the spatial axes, in words that all frameworks have."""

    kind: str
    """``conv``, ``convtranspose``, ``maxpool``, ``averagepool`` or ``pad``."""
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] | str = ()
    """Before and after each axis (of a transposed convolution: what is taken off); a rule where the size of the input
    is not known."""
    dilation: tuple[int, ...] = ()
    counts_padding: bool = False
    """Of a mean: whether the padding is part of it."""
    ceil_mode: bool = False


@dataclass(frozen=True)
class Step:
    """An op of one value on the way, in words that all frameworks have."""

    kind: str
    """An activation of `irconv.align.skeleton`, ``resize``, or ``mean`` and ``max`` over whole axes."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What changes its function, by the names of the IR's fields, as far as it is known."""


@dataclass(frozen=True)
class Edge:
    """A value that a node takes: from which node, into which port, and what it goes through on its way."""

    source: int
    port: str = ""
    """Empty where the ports of the node are alike (Add)."""
    trail: tuple[str, ...] = ()
    """The activations on the way, by their common names."""
    exact: tuple[str, ...] = field(default=(), compare=False)
    """Everything on the way, with settings, in the words of this network's own side."""
    windows: tuple[Window, ...] = field(default=(), compare=False)
    """The pools and paddings on the way."""
    steps: tuple[Step, ...] = field(default=(), compare=False)
    """What else on the way has settings that both sides have words for."""
    axes: Axes | None = field(default=None, compare=False)
    """What the axes of the value are of those of the layer that made it, where that is known."""


@dataclass(frozen=True)
class Node:
    """A use of a unit, an op that joins values, an input or an output of the graph."""

    label: str
    """``unit``, ``input``, ``output``, or the op by its common name (``add``, ``concat``, ``matmul``)."""
    inputs: tuple[Edge, ...] = ()
    unit: int | None = None
    exact: str = field(default="", compare=False)
    """The op with its settings, in the words of this network's own side."""
    value: str = field(default="", compare=False)
    """The name of its result in the graph."""
    window: Window | None = field(default=None, compare=False)
    """Of a use of a convolution."""
    settings: Mapping[str, object] = field(default_factory=dict, compare=False)
    """Of an op that joins values: what changes its function, by the names of the IR's fields."""


@dataclass(frozen=True)
class Network:
    """One of the two sides of an alignment."""

    units: tuple[Unit, ...]
    nodes: tuple[Node, ...] = ()
    """The graph, every node after those it takes values from; empty where there is none."""
    stored: tuple[int, ...] | None = None
    """The order in which the file lists the units, where that is not just the alphabet's."""
    alternatives: Mapping[int, tuple[Unit, ...]] = field(default_factory=dict)
    """Other readings of units whose axes the file leaves open."""
    channels_last: bool = False
    """Whether images have their channels last where its weights come from."""
    notes: tuple[str, ...] = ()
    """What is not known of this side, and why."""

    @property
    def has_graph(self) -> bool:
        """Whether it is known which unit feeds which."""
        return bool(self.nodes)

    @cached_property
    def uses(self) -> Mapping[int, tuple[int, ...]]:
        """Unit -> its nodes."""
        found: dict[int, list[int]] = {}
        for index, node in enumerate(self.nodes):
            if node.unit is not None:
                found.setdefault(node.unit, []).append(index)
        return {unit: tuple(nodes) for unit, nodes in found.items()}

    @cached_property
    def takers(self) -> tuple[tuple[tuple[int, Edge], ...], ...]:
        """For each node the nodes that take its value, each with the edge by which it does."""
        found: list[list[tuple[int, Edge]]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for edge in node.inputs:
                found[edge.source].append((index, edge))
        return tuple(map(tuple, found))

    @cached_property
    def before(self) -> tuple[frozenset[int], ...]:
        """For each unit those whose results it depends on."""
        above: list[frozenset[int]] = []
        for node in self.nodes:
            sources = [edge.source for edge in node.inputs]
            units = {u for source in sources if (u := self.nodes[source].unit) is not None}
            above.append(frozenset(units).union(*(above[source] for source in sources)))
        found: list[frozenset[int]] = [frozenset()] * len(self.units)
        for unit, nodes in self.uses.items():
            found[unit] = frozenset().union(*(above[node] for node in nodes))
        return tuple(found)
