"""Matrices that are turned before a product, taken as they are: TensorFlow's products turn their factors themselves.

A matrix may be cut into pieces between the two, then along its other axis. What nothing needs any more is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.ir.tensors import LazyTensor

_TURNS = {"MatMul": ("transpose_a", "transpose_b"), "BatchMatMulV2": ("adj_x", "adj_y")}
"""Operation -> its attributes for factors that lie turned."""
_COMPLEX = ("complex64", "complex128")
"""Types whose factors are conjugated, too."""


def untransposed(nodes: Sequence[NodeDef], outputs: Sequence[str]) -> list[NodeDef]:
    """The nodes without transposes that products can do; `outputs` are the results that are needed in the end."""
    if not any(node.op == "Transpose" for node in nodes):
        return list(nodes)
    graph = _Graph(nodes, outputs)
    for node in nodes:
        if node.op == "Transpose" and graph.swaps(node):
            graph.cut_turned(node)
    for node in nodes:
        if node.op in _TURNS:
            graph.take_in(node.name)
    return graph.needed()


class _Graph:
    def __init__(self, nodes: Sequence[NodeDef], outputs: Sequence[str]) -> None:
        self.order = [node.name for node in nodes]
        self.nodes = {node.name: node for node in nodes}
        self.ends = {_node(value) for value in outputs}
        self.users: dict[str, list[str]] = {}
        for node in nodes:
            for value in node.inputs:
                self.users.setdefault(_node(value), []).append(node.name)

    def swaps(self, node: NodeDef) -> bool:
        """Whether a node swaps the last two axes, and no others."""
        perm = self.nodes.get(_node(node.inputs[1])) if node.op == "Transpose" else None
        if perm is None or perm.op != "Const" or node.attrs["T"] in _COMPLEX:
            return False
        order = perm.attrs["value"].numpy().tolist()
        rank = len(order)
        return rank > 1 and order == [*range(rank - 2), rank - 1, rank - 2]

    def take_in(self, name: str) -> None:
        """Let a product take what its factors were before they were turned."""
        node = self.nodes[name]
        inputs, attrs = list(node.inputs), dict(node.attrs)
        for place, attribute in enumerate(_TURNS[node.op]):
            while (turn := self.nodes.get(inputs[place])) is not None and self.swaps(turn):
                inputs[place] = turn.inputs[0]
                attrs[attribute] = not attrs.get(attribute, False)
        self.nodes[name] = replace(node, inputs=tuple(inputs), attrs=attrs)

    def cut_turned(self, turn: NodeDef) -> None:
        """A turned matrix that is cut, each piece of which is turned or a factor, is cut as it was."""
        users = [self.nodes[name] for name in self.users.get(turn.name, ())]
        if len(users) != 1 or users[0].op != "SplitV" or turn.name in self.ends or self._rank(turn) != 2:
            return
        (cut,) = users
        axis = self.nodes.get(_node(cut.inputs[2]))
        pieces = [self.nodes[name] for name in self.users.get(cut.name, ())]
        if axis is None or axis.op != "Const" or cut.name in self.ends or len(self.users[axis.name]) != 1:
            return
        if not all(self.swaps(piece) or self._is_factor(piece, cut) for piece in pieces):
            return
        other = 1 - int(axis.attrs["value"].numpy().item()) % 2
        value = LazyTensor.of(np.asarray(other, np.int32))
        self.nodes[axis.name] = replace(axis, attrs={**axis.attrs, "value": value})
        self.nodes[cut.name] = replace(cut, inputs=(turn.inputs[0], *cut.inputs[1:]))
        for piece in pieces:
            if piece.op in _TURNS:
                place = next(i for i, value in enumerate(piece.inputs) if _node(value) == cut.name)
                attribute = _TURNS[piece.op][place]
                turned = {**piece.attrs, attribute: not piece.attrs.get(attribute, False)}
                self.nodes[piece.name] = replace(piece, attrs=turned)
            else:
                self.nodes[piece.name] = NodeDef(piece.name, "Identity", piece.inputs[:1], {"T": piece.attrs["T"]})

    def _rank(self, turn: NodeDef) -> int:
        return int(self.nodes[_node(turn.inputs[1])].attrs["value"].shape[0])

    def _is_factor(self, node: NodeDef, cut: NodeDef) -> bool:
        return node.op in _TURNS and [_node(value) for value in node.inputs].count(cut.name) == 1

    def needed(self) -> list[NodeDef]:
        """The nodes, without transposes that nothing takes, and the constants of these."""
        taken = {_node(value) for node in self.nodes.values() for value in node.inputs} | self.ends
        gone = {name for name in self.order if self.nodes[name].op == "Transpose" and name not in taken}
        left = {_node(value) for name, node in self.nodes.items() if name not in gone for value in node.inputs}
        perms = {_node(self.nodes[name].inputs[1]) for name in gone}
        gone |= {name for name in perms if name not in left and name not in self.ends}
        return [self.nodes[name] for name in self.order if name not in gone]


def _node(value: str) -> str:
    return value.removeprefix("^").partition(":")[0]
