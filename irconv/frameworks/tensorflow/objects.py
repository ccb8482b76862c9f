"""What the graph of objects in a checkpoint of TensorFlow 2 says of its variables."""

from __future__ import annotations

from collections import deque

from irconv.containers.checkpoint_files import OBJECTS
from irconv.containers.graph_def import ObjectGraph
from irconv.containers.graph_def_read import read_objects
from irconv.containers.tensor_bundle import Checkpoint
from irconv.frameworks.tensorflow.variables import Training

_SETTINGS = {"iter", "iterations", "_iterations", "learning_rate", "_learning_rate", "decay", "momentum", "beta_1"}
_SETTINGS |= {"beta_2", "rho", "epsilon", "_current_learning_rate"}
_ENOUGH = 2
"""Settings that make an object an optimizer, where it has no slots."""


def kept_in(checkpoint: Checkpoint | None) -> ObjectGraph | None:
    """The graph of objects that a checkpoint of `tf.train.Checkpoint` keeps; None for others. Raises `DamagedFile`."""
    if checkpoint is None or OBJECTS not in checkpoint.strings:
        return None
    return read_objects(checkpoint.strings[OBJECTS].values[0], f"{checkpoint.prefix}: {OBJECTS}")


def places(graph: ObjectGraph) -> dict[int, str]:
    """Object -> the shortest way to it from the root, as checkpoint keys spell it: ``net/layer-1``."""
    found = {0: ""} if graph.nodes else {}
    waiting = deque(found)
    while waiting:
        number = waiting.popleft()
        for name, child in graph.nodes[number].children.items():
            if child not in found:
                found[child] = f"{found[number]}/{name}".lstrip("/")
                waiting.append(child)
    return found


def of_objects(graph: ObjectGraph, suffix: str) -> Training:
    """Slots and the settings of optimizers by checkpoint key, without `suffix`. All else is a weight, or named so."""
    keys = [next(iter(node.keys.values()), "").removesuffix(suffix) for node in graph.nodes]
    slots: dict[str, tuple[str, str, str]] = {}
    state: dict[str, str] = {}
    where = places(graph)
    for number, node in enumerate(graph.nodes):
        for variable, slot, kept in node.slots:
            if keys[kept]:
                slots[keys[kept]] = keys[variable], slot, f"the optimizer's slot {slot} of {keys[variable]}"
        if node.slots or len(_SETTINGS & node.children.keys()) >= _ENOUGH:
            inside = f"{where.get(number, '')}/"
            state |= {key: f"belongs to the optimizer {inside[:-1]}" for key in keys if key.startswith(inside)}
    root = graph.nodes[0].children if graph.nodes else {}
    if "save_counter" in root and keys[root["save_counter"]]:
        state[keys[root["save_counter"]]] = "counts the checkpoints"
    return Training(slots=slots, state=state)
