"""A program while it is read: its values, its sizes, what writes in place, and the ways in which handlers add to it.

What writes in place gives new values to all that shares the memory (`aten.aliases`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from irconv import edits
from irconv.codec import NativeWeight
from irconv.containers.exported_program import ELEMENT_TYPES, Program
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile, Refused
from irconv.frameworks.torch.aten import masks
from irconv.frameworks.torch.aten.aliases import Aliases, View
from irconv.frameworks.torch.aten.axes import check_axis
from irconv.frameworks.torch.aten.promotion import promote
from irconv.frameworks.torch.aten.spelling import Tensor, dimension, module_of, names_in, written
from irconv.frameworks.torch.table import TABLE
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.known import numeric
from irconv.ir.layers.base import Layer, Origin, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.tensor_ops import Reduce
from irconv.ir.manifest import Fact
from irconv.ir.shapes import Dimension, size_product
from irconv.options import ReadOptions
from irconv.translate import Importer
from irconv.translate.opaque import Keeping

Handler: TypeAlias = "Callable[[ProgramReader, Call], None]"


@dataclass(frozen=True)
class Call:
    """One call of an op, its arguments by name as plain data."""

    op: str
    """Such as ``conv2d.default``."""
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    where: str
    module: str
    """The module it was called in, by dotted name."""

    @property
    def source(self) -> Tensor | None:
        """The tensor that a view is of, or that is written to."""
        found = self.arguments.get("self", self.arguments.get("input"))
        return found if isinstance(found, Tensor) else None

    def get(self, name: str, absent: Any = None) -> Any:
        """An argument; `absent` where it is left out."""
        found = self.arguments.get(name)
        return absent if found is None else found


@dataclass
class ProgramReader:
    """What has been read of a program, and the ways in which handlers add to it."""

    program: Program
    options: ReadOptions
    file: str
    importer: Importer = field(init=False)
    keeping: Keeping = field(init=False)
    """Calls that no rule is for, and that are kept as they are (``--keep-opaque``)."""
    values: dict[str, str] = field(default_factory=dict)
    """Names of the program -> values of the importer."""
    sizes: dict[str, Dimension] = field(default_factory=dict)
    """Names of sizes -> what they are."""
    aliases: Aliases = field(default_factory=lambda: Aliases({}))
    masked: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Names of elements that a mask took -> the mask, and its first axis; their value is all elements, in their
    places."""
    counts: dict[str, Dimension] = field(default_factory=dict)
    """Masks -> how many elements they choose, a symbol."""
    written: dict[str, str] = field(default_factory=dict)
    """Names of inputs that are written to -> where."""
    absent: dict[str, str] = field(default_factory=dict)
    """Results that a rule does not give, each with the call whose they are."""
    at: int = 0
    meta: dict[str, Any] = field(default_factory=dict)
    """Names of tensors -> their shapes, strides and element types, as the program says them."""

    def __post_init__(self) -> None:
        self.importer = Importer(edits.with_plugins(TABLE, self.options), self.file)
        self.keeping = Keeping(self.importer.table, self.options)

    def read(self) -> list[Port]:
        """The whole graph; its outputs."""
        with self._spelled("its graph"):
            module = self.program.module["graph_module"]
            graph, signature = module["graph"], module["signature"]
            nodes, given, wanted = map(list, (graph["nodes"], signature["input_specs"], signature["output_specs"]))
            self.meta = dict(graph["tensor_values"])
            last_read: dict[str, int] = {}
            for number, node in enumerate(nodes):
                for entry in node["inputs"]:
                    last_read |= dict.fromkeys(names_in(entry["arg"]), number)
            for spec in wanted:
                last_read |= dict.fromkeys(names_in(next(iter(spec.values()))["arg"]), len(nodes))
        self.aliases = Aliases(last_read)
        for number, spec in enumerate(given):
            with self._spelled(f"input {number}"):
                self._input(spec)
        for self.at, node in enumerate(nodes):
            with self._spelled(f"node {self.at}"):
                self.node(node)
        with self._spelled("its outputs"):
            return [port for spec in wanted for port in self._output(spec)]

    @contextmanager
    def _spelled(self, what: str) -> Iterator[None]:
        """Raise `DamagedFile` where a part of the file is not what PyTorch writes there."""
        try:
            yield
        except MALFORMED as error:
            said = f"expected what torch.export writes, but something is missing or of another kind: {error!r}"
            raise DamagedFile(f"{self.file}: {what}", said) from error

    def _input(self, spec: Mapping[str, Any]) -> None:
        ((kind, entry),) = spec.items()
        if kind in ("parameter", "buffer", "tensor_constant"):
            name, given = entry["arg"]["name"], entry.get(f"{kind}_name") or entry["tensor_constant_name"]
            tensors = {**self.program.weights, **self.program.constants}
            if given not in tensors:
                raise Refused(f"{self.file}: {kind} {given}", "is not among the tensors of the archive")
            data = tensors[given]
            number = kind == "tensor_constant" and data.shape == ()
            trainable = given in self.program.trainable if kind == "parameter" else False
            kept = kind == "parameter" or entry.get("persistent", True)  # the state dict has no other buffers
            role: Literal["parameter", "constant"] = "parameter" if kept and not number else "constant"
            weight = NativeWeight(given, data, trainable, number, role=role)
            # a call of the graph may have the name that a tensor has in the module
            self.values[name] = self.importer.weight(self.importer.fresh(given, self.meta), weight)
            self.aliases.kept[name] = f"{kind.replace('_', ' ')} {given}"
            return
        name = next(iter(names_in(entry["arg"])), "")
        where = f"{self.file}: input {name}"
        with self.importer.reading(where, (name,)):
            if kind != "user_input" or not name:
                raise Refused(where, f"is of the kind {kind}, which irconv does not read")
            meta = self.meta[name]
            shape = tuple(dimension(size) for size in meta["sizes"])
            port = Port(name=name, value=name, dtype=ELEMENT_TYPES[meta["dtype"]], shape=shape, axes="", source_axes="")
            self.values[name] = self.importer.input(port)

    def _output(self, spec: Mapping[str, Any]) -> list[Port]:
        ((kind, entry),) = spec.items()
        names = list(names_in(entry["arg"]))
        where = f"{self.file}: output {', '.join(names)}"
        made: list[Port] = []
        with self.importer.reading(where, ()):
            if kind == "user_input_mutation":
                self.written[entry["user_input_name"]] = kind
                return []
            if kind != "user_output":
                changed = next((str(entry[key]) for key in entry if key.endswith("_name")), "")
                what = f"is a {kind}: the module changes {changed or 'something'}, which it keeps for its next call"
                raise Refused(where, what)
            for name in names:
                masks.settle(self, name, where)
                value = self.value(name)
                made.append(Port(name=name, value=value, dtype="", shape=(), axes="", source_axes=""))
        return made

    def facts(self) -> tuple[Fact, ...]:
        """The inputs that the module writes to, which a bundle leaves as they are, and the calls that are kept."""
        written = (Fact(name="written input", value=name, evidence=op) for name, op in self.written.items())
        return (*written, *self.keeping.told(self.importer.problems))

    # nodes

    def node(self, node: Mapping[str, Any]) -> None:
        """One call, with what it writes in place."""
        from irconv.frameworks.torch.aten import graphs
        from irconv.frameworks.torch.aten.handlers import GUARDS, HANDLERS, SCALARS

        op = node["target"].removeprefix("torch.ops.aten.")
        outputs = tuple(name for output in node["outputs"] for name in names_in(output))
        label, module = outputs[0] if outputs else op, module_of(node)
        where = f"{self.file}: {label} ({op}{f' in {module}' if module else ''})"
        self.importer.scope = module.replace(".", "/")
        with self.importer.reading(where, outputs):
            if op in GUARDS:
                self.sizes[outputs[0]] = 1
                return
            if op.startswith("torch.ops.higher_order."):
                graphs.read(self, node, Call(op, {}, outputs, where, module))
                return
            arguments = {entry["name"]: self.argument(entry["arg"]) for entry in node["inputs"]}
            call = Call(op, arguments, outputs, where, module)
            if op in SCALARS:
                self.sizes[outputs[0]] = SCALARS[op](*arguments.values())
            elif op in HANDLERS or (plain := written(op)) not in HANDLERS:
                self.apply(call, False)
            else:
                self.apply(replace(call, op=plain), True)

    def apply(self, call: Call, in_place: bool) -> None:
        """A call of an op, or of its form in place: what it gives, what that is a view of, and what it writes to."""
        check_axis(self, call)
        if in_place:
            self._in_place(call)
        else:
            self._plain(call)
        missing = [name for name in call.outputs if name not in self.values and name not in self.sizes]
        self.absent |= dict.fromkeys(missing, call.where)

    def _plain(self, call: Call) -> None:
        from irconv.frameworks.torch.aten.views import is_view

        if masks.takes(self, call):
            return
        self.run(call)
        for output in call.outputs:
            if output in self.values and (view := is_view(self, call, output)) is not None:
                self.aliases.add(output, view)

    def _in_place(self, call: Call) -> None:
        """A write: what the op gives is what its first tensor holds from now on."""
        from irconv.frameworks.torch.aten.views import MOVES, UNCHANGED

        source = call.source
        if source is None or call.op in MOVES:
            raise Refused(call.where, "changes the shape of its tensor in place, which irconv does not follow")
        dtype = self.type_of(source).dtype
        if not masks.takes(self, call):
            self.run(call)
        if call.op not in UNCHANGED:
            made = self.cast(call, self.values[call.outputs[0]], dtype, "kept_type")
            self.aliases.write(self, call, source.name, made)
            owner = self.aliases.owner(source.name)
            if any(port.value == owner for port in self.importer.inputs):
                self.written.setdefault(owner, call.op)
        self.values[call.outputs[0]] = self.values[source.name]
        self.aliases.add(call.outputs[0], View(source.name, None))

    def run(self, call: Call) -> None:
        """The op of a call, as its handler reads it. Raises `Refused` where there is none, and `DamagedFile` for
        arguments that it cannot have."""
        from irconv.frameworks.torch.aten import opaque
        from irconv.frameworks.torch.aten.elementwise import in_floats
        from irconv.frameworks.torch.aten.handlers import HANDLERS

        handler = HANDLERS.get(call.op)
        if handler is None and self.options.keep_opaque:
            opaque.keep(self, call)
            return
        if handler is None:
            raise Refused(call.where, f"irconv has no rule for torch.ops.aten.{call.op}")
        try:
            handler(self, in_floats(self, call))
        except MALFORMED as error:
            said = f"expected the arguments of torch.ops.aten.{call.op}, but something is missing or of another kind"
            raise DamagedFile(call.where, f"{said}: {error!r}") from error

    def argument(self, given: Mapping[str, Any]) -> Any:
        """An argument as plain data."""
        ((kind, value),) = list(given.items())[:1]
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return Tensor(value["name"])
        if kind == "as_tensors":
            return [Tensor(tensor["name"]) for tensor in value]
        if kind == "as_optional_tensors":
            return [Tensor(t["as_tensor"]["name"]) if "as_tensor" in t else None for t in value]
        if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            return self._size(value)
        if kind == "as_sym_ints":
            return [self._size(size) for size in value]
        if kind == "as_float":  # JSON has no infinities: they are text
            return float(value)
        if kind == "as_scalar_type":
            return ELEMENT_TYPES.get(value, f"number {value}")
        return value

    def _size(self, given: Mapping[str, Any]) -> Dimension:
        if "as_name" in given:
            if given["as_name"] not in self.sizes:
                raise Refused(f"{self.file}: {given['as_name']}", "is a size that depends on more than sizes")
            return self.sizes[given["as_name"]]
        return int(given["as_int"])

    # what handlers use

    def value(self, tensor: Tensor | str | None) -> str:
        """The value of a tensor as it stands; empty for None. Raises `Unknown` where it could not be read."""
        if tensor is None:
            return ""
        name = tensor.name if isinstance(tensor, Tensor) else tensor
        if name in self.absent:
            raise Refused(self.absent[name], f"gives {name} besides, which irconv does not read")
        self.aliases.refresh(self, name)
        value = self.values.get(name, name)
        self.importer.type_of(value)
        return value

    def type_of(self, tensor: Tensor | str) -> ValueType:
        """Element type and shape."""
        return self.importer.type_of(self.value(tensor))

    def shape(self, tensor: Tensor | str) -> tuple[Dimension, ...]:
        """The shape of a tensor."""
        return self.type_of(tensor).shape

    def is_zero(self, value: str) -> bool:
        """Whether every element of a value is known to be zero."""
        known = self.importer.known(value)
        if known is not None:
            return numeric(known) and not known.any()
        maker = self.importer.maker(value)
        return isinstance(maker, Full) and maker.value == 0

    def contiguous(self, name: str) -> bool:
        """Whether a tensor lies in its own order, as far as the program says."""
        meta = self.meta.get(name)
        if meta is None:
            return False
        shape, strides = (tuple(dimension(size) for size in meta[key]) for key in ("sizes", "strides"))
        after = (size_product(shape[i + 1 :]).dimension for i in range(len(shape)))
        return all(n == 1 or stride == want for n, stride, want in zip(shape, strides, after, strict=True))

    def place(self, call: Call, layer: Layer, suffix: str = "", **inputs: str) -> str:
        """A layer as part of a call, the last of them without a suffix; its one result. Empty inputs are left out."""
        result = call.outputs[0]
        value = f"{result}/{suffix}" if suffix else result
        given = {slot: found for slot, found in inputs.items() if found}
        if not suffix:
            origin = Origin(framework="torch", type=call.op, name=result, config={}, split_from=None)
            layer = layer.model_copy(update={"origin": origin})
        name = self._layer_name(layer, given) or value
        made = self.importer.place(layer, given, [value], name=name, where=call.where)[0]
        if not suffix:
            self.values[result] = made
        return made

    def several(self, call: Call, layer: Layer, **inputs: str) -> None:
        """A layer of several results, each a result of the call."""
        given = {slot: found for slot, found in inputs.items() if found}
        self.importer.place(layer, given, list(call.outputs), name=call.outputs[0], where=call.where)
        self.values |= {name: name for name in call.outputs}

    def gives(self, call: Call, value: str, index: int = 0) -> None:
        """Say that a result is a value that is there."""
        self.values[call.outputs[index]] = value

    def number(self, call: Call, number: Any, dtype: str, suffix: str) -> str:
        """A number as a value; a size that is free is counted where the model runs."""
        if isinstance(number, str):
            ones = self.place(call, Full(shape=(number,), value=1, dtype="int64"), f"{suffix}/ones")
            counted = self.place(call, Reduce(op="sum", axes=(0,), keepdims=False), f"{suffix}/counted", x=ones)
            return self.cast(call, counted, dtype, suffix)
        return self.importer.constant(f"{call.outputs[0]}/{suffix}", np.asarray(number, numpy_dtype(dtype)))

    def cast(self, call: Call, value: str, dtype: str, suffix: str) -> str:
        """The value in an element type."""
        if self.importer.type_of(value).dtype == dtype:
            return value
        return self.place(call, Cast(dtype=dtype), suffix, x=value)

    def promoted(self, call: Call, *operands: Any) -> list[str]:
        """Tensors and numbers in the one element type that PyTorch computes in."""
        kinds = [(self.type_of(o).dtype, len(self.shape(o))) for o in operands if isinstance(o, Tensor)]
        numbers = [o for o in operands if not isinstance(o, Tensor)]
        dtype = promote(kinds, numbers)
        return [
            self.cast(call, self.value(o), dtype, f"operand{i}")
            if isinstance(o, Tensor)
            else self.number(call, o, dtype, f"operand{i}")
            for i, o in enumerate(operands)
        ]

    def _layer_name(self, layer: Layer, inputs: Mapping[str, str]) -> str:
        """A layer with weights has the name of the module that holds them."""
        for role in layer.PARAMETERS:
            weight = self.importer.stored(inputs[role]) if role in inputs else None
            if weight is not None and "." in weight.path:
                return weight.path.rpartition(".")[0]
        return ""
