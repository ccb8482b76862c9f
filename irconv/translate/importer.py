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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod

from pydantic import ValidationError

from irconv.codec import Draft, Given, MappedTensor, Native, NativeUse, Table, reasons
from irconv.errors import MALFORMED, DamagedFile, IrconvError, Problems, Refused
from irconv.ir.bundle import Bundle, Tensor, operand_types
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import MISFIT
from irconv.ir.known import numeric, settled
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import Fact, Omitted, SourceRecord
from irconv.ir.turns import turning
from irconv.layout import Array, permutation
from irconv.passes import pools, unused
from irconv.translate import precision, references
from irconv.translate.sizes import resized
from irconv.translate.storage import LITERAL, Storage
from irconv.translate.values import Unknown, Values, named_apart

_MOST_ELEMENTS = 1 << 58

_OUTPUTS = "Say with --outputs which of its values they are."


class Importer(Values):
    """What has been read so far, and the ways to add to it; see the module."""

    def __init__(self, table: Table, file: str, outer: Importer | None = None, folds: bool = True) -> None:
        """`folds`: a value whose numbers are known is a constant where it is used, whatever computed it."""
        super().__init__(outer)
        self.table, self.file, self.folds = table, file, folds
        self.problems: Problems = outer.problems if outer else Problems()
        self.scope = ""
        """The module that is being read, its names joined by ``/``: the scope of nodes that are added without one."""
        self.layers: dict[str, Layer] = {}
        self.storage = Storage(file)
        self.omitted: list[Omitted] = []
        self.nodes: list[Node] = []
        self.numbers: set[str] = set()
        """The values that are numbers of the native model."""
        self.whole: set[str] = set()
        """Those of them that were written as integers."""
        self.computed: dict[str, dict[str, str]] = {}
        """Layer -> role -> the value that is its operand, for operands that the graph computes."""
        self._drafts: dict[str, Draft] = {}
        self._failed: set[str] = set()

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of the file that the layers have so far, by key."""
        return self.storage.tensors

    # asking

    def maker(self, value: str) -> Layer | None:
        """The layer that makes a value; None for inputs and tensors of the file."""
        layer = next((node.layer for node in reversed(self.nodes) if value in node.outputs.values()), None)
        return None if layer is None else self.layers[layer]

    # adding

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
                operands[slot] = self.storage.store(name, slot, mapped, type(layer))
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

    def free(self, name: str) -> str:
        """The name, or one like it, that no layer has."""
        number, found = 1, name
        while found in self.layers:
            number += 1
            found = f"{name}_{number}"
        return found

    def through(
        self, layers: Sequence[Layer], value: str, result: str, scope: str, where: str, ends: bool = False
    ) -> str:
        """Add a node for each layer; the last makes `result` where `ends`, else a value named after it. A single number
        that is cast is a number of the other type."""
        for i, layer in enumerate(layers):
            made = f"{result}/{layer.type.lower()}"
            if isinstance(layer, Cast) and not ends and (number := self._cast(layer, value)) is not None:
                value = self.constant(made, number)
                continue
            name = self.free(made)
            self.layers[name] = layer
            made = result if ends and i == len(layers) - 1 else made
            self._append(Node(layer=name, scope=scope, inputs={"x": value}, outputs={"y": made}), where)
            value = made
        return value

    def _cast(self, layer: Cast, value: str) -> Array | None:
        """A number of the graph in another element type; None for what is no single number."""
        known = self._recalled(value) if value in self.numbers else None
        if known is None or known.shape or not numeric(known):
            return None
        folded = layer.fold({"x": self.type_of(value)}, {"x": known})
        return settled(folded["y"], layer.dtype) if folded else None

    def append(self, node: Node, where: str) -> None:
        """Add a node whose layer is there."""
        self._append(node, where)

    def nested(self) -> Importer:
        """An importer for the body of a loop, whose layers and tensors are those of this one.

        What it takes of the outer graph becomes a constant of its own where the file holds it, else one more input,
        which `captured` lists.
        """
        inner = Importer(self.table, self.file, self, self.folds)
        inner.layers, inner.storage, inner.omitted = self.layers, self.storage, self.omitted
        inner._failed, inner.same = self._failed, self.same
        return inner

    def bundle(self, source: SourceRecord, outputs: Sequence[Port]) -> Bundle:
        """All that the outputs need, as a bundle. Raises the problems that were noted, all at once."""
        self.problems.raise_any()
        if not outputs:
            raise DamagedFile(self.file, "names no outputs, so that nothing is computed", _OUTPUTS)
        for port in outputs:
            with self.reading(f"{self.file}: output {port.name}", ()):
                if not self.has(port.value):  # as that of a loop whose number of steps is one of its results
                    raise Refused(f"{self.file}: output {port.name}", f"depends on itself through {port.value}")
                self.settle(port.value)
        self.problems.raise_any()
        named = self.typed(named_apart(outputs))
        graph = Graph(inputs=self.resized(self.inputs), outputs=named, nodes=tuple(self.nodes))
        if self.same:
            met = "they meet in one value"
            facts = [Fact(name="size", value=f"{a} = {b}", evidence=met) for a, b in self.same.items()]
            source = source.model_copy(update={"facts": (*source.facts, *facts)})
        layers = {name: resized(layer, self.same) for name, layer in self.layers.items()}
        whole = Bundle(source, layers, graph, self.tensors, omitted=tuple(self.omitted))
        return unused.run(pools.without_indices(whole))

    # how

    def _fail(self, layer: str, outputs: Sequence[str]) -> None:
        self._failed.add(layer)
        self._unknown |= set(outputs)

    def _layer(self, native: Native, use: NativeUse, where: str) -> tuple[Layer, Draft]:
        name = native.name
        given = [self._given(value) for value in use.inputs]
        if name not in self._drafts:
            self._make_way(name)
            layer, draft = self.table.decode(references.resolved(native, self, where), given, where)
            operands: dict[str, StoredOperand | LiteralOperand] = dict(draft.literals)
            operands |= {
                role: self.storage.store(name, role, found, draft.layer) for role, found in draft.mapped.items()
            }
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
        layer, again = self.table.decode(references.resolved(native, self, where), given, where)
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
            self.problems.add(where, f"{MISFIT}: {error}")
            return
        self.types |= {value: results[slot] for slot, value in node.outputs.items()}
        self.nodes.append(node)
        self._understand(layer, node, given)

    def _made(self, value: str) -> str:
        """See that a value is made by a node before it is used; one that is known depends on nothing."""
        self.type_of(value)
        known = self._known.get(value)
        folds = self.folds and value not in self._stored and value not in self._constants
        if folds and known is not None and numeric(known) and known.size <= LITERAL:
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
        operand = self.storage.store(name, "value", MappedTensor(pending.weight, "*a", ()), Constant)
        self.layers[name] = Constant(operands={"value": operand})
        self.nodes.append(Node(layer=name, scope=pending.scope, inputs={}, outputs={"y": value}))


def _whole(literal: object) -> bool:
    """Whether a number, or all in nested lists of them, is written as an integer."""
    if isinstance(literal, list):
        return all(map(_whole, literal))
    return isinstance(literal, int) and not isinstance(literal, bool)


def _malformed(error: Exception) -> str:
    """What is wrong with an op whose settings are not those that its framework writes."""
    if isinstance(error, ValidationError):
        return reasons(error)
    return f"expected the settings its framework writes, but something is missing or of another kind: {error!r}"


def _is_beyond_measure(found: ValueType) -> bool:
    """Whether no processor could count the bytes of a value."""
    return prod(size for size in found.shape if isinstance(size, int)) > _MOST_ELEMENTS
