"""Loops and branches of TensorFlow 2 in the words of TensorFlow 1, as its own runtime lowers them.

``While`` becomes Enter, Merge, LoopCond, Switch, NextIteration and Exit, ``If`` a Switch for each value that it takes
and a Merge for each that it gives, with the functions of both put in place between them: what reads the loops and
branches of one version reads those of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from irconv.containers.graph_def import FunctionName, NodeDef
from irconv.errors import DamagedFile

WHILES = ("While", "StatelessWhile")
IFS = ("If", "StatelessIf")
_CALLED: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(WHILES, ("cond", "body")),
    **dict.fromkeys(IFS, ("then_branch", "else_branch")),
}
Call: TypeAlias = Callable[[FunctionName, str, list[str]], list[str]]
"""Puts a function in place below a name, on some values; its results in order."""
Add: TypeAlias = Callable[[NodeDef], None]


def functions_of(op: str, attrs: Mapping[str, Any], where: str) -> list[FunctionName]:
    """The functions of a loop or a branch, in the order in which `_CALLED` names them; none for other operations.

    Raises `DamagedFile` where one is missing.
    """
    found = [attrs.get(key) for key in _CALLED.get(op, ())]
    if not all(isinstance(function, FunctionName) for function in found):
        raise DamagedFile(where, f"expected the functions {' and '.join(_CALLED[op])}")
    return [function for function in found if isinstance(function, FunctionName)]


def lowered(node: NodeDef, data: list[str], call: Call, add: Add, where: str) -> list[str]:
    """A loop or a branch as nodes of TensorFlow 1: the value of each of its results."""
    functions = functions_of(node.op, node.attrs, where)
    return (_while if node.op in WHILES else _if)(node, functions, data, call, add, where)


def _while(
    node: NodeDef, functions: Sequence[FunctionName], data: list[str], call: Call, add: Add, where: str
) -> list[str]:
    """Values go in by Enter, are the same as or what follows the last by Merge, and leave by Exit when it is over."""
    name, (condition, body) = node.name, functions
    types = _types(node, "T", len(data), where)
    for i, (value, dtype) in enumerate(zip(data, types, strict=True)):
        add(NodeDef(f"{name}/Enter_{i}", "Enter", (value,), {"T": dtype, "frame_name": name}, node.device))
        merged = (f"{name}/Enter_{i}", f"{name}/NextIteration_{i}")
        add(NodeDef(f"{name}/Merge_{i}", "Merge", merged, {"T": dtype}, node.device))
    goes_on = call(condition, f"{name}/cond", [f"{name}/Merge_{i}" for i in range(len(data))])
    if len(goes_on) != 1:
        raise DamagedFile(where, f"expected one condition, got {len(goes_on)}")
    add(NodeDef(f"{name}/LoopCond", "LoopCond", (goes_on[0],), {}, node.device))
    for i, dtype in enumerate(types):
        switched = (f"{name}/Merge_{i}", f"{name}/LoopCond")
        add(NodeDef(f"{name}/Switch_{i}", "Switch", switched, {"T": dtype}, node.device))
        add(NodeDef(f"{name}/Exit_{i}", "Exit", (f"{name}/Switch_{i}",), {"T": dtype}, node.device))
    following = call(body, f"{name}/body", [f"{name}/Switch_{i}:1" for i in range(len(data))])
    if len(following) != len(data):
        raise DamagedFile(where, f"expected {len(data)} values of the next step, got {len(following)}")
    for i, (value, dtype) in enumerate(zip(following, types, strict=True)):
        add(NodeDef(f"{name}/NextIteration_{i}", "NextIteration", (value,), {"T": dtype}, node.device))
    return [f"{name}/Exit_{i}" for i in range(len(data))]


def _if(
    node: NodeDef, functions: Sequence[FunctionName], data: list[str], call: Call, add: Add, where: str
) -> list[str]:
    """Each branch is given what it takes by Switch; what needs nothing waits for the branch by a pivot."""
    name, (condition, *values) = node.name, data
    types = _types(node, "Tin", len(values), where)
    add(NodeDef(f"{name}/pivot", "Switch", (condition, condition), {"T": "bool"}, node.device))
    for i, (value, dtype) in enumerate(zip(values, types, strict=True)):
        add(NodeDef(f"{name}/Switch_{i}", "Switch", (value, condition), {"T": dtype}, node.device))
    results: list[list[str]] = []
    for branch, index, function in zip(("then", "else"), (1, 0), functions, strict=True):
        add(NodeDef(f"{name}/pivot_{branch}", "Identity", (f"{name}/pivot:{index}",), {"T": "bool"}, node.device))
        given = call(function, f"{name}/{branch}", [f"{name}/Switch_{i}:{index}" for i in range(len(values))])
        results.append([f"{name}/{branch}_{i}" for i in range(len(given))])
        for made, value in zip(results[-1], given, strict=True):
            add(NodeDef(made, "Identity", (value, f"^{name}/pivot_{branch}"), {}, node.device))
    if len(results[0]) != len(results[1]):
        raise DamagedFile(where, f"expected as many results of either branch, got {len(results[0])}, {len(results[1])}")
    for i, (then, other) in enumerate(zip(*results, strict=True)):
        add(NodeDef(f"{name}/Merge_{i}", "Merge", (other, then), {}, node.device))
    return [f"{name}/Merge_{i}" for i in range(len(results[0]))]


def _types(node: NodeDef, attribute: str, count: int, where: str) -> Sequence[str]:
    types = node.attrs.get(attribute, ())
    if not isinstance(types, tuple) or len(types) != count:
        raise DamagedFile(where, f"expected {attribute}, the types of its {count} values")
    return types
