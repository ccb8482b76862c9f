"""Names of nodes and variables by TensorFlow's conventions: ``conv1/Conv2D``, ``conv1/kernel``.

A model that came from TensorFlow keeps the names it had; what irconv adds to it stands in the scope it belongs to.
"""

from __future__ import annotations

import re
from dataclasses import field

from irconv.codec import Native, NativeUse
from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.layers.tensor_ops import Constant

_OTHER = re.compile(r"[^A-Za-z0-9_.\-/]")
_NUMBERED = re.compile(r"_\d+\Z")
#: Operand of the IR -> what Keras and TensorFlow call the variable.
_VARIABLES = {"mean": "moving_mean", "variance": "moving_variance", "table": "embeddings", "shift": "bias"}


def valid(name: str) -> str:
    """A name as TensorFlow takes it: letters, digits and ``_.-/``, no sign first.

    >>> valid("block 1/conv:0"), valid("_x"), valid("")
    ('block_1/conv_0', 'n_x', 'n')
    """
    word = _OTHER.sub("_", name)
    return word if word[:1].isalnum() or word.startswith(".") else f"n{word}"


@dataclass
class Names:
    """Names given so far in one graph, no two the same."""

    taken: set[str] = field(default_factory=set)

    def unique(self, wanted: str) -> str:
        """The name, or with the first number that makes it another: ``conv1/Conv2D_1``."""
        base = name = valid(wanted)
        number = 0
        while name in self.taken:
            number += 1
            name = f"{base}_{number}"
        self.taken.add(name)
        return name


@dataclass
class Naming:
    """How the nodes and variables of a model are called; `bundle` is the model before it was lowered, `ports` are its
    outputs afterwards."""

    bundle: Bundle
    ports: tuple[Port, ...]
    names: Names = field(default_factory=Names)

    def __post_init__(self) -> None:
        graph = self.bundle.graph
        assert graph is not None, "the caller has looked"
        self.own = self.bundle.source.framework == "tensorflow"
        """Whether the names are TensorFlow's already."""
        layers = self.bundle.layers
        nodes = (node for node in graph.nodes if self.own and not isinstance(layers[node.layer], Constant))
        self.sources = {id(tensor.data.source): key for key, tensor in self.bundle.tensors.items() if self._source(key)}
        """What a tensor is read from, where that is a variable of TensorFlow's own file -> its key."""
        self.variables = {name for key in self.bundle.tensors if (name := self._source(key))}
        self.kept = {value for node in nodes for value in node.outputs.values() if valid(value) == value}
        self.kept -= self.variables
        """Names that nodes and variables of the model have, and that are given to nobody else."""
        self.names.taken |= self.kept | self.variables
        self.inputs = [self.names.unique(port.value if self.own else port.name) for port in graph.inputs]
        """The names of placeholders."""
        self.outputs: list[str] = []
        """The names of the nodes that give the outputs."""
        self.ends: dict[str, str] = {}
        for port in self.ports:
            same = port.name == port.value and port.value in self.kept
            self.outputs.append(port.value if same else self.names.unique(port.name))
            if not self.own:
                self.ends.setdefault(port.value, self.outputs[-1])

    def node(self, use: NativeUse, native: Native) -> str:
        """The name of the node that is one use of a layer."""
        value = next(name for name in use.outputs if name)
        if value in self.kept:
            self.kept.discard(value)
            return value
        if value in self.ends:
            return self.ends.pop(value)
        return self.inner(use, native)

    def inner(self, use: NativeUse, native: Native) -> str:
        """The name of a node whose results are not the layer's own, such as a loop's."""
        layer = self.layer(use.layer)
        if self.own:
            *scope, last = layer.split("/")
            if _NUMBERED.sub("", last) == native.type and valid(layer) not in self.names.taken:
                return self.names.unique(layer)
            layer = "/".join(scope)
        return self.names.unique(f"{layer}/{native.type}" if layer else native.type)

    def layer(self, name: str) -> str:
        """The layer of the model that one of the lowered graph comes from, its parts as scopes."""
        known = name
        while known not in self.bundle.layers and "." in known:
            known = known.rpartition(".")[0]
        layer = self.bundle.layers.get(known.rstrip("~"))
        if layer is None:
            return "sizes" if "/sizes/" in name else name.replace(".", "/")
        origin = layer.origin
        if self.own:
            return known
        return (origin.split_from if origin is not None and origin.split_from else known).replace(".", "/")

    def variable(self, key: str) -> str:
        """The name of the variable that a tensor of the bundle becomes."""
        if (name := self._source(key)) in self.variables:
            self.variables.discard(name)
            return name
        layer, _, role = key.rpartition(".")
        role = role.split("/")[-1]
        scope = self.layer(layer) if layer else ""
        if self.own:
            scope = scope.rpartition("/")[0]
        word = _VARIABLES.get(role, role)
        return self.names.unique(f"{scope}/{word}" if scope else word)

    def _source(self, key: str) -> str:
        """The name that TensorFlow's own file has for a tensor; empty where there is none, or it is a part of one."""
        tensor = self.bundle.tensors.get(key)
        source = tensor.record.source if tensor is not None and self.own else None
        if source is None or source.piece is not None or source.members:
            return ""
        return valid(source.name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").removesuffix(":0"))
