"""Alignment: which layer of one network is which of another, by the evidence of graphs, shapes, order and names.

`align` takes two `Network`s, which `of_bundle.network` and the frameworks make. Nothing is guessed: what stays open is
told with the units it could be.
"""

from irconv.align.matching import Alignment, Choice, Match, align
from irconv.align.network import Edge, Network, Node, Part, Unit
from irconv.align.of_bundle import network

__all__ = ["Alignment", "Choice", "Edge", "Match", "Network", "Node", "Part", "Unit", "align", "network"]
