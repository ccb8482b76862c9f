"""Nodes of a graph by name: what a value is made by, what a variable is, which nodes a result needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile

VARIABLES = frozenset(["Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable", "TemporaryVariable"])
"""Operations that are variables."""
_PASSING = frozenset(
    ["Identity", "RefIdentity", "ReadVariableOp", "Enter", "RefEnter", "Snapshot", "StopGradient", "Cast"]
)
"""Operations through which a variable's value is taken."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one graph, or of the body of one function, by name."""

    by_name: Mapping[str, NodeDef]
    where: str

    @staticmethod
    def of(nodes: Iterable[NodeDef], where: str) -> Nodes:
        """Of nodes whose names differ."""
        return Nodes({node.name: node for node in nodes}, where)

    def maker(self, value: str) -> tuple[NodeDef, int]:
        """The node that makes a value, and which of its results it is. Raises `DamagedFile` where there is none."""
        name, number = split(value)
        if name not in self.by_name:
            raise DamagedFile(f"{self.where}: {value}", "is taken by a node, but no node makes it")
        return self.by_name[name], number

    def variable(self, value: str) -> NodeDef | None:
        """The variable that a value is, or was read from through operations that change nothing; None for others."""
        for _ in range(len(self.by_name) + 1):
            name, _ = split(value)
            node = self.by_name.get(name)
            if node is None or node.op in VARIABLES:
                return node
            data = data_inputs(node)
            if node.op not in _PASSING or not data:
                return None
            value = data[0]
        return None


def split(value: str) -> tuple[str, int]:
    """The node and the number of its result.

    >>> split("conv/read:0"), split("split:2"), split("^init"), split("x")
    (('conv/read', 0), ('split', 2), ('init', 0), ('x', 0))
    """
    name, colon, number = value.lstrip("^").rpartition(":")
    return (name, int(number)) if colon and number.isdigit() else (value.lstrip("^"), 0)


def data_inputs(node: NodeDef) -> list[str]:
    """The inputs of a node without those that only order it after others."""
    return [value for value in node.inputs if not value.startswith("^")]


def needed(nodes: Nodes, outputs: Sequence[str], inputs: Iterable[str] = ()) -> list[NodeDef]:
    """The nodes that make some values, each after those that it takes where there is no loop; inputs end the search.

    Inputs that only order nodes count for nothing. Raises `DamagedFile` for a value that no node makes.
    """
    ends = {split(value) for value in inputs}
    found: dict[str, NodeDef] = {}
    seen: set[str] = set()
    for output in outputs:
        if split(output) in ends:
            continue
        waiting: list[tuple[NodeDef, Iterator[str]]] = []
        _open(nodes.maker(output)[0], seen, waiting)
        while waiting:
            node, rest = waiting[-1]
            value = next(rest, None)
            if value is None:
                found[node.name] = node
                waiting.pop()
            elif split(value) not in ends:
                _open(nodes.maker(value)[0], seen, waiting)
    return list(found.values())


def _open(node: NodeDef, seen: set[str], waiting: list[tuple[NodeDef, Iterator[str]]]) -> None:
    if node.name not in seen:
        seen.add(node.name)
        waiting.append((node, iter(data_inputs(node))))


def consumers(nodes: Iterable[NodeDef]) -> dict[str, list[NodeDef]]:
    """Node -> the nodes that take any of its results as data."""
    found: dict[str, list[NodeDef]] = {}
    for node in nodes:
        for name in dict.fromkeys(split(value)[0] for value in data_inputs(node)):
            found.setdefault(name, []).append(node)
    return found
