"""Builds a bundle op after op: each is decoded at once, and every value made can be asked for its type and content.

What a reader does with it, for each op of its file in order::

    with importer.reading(where, outputs):
        importer.add(Native("Conv", name, attributes), inputs, outputs, scope, where)

An op is native, and then the framework's table decodes it (`Importer.add`), or an IR layer (`Importer.place`). Values
are names. Three questions can be asked of one: `type_of`; `known`, its elements where they follow from the file and
from the sizes of values (so that a Reshape by a computed shape can be read); `stored`, the tensor of the file that it
is, seen through ops that only move bytes. A value whose op failed is unknown: asking for it raises `Unknown`, which
`reading` takes for the end of that op, so that all reasons come at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from pydantic import ValidationError

from irconv.codec import (
    Draft,
    Given,
    MappedTensor,
    Native,
    NativeUse,
    NativeWeight,
    OfShape,
    Reference,
    SizeOf,
    Table,
    reasons,
)
from irconv.errors import MALFORMED, DamagedFile, IrconvError, Problems, Refused
from irconv.ir.bundle import Bundle, Tensor, operand_types
from irconv.ir.dtypes import logical_name, numpy_dtype
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.known import KNOWN_ELEMENTS, numeric, settled, with_sizes
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import Fact, LayoutStep, NativeTensor, Omitted, Piece, SourceRecord, TensorRecord
from irconv.ir.shapes import Dimension, Shape, counted, substituted, symbols
from irconv.ir.tensors import LazyTensor, cut
from irconv.ir.turns import turning
from irconv.layout import Array, customary, permutation, regrouped, relayout
from irconv.passes import pools, unused
from irconv.translate import precision, references
from irconv.translate.movement import moved
from irconv.translate.sizes import resized

_LITERAL = 64
"""Constants of up to so many elements stand in the manifest."""


_MOST_ELEMENTS = 1 << 58


class Unknown(Exception):
    """A value was asked for that an op which could not be read would have made."""


@dataclass(frozen=True)
class _Pending:
    """A tensor of the file, or a number, that becomes a node when it is first used as a value."""

    weight: NativeWeight
    scope: str
    where: str


class Importer:
    """What has been read so far, and the ways to add to it; see the module."""

    def __init__(self, table: Table, file: str, outer: Importer | None = None, folds: bool = True) -> None:
        """`folds`: a value whose numbers are known is a constant where it is used, whatever computed it."""
        self.table, self.file, self.outer, self.folds = table, file, outer, folds
        self.problems: Problems = outer.problems if outer else Problems()
        self.same: dict[str, Dimension] = {}
        """Symbols that turned out to be other sizes, each with what it is."""
        self.scope = ""
        """The module that is being read, its names joined by ``/``: the scope of nodes that are added without one."""
        self.captured: list[str] = []
        """In a body: the values of the outer graph that it takes, which are inputs of it after its own."""
        self.inputs: list[Port] = []
        self.layers: dict[str, Layer] = {}
        self.tensors: dict[str, Tensor] = {}
        self.omitted: list[Omitted] = []
        self.nodes: list[Node] = []
        self.types: dict[str, ValueType] = {}
        self.numbers: set[str] = set()
        """The values that are numbers of the native model."""
        self.whole: set[str] = set()
        """Those of them that were written as integers."""
        self.computed: dict[str, dict[str, str]] = {}
        """Layer -> role -> the value that is its operand, for operands that the graph computes."""
        self._drafts: dict[str, Draft] = {}
        self._failed: set[str] = set()
        self._unknown: set[str] = set()
        self._known: dict[str, Array] = {}
        self._stored: dict[str, NativeWeight] = {}
        self._pending: dict[str, _Pending] = {}
        self._counts = 0
        self._constants: set[str] = set()
        """The values that nodes make out of operands alone."""
        self._keys: dict[tuple[str, Piece | None, tuple[object, ...]], str] = {}

    # asking

    def laid_out(self, value: str, name: str, step: LayoutStep) -> str | None:
        """A tensor of the file after one more change of layout, as a value of its own; None where `value` is none."""
        weight = self.stored(value)
        return None if weight is None else self.weight(name, weight.moved(step))

    def piece(self, value: str, name: str, count: int, index: int) -> str | None:
        """One of so many equal pieces of a tensor of the file, cut in C order, as a value of its own; None where
        `value` is no tensor as the file has it, or where it cannot be cut.

        The pieces have the axes of the whole but the first where that is `count`, else its last axis alone, shorter.
        """
        weight = self.stored(value)
        if weight is None or weight.steps or weight.piece or weight.members:
            return None
        first, *rest = weight.data.shape
        groups = regrouped(weight.data.shape, (count, *(rest if first == count else (prod(rest) * first // count,))))
        if groups is None:
            return None
        source, target, sizes = groups
        rows = weight.data.relayout(relayout(source, target, weight.data.shape, None, sizes))
        piece = Piece(index=index, count=count, whole=weight.data.shape)
        return self.weight(name, replace(weight, data=cut(rows, count)[index], piece=piece))

    def type_of(self, value: str) -> ValueType:
        """Element type and shape of a value. Raises `Unknown` where the op that makes it could not be read."""
        if not self._sees(value):
            raise Unknown(value)
        return self.types[value]

    def known(self, value: str) -> Array | None:
        """The elements of a value as far as they are known while reading: numbers in its own element type, or objects
        (numbers and `Size`) where some depend on symbols. None where only running the model would tell."""
        self.type_of(value)
        if value not in self._known and (weight := self._stored.get(value)) is not None:
            if np.prod(weight.data.shape, dtype=object) > KNOWN_ELEMENTS or weight.data.dtype == "string":
                return None
            self._known[value] = weight.data.numpy()
        return self._known.get(value)

    def stored(self, value: str) -> NativeWeight | None:
        """The tensor of the file that a value is, seen through ops that only move bytes; None for any other."""
        self.type_of(value)
        return self._stored.get(value)

    def maker(self, value: str) -> Layer | None:
        """The layer that makes a value; None for inputs and tensors of the file."""
        layer = next((node.layer for node in reversed(self.nodes) if value in node.outputs.values()), None)
        return None if layer is None else self.layers[layer]

    def is_unknown(self, value: str) -> bool:
        """Whether the op that makes a value could not be read."""
        return value in self._unknown

    # adding

    def input(self, port: Port) -> str:
        """An input of the graph. Raises `DamagedFile` where there is a value of this name."""
        if port.value in self.types or port.name in {other.name for other in self.inputs}:
            raise DamagedFile(f"input {port.name}", "expected a name of its own, but another value has it")
        self.inputs.append(port)
        self.types[port.value] = ValueType(port.dtype, port.shape)
        return port.value

    def weight(self, value: str, weight: NativeWeight, scope: str = "", where: str = "") -> str:
        """A tensor of the file as a value; it becomes part of the bundle where something uses it."""
        self._pending[value] = _Pending(weight, scope, where or f"tensor {value}")
        self._stored[value] = weight
        self.types[value] = ValueType(weight.data.dtype, weight.data.shape)
        return value

    def constant(self, value: str, array: Array, scope: str = "") -> str:
        """Numbers as a value. Raises `Refused` for an element type that a bundle cannot hold."""
        array = np.asarray(array)
        if logical_name(array.dtype) is None:
            raise Refused(f"constant {value}", f"irconv has no element type for {array.dtype}")
        self.weight(value, NativeWeight(value, LazyTensor.of(array), literal=True, role="constant"), scope)
        if array.size <= KNOWN_ELEMENTS:
            self._known[value] = array
        return value

    def add(
        self, native: Native, inputs: Sequence[str], outputs: Sequence[str], scope: str = "", where: str = ""
    ) -> tuple[str, ...]:
        """Decode a native op or layer and add a use of it; inputs and outputs are in its own order, empty where absent.

        A layer that was added under this name is used again. Where an input is unknown only the rule is looked up.
        Raises `Refused`, and then the outputs are unknown.
        """
        where = where or f"layer {native.name}"
        if native.name in self._failed:
            self._unknown |= set(outputs)
            return tuple(outputs)
        taken = [*filter(None, inputs), *references.referred(native.config)]
        try:
            if not all(map(self._sees, taken)):
                self.table.supports(native, where)
                self._unknown |= set(outputs)
                return tuple(outputs)
            use = NativeUse(native.name, tuple(inputs), tuple(outputs), scope or self.scope)
            if native.precision is not None:
                use = replace(use, inputs=precision.cast_inputs(self, use, native.precision, where))
            layer, draft = self._layer(native, use, where)
            self._place(use, layer, draft, where)
        except IrconvError:
            self._fail(native.name, outputs)
            raise
        except MALFORMED as error:
            self._fail(native.name, outputs)
            raise Refused(where, _malformed(error)) from error
        return tuple(outputs)

    def place(
        self,
        layer: Layer,
        inputs: Mapping[str, str],
        outputs: Sequence[str],
        name: str = "",
        scope: str = "",
        where: str = "",
    ) -> tuple[str, ...]:
        """Add a layer of the IR: inputs by slot or role, outputs in the order of its results (empty: not wanted).

        A role whose value is stored becomes an operand of the layer, as it lies. Raises `Refused` where inputs do not
        fit, and `Unknown` where one is.
        """
        name = self.free(name or next(value for value in outputs if value))
        where = where or f"layer {name}"
        rest: dict[str, str] = {}
        operands = dict(layer.operands)
        for slot, value in inputs.items():
            weight = self.stored(value) if slot in layer.PARAMETERS else None
            if weight is None:
                rest[slot] = value
            else:
                mapped = MappedTensor(weight, layer.PARAMETERS[slot].axes, ())
                operands[slot] = self._store(name, slot, mapped, type(layer))
        gives = [f"y{i}" for i in range(len(outputs))] if layer.VARIADIC_RESULTS else list(layer.RESULTS)
        self.layers[name] = layer.model_copy(update={"operands": operands}) if operands else layer
        results = {slot: value for slot, value in zip(gives, outputs, strict=False) if value}
        self._append(Node(layer=name, scope=scope or self.scope, inputs=rest, outputs=results), where)
        return tuple(outputs)

    def use(self, layer: Layer, inputs: Mapping[str, str], outputs: Mapping[str, str], name: str, where: str) -> None:
        """Add a layer whose results are named slot by slot, as those of a Scan. Raises `Unknown` where an input is."""
        name = self.free(name)
        self.layers[name] = layer
        self._append(Node(layer=name, scope=self.scope, inputs=dict(inputs), outputs=dict(outputs)), where)

    @contextmanager
    def reading(self, where: str, outputs: Sequence[str]) -> Iterator[None]:
        """Read one op inside: what is wrong with it is noted under `where`, and its outputs are then unknown."""
        try:
            with self.problems.collect():
                yield
                return
        except Unknown:
            pass
        except MALFORMED as error:
            self.problems.add(where, _malformed(error))
        self._unknown |= {value for value in outputs if value not in self.types}

    def problem(self, where: str, what: str, remedy: str = "", kind: type[IrconvError] = Refused) -> None:
        """Note why something cannot be carried over; all problems are raised together."""
        self.problems.add(where, what, remedy, kind)

    def has(self, value: str) -> bool:
        """Whether a value is there."""
        return self._sees(value)

    def free(self, name: str) -> str:
        """The name, or one like it, that no layer has."""
        number, found = 1, name
        while found in self.layers:
            number += 1
            found = f"{name}_{number}"
        return found

    def fresh(self, value: str, beside: Collection[str] = ()) -> str:
        """The name of a value, or one like it, that no value has, nor any of those `beside`."""
        number, found = 1, value
        while found in self.types or found in self._unknown or found in beside:
            number += 1
            found = f"{value}_{number}"
        return found

    def counted(self, where: str) -> str:
        """A symbol of its own for how many there are of what only running the model counts. Raises `Refused` in the
        body of a loop, where it would be another in every round."""
        if self.outer is not None:
            raise Refused(
                where, "makes another number of elements in each round of a loop, which irconv does not carry"
            )
        taken = {symbol for port in self.inputs for size in port.shape for symbol in symbols(size)}
        while (symbol := f"u{self._counts}") in taken:
            self._counts += 1
        self._counts += 1
        return symbol

    def typed(self, ports: Sequence[Port]) -> tuple[Port, ...]:
        """Ports with the element types and shapes of their values."""
        return tuple(
            port.model_copy(update={"dtype": self.types[port.value].dtype, "shape": self.types[port.value].shape})
            if port.value in self.types
            else port
            for port in ports
        )

    def through(
        self, layers: Sequence[Layer], value: str, result: str, scope: str, where: str, ends: bool = False
    ) -> str:
        """Add a node for each layer; the last makes `result` where `ends`, else a value named after it."""
        for i, layer in enumerate(layers):
            made = f"{result}/{layer.type.lower()}"
            name = self.free(made)
            self.layers[name] = layer
            made = result if ends and i == len(layers) - 1 else made
            self._append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": made}), where)
            value = made
        return value

    def append(self, node: Node, where: str) -> None:
        """Add a node whose layer is there."""
        self._append(node, where)

    def nested(self) -> Importer:
        """An importer for the body of a loop, whose layers and tensors are those of this one.

        What it takes of the outer graph becomes a constant of its own where the file holds it, else one more input,
        which `captured` lists.
        """
        inner = Importer(self.table, self.file, self, self.folds)
        inner.layers, inner.tensors, inner.omitted = self.layers, self.tensors, self.omitted
        inner._keys, inner._failed, inner.same = self._keys, self._failed, self.same
        return inner

    def unify(self, first: Dimension, second: Dimension) -> bool:
        """Take two sizes for the same, where one of them is a symbol; False where neither is."""
        for symbol, other in ((second, first), (first, second)):
            if isinstance(symbol, str) and symbol.isidentifier() and symbol not in symbols(other):
                given = {symbol: other}
                self.same = {name: substituted(size, given) for name, size in self.same.items()} | given
                self.types = {
                    value: ValueType(dtype, tuple(substituted(size, given) for size in shape))
                    for value, (dtype, shape) in self.types.items()
                }
                self._known = {value: with_sizes(found, given) for value, found in self._known.items()}
                return True
        return False

    def bundle(self, source: SourceRecord, outputs: Sequence[Port]) -> Bundle:
        """All that the outputs need, as a bundle. Raises the problems that were noted, all at once."""
        self.problems.raise_any()
        if not outputs:
            raise DamagedFile(f"{self.file}: model", "expected at least one output, got none")
        for port in outputs:
            self.settle(port.value)
        named = self.typed(_named_apart(outputs))
        graph = Graph(inputs=self.resized(self.inputs), outputs=named, nodes=tuple(self.nodes))
        if self.same:
            met = "they meet in one value"
            facts = [Fact(name="size", value=f"{a} = {b}", evidence=met) for a, b in self.same.items()]
            source = source.model_copy(update={"facts": (*source.facts, *facts)})
        layers = {name: resized(layer, self.same) for name, layer in self.layers.items()}
        whole = Bundle(source, layers, graph, self.tensors, omitted=tuple(self.omitted))
        return unused.run(pools.without_indices(whole))

    # how

    def resized(self, ports: Sequence[Port]) -> tuple[Port, ...]:
        """Ports with other sizes in the place of the symbols that turned out to be these."""
        return tuple(
            port.model_copy(update={"shape": tuple(substituted(size, self.same) for size in port.shape)})
            for port in ports
        )

    def _sees(self, value: str) -> bool:
        """Whether a value is there; one of the outer graph is taken in."""
        if value in self.types:
            return True
        if self.outer is None or not self.outer._sees(value):
            return False
        known, stored = self.outer.known(value), self.outer.stored(value)
        if stored is not None:
            self.weight(value, stored)
        elif known is not None and numeric(known):
            self.constant(value, known)
        else:
            self.types[value] = self.outer.types[value]
            self.captured.append(value)
        return True

    def _fail(self, layer: str, outputs: Sequence[str]) -> None:
        self._failed.add(layer)
        self._unknown |= set(outputs)

    def _given(self, value: str) -> Given | None:
        if not value:
            return None
        return Given(value, self.types[value], lambda: self.known(value), self._stored.get(value))

    def _layer(self, native: Native, use: NativeUse, where: str) -> tuple[Layer, Draft]:
        name = native.name
        given = [self._given(value) for value in use.inputs]
        if name not in self._drafts:
            self._make_way(name)
            layer, draft = self.table.decode(self._sized(native, where), given, where)
            operands: dict[str, StoredOperand | LiteralOperand] = dict(draft.literals)
            operands |= {role: self._store(name, role, found, draft.layer) for role, found in draft.mapped.items()}
            layer = layer.model_copy(update={"operands": operands})
            if native.precision is not None and native.precision.weights:
                layer = precision.cast_weights(self, use, draft, layer, native.precision.weights, where)
            if native.precision is not None and native.precision.result:
                precision.cast_results(self, use, draft, layer, native.precision.result)
            self.layers[name], self._drafts[name] = layer, draft
            self.omitted += draft.omitted
            return self.layers[name], draft
        draft = self._drafts[name]
        if draft.inputs:
            return self._again(native, given, draft, where)
        ranks = [len(self.types[value].shape) for value in use.inputs if value]
        if draft.ranks != ranks[: len(draft.ranks)]:
            raise draft.refuse(f"is used on values of rank {ranks} and of rank {draft.ranks}")
        return self.layers[name], draft

    def _again(self, native: Native, given: Sequence[Given | None], draft: Draft, where: str) -> tuple[Layer, Draft]:
        """A layer whose rows say what its inputs are, in another use: these are other values in the same slots."""
        layer, again = self.table.decode(self._sized(native, where), given, where)
        if layer.settings() != self.layers[native.name].settings():
            raise draft.refuse("is used twice, and the second time means something else than the first")
        return self.layers[native.name], replace(draft, inputs=again.inputs)

    def _make_way(self, name: str) -> None:
        """Call a layer that irconv added by another name, where the file has one of that name."""
        if name in self.layers:
            other = self.free(name)
            self.layers[other] = self.layers.pop(name)
            renamed = {"layer": other}
            self.nodes = [node.model_copy(update=renamed) if node.layer == name else node for node in self.nodes]

    def _sized(self, native: Native, where: str) -> Native:
        """The layer with sizes and numbers in the place of references to them. Raises `Refused` for numbers that only
        running the model would tell."""
        if not references.referred(native.config):
            return native

        def look_up(wanted: Reference) -> Any:
            if isinstance(wanted, SizeOf):
                shape = self.types[wanted.value].shape
                return shape if wanted.axis is None else shape[wanted.axis]
            if isinstance(wanted, OfShape):
                try:
                    return wanted.rule(self.types[wanted.value].shape)
                except ValueError as error:
                    raise Refused(where, str(error)) from error
            numbers = Given(wanted.value, self.types[wanted.value], lambda: self.known(wanted.value)).elements()
            if numbers is None:
                what = f"expected {wanted.value} to be known before the model runs, but it is computed of the input"
                raise Refused(where, what)
            return numbers

        return replace(native, config={key: references.filled(s, look_up) for key, s in native.config.items()})

    def _store(self, name: str, role: str, found: MappedTensor, layer: type[Layer]) -> StoredOperand | LiteralOperand:
        """The tensor in the bundle, once for each layout; small numbers of the graph are written out."""
        weight, parameter = found.weight, layer.PARAMETERS[role]
        if weight.role == "constant" and weight.literal and not found.steps and _few(weight) and _writable(weight):
            return LiteralOperand(literal=weight.data.numpy().tolist(), dtype=weight.data.dtype)
        data = weight.source
        steps = (*weight.steps, *found.steps)
        axes = found.native_axes if steps else parameter.axes
        if weight.steps:
            axes = weight.steps[0].source
        role_of = "constant" if weight.role == "constant" else "buffer" if parameter.buffer else "parameter"
        record = TensorRecord(
            role=role_of,
            trainable=False if parameter.buffer else weight.trainable,
            dtype=data.dtype,
            shape=data.shape,
            axes=axes,
            letters=customary(axes, len(data.shape)),
            source=self._source(found, data.shape, axes),
            steps=(),
        )
        tensor = Tensor(record, data)
        for step in steps:
            tensor = tensor.relayout(step)
        if weight.steps and not found.steps:
            letters = customary(parameter.axes, len(tensor.data.shape))
            tensor = replace(
                tensor, record=tensor.record.model_copy(update={"axes": parameter.axes, "letters": letters})
            )
        key = self._keys.setdefault((weight.path, found.piece or weight.piece, tensor.data.changes), f"{name}.{role}")
        self.tensors.setdefault(key, tensor)
        return StoredOperand(tensor=key)

    def _source(self, found: MappedTensor, shape: tuple[int, ...], axes: str) -> NativeTensor | None:
        if found.weight.role == "constant" and found.weight.literal:
            return None
        return NativeTensor(
            file=self.file,
            name=found.weight.path,
            shape=shape,
            axes=axes if found.weight.steps else found.native_axes,
            piece=found.piece or found.weight.piece,
            members=found.weight.members,
        )

    def _place(self, use: NativeUse, layer: Layer, draft: Draft, where: str) -> None:
        """Add the node, with a Transpose for each input and output that lies in other axes."""
        slots = [f"x{i}" for i in range(len(use.inputs))] if layer.VARIADIC else list(layer.SLOTS)
        gives = [f"y{i}" for i in range(len(use.outputs))] if layer.VARIADIC_RESULTS else list(layer.RESULTS)
        if len(use.outputs) > len(gives) and any(use.outputs[len(gives) :]):
            raise draft.refuse(f"gives {len(gives)} results, got {len(use.outputs)}")
        inputs = dict(draft.inputs)
        if not draft.inputs:
            values = use.inputs[: len(use.inputs) - draft.operands]
            if len(values) > len(slots):
                raise draft.refuse(f"takes {len(slots)} inputs, got {len(values)}")
            inputs = {slot: value for slot, value in zip(slots, values, strict=False) if value}
        inputs |= self.computed.get(use.layer, {})
        first = next(iter(inputs.values()), "")
        number = layer.operands.get("value") if isinstance(layer, Constant) else None
        if isinstance(number, LiteralOperand):
            self.numbers |= set(use.outputs)
            if _whole(number.literal):
                self.whole |= set(use.outputs)
        for slot, layers in draft.before.items():
            inputs[slot] = self.through(layers, inputs[slot], f"{use.outputs[0]}/{slot}", use.scope, where)
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
            if slot in outputs and self._moves(first, native, canonical)
        }
        results = {slot: turned[slot][0] if slot in turned else value for slot, value in outputs.items()}
        self._append(Node(layer=use.layer, scope=use.scope, inputs=inputs, outputs=results), where)
        for slot, (value, native, canonical) in turned.items():
            self._transposed(value, canonical, native, use.scope, outputs[slot], where)
        for slot, value in final.items():
            self.through(draft.after[slot], outputs[slot], value, use.scope, where, ends=True)

    def _moves(self, value: str, source: str, target: str) -> bool:
        order = permutation(source, target, len(self.types[value].shape))
        return order != tuple(range(len(order)))

    def _transposed(self, value: str, source: str, target: str, scope: str, result: str, where: str) -> str:
        rank = len(self.types[value].shape)
        order = permutation(source, target, rank)
        name = turning(self.layers, order)
        self._append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": result}), where)
        return result

    def _append(self, node: Node, where: str) -> None:
        layer = self.layers[node.layer]
        if twice := [value for value in node.outputs.values() if value in self.types]:
            self.problems.add(where, f"makes {', '.join(twice)}, which is there already", kind=DamagedFile)
            return
        node = node.model_copy(update={"inputs": {slot: self._made(value) for slot, value in node.inputs.items()}})
        for shapes in layer.together({slot: self.type_of(value) for slot, value in node.inputs.items()}):
            self._unify_broadcast(shapes)
        given = {slot: self.type_of(value) for slot, value in node.inputs.items()}
        given |= operand_types(layer, self.tensors)
        try:
            if why := layer.unlike(given):
                raise ValueError(why)
            results = layer.infer(given)
            if large := [found.shape for found in results.values() if _is_beyond_measure(found)]:
                raise ValueError(f"a result of shape {large[0]} has more elements than any memory")
        except (ValueError, IndexError, KeyError) as error:
            self._unknown |= set(node.outputs.values())
            self.problems.add(where, f"its inputs do not fit: {error}")
            return
        self.types |= {value: results[slot] for slot, value in node.outputs.items()}
        self.nodes.append(node)
        self._understand(layer, node, given)

    def _understand(self, layer: Layer, node: Node, given: Mapping[str, ValueType]) -> None:
        """What is known and stored of the results."""
        if list(node.inputs) == ["x"] and node.inputs["x"] in self._stored and list(node.outputs) == ["y"]:
            weight = moved(self._stored[node.inputs["x"]], layer, self.types[node.outputs["y"]].shape)
            if weight is not None:
                self._stored[node.outputs["y"]] = weight
        known = {slot: found for slot, value in node.inputs.items() if (found := self._recalled(value)) is not None}
        for role, operand in layer.operands.items():
            if isinstance(operand, LiteralOperand):
                known[role] = np.asarray(operand.literal, numpy_dtype(operand.dtype))
        if isinstance(layer, Constant):
            self._constants |= set(node.outputs.values())
        # arithmetic on a single size is no array
        folded = {slot: np.asarray(found) for slot, found in (layer.fold(given, known) or {}).items()}
        for slot, value in node.outputs.items():
            if slot in folded and folded[slot].size <= KNOWN_ELEMENTS:
                self._known[value] = settled(folded[slot], self.types[value].dtype)

    def _recalled(self, value: str) -> Array | None:
        """What is known of a value for arithmetic on sizes; weights are no part of it, however few they are."""
        weight = self._stored.get(value)
        if weight is not None and weight.role == "parameter" and "float" in weight.data.dtype and _count(weight) > 1:
            return None
        if value not in self._known and weight is not None and not _few(weight) and "int" not in weight.data.dtype:
            return None
        return self.known(value)

    def _unify_broadcast(self, shapes: Sequence[Shape]) -> None:
        """Sizes that meet in broadcasting are the same, unless one of them is 1."""
        for position in range(1, max(map(len, shapes), default=0) + 1):
            first, *others = dict.fromkeys(shape[-position] for shape in shapes if len(shape) >= position)
            if all(isinstance(size, str) for size in (first, *others)):
                for size in others:
                    if _counted(first) == _counted(size):  # how many were counted is seldom the size of an input
                        self.unify(first, size)

    def _made(self, value: str) -> str:
        """See that a value is made by a node before it is used; one that is known depends on nothing."""
        self.type_of(value)
        known = self._known.get(value)
        folds = self.folds and value not in self._stored and value not in self._constants
        if folds and known is not None and numeric(known) and known.size <= _LITERAL:
            alone = f"{value}/known"
            value = alone if alone in self.types else self.constant(alone, known)
        self.settle(value)
        return value

    def settle(self, value: str) -> None:
        """See that a value is made by a node, as one that a graph or a body gives has to be; a tensor of the file is
        none until something takes it. Raises `Unknown` where the op that makes it could not be read."""
        self.type_of(value)
        pending = self._pending.pop(value, None)
        if pending is None:
            return
        name = self.free(value)
        operand = self._store(name, "value", MappedTensor(pending.weight, "*a", ()), Constant)
        self.layers[name] = Constant(operands={"value": operand})
        self.nodes.append(Node(layer=name, scope=pending.scope, inputs={}, outputs={"y": value}))


def _whole(literal: object) -> bool:
    """Whether a number, or all in nested lists of them, is written as an integer."""
    if isinstance(literal, list):
        return all(map(_whole, literal))
    return isinstance(literal, int) and not isinstance(literal, bool)


def _named_apart(ports: Sequence[Port]) -> list[Port]:
    """The ports, with a number where another has the name: a program may give one value twice."""
    named: dict[str, Port] = {}
    for port in ports:
        name, again = port.name, 0
        while name in named:
            again += 1
            name = f"{port.name}_{again}"
        named[name] = port if name == port.name else port.model_copy(update={"name": name})
    return list(named.values())


def _counted(size: Dimension) -> bool:
    return any(map(counted, symbols(size)))


def _count(weight: NativeWeight) -> int:
    return int(np.prod(weight.data.shape))


def _few(weight: NativeWeight) -> bool:
    return _count(weight) <= _LITERAL


def _writable(weight: NativeWeight) -> bool:
    """Whether a manifest can hold the numbers, which JSON has no infinities for."""
    kind = weight.data.dtype
    return not kind.startswith(("float", "bfloat")) or bool(np.isfinite(weight.data.numpy().astype(np.float64)).all())


def _malformed(error: Exception) -> str:
    """What is wrong with an op whose settings are not those that its framework writes."""
    if isinstance(error, ValidationError):
        return reasons(error)
    return f"expected the settings its framework writes, but something is missing or of another kind: {error!r}"


def _is_beyond_measure(found: ValueType) -> bool:
    """Whether no processor could count the bytes of a value."""
    return prod(size for size in found.shape if isinstance(size, int)) > _MOST_ELEMENTS
