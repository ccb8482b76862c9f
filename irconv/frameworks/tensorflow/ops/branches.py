"""Branches (Switch and Merge): where a condition is known while reading, the one that is not taken is pruned.

Where it is not, both are read, and what the condition says is chosen of their results: a branch has no effects, so that
it may be computed in vain.
"""

from __future__ import annotations

from collections.abc import Sequence

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops import arrays
from irconv.ir.known import numeric
from irconv.ir.layers.comparisons import Where

_SWITCHES = ("Switch", "RefSwitch")
_MERGES = ("Merge", "RefMerge")
_MOST = 200
"""More branches than anybody writes in one another."""
_KNOWN = "Its condition has to be known while reading; --fix gives an input a value."


def _passed_on(reader: GraphReader, node: NodeDef) -> None:
    """A Switch gives what it takes to the branch that is taken."""
    value = reader.given(node, 0)
    reader.gives(node, value, value)


def _merged(reader: GraphReader, node: NodeDef) -> None:
    """A Merge gives what comes from the branch that is taken."""
    alive = _alive(reader, node)
    if len(alive) > 1:
        _chosen(reader, node, alive)
        return
    index = reader.inputs(node).index(alive[0])
    reader.gives(node, reader.result(alive[0]), reader.number(node, index, "int32", "index"))


def _chosen(reader: GraphReader, node: NodeDef, alive: Sequence[Reference]) -> None:
    """Of two branches that may both be taken the result that the condition says."""
    condition, taken, other = _decided(reader, node, alive)
    values = [reader.result(reference) for reference in (taken, other)]
    types = [reader.type_of(value) for value in values]
    if types[0] != types[1]:
        what = f"expected branches that give the same type and shape, got {types[0]} and {types[1]}"
        raise Refused(reader.where(node), what, _KNOWN)
    where = reader.place(node, Where(), condition=reader.result(condition), x0=values[0], x1=values[1])
    reader.gives(node, where)


def _merge_needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    """First the conditions that decide, then the branches that may be taken."""
    conditions = _conditions(reader, node)
    if any(reference not in reader.values for reference in conditions):
        return conditions
    alive = _alive(reader, node)
    return alive if len(alive) == 1 else [*alive, _decided(reader, node, alive)[0]]


def _alive(reader: GraphReader, node: NodeDef) -> list[Reference]:
    alive = [reference for reference in reader.inputs(node) if not _is_dead(reader, reference)]
    if len(alive) not in (1, 2) or (len(alive) == 2 and len(reader.inputs(node)) != 2):
        what = f"expected one branch to be taken, got {len(alive)} of {len(reader.inputs(node))}"
        raise Refused(reader.where(node), what, _KNOWN)
    return alive


def _decided(reader: GraphReader, node: NodeDef, alive: Sequence[Reference]) -> tuple[Reference, Reference, Reference]:
    """The condition between two branches, the one that is taken where it holds, and the other."""
    guards = [_guards(reader, reference) for reference in alive]
    found = [
        (condition, alive[k], alive[1 - k])
        for k in (0, 1)
        for condition, index in sorted(guards[k], key=str)
        if index == 1 and (condition, 0) in guards[1 - k]
    ]
    if len(found) != 1:
        what = f"expected one branch to be taken, got 2 and {len(found)} conditions between them"
        raise Refused(reader.where(node), what, _KNOWN)
    return found[0]


