"""Native layers and their uses as nodes of TensorFlow's graphs, weights as variables or as constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

import numpy as np

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.containers.graph_def import ElementType, FunctionDef, NodeDef, Sizes
from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow import derived, factors, quotients
from irconv.frameworks.tensorflow.naming import Naming
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.shapes import Dimension
from irconv.ir.tensors import LazyTensor
from irconv.layout import Relayout
from irconv.vocabularies.tensorflow.rows import RESULTS

_SMALL = 1 << 16
"""Bytes up to which a tensor that training never changes is a constant of the graph."""
_SELECTIONS = ("Where", "UniqueWithCountsV2", "NonMaxSuppressionV3")
_TURNED = {("MatMul", "b"): "transpose_b", ("BatchMatMulV2", "b"): "adj_y"}
"""(Operation, input) -> its attribute for a factor that lies turned."""


@dataclass(frozen=True)
class Variable:
    """A weight of the model: its name in the graph and in the checkpoint."""

    name: str
    data: LazyTensor
    trainable: bool

    @property
    def read(self) -> str:
        """The node that gives its value."""
        return f"{self.name}/Read/ReadVariableOp"


@dataclass
class Emitted:
    """A graph in the making."""

    nodes: list[NodeDef] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """Value of the native model -> the result of a node."""
    outputs: list[str] = field(default_factory=list)
    """The result of a node that each output is."""
    functions: dict[str, FunctionDef] = field(default_factory=dict)
    """The bodies and conditions of loops."""

    def add(self, name: str, op: str, inputs: Sequence[str] = (), **attrs: Any) -> str:
        """Add a node; its first result."""
        self.nodes.append(NodeDef(name, op, tuple(inputs), attrs))
        return name


def emit(bundle: Bundle, model: NativeModel, naming: Naming, frozen: bool) -> Emitted:
    """The nodes of a model. `bundle` holds the tensors that it was encoded from; frozen, they are constants."""
    emitter = Emitter(bundle, model, naming, frozen)
    emitter.run()
    return emitter.made


class Emitter:
    """Makes the nodes of one graph."""

    def __init__(self, bundle: Bundle, model: NativeModel, naming: Naming, frozen: bool) -> None:
        self.bundle, self.model, self.naming, self.frozen = bundle, model, naming, frozen
        self.made = Emitted()
        self.types = infer_types(bundle)
        self.names = naming.names
        self.weights: dict[str, list[tuple[LazyTensor, str]]] = {}
        """Key of a tensor -> the layouts it is kept in, and the value of each."""

    @cached_property
    def taken(self) -> frozenset[str]:
        """Every value that something takes: what is nobody's would look like an output of the graph."""
        used = (value for use in self.model.uses for value in use.inputs)
        return frozenset((*used, *(port.value for port in self.model.outputs)))

    def run(self) -> None:
        """Every node."""
        for port, name in zip(self.model.inputs, self.naming.inputs, strict=True):
            self.made.values[port.value] = self.made.add(
                name, "Placeholder", dtype=ElementType(port.dtype), shape=sizes(port.shape)
            )
        self.uses()
        self._ends(self.model.outputs)
        self.made.nodes = factors.untransposed(self.made.nodes, self.made.outputs)
        self.made.nodes = quotients.kept(self.made.nodes, self.names)

    def uses(self) -> None:
        """The nodes of every use of a layer."""
        for use in self.model.uses:
            native = self.model.layers[use.layer]
            if native.type == "Const":
                (weight,) = native.tensors.values()
                name = self.naming.layer(use.layer)
                value, turned = self.weight(weight, name, "value")
                self.made.values[use.outputs[0]] = self._transposed(value, turned, weight, name) if turned else value
            elif use.layer in self.model.bodies:
                self._loop(use, native)
            elif native.type in _SELECTIONS:
                self._selection(use, native)
            else:
                self._node(use, native)

    def _loop(self, use: NativeUse, native: Native) -> None:
        """A Scan; see `irconv.frameworks.tensorflow.loops`."""
        from irconv.frameworks.tensorflow.loops import add_loop  # whose bodies are emitted here

        add_loop(self, use, native, self._loop_name(use, native))

    def _selection(self, use: NativeUse, native: Native) -> None:
        """A layer that counts; see `irconv.frameworks.tensorflow.selection`."""
        from irconv.frameworks.tensorflow.selection import add_selection  # which adds nodes here

        add_selection(self, use, native, self._loop_name(use, native))

    def _loop_name(self, use: NativeUse, native: Native) -> str:
        return self.naming.inner(use, native)

    def _name(self, use: NativeUse, native: Native) -> str:
        return self.naming.node(use, native)

    def _ends(self, ports: Sequence[Port]) -> None:
        """The result of a node for each output, under the output's name: a node of its own where another has it."""
        self.made.outputs = [self.made.values[port.value] for port in ports]
        for i, (port, name) in enumerate(zip(ports, self.naming.outputs, strict=True)):
            if self.made.outputs[i] != name:
                self.made.outputs[i] = self.made.add(
                    name, "Identity", [self.made.outputs[i]], T=ElementType(port.dtype)
                )

    def _node(self, use: NativeUse, native: Native) -> None:
        name = self._name(use, native)
        attrs = {key: _attribute(value) for key, value in native.config.items() if key != RESULTS}
        inputs: list[str] = []
        for given in use.inputs:
            if given in self.made.values:
                inputs.append(self.made.values[given])
                continue
            slot = given.removeprefix(f"{use.layer}.")
            value, turned = self.weight(native.tensors[slot], name, slot)
            knob = _TURNED.get((native.type, slot))
            if turned == (1, 0) and knob:
                attrs[knob] = True
            elif turned:
                value = self._transposed(value, turned, native.tensors[slot], f"{name}/{slot}")
            inputs.append(value)
        self.made.add(name, native.type, inputs, **attrs)
        self.made.values |= {value: f"{name}:{i}" if i else name for i, value in enumerate(use.outputs) if value}
        self._cast(use, native, name)

    def _cast(self, use: NativeUse, native: Native, name: str) -> None:
        """Results in the types that the layer has, where the op gives others."""
        found: dict[str, str] = native.config.get(RESULTS, {})
        for value, slot in zip(use.outputs, native.outputs, strict=False):
            if value and slot in found:
                types = {"SrcT": ElementType(found[slot]), "DstT": ElementType(self.types[value].dtype)}
                cast = self.names.unique(f"{name}/Cast")
                self.made.values[value] = self.made.add(
                    cast, "Cast", [self.made.values[value]], **types, Truncate=False
                )

    def _transposed(self, value: str, order: tuple[int, ...], weight: NativeWeight, name: str) -> str:
        perm = self.constant(f"{name}/transpose/perm", LazyTensor.of(np.asarray(order, np.int32)))
        dtype = ElementType(weight.data.dtype)
        name = self.names.unique(f"{name}/transpose")
        return self.made.add(name, "Transpose", [value, perm], T=dtype, Tperm=ElementType("int32"))

    def constant(self, name: str, data: LazyTensor) -> str:
        """A constant under a name like this."""
        return self.made.add(self.names.unique(name), "Const", dtype=ElementType(data.dtype), value=data)

    def weight(self, weight: NativeWeight, node: str, slot: str) -> tuple[str, tuple[int, ...]]:
        """The value of a weight, and how it is to be turned; empty where it lies as it is needed."""
        if weight.literal:
            return self.constant(f"{node}/{slot}", weight.data), ()
        kept = self.weights.setdefault(weight.path, [])
        if not kept:
            kept.append(derived.made(self, weight.data, f"{node}/{slot}") or self._stored(weight))
        for data, value in kept:
            if (order := _order(data, weight.data)) is not None:
                return value, order
        found = derived.changed(self, kept[0], weight.data, f"{node}/{slot}")
        if found is None:
            found = weight.data, self._variable(weight.path, weight.data)
        kept.append(found)
        return found[1], _order(found[0], weight.data) or ()

    def original(self, key: str) -> tuple[LazyTensor, str]:
        """A tensor of the model before it was lowered, as the file has it: its variable, or constant."""
        kept = self.weights.setdefault(key, [])
        if not kept:
            data = self.naming.bundle.tensors[key].native()
            kept.append((data, self._variable(key, data)))
        return kept[0]

    def _stored(self, weight: NativeWeight) -> tuple[LazyTensor, str]:
        """The first time that a tensor is needed: as TensorFlow's own file has it, if it is from there."""
        return weight.data, self._variable(weight.path, weight.data)

    def _variable(self, key: str, data: LazyTensor) -> str:
        name = self.naming.variable(key)
        tensors = self.bundle.tensors if key in self.bundle.tensors else self.naming.bundle.tensors
        record = tensors[key].record
        fixed = record.role == "constant" and data.nbytes <= _SMALL
        if self.frozen or fixed:
            return self.made.add(name, "Const", dtype=ElementType(data.dtype), value=data)
        floating = data.dtype.startswith(("float", "bfloat"))
        trainable = record.role == "parameter" and record.trainable is not False and floating
        variable = Variable(name, data, trainable)
        self.made.variables.append(variable)
        dtype, shape = ElementType(data.dtype), Sizes(data.shape)
        self.made.add(name, "VarHandleOp", container="", shared_name=name, dtype=dtype, shape=shape)
        return self.made.add(variable.read, "ReadVariableOp", [name], dtype=dtype)


