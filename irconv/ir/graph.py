"""The graph: nodes that use layers, and the ports at its boundary."""

from irconv.ir.layers.base import Record
from irconv.ir.shapes import Dimension


class Port(Record):
    """An input or output of the graph."""

    name: str
    value: str
    """The value of the graph it is."""
    dtype: str
    shape: tuple[Dimension, ...]
    axes: str
    """The customary letters of its axes as the bundle has them (``NCHW``); empty where nobody knows."""
    source_axes: str
    """The same as the source framework had them (``NHWC``)."""


class Node(Record):
    """One use of a layer. Two nodes with the same layer share its weights."""

    layer: str
    scope: str
    """The submodels and modules it lies in, joined by ``/``; empty at the top."""
    inputs: dict[str, str]
    """Slot, or role of a computed operand -> value."""
    outputs: dict[str, str]
    """Result slot -> value. A value has exactly one node or input that makes it."""


class Graph(Record):
    """Nodes in an order in which every value is made before it is used."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