def _guards(reader: GraphReader, wanted: Reference) -> frozenset[tuple[Reference, int]]:
    """The conditions behind a result, each with what it has to be for the result to be there."""
    found = reader.guards
    stack, opened = [wanted], set[Reference]()
    while stack:
        reference = stack[-1]
        if reference in found:
            stack.pop()
            continue
        node = reader.node(reference.node)
        branch = node.op in _SWITCHES and not _of_loop(reader, node)
        inputs = reader.inputs(node)[:1] if branch else _behind(reader, node)
        missing = [taken for taken in inputs if taken not in found]
        if missing and reference in opened:
            raise Refused(reader.where(node), "depends on itself")
        if missing:
            opened.add(reference)
            stack += missing
            continue
        stack.pop()
        behind = [found[taken] for taken in inputs] or [frozenset()]
        if branch:
            found[reference] = behind[0] | {(_condition(reader, node), reference.index)}
        elif node.op in _MERGES:
            found[reference] = frozenset.intersection(*behind)
        else:
            found[reference] = frozenset.union(*behind)
        if len(found[reference]) > _MOST:
            raise Refused(reader.where(node), f"lies in more than {_MOST} branches")
    return found[wanted]


def _condition(reader: GraphReader, node: NodeDef) -> Reference:
    """The condition of a Switch, behind what only gives it on."""
    reference = reader.inputs(node)[1]
    for _ in range(len(reader.graph.nodes)):
        inner = reader.node(reference.node)
        if inner.op != "Identity":
            break
        reference = reader.inputs(inner)[0]
    return reference


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
        if inner.op in _SWITCHES and not _of_loop(reader, inner):
            found[reader.inputs(inner)[1]] = None
            continue
        stack += [reference.node for reference in _behind(reader, inner)]
    return list(found)


def _every_input(node: NodeDef) -> list[Reference]:
    return [Reference.of(text.removeprefix("^")) for text in node.inputs]


def _behind(reader: GraphReader, node: NodeDef) -> list[Reference]:
    """What a node depends on, control inputs included: of a loop's result what went into the loop, and nothing of what
    its body begins with."""
    if node.op in ("Exit", "RefExit"):
        merge = reader.node(reader.inputs(reader.node(reader.inputs(node)[0].node))[0].node)
        return _every_input(reader.node(reader.inputs(merge)[0].node))
    return [] if node.op in arrays.ENTERS or _of_loop(reader, node) else _every_input(node)


def _of_loop(reader: GraphReader, node: NodeDef) -> bool:
    """Whether a Switch or a Merge is part of a loop, no branch."""
    if node.op in _SWITCHES:
        return reader.node(reader.inputs(node)[1].node).op == "LoopCond"
    return node.op in _MERGES and any(
        reader.node(taken.node).op in ("NextIteration", "RefNextIteration") for taken in reader.inputs(node)
    )


def _is_dead(reader: GraphReader, wanted: Reference) -> bool:
    """Whether a result belongs to a branch that is not taken; conditions have been read."""
    stack, opened = [wanted], set[Reference]()
    while stack:
        reference = stack[-1]
        if reference in reader.dead:
            stack.pop()
            continue
        node = reader.node(reference.node)
        if node.op in _SWITCHES and not _of_loop(reader, node):
            reader.dead[reference] = _taken(reader, node) == 1 - reference.index
            stack.pop()
            continue
        inputs = _behind(reader, node)
        missing = [taken for taken in inputs if taken not in reader.dead]
        if missing and reference in opened:
            raise Refused(reader.where(node), "depends on itself")
        if missing:
            opened.add(reference)
            stack += missing
            continue
        deaths = [reader.dead[taken] for taken in inputs]
        reader.dead[reference] = bool(deaths) and (all(deaths) if node.op in _MERGES else any(deaths))
        stack.pop()
    return reader.dead[wanted]


def _taken(reader: GraphReader, node: NodeDef) -> int | None:
    """Which of its results a Switch gives a value to; None where only running the model would tell."""
    known = reader.importer.known(reader.result(reader.inputs(node)[1]))
    if known is None or not numeric(known) or known.size != 1:
        return None
    return int(bool(known.item()))


HANDLERS = {
    **dict.fromkeys(_SWITCHES, _passed_on),
    **dict.fromkeys(_MERGES, _merged),
}
NEEDS = dict.fromkeys(_MERGES, _merge_needs)
