"""TensorFlow's graphs as plain data: GraphDef, MetaGraphDef and SavedModel, constants unread.

Element types are named as `irconv.containers.tensor_types.type_name` does (``float32``, ``string``, ``float32_ref``). A
shape is None where even the rank is unknown, an unknown size in it is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias

from irconv.data_classes import dataclass

Shape: TypeAlias = tuple[int | None, ...] | None


class ElementType(str):
    """An attribute to be written that names an element type, as against text; what is read has plain text."""

    __slots__ = ()


class Sizes(tuple[int, ...]):
    """An attribute to be written that is a shape, as against a list of numbers; a size that is not known is -1."""

    __slots__ = ()


@dataclass(frozen=True)
class FunctionName:
    """An attribute that names a function of the library, with the attributes it is called with."""

    name: str
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Placeholder:
    """An attribute inside a function that stands for one of the function's own."""

    name: str


@dataclass(frozen=True)
class NodeDef:
    """One operation."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """As in the file: ``name`` or ``name:1``, ``^name`` for control; inside functions ``name:output:0``."""
    attrs: Mapping[str, Any]
    """int, float, bool, str (bytes where it is no UTF-8), a shape, a type's name, a constant (`LazyTensor`,
    `StringTensor`, `OtherTensor`), a `FunctionName`, a `Placeholder`, or a tuple of one of these."""
    device: str = ""


@dataclass(frozen=True)
class ArgDef:
    """An argument or a result of a function."""

    name: str
    dtype: str
    """Empty where an attribute of the function says it."""
    type_attr: str = ""
    number_attr: str = ""
    type_list_attr: str = ""


@dataclass(frozen=True)
class FunctionDef:
    """A function of the library."""

    name: str
    inputs: tuple[ArgDef, ...]
    outputs: tuple[ArgDef, ...]
    nodes: tuple[NodeDef, ...]
    ret: Mapping[str, str]
    """Name of a result -> the value it is: an argument, or ``node:output:0``."""
    control_ret: Mapping[str, str]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphDef:
    """Nodes in any order, and the functions they call."""

    nodes: tuple[NodeDef, ...]
    functions: Mapping[str, FunctionDef] = field(default_factory=dict)
    producer: int = 0
    """TensorFlow's number for the version that made it."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature."""

    name: str
    """The value in the graph, such as ``x:0``; empty for what is not one dense tensor."""
    dtype: str
    shape: Shape
    components: tuple[str, ...] = ()
    """The values of what is sparse or composite."""


@dataclass(frozen=True)
class Signature:
    """How a graph may be called."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method: str


@dataclass(frozen=True)
class VariableDef:
    """A variable in a collection."""

    name: str
    """The value of the variable, such as ``conv1/kernel:0``."""
    snapshot: str
    """The value that reading it gives."""
    resource: bool
    trainable: bool
    initial_value: str = ""
    initializer: str = ""
    full_name: str = ""
    """The partitioned variable of which it is a slice."""
    full_shape: tuple[int, ...] = ()
    offset: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class SaverDef:
    """The nodes that save and restore a graph's variables."""

    filename: str
    save: str
    restore: str
    version: int = 2


@dataclass(frozen=True)
class ObjectNode:
    """An object of Python that a file keeps: a layer, a variable, a function."""

    kind: str
    """``variable``, ``function``, ``bare_concrete_function``, ``constant``, ``user_object``, ``asset``, ``resource``,
    ``captured_tensor``; empty in the graph of a checkpoint."""
    children: Mapping[str, int]
    """Attribute -> number of the object."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """In a checkpoint: name of what is saved of it (``VARIABLE_VALUE``) -> key of the tensor."""
    full_names: Mapping[str, str] = field(default_factory=dict)
    """The same -> the variable's own name, such as ``conv2d/kernel``."""
    slots: tuple[tuple[int, str, int], ...] = ()
    """For an optimizer: (variable, name of the slot, variable that is the slot)."""
    name: str = ""
    """Of a variable: its name; of a constant: its node; of a user's object: what class it is of."""
    dtype: str = ""
    shape: Shape = None
    trainable: bool = False
    functions: tuple[str, ...] = ()
    """Of a function: its traces in the library."""
    metadata: str = ""
    arguments: tuple[str, ...] = ()
    """Of a bare function: its arguments by name."""


@dataclass(frozen=True)
class ObjectGraph:
    """Objects by number, the root first, and what the functions capture."""

    nodes: tuple[ObjectNode, ...]
    bound_inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Name of a function in the library -> the objects that are its last arguments."""


@dataclass(frozen=True)
class MetaGraph:
    """A graph with what is known of its variables and signatures."""

    graph: GraphDef
    tags: tuple[str, ...] = ()
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    variables: Mapping[str, tuple[VariableDef, ...]] = field(default_factory=dict)
    """Collection (``variables``, ``trainable_variables``, ``moving_average_variables``...) -> its variables."""
    collections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Collection of nodes (``train_op``, ``losses``...) -> their names."""
    saver: SaverDef | None = None
    version: str = ""
    """Of TensorFlow."""
    objects: ObjectGraph | None = None
    assets: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedModel:
    """A folder that TensorFlow saved a model to."""

    path: Path
    meta_graphs: tuple[MetaGraph, ...]
    variables: Path | None
    """The prefix of its checkpoint, where it has one."""
