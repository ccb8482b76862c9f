"""Which tensor of the checkpoint a variable of a graph is.

In TensorFlow 1 the nodes that restore or save a variable name its key. In TensorFlow 2 a function takes variables as
captured handles: ``bound_inputs`` gives the object of each, and the checkpoint's own graph of objects, walked along the
same attributes, its key; the graph that restores the variables says it, too, and both must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from irconv.codec import NativeWeight
from irconv.containers.graph_def import FunctionDef, MetaGraph, NodeDef, ObjectGraph, Shape, Signature, TensorInfo
from irconv.containers.tensor_bundle import Checkpoint
from irconv.containers.tensor_slices import Slice, part_of
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact, Problems, Refused
from irconv.frameworks.tensorflow.graph import VARIABLES, Nodes, data_inputs, split
from irconv.frameworks.tensorflow.inlining import Inliner, capturing
from irconv.frameworks.tensorflow.saving import Saved, saved_variables

_VALUE = "VARIABLE_VALUE"


@dataclass(frozen=True)
class Resolver:
    """Finds the tensors of variables' nodes in a checkpoint."""

    where: str
    places: Mapping[str, Saved]
    """Name of a variable's node -> its place in the checkpoint."""
    checkpoint: Checkpoint | None
    trainable: frozenset[str] | None
    averages: Mapping[str, str]
    """Key of a variable -> key of the average that is read in its place."""
    read: set[str] = field(default_factory=set)
    """The keys that were asked for."""

    def __call__(self, node: NodeDef) -> NativeWeight:
        """The tensor of a variable. Raises `MissingFact` without a checkpoint, `DamagedFile` without the tensor."""
        where = f"{self.where}: {node.name} ({node.op})"
        if self.checkpoint is None:
            what = "is a variable, whose value is not in the graph"
            raise MissingFact(where, what, "Put the checkpoint beside it, or freeze the graph.")
        place = self.places.get(node.name) or Saved(str(node.attrs.get("shared_name") or node.name))
        key = self.averages.get(place.key, place.key)
        tensor = self.checkpoint.tensors.get(key)
        if tensor is None:
            held = self.checkpoint.strings.keys() | self.checkpoint.others.keys()
            what = f"holds no numbers in {self.checkpoint.prefix.name}" if key in held else f"expected {key}"
            raise DamagedFile(where, f"{what} in {self.checkpoint.prefix.name}, which does not have it")
        self.read.add(key)
        trainable = None if self.trainable is None else place.key in self.trainable
        if place.part is None or place.shape is None:
            return NativeWeight(key, tensor, trainable)
        try:
            part = part_of(tensor, place.part, place.shape)
        except ValueError as error:
            raise DamagedFile(where, f"expected a slice of {key}, got {error}") from error
        return NativeWeight(_named(key, place.part), part, trainable)


def _named(key: str, part: Slice) -> str:
    """The name of a slice, such as ``table[0:4]``."""
    spans = ",".join(":" if span is None else f"{span[0]}:{span[0] + span[1]}" for span in part)
    return f"{key}[{spans}]"


def places(
    meta: MetaGraph,
    flat: Mapping[str, NodeDef],
    checkpoint: Checkpoint | None,
    objects: ObjectGraph | None,
    where: str,
) -> dict[str, Saved]:
    """The place of each variable of a graph; `objects` is the graph of objects that the checkpoint keeps.

    Raises `Refused` naming every variable of which the graph that restores it and the objects say different values.
    """
    found = saved_variables(Nodes(flat, where))
    if meta.objects is None or objects is None or checkpoint is None:
        return found
    problems = Problems()
    for name, key in _captured(meta, objects, where).items():
        said = found.setdefault(name, Saved(key))
        # Keras 3 exports keep every variable twice, in two lists.
        if said.key != key and not _same(checkpoint, said.key, key):
            what = f"is restored from {said.key}, but its object is saved as {key}, which holds something else"
            problems.add(f"{where}: {name}", what, "Save the model again.")
    problems.raise_any()
    return found


