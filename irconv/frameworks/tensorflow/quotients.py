"""Quotients that are rounded afterwards, kept as they are from TensorFlow's optimiser.

With a constant divisor it multiplies by the reciprocal, which gives another number by a unit in the last place: where
a quantised value lies on the edge between two steps, it becomes the other one. A placeholder with a default is no
constant.
"""

from __future__ import annotations

from dataclasses import replace

from irconv.containers.graph_def import NodeDef, Sizes
from irconv.frameworks.tensorflow.naming import Names

_QUOTIENTS = ("RealDiv", "Div")
_ROUNDS = ("Round", "Rint", "Floor", "Ceil")
_MOVES = ("Reshape", "Transpose", "ExpandDims", "Squeeze", "Identity", "Cast")
"""What makes another constant of one."""


def kept(nodes: list[NodeDef], names: Names) -> list[NodeDef]:
    """The nodes, with a placeholder behind each constant that divides what is rounded."""
    makers = {node.name: node for node in nodes}
    rounded = {node.inputs[0].partition(":")[0] for node in nodes if node.op in _ROUNDS}
    taken: dict[str, int] = {}
    """Node -> which of its inputs is such a constant."""
    for node in nodes:
        if node.name in rounded and node.op in _QUOTIENTS:
            place, user = 1, node
            while (made := makers.get(user.inputs[place])) is not None and made.op in _MOVES:
                place, user = 0, made
            if made is not None and made.op == "Const":
                taken[user.name] = place
    if not taken:
        return nodes
    found: list[NodeDef] = []
    for node in nodes:
        at = taken.get(node.name)
        if at is None:
            found.append(node)
            continue
        constant = makers[node.inputs[at]]
        name = names.unique(f"{node.name}/divisor")
        attrs = {"dtype": constant.attrs["dtype"], "shape": Sizes(constant.attrs["value"].shape)}
        found.append(NodeDef(name, "PlaceholderWithDefault", (constant.name,), attrs))
        found.append(replace(node, inputs=(*node.inputs[:at], name, *node.inputs[at + 1 :])))
    return found
