"""A model while it is read: its values, its opset, and the ways in which handlers add to the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from onnx import defs, helper

from irconv import edits
from irconv.codec import Native, NativeWeight
from irconv.containers import budget
from irconv.containers.onnx_model import NARROW, OnnxFile
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.frameworks.onnx.reading import noted
from irconv.frameworks.onnx.reading.attributes import defaults, element_type, nodes_of, plain, text
from irconv.frameworks.onnx.scopes import named
from irconv.frameworks.onnx.table import TABLE
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.known import numeric
from irconv.ir.layers.base import Layer, Origin, ValueType
from irconv.ir.manifest import Fact
from irconv.ir.shapes import Dimension, Size
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array
from irconv.options import ReadOptions, said_shape
from irconv.translate import Importer
from irconv.translate.fixed import as_array, given_values
from irconv.translate.opaque import Keeping

Handler: TypeAlias = "Callable[[ModelReader, Op], None]"
STANDARD = ("", "ai.onnx")
UNOFFICIAL = ("Erfc", "RMSNormalization", "SimplifiedLayerNormalization")
"""Ops that ONNX has not, or not in older opsets, but exporters and optimisers write all the same."""
_NEW_ENOUGH = 17
"""The opset of what a file without ONNX's own ops means by them."""


@dataclass(frozen=True)
class Op:
    """A node with its attributes as plain data, those that are left out as its opset defines them."""

    type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    """Values of the importer, empty where absent."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int
    """The opset of its domain."""
    where: str
    own: str = ""
    """The node's own name, which nothing refers to; empty where it has none."""

    def given(self, index: int) -> str:
        """The value of an input; empty where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def attribute(self, name: str, absent: Any = None) -> Any:
        """An attribute, or what it is where nobody says it."""
        return self.attributes.get(name, absent)


@dataclass
class ModelReader:
    """What has been read of a model, and the ways in which handlers add to it."""

    file: OnnxFile
    options: ReadOptions
    baked: Mapping[str, int] = field(default_factory=dict)
    """Symbols of the file that can have one value alone, which they are given from the start."""
    importer: Importer = field(init=False)
    keeping: Keeping = field(init=False)
    """Nodes that no rule is for, and that are kept as they are (``--keep-opaque``)."""
    facts: list[Fact] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """Names of the model -> values of the importer."""
    calls: list[str] = field(default_factory=list)
    """The functions of the file that are being read, the outermost first."""
    prefixes: list[str] = field(default_factory=list)
    """What goes before the names of values in the rounds of loops, the innermost last."""
    sequences: dict[str, list[str]] = field(default_factory=dict)
    """Names of sequences -> the values that they hold."""
    narrow: set[str] = field(default_factory=set)
    """The values that the file keeps in four bits, which are bytes here: what is quantised by their type is bounded."""
    read_nodes: int = 0
    """Those of functions and of rounds of loops are counted every time."""
    symbols: dict[str, str] = field(default_factory=dict)
    """Names of sizes in the file -> symbols."""

    def __post_init__(self) -> None:
        self.where = self.file.path.name
        self.importer = Importer(edits.with_plugins(TABLE, self.options), self.where)
        self.keeping = Keeping(self.importer.table, self.options)
        model = self.file.model
        self.opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
        self.functions = {(f.domain, f.name): f for f in model.functions}
        self.own = frozenset(name for node in model.graph.node for name in node.output)
        self.facts.append(Fact(name="opset", value=str(self.opsets.get("", 1)), evidence="opset_import"))
        self.notes = noted.of(model)
        self.weights = noted.weights(self.notes)
        self.scoped, self.kept, evidence = named(model)
        if self.kept.tensors:
            self.facts.append(self.kept.fact(evidence))

    @cached_property
    def makers(self) -> Mapping[str, Any]:
        """Names of the model -> the nodes that make them."""
        return {name: node for node in nodes_of(self.file.model.graph) for name in node.output}

    def read(self) -> list[Port]:
        """The whole graph; its outputs."""
        graph = self.file.model.graph
        stored = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
        fixed = given_values(self.options.fix)
        if self.options.input_shape:
            self._give_sizes([port for port in graph.input if port.name not in stored])
        for port in graph.input:
            if port.name not in stored:
                self._input(port, fixed)
        for name in fixed:
            self.importer.problem(f"--fix {name}", "the graph has no input of this name", kind=MissingFact)
        self.body(graph)
        self._check_made({*stored, *self.own, *(port.name for port in graph.input)})
        outputs = []
        for name in self.options.outputs or [port.name for port in graph.output]:
            where = f"{self.where}: output {name}"
            with self.importer.reading(where, ()):
                value = self.values.get(name, name)
                if name in self.sequences:
                    raise Refused(where, "is a sequence of tensors, which irconv does not read", "Give them apart.")
                if self.options.outputs and not (self.importer.has(value) or self.importer.is_unknown(value)):
                    raise MissingFact(where, "the graph has no value of this name", "`irconv inspect` lists them.")
                if not self.importer.has(value) and not self.importer.is_unknown(value):
                    raise Refused(where, "is a result that irconv does not read of the node that makes it")
                self.importer.type_of(value)
                outputs.append(Port(name=name, value=value, dtype="", shape=(), axes="", source_axes=""))
        return outputs

    def body(self, graph: Any) -> None:
        """The tensors and nodes of a graph."""
        for tensor in graph.initializer:
            with self.importer.reading(f"{self.where}: initializer {tensor.name}", (tensor.name,)):
                where = f"{self.where}: initializer {tensor.name}"
                name = "".join((*self.prefixes[-1:], tensor.name))
                self.values[tensor.name] = self.stored(name, tensor, where)
        for node in graph.node:
            self.node(node)

    # inputs

    def _input(self, port: Any, fixed: dict[str, Any]) -> None:
        where = f"{self.where}: input {port.name}"
        with self.importer.reading(where, (port.name,)):
            if not port.name:
                raise DamagedFile(where, "has no name")
            if port.type.WhichOneof("value") != "tensor_type":
                raise Refused(where, f"expected a tensor, got {port.type.WhichOneof('value')}")
            kind = port.type.tensor_type
            dtype = element_type(kind.elem_type, where)
            if kind.HasField("shape"):
                shape = tuple(self._dimension(port.name, i, size) for i, size in enumerate(kind.shape.dim))
            elif (said := self._said(port.name)) is not None:
                shape = said
            else:
                what = "says neither its shape nor its rank"
                raise Refused(where, what, f"Give --input-shape {port.name}=N,3,224,224, or export it with shapes.")
            if port.name in fixed:
                array = as_array(port.name, fixed.pop(port.name), dtype, shape)
                self.values[port.name] = self.importer.constant(port.name, array)
                self.facts.append(Fact(name=port.name, value=str(array.tolist()), evidence="--fix"))
                return
            self.values[port.name] = self.importer.input(
                Port(name=port.name, value=port.name, dtype=dtype, shape=shape, axes="", source_axes="")
            )

    def _give_sizes(self, ports: Sequence[Any]) -> None:
        """Take the sizes that the user gives the inputs for those that the file leaves open: branches may hang on them.
        What does not fit is refused once the graph is read."""
        for port in ports:
            with self.importer.reading(f"{self.where}: input {port.name}", ()):
                said, sizes = self._said(port.name) or (), port.type.tensor_type.shape.dim
                for axis, (size, known) in enumerate(zip(sizes, said, strict=False)):
                    found = self._dimension(port.name, axis, size)
                    if len(said) == len(sizes) and isinstance(found, str) and isinstance(known, int):
                        self.baked = {**self.baked, found: known}

    def _said(self, name: str) -> tuple[Dimension, ...] | None:
        """The shape that the user gives an input; symbols are those of the file, where it has them."""
        found = dict(said_shape(text.partition(":")[0]) for text in self.options.input_shape)
        return found.get(name, found.get("") if len(found) == 1 else None)

    def _dimension(self, name: str, axis: int, size: Any) -> Dimension:
        """A number, or a symbol for each name of a size; a size without a name is one of its own."""
        if size.HasField("dim_value") and size.dim_value > 0:
            return int(size.dim_value)
        said = size.dim_param or f"{name}.{axis}"
        if said not in self.symbols:
            word = said if said.isidentifier() else "N" if axis == 0 else f"D{len(self.symbols)}"
            while word in self.symbols.values():
                word += "_"
            self.symbols[said] = word
        return self.baked.get(self.symbols[said], self.symbols[said])

    # nodes

    def _check_made(self, there: set[str]) -> None:
        """Note the nodes of the graph itself that take what nothing makes."""
        for node in self.file.model.graph.node:
            missing = [name for name in node.input if name and name not in there]
            if missing:
                label = node.name or next((name for name in node.output if name), "")
                where = f"{self.where}: node {label} ({node.op_type})"
                self.importer.problem(where, f"takes {', '.join(missing)}, which nothing makes", kind=DamagedFile)

    def node(self, node: Any) -> None:
        """One node: by its handler, by the table, or as the function that the file defines."""
        from irconv.frameworks.onnx.reading import functions, opaque
        from irconv.frameworks.onnx.reading.handlers import HANDLERS

        domain = "" if node.domain in STANDARD else node.domain
        label = node.name or next((name for name in node.output if name), "")
        where = f"{self.where}: node {label} ({f'{domain}.' if domain else ''}{node.op_type})"
        made = [name for name in node.output if name]
        self.read_nodes += 1
        if self.read_nodes > (most := budget.nodes(self.file.file.size)):
            what = (
                f"its functions and loops write out more than {most} nodes, which irconv takes from a file of its size"
            )
            raise Refused(self.where, what)
        if not made:
            self.importer.problem(where, "expected at least one output, got none", kind=DamagedFile)
            return
        if self.scoped is not None:
            self.importer.scope = self.scoped(node)
        with self.importer.reading(where, ["".join((*self.prefixes[-1:], name)) for name in made]):
            if (node.domain, node.op_type) in self.functions:
                functions.call(self, node, self.functions[node.domain, node.op_type], where)
                return
            attributes = self._attributes(node, domain, where)
            inputs = tuple(self.values.get(name, name) if name else "" for name in node.input)
            name = next((name for name in node.output if name), node.name)
            version = self.opsets.get(domain, 1)
            outputs = tuple(node.output)
            if self.prefixes:
                outputs = tuple(self.prefixes[-1] + made if made else "" for made in outputs)
                self.values |= {made: self.prefixes[-1] + made for made in node.output if made}
                name = self.prefixes[-1] + name
            op = Op(node.op_type, domain, name, inputs, outputs, attributes, version, where, node.name)
            handler = HANDLERS.get((domain, node.op_type))
            if handler is not None:
                handler(self, op)
            elif domain and self.importer.table.knows(taught := f"{domain}.{node.op_type}"):
                self.add(replace(op, type=taught))
            elif domain and self.options.keep_opaque:
                opaque.keep(self, replace(op, type=taught))
            elif domain:
                raise Refused(where, f"irconv has no rule for {node.op_type} of {domain}", _about(op))
            elif not TABLE.knows(op.type) and (body := functions.defined(self, node, inputs, version)) is not None:
                functions.call(self, node, body, where)
            elif self.keeping.keeps(op.type):
                opaque.keep(self, op)
            else:
                self.add(op)

    def _attributes(self, node: Any, domain: str, where: str) -> dict[str, Any]:
        found = {}
        try:
            found = defaults(node.op_type, self.opsets.get(domain, 1), domain)
        except defs.SchemaError as error:
            if not domain and node.op_type not in UNOFFICIAL:
                raise Refused(where, f"opset {self.opsets.get('', 1)} has no such op") from error
        for attribute in node.attribute:
            found[attribute.name] = helper.get_attribute_value(attribute)
        return {key: text(value) for key, value in found.items()}

    # what handlers use

    def type_of(self, value: str) -> ValueType:
        """Element type and shape of a value."""
        return self.importer.type_of(value)

    def shape(self, value: str) -> tuple[Dimension, ...]:
        """The shape of a value."""
        return self.importer.type_of(value).shape

    def known(self, op: Op, index: int) -> Array | None:
        """What is known of an input; None where it is absent. Raises `Refused` where only running would tell."""
        value = op.given(index)
        if not value:
            return None
        found = self.importer.known(value)
        if found is None:
            raise Refused(op.where, f"expected its input {value} to be known before the model runs, but it is computed")
        return found

    def dimensions(self, op: Op, index: int) -> tuple[Dimension, ...] | None:
        """An input of sizes, as far as it is there."""
        found = self.known(op, index)
        if found is None:
            return None
        flat = np.atleast_1d(found).reshape(-1)
        return tuple(size.dimension if isinstance(size, Size) else int(size) for size in flat)

    def numbers(self, op: Op, index: int) -> tuple[int, ...] | None:
        """An input of whole numbers, as far as it is there."""
        found = self.dimensions(op, index)
        if found is not None and any(isinstance(size, str) for size in found):
            raise Refused(op.where, f"expected numbers, got {found}")
        return None if found is None else tuple(size for size in found if isinstance(size, int))

    def number(self, op: Op, index: int) -> float | None:
        """An input of one number, as far as it is there."""
        found = self.known(op, index)
        if found is not None and (found.size != 1 or not numeric(found)):
            raise Refused(op.where, f"expected one number, got {found.size}")
        return None if found is None else found.reshape(-1)[0].item()

    def place(self, op: Op, layer: Layer, suffix: str = "", **inputs: str) -> str:
        """A layer as part of a node, the last of them without a suffix; its one result. Absent inputs are left out."""
        name = self.free(f"{op.outputs[0] or op.name}/{suffix}") if suffix else op.outputs[0]
        if not suffix:
            layer = layer.model_copy(update={"origin": self.origin(op)})
        given = {slot: value for slot, value in inputs.items() if value}
        return self.importer.place(layer, given, [name], name=name, where=op.where)[0]

    def results(self, op: Op, layer: Layer, outputs: Sequence[str], **inputs: str) -> None:
        """A layer of several results, each a result of the node; empty ones are not wanted."""
        given = {slot: value for slot, value in inputs.items() if value}
        layer = layer.model_copy(update={"origin": self.origin(op)})
        self.importer.place(layer, given, list(outputs), name=op.name, where=op.where)

    def gives(self, op: Op, value: str, index: int = 0) -> None:
        """Say that a result of a node is a value that is there."""
        name = op.outputs[index]
        self.values[name.removeprefix(self.prefixes[-1]) if self.prefixes else name] = value

    def constant(self, op: Op, array: Any, suffix: str, dtype: str = "") -> str:
        """Numbers as a value."""
        array = np.asarray(array, numpy_dtype(dtype)) if dtype else np.asarray(array)
        return self.importer.constant(self.free(f"{op.outputs[0]}/{suffix}"), array)

    def free(self, name: str) -> str:
        """The name of a value that is added, or one like it that the file has not: files of irconv's own may."""
        while name in self.own:
            name += "_"
        return name

    def stored(self, name: str, message: Any, where: str) -> str:
        """A TensorProto as a value."""
        if message.data_type in NARROW:
            self.narrow.add(name)
        return self.weight(name, self.file.tensor(message, where))

    def weight(self, name: str, tensor: LazyTensor) -> str:
        """A tensor of the file as a value: a weight where it holds several floating numbers, or was one of a state
        dict or of a layer, else a constant."""
        if name in self.kept.constants:
            return self.importer.weight(name, NativeWeight(name, tensor, role="constant"))
        own = name in self.kept.tensors or name in self.weights
        if own or ("float" in tensor.dtype and len(tensor.shape) > 0):
            return self.importer.weight(name, NativeWeight(name, tensor))
        return self.importer.weight(name, NativeWeight(name, tensor, literal=True, role="constant"))

    def standard(
        self, op: Op, name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        """Read an op of ONNX's own that a node of another domain is, or that is a part of it."""
        from irconv.frameworks.onnx.reading.handlers import HANDLERS

        version = self.opsets.get("", _NEW_ENOUGH)
        try:
            given = {key: text(value) for key, value in defaults(name, version, "").items()} | dict(attributes)
        except defs.SchemaError as error:
            if name not in UNOFFICIAL:
                raise Refused(op.where, f"means {name}, which opset {version} has not") from error
            given = dict(attributes)
        inner = Op(name, "", outputs[0], tuple(inputs), tuple(outputs), given, version, op.where, op.own)
        handler = HANDLERS.get(("", name))
        if handler is None:
            self.add(inner)
        else:
            handler(self, inner)

    def add(self, op: Op, **changed: Any) -> None:
        """Add a node by its row in the table, with some attributes changed."""
        native = Native(op.type, self.importer.free(op.name), {**op.attributes, **changed}, origin=self.origin(op))
        self.importer.add(native, op.inputs, op.outputs, where=op.where)

    def origin(self, op: Op) -> Origin:
        """How ONNX spells a node, as far as that can be written down."""
        config = {key: value for key, value in op.attributes.items() if plain(value)}
        return Origin(framework="onnx", type=op.type, name=op.own or op.name, config=config, split_from=None)


def _about(op: Op) -> str:
    """What a plugin for an operator of another domain has to know."""
    said = ", ".join(f"{key}={value!r:.40}" for key, value in op.attributes.items())
    settings = f" and the settings {said}" if said else ""
    about = f"It has {len(op.inputs)} inputs, {len(op.outputs)} outputs{settings}."
    return f'{about} A plugin teaches it (--plugin) with a Codec("{op.domain}.{op.type}", ...) for "onnx".'
