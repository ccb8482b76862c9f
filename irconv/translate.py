"""A whole native model through a table: decode into a bundle, encode out of one. Knows no framework.

Decoding is local and obviously right: a layer whose activations lie in other axes than the IR's gets a Transpose
before and one after. `irconv.passes.channels_last` then removes what can be removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv import edits
from irconv.codec import Draft, MappedTensor, Native, NativeModel, NativeUse, NativeWeight, Precision, SizeOf, Table
from irconv.errors import MALFORMED, IrconvError, Problems, Refused
from irconv.ir.bundle import Bundle, Tensor, operand_types
from irconv.ir.dtypes import FLOATS, numpy_dtype
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers import is_known
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.control import Scan
from irconv.ir.layers.tensor_ops import Constant, Transpose
from irconv.ir.manifest import NativeTensor, Omitted, SourceRecord, TensorRecord
from irconv.ir.shapes import Dimension, Shape
from irconv.ir.tensors import LazyTensor
from irconv.layout import customary, permutation
from irconv.options import ReadOptions
from irconv.passes import decompose, to_channels_last

__all__ = ["NativeModel", "NativeUse", "decode", "encode"]


def decode(
    model: NativeModel, table: Table, source: SourceRecord, file: str, options: ReadOptions | None = None
) -> Bundle:
    """The model as a bundle, naively: every Transpose still there, and what the user asks to change is changed.

    Raises one error that names every layer which cannot be carried over.
    """
    options = options or ReadOptions()
    model = edits.run(model, options)
    builder = _Builder(model, edits.with_plugins(table, options), file)
    builder.omitted += model.omitted
    for use in model.uses:
        with builder.problems.collect():
            builder.add(use)
    builder.problems.raise_any()
    graph = Graph(inputs=model.inputs, outputs=_typed(model.outputs, builder.types), nodes=tuple(builder.nodes))
    bundle = Bundle(
        source=source, layers=builder.layers, graph=graph, tensors=builder.tensors, omitted=tuple(builder.omitted)
    )
    return decompose.run(bundle, is_known) if options.plugins else bundle


class _Builder:
    """Decodes use after use, in order, keeping the types of all values made so far."""

    def __init__(self, model: NativeModel, table: Table, file: str) -> None:
        self.model, self.table, self.file = model, table, file
        self.problems = Problems()
        self.layers: dict[str, Layer] = {}
        self.tensors: dict[str, Tensor] = {}
        self.omitted: list[Omitted] = []
        self.nodes: list[Node] = []
        self.types = {port.value: ValueType(port.dtype, port.shape) for port in model.inputs}
        self._drafts: dict[str, Draft] = {}
        self._computed: dict[str, dict[str, str]] = {}
        """Layer -> role -> the value that is its operand, for weights that are cast."""
        self._numbers: set[str] = set()
        """The values that are numbers of the native model."""
        self._failed: set[str] = set()

    def add(self, use: NativeUse) -> None:
        where = self.model.where.get(use.layer, f"layer {use.layer}")
        taken = [value for value in use.inputs if value]
        known = [self.types[value] for value in taken if value in self.types]
        if use.layer in self._failed:
            return
        if len(known) < len(taken):
            # A layer before this one failed, so its own ranks are unknown: only say whether a rule exists at all.
            self.table.supports(self.model.layers[use.layer], where)
            return
        try:
            if (precision := self.model.layers[use.layer].precision) is not None:
                use = replace(use, inputs=self._cast_inputs(use, precision, where))
                known = [self.types[value] for value in use.inputs if value]
            layer, draft = self._layer(use, known, where)
            self._place(use, layer, draft, where)
        except IrconvError:
            self._failed.add(use.layer)
            raise
        except MALFORMED as error:
            self._failed.add(use.layer)
            what = f"expected the settings its framework writes, but something is missing or of another kind: {error!r}"
            raise Refused(where, what) from error

    def _cast_inputs(self, use: NativeUse, precision: Precision, where: str) -> tuple[str, ...]:
        """The inputs of a use in the type that its layer computes in."""
        kinds = {value: self.types[value].dtype for value in use.inputs if value}
        beside = {kind for value, kind in kinds.items() if kind in FLOATS and value not in self._numbers}
        wanted = precision.inputs or (beside.pop() if len(beside) == 1 else "")
        taken = []
        for i, value in enumerate(use.inputs):
            follows = value in kinds and kinds[value] in FLOATS and (precision.inputs or value in self._numbers)
            if wanted and follows and kinds[value] != wanted:
                cast = self._through((Cast(dtype=wanted),), value, f"{use.outputs[0]}/in{i}", use.scope, where)
                taken.append(cast)
            else:
                taken.append(value)
        return tuple(taken)

    def _cast_weights(self, use: NativeUse, draft: Draft, layer: Layer, casts: tuple[str, ...], where: str) -> Layer:
        """The layer without the operands that it takes in another type; their values become inputs of its nodes."""
        kept, computed = dict(layer.operands), self._computed.setdefault(use.layer, {})
        for role, operand in layer.operands.items():
            kind = operand.dtype if isinstance(operand, LiteralOperand) else draft.mapped[role].weight.data.dtype
            if kind not in FLOATS or set(casts) <= {kind}:
                continue
            if isinstance(operand, LiteralOperand):
                kept[role] = operand.model_copy(update={"dtype": casts[-1]})
                continue
            name = f"{use.layer}.{role}"
            self.layers[name] = Constant(operands={"value": kept.pop(role)})
            self._append(Node(layer=name, scope=use.scope, inputs={}, outputs={"y": name}), where)
            computed[role] = name
            for wanted in casts:
                computed[role] = self._through((Cast(dtype=wanted),), computed[role], f"{name}/{wanted}", "", where)
        return layer.model_copy(update={"operands": kept})

    def _cast_results(self, use: NativeUse, draft: Draft, layer: Layer, wanted: str) -> None:
        """The draft with a Cast last for every floating result of another type."""
        slots = [f"x{i}" for i in range(len(use.inputs))] if layer.VARIADIC else list(layer.SLOTS)
        given = dict(zip(slots, draft.given, strict=False))
        for slot, layers in draft.before.items():
            for before in layers:
                given[slot] = before.infer({"x": given[slot]})["y"]
        for slot, (native, canonical) in draft.input_axes.items():
            if slot in given:
                dtype, shape = given[slot]
                given[slot] = ValueType(dtype, tuple(shape[i] for i in permutation(native, canonical, len(shape))))
        given |= operand_types(layer, self.tensors)
        given |= {role: self.types[value] for role, value in self._computed.get(use.layer, {}).items()}
        for slot, made in layer.infer(given).items():
            if made.dtype in FLOATS and made.dtype != wanted:
                draft.after[slot] = (*draft.after.get(slot, ()), Cast(dtype=wanted))

    def _layer(self, use: NativeUse, given: list[ValueType], where: str) -> tuple[Layer, Draft]:
        name = use.layer
        if name not in self.layers:
            native = self.model.layers[name]
            layer, draft = self.table.decode(self._sized(native), given, where)
            operands: dict[str, StoredOperand | LiteralOperand] = dict(draft.literals)
            operands |= {role: self._store(name, role, found, draft) for role, found in draft.mapped.items()}
            layer = layer.model_copy(update={"operands": operands})
            if native.precision is not None and native.precision.weights:
                layer = self._cast_weights(use, draft, layer, native.precision.weights, where)
            if native.precision is not None and native.precision.result:
                self._cast_results(use, draft, layer, native.precision.result)
            self.layers[name], self._drafts[name] = layer, draft
            self.omitted += draft.omitted
        draft = self._drafts[name]
        ranks = [len(value.shape) for value in given]
        if draft.ranks != ranks:
            raise draft.refuse(f"is used on values of rank {ranks} and of rank {draft.ranks}")
        return self.layers[name], draft

    def _sized(self, native: Native) -> Native:
        """The layer with sizes in the place of references to them."""
        if not any(isinstance(setting, SizeOf) for setting in native.config.values()):
            return native
        filled = {key: self._size(s) if isinstance(s, SizeOf) else s for key, s in native.config.items()}
        return replace(native, config=filled)

    def _size(self, wanted: SizeOf) -> Dimension | Shape:
        shape = self.types[wanted.value].shape
        return shape if wanted.axis is None else shape[wanted.axis]

    def _store(self, name: str, role: str, found: MappedTensor, draft: Draft) -> StoredOperand:
        weight, key = found.weight, f"{name}.{role}"
        parameter = draft.layer.PARAMETERS[role]
        axes = found.native_axes if found.steps else parameter.axes
        record = TensorRecord(
            role="buffer" if parameter.buffer else "parameter",
            trainable=False if parameter.buffer else weight.trainable,
            dtype=weight.data.dtype,
            shape=weight.data.shape,
            axes=axes,
            letters=customary(axes, len(weight.data.shape)),
            source=NativeTensor(
                file=self.file,
                name=weight.path,
                shape=weight.data.shape,
                axes=found.native_axes,
                piece=found.piece,
                members=weight.members,
            ),
            steps=(),
        )
        tensor = Tensor(record, weight.data)
        for step in found.steps:
            tensor = tensor.relayout(step)
        self.tensors[key] = tensor
        return StoredOperand(tensor=key)

    def _place(self, use: NativeUse, layer: Layer, draft: Draft, where: str) -> None:
        """Add the node, with a Transpose for each input and output that lies in other axes."""
        slots = [f"x{i}" for i in range(len(use.inputs))] if layer.VARIADIC else list(layer.SLOTS)
        gives = [f"y{i}" for i in range(len(use.outputs))] if layer.VARIADIC_RESULTS else list(layer.RESULTS)
        if len(use.inputs) > len(slots) or len(use.outputs) > len(gives):
            raise draft.refuse(f"takes {len(slots)} inputs, got {len(use.inputs)}")
        inputs = {slot: value for slot, value in zip(slots, use.inputs, strict=False) if value}
        inputs |= self._computed.get(use.layer, {})
        if isinstance(layer, Constant) and isinstance(layer.operands.get("value"), LiteralOperand):
            self._numbers |= set(use.outputs)
        for slot, layers in draft.before.items():
            inputs[slot] = self._through(layers, inputs[slot], f"{use.outputs[0]}/{slot}", use.scope, where)
        for slot, (native, canonical) in draft.input_axes.items():
            if slot in inputs and self._moves(inputs[slot], native, canonical):
                made = f"{use.outputs[0]}/{slot}"
                inputs[slot] = self._transposed(inputs[slot], native, canonical, use.scope, made, where)
        outputs = {slot: value for slot, value in zip(gives, use.outputs, strict=False) if value}
        final = {slot: outputs[slot] for slot in draft.after if slot in outputs}
        outputs |= {slot: f"{value}/plain" for slot, value in final.items()}
        turned = {
            slot: (f"{outputs[slot]}/{slot}", native, canonical)
            for slot, (native, canonical) in draft.output_axes.items()
            if slot in outputs and self._moves(use.inputs[0], native, canonical)
        }
        results = {slot: turned[slot][0] if slot in turned else value for slot, value in outputs.items()}
        self._append(Node(layer=use.layer, scope=use.scope, inputs=inputs, outputs=results), where)
        for slot, (value, native, canonical) in turned.items():
            self._transposed(value, canonical, native, use.scope, outputs[slot], where)
        for slot, value in final.items():
            self._through(draft.after[slot], outputs[slot], value, use.scope, where, ends=True)

    def _through(
        self, layers: tuple[Layer, ...], value: str, result: str, scope: str, where: str, ends: bool = False
    ) -> str:
        """Add a node for each layer; the last makes `result` where `ends`, else a value named after it."""
        for i, layer in enumerate(layers):
            name = f"{result}/{layer.type.lower()}"
            self.layers[name] = layer
            made = result if ends and i == len(layers) - 1 else name
            self._append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": made}), where)
            value = made
        return value

    def _moves(self, value: str, source: str, target: str) -> bool:
        order = permutation(source, target, len(self.types[value].shape))
        return order != tuple(range(len(order)))

    def _transposed(self, value: str, source: str, target: str, scope: str, result: str, where: str) -> str:
        rank = len(self.types[value].shape)
        order = permutation(source, target, rank)
        name = f"transpose_{''.join(map(str, order))}"
        self.layers.setdefault(name, Transpose(permutation=order))
        self._append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": result}), where)
        return result

    def _append(self, node: Node, where: str) -> None:
        layer = self.layers[node.layer]
        given = {slot: self.types[value] for slot, value in node.inputs.items()}
        given |= operand_types(layer, self.tensors)
        try:
            results = layer.infer(given)
        except (ValueError, IndexError) as error:
            self.problems.add(where, f"its inputs do not fit: {error}")
            return
        self.types |= {value: results[slot] for slot, value in node.outputs.items()}
        self.nodes.append(node)


def encode(bundle: Bundle, table: Table) -> NativeModel:
    """The bundle's graph as native layers and uses; inputs of a use are positional, in the op's own order.

    An input name is a value of the graph, or ``<layer>.<native tensor>`` for one of the layer's tensors, or empty for
    an optional one that is absent. Raises one error that names every layer the framework cannot express.
    """
    assert bundle.graph is not None, "a bundle without a graph has nothing to encode"
    encoder = _Encoder(bundle, table)
    model = encoder.graph(bundle.graph)
    encoder.problems.raise_any()
    return replace(model, layers=encoder.natives)


class _Encoder:
    """Encodes graph after graph, bodies included; each layer once."""

    def __init__(self, bundle: Bundle, table: Table) -> None:
        self.bundle, self.table = bundle, table
        self.problems = Problems()
        self.natives: dict[str, Native] = {}

    def graph(self, graph: Graph) -> NativeModel:
        types = infer_types(self.bundle, graph)
        uses: list[NativeUse] = []
        bodies: dict[str, NativeModel] = {}
        for node in graph.nodes:
            if not isinstance(self.bundle.layers[node.layer], Transpose):
                self._encode(self.bundle, node, types)
        turns = {name: (native.input_axes, native.output_axes) for name, native in self.natives.items()}
        spelled = to_channels_last.taken_in(self.bundle, graph, turns)
        assert spelled.graph is not None, "it was given one"
        for node in spelled.graph.nodes:
            layer = spelled.layers[node.layer]
            if isinstance(layer, Transpose):
                self._encode(spelled, node, to_channels_last.ends(node, layer, types))
            if node.layer in self.natives:
                uses.append(self._use(node))
            if isinstance(layer, Scan):
                bodies[node.layer] = self.graph(layer.body)
        return NativeModel({}, tuple(uses), graph.inputs, graph.outputs, bodies=bodies)

    def _encode(self, bundle: Bundle, node: Node, types: Mapping[str, ValueType]) -> None:
        """The node's layer, once; what its framework cannot express is noted."""
        with self.problems.collect():
            if node.layer not in self.natives:
                values = {**node.inputs, **node.outputs}
                given = {slot: types[value] for slot, value in values.items()}
                self.natives[node.layer] = _native(bundle, self.table, node.layer, given)

    def _use(self, node: Node) -> NativeUse:
        native = self.natives[node.layer]
        slots = native.inputs or tuple(node.inputs)
        named = [node.inputs.get(slot) or (f"{node.layer}.{slot}" if slot in native.tensors else "") for slot in slots]
        while named and not named[-1]:
            named.pop()
        results = [node.outputs.get(slot, "") for slot in native.outputs or node.outputs]
        while not results[-1]:
            results.pop()
        return NativeUse(node.layer, tuple(named), tuple(results), node.scope)


