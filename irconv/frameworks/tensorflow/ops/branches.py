"""Branches whose condition is known while reading (Switch and Merge): the one that is not taken is pruned."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.ir.known import numeric

_SWITCHES = ("Switch", "RefSwitch")
_MERGES = ("Merge", "RefMerge")


def _passed_on(reader: GraphReader, node: NodeDef) -> None:
    """A Switch gives what it takes to the branch that is taken."""
    value = reader.given(node, 0)
    reader.gives(node, value, value)


def _merged(reader: GraphReader, node: NodeDef) -> None:
    """A Merge gives what comes from the branch that is taken."""
    alive = _alive(reader, node)
    index = reader.inputs(node).index(alive)
    reader.gives(node, reader.result(alive), reader.number(node, index, "int32", "index"))


def _merge_needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    """First the conditions that decide, then the branch that is taken."""
    conditions = _conditions(reader, node)
    if any(reference not in reader.values for reference in conditions):
        return conditions
    return [_alive(reader, node)]


def _alive(reader: GraphReader, node: NodeDef) -> Reference:
    alive = [reference for reference in reader.inputs(node) if not _is_dead(reader, reference)]
    if len(alive) != 1:
        what = f"expected one branch to be taken, got {len(alive)} of {len(reader.inputs(node))}"
        raise Refused(
            reader.where(node), what, "Its condition has to be known while reading; --fix gives an input a value."
        )
    return alive[0]


def _conditions(reader: GraphReader, node: NodeDef) -> list[Reference]:
    """The conditions of all switches between a Merge and the values that reach it, nested branches included."""
    found: dict[Reference, None] = {}
    seen: set[str] = set()
    stack = [reference.node for reference in _every_input(node)]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        inner = reader.node(name)
        if inner.op in _SWITCHES:
            found[reader.inputs(inner)[1]] = None
            continue
        stack += [reference.node for reference in _every_input(inner)]
    return list(found)


def _every_input(node: NodeDef) -> list[Reference]:
    return [Reference.of(text.removeprefix("^")) for text in node.inputs]


def _is_dead(reader: GraphReader, wanted: Reference) -> bool:
    """Whether a result belongs to a branch that is not taken; conditions have been read."""
    stack = [wanted]
    while stack:
        reference = stack[-1]
        if reference in reader.dead:
            stack.pop()
            continue
        node = reader.node(reference.node)
        if node.op in _SWITCHES:
            reader.dead[reference] = _taken(reader, node) != reference.index
            stack.pop()
            continue
        inputs = _every_input(node)
        missing = [taken for taken in inputs if taken not in reader.dead]
        if missing:
            stack += missing
            continue
        deaths = [reader.dead[taken] for taken in inputs]
        reader.dead[reference] = bool(deaths) and (all(deaths) if node.op in _MERGES else any(deaths))
        stack.pop()
    return reader.dead[wanted]


def _taken(reader: GraphReader, node: NodeDef) -> int:
    """Which of its results a Switch gives a value to."""
    condition = reader.inputs(node)[1]
    known = reader.importer.known(reader.result(condition))
    if known is None or not numeric(known) or known.size != 1:
        what = f"expected its condition {condition} to be known while reading"
        raise Refused(reader.where(node), what, "--fix NAME=VALUE gives an input of the graph a value.")
    return int(bool(known.item()))


HANDLERS = {
    **dict.fromkeys(_SWITCHES, _passed_on),
    **dict.fromkeys(_MERGES, _merged),
}
NEEDS = dict.fromkeys(_MERGES, _merge_needs)