def _order(kept: LazyTensor, wanted: LazyTensor) -> tuple[int, ...] | None:
    """How a tensor is turned to lie as it is wanted: empty where it does, None where turning does not do."""
    if kept.source is not wanted.source and kept.source != wanted.source:
        return None
    whole = tuple(kept.source.shape)
    there, here = _change(kept, whole), _change(wanted, whole)
    joined = there.inverse().then(here) if there is not None and here is not None else None
    if joined is None or kept.dtype != wanted.dtype:
        return () if kept.changes == wanted.changes else None
    if joined.is_identity and kept.shape == wanted.shape:
        return ()
    if joined.atoms == joined.source_shape and not any(joined.picks) and joined.shape == _turned(joined):
        return joined.permutation
    return None


def _turned(change: Relayout) -> tuple[int, ...]:
    return tuple(change.source_shape[axis] for axis in change.permutation)


def _change(tensor: LazyTensor, whole: tuple[int, ...]) -> Relayout | None:
    """All changes as one; None where they do not compose."""
    if not tensor.changes:
        return Relayout(whole, whole, (None,) * len(whole), tuple(range(len(whole))), whole)
    return tensor.changes[0] if len(tensor.changes) == 1 else None


def sizes(shape: Sequence[Dimension]) -> Sizes:
    """A shape, -1 for sizes that are not known."""
    return Sizes(size if isinstance(size, int) else -1 for size in shape)


def _attribute(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) and not isinstance(value, Sizes) else value