def _same(checkpoint: Checkpoint, first: str, second: str) -> bool:
    """Whether two tensors are the same bytes."""
    one, other = checkpoint.tensors.get(first), checkpoint.tensors.get(second)
    if one is None or other is None or (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return one.numpy().tobytes() == other.numpy().tobytes()


def _captured(meta: MetaGraph, objects: ObjectGraph, where: str) -> dict[str, str]:
    """Variables that calls of the outermost graph take as captured handles -> the keys of their objects."""
    assert meta.objects is not None
    keys = keys_of_objects(meta.objects, objects)
    nodes = {node.name: node for node in meta.graph.nodes}
    found: dict[str, str] = {}
    for function, node in capturing(meta.graph.nodes):
        bound = meta.objects.bound_inputs.get(function, ())
        data = data_inputs(node)
        if len(bound) > len(data):
            raise DamagedFile(f"{where}: {node.name}", f"captures {len(bound)} objects, but takes {len(data)} values")
        for value, number in zip(data[len(data) - len(bound) :], bound, strict=True):
            handle = nodes.get(split(value)[0])
            if handle is not None and handle.op in VARIABLES and number in keys:
                found[handle.name] = keys[number]
    return found


def keys_of_objects(saved: ObjectGraph, checkpoint: ObjectGraph) -> dict[int, str]:
    """Object of a SavedModel -> the key of its value: both graphs are walked from their roots along the same names."""
    if not saved.nodes or not checkpoint.nodes:
        return {}
    pairs = {0: 0}
    waiting = [0]
    while waiting:
        number = waiting.pop()
        other = checkpoint.nodes[pairs[number]].children
        for name, child in saved.nodes[number].children.items():
            if child not in pairs and name in other:
                pairs[child] = other[name]
                waiting.append(child)
    values = ((number, checkpoint.nodes[other].keys.get(_VALUE)) for number, other in pairs.items())
    return {number: key for number, key in values if key}


def functions_of(meta: MetaGraph) -> dict[str, str]:
    """Attribute of the saved object -> the function of the library that it is, where it was traced once."""
    if meta.objects is None or not meta.objects.nodes:
        return {}
    nodes = meta.objects.nodes
    named = ((name, nodes[child]) for name, child in nodes[0].children.items())
    return {name: node.functions[0] for name, node in named if node.kind == "function" and len(node.functions) == 1}


def captured_values(meta: MetaGraph, function: str, nodes: dict[str, NodeDef], where: str) -> dict[str, int]:
    """What a function takes besides its own arguments, in order: name of a node -> number of the object.

    Nodes are made for variables, which the outermost graph does not name. Raises `Refused` for other objects.
    """
    assert meta.objects is not None
    found: dict[str, int] = {}
    for number in meta.objects.bound_inputs.get(function, ()):
        node = meta.objects.nodes[number]
        name = node.name
        if node.kind == "variable":
            name = f"captured/{number}"
            nodes[name] = NodeDef(name, "VarHandleOp", (), {"dtype": node.dtype, "shape": node.shape})
        elif node.kind != "constant" or name not in nodes:
            what = f"captures an object of the kind {node.kind or 'unknown'}, which irconv does not read"
            raise Refused(f"{where}: function {function}", what)
        found[name] = number
    return found


def entered(meta: MetaGraph, function: str, inliner: Inliner, where: str) -> tuple[Signature, dict[str, int]]:
    """A function put in place as the model: its signature, and the objects that it captures by node.

    Its own arguments become placeholders. Raises `DamagedFile` where it takes less than it captures.
    """
    definition = meta.graph.functions.get(function)
    captured = captured_values(meta, function, inliner.nodes, where)
    if definition is None or len(captured) > len(definition.inputs):
        raise DamagedFile(f"{where}: function {function}", f"captures {len(captured)} objects, but does not take them")
    own = definition.inputs[: len(definition.inputs) - len(captured)]
    inputs: dict[str, TensorInfo] = {}
    for index, argument in enumerate(own):
        name, shape = inliner.fresh(argument.name), _shape_of(definition, index)
        inliner.nodes[name] = NodeDef(name, "Placeholder", (), {"dtype": argument.dtype, "shape": shape})
        inputs[argument.name] = TensorInfo(name, argument.dtype, shape)
    results = inliner.call(function, [*(info.name for info in inputs.values()), *captured])
    outputs = {name: TensorInfo(value, "", None) for name, value in results.items()}
    return Signature(inputs, outputs, ""), captured


def _shape_of(definition: FunctionDef, index: int) -> Shape:
    """The shape of an argument, as tracing noted it."""
    listed = definition.attrs.get("_input_shapes")
    shape: Shape = listed[index] if isinstance(listed, tuple) and index < len(listed) else None
    return shape
