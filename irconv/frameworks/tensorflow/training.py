"""What a graph says of its variables: which are trained, and which serve only that."""

from __future__ import annotations

import re

from irconv.containers.graph_def import MetaGraph, NodeDef
from irconv.frameworks.tensorflow.graph import VARIABLES, Nodes, data_inputs
from irconv.frameworks.tensorflow.saving import saved_variables
from irconv.frameworks.tensorflow.variables import AVERAGE, Training

_APPLIES = re.compile(r"(Resource)?(Sparse)?Apply(?P<rule>[A-Z]\w+)")
_STATE = {"global_step": "the step of the training"}


def of_graph(meta: MetaGraph) -> Training:
    """Slots by the operations that apply gradients, and what is trained by the collection of that name.

    Names are those of the checkpoint.
    """
    nodes = Nodes.of(meta.graph.nodes, "graph")
    keys = {name: saved.key for name, saved in saved_variables(nodes).items()}
    keys |= {node.name: node.name for node in meta.graph.nodes if node.op in VARIABLES and node.name not in keys}
    slots: dict[str, tuple[str, str, str]] = {}
    state: dict[str, str] = {}
    for node in meta.graph.nodes:
        if match := _APPLIES.fullmatch(node.op):
            _slots(nodes, node, match["rule"], keys, slots, state)
    for name, why in _STATE.items():
        state |= {_key(variable.name, keys): why for variable in meta.variables.get(name, ())}
    collection = meta.variables.get("trainable_variables")
    trainable = frozenset(_key(variable.name, keys) for variable in collection) if collection else None
    averages = {
        f"{_key(variable.name, keys)}/{AVERAGE}": _key(variable.name, keys)
        for variable in meta.variables.get("moving_average_variables", ())
    }
    return Training(slots, averages, state, trainable)


def _slots(
    nodes: Nodes,
    node: NodeDef,
    rule: str,
    keys: dict[str, str],
    slots: dict[str, tuple[str, str, str]],
    state: dict[str, str],
) -> None:
    """The first input is the variable; others that are variables themselves are its slots; what is read of others, such
    as the powers of Adam's betas, is state."""
    given = data_inputs(node)
    variable = nodes.variable(given[0]) if given else None
    if variable is None:
        return
    of = keys[variable.name]
    for value in given[1:]:
        other = nodes.variable(value)
        if other is None or other.name == variable.name:
            continue
        key = keys[other.name]
        if nodes.by_name.get(value) is other:
            slots[key] = of, key.removeprefix(f"{of}/"), f"{node.op} keeps it for {of}"
        else:
            state[key] = f"{node.op} reads it"


def _key(variable: str, keys: dict[str, str]) -> str:
    name = variable.removesuffix(":0")
    return keys.get(name, name)