def native_axes(table: Table) -> to_channels_last.NativeAxes:
    """For `to_channels_last.run`: how layers turn where the table writes them.

    One that it cannot express turns nowhere; `encode` will refuse it.
    """

    def axes(
        bundle: Bundle, name: str, given: Mapping[str, ValueType]
    ) -> tuple[to_channels_last.Turns, to_channels_last.Turns]:
        try:
            native = _native(bundle, table, name, given)
        except Refused:
            return {}, {}
        return native.input_axes, native.output_axes

    return axes


def _native(bundle: Bundle, table: Table, name: str, given: Mapping[str, ValueType]) -> Native:
    """One layer through the table, given the types of its inputs and results."""
    layer = bundle.layers[name]
    return table.encode(layer, name, _operands(bundle, name, layer), {**given, **bundle.operand_types(layer)})


def _operands(bundle: Bundle, name: str, layer: Layer) -> dict[str, NativeWeight]:
    """The stored and literal operands by role; the keys of stored ones are their paths."""
    found: dict[str, NativeWeight] = {}
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand):
            tensor = bundle.tensors[operand.tensor]
            found[role] = NativeWeight(operand.tensor, tensor.data, tensor.record.trainable)
        else:
            data = LazyTensor.of(np.asarray(operand.literal, numpy_dtype(operand.dtype)))
            found[role] = NativeWeight(f"{name}.{role}", data, literal=True)
    return found


def _typed(ports: tuple[Port, ...], types: Mapping[str, ValueType]) -> tuple[Port, ...]:
    return tuple(
        port.model_copy(update={"dtype": types[port.value].dtype, "shape": types[port.value].shape})
        if port.value in types
        else port
        for port in ports
    )
