"""Native layers, and the codecs that carry them to IR layers and back. A codec is made of rows (`irconv.rows`).

A framework's ``table.py`` is a list of `Codec`; a `Table` finds the one for a native or an IR type. After decode a
native key without a row is an error; after encode an IR field without a row is an error: the table *is* the list of
what the framework can express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import ValidationError

from irconv.errors import Refused
from irconv.ir.graph import Port
from irconv.ir.layers.base import Layer, LiteralOperand, Origin, ValueType
from irconv.ir.manifest import LayoutStep, Omitted, Piece
from irconv.ir.shapes import Dimension, Size
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array, relayout

Fields: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class NativeWeight:
    """A tensor of a native layer: its unique name in the file, its bytes, and whether training changes it.

    `literal` marks a number that a person would write into the source instead of keeping it with the weights.
    """

    path: str
    data: LazyTensor
    trainable: bool | None = None
    literal: bool = False
    members: tuple[str, ...] = ()
    """The names of the file's tensors that `data` stacks along a new first axis; `path` lists them."""
    steps: tuple[LayoutStep, ...] = ()
    """The changes of layout that `data` has already gone through since the file, in order."""
    stored: LazyTensor | None = None
    """The tensor as the file has it, where `steps` have changed it."""
    role: Literal["parameter", "constant"] = "parameter"
    """Whether it is a weight of the model, or a number that its graph holds."""
    piece: Piece | None = None
    """Where it is only one of the equal pieces of the file's tensor."""

    @property
    def source(self) -> LazyTensor:
        """The tensor as the file has it."""
        return self.data if self.stored is None else self.stored

    def moved(self, step: LayoutStep) -> NativeWeight:
        """The tensor after one more change of layout, unread. Raises `ValueError` where the step does not fit."""
        change = relayout(step.source, step.target, self.data.shape, step.orders, step.sizes)
        return replace(self, data=self.data.relayout(change), steps=(*self.steps, step), stored=self.source)


class Precision(NamedTuple):
    """On the way in: the floating types that a layer computes in, where they are not those of what it is given."""

    inputs: str = ""
    """What floating inputs are cast to; empty: numbers in a call take the type of the tensors beside them."""
    weights: tuple[str, ...] = ()
    """What floating weights are cast to, one after the other; the bundle keeps them as they are stored."""
    result: str = ""
    """What floating results are cast to; empty: they stay as they come."""


@dataclass(frozen=True)
class Native:
    """One layer or op as its framework spells it: plain data."""

    type: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, NativeWeight] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    """On the way out: the IR slots that the op takes as positional inputs, tensors included, in the op's order."""
    outputs: tuple[str, ...] = ()
    """The same for the results; empty where they stand in the order of the node."""
    origin: Origin | None = None
    since: int = 0
    """On the way out: the first version of the format that has it."""
    input_axes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """On the way out: slot -> (axes as the native layer has them, axes as the IR layer does), where it says."""
    output_axes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The same for the results."""
    precision: Precision | None = None


@dataclass(frozen=True)
class Given:
    """A positional input of a native op on the way in, with what is known of it while reading."""

    value: str
    """The name of the value."""
    type: ValueType
    recall: Callable[[], Array | None] = lambda: None
    """Its elements where they follow from the file and from sizes: numbers, or `Size` where they are symbolic."""
    stored: NativeWeight | None = None
    """The tensor of the file that it is, laid out anew or not."""

    @cached_property
    def known(self) -> Array | None:
        """What `recall` gives."""
        return self.recall()

    def elements(self) -> Any:
        """What is known as a number or nested lists of numbers and dimensions; None where nothing is."""
        if self.known is None:
            return None
        return _listed(self.known.tolist())


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [_listed(part) for part in value]
    return value.dimension if isinstance(value, Size) else value


class SizeOf(NamedTuple):
    """In the config of a native layer: the size of an axis of some value, or its whole shape where there is no axis.

    It is filled in before decoding.
    """

    value: str
    axis: int | None


class NumbersOf(NamedTuple):
    """In the config of a native layer, at any depth of its lists: the numbers and sizes that some value holds.

    They are filled in before decoding, and have to follow from the file and from the sizes of values.
    """

    value: str


class OfShape(NamedTuple):
    """In the config of a native layer, at any depth of its lists: what a rule makes of the shape of some value.

    It is filled in before decoding. The rule raises `ValueError` where it needs a size that is not known.
    """

    value: str
    rule: Callable[[tuple[Dimension, ...]], Any]


Reference: TypeAlias = SizeOf | NumbersOf | OfShape
"""What stands in a config for something that is known of a value."""


@dataclass(frozen=True)
class NativeUse:
    """One call of a native layer: the values it takes and gives, in the layer's own order; empty for those absent."""

    layer: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scope: str = ""


@dataclass(frozen=True)
class NativeModel:
    """A model as its framework spells it: layers, their uses in order, and the ports.

    On the way in `Port.axes` and `Port.source_axes` may be empty; the passes fill them.
    """

    layers: Mapping[str, Native]
    uses: tuple[NativeUse, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    where: Mapping[str, str] = field(default_factory=dict)
    """The place of each layer in its file, for messages."""
    omitted: tuple[Omitted, ...] = ()
    """On the way in: tensors that the user chose to leave out."""
    types: Mapping[str, ValueType] = field(default_factory=dict)
    """On the way out: the types of the values of `uses`, as they lie there."""
    bodies: Mapping[str, NativeModel] = field(default_factory=dict)
    """On the way out: layer -> the graph nested in it; its layers stand among those of the outermost model."""


@dataclass(frozen=True)
class MappedTensor:
    """A native tensor that has found its role, and the steps to its canonical layout."""

    weight: NativeWeight
    native_axes: str
    steps: tuple[LayoutStep, ...]
    piece: Piece | None = None
    """Where the weight is only a piece of the file's tensor."""


@dataclass
class Draft:
    """One layer as the IR spells it, while a codec fills it (decode) or empties it (encode)."""

    layer: type[Layer]
    where: str
    name: str = ""
    """On the way out: the layer's name."""
    types: dict[str, ValueType] = field(default_factory=dict)
    """The types of operands by role, in canonical axes; on the way out, of inputs and results by slot, too."""
    fields: Fields = field(default_factory=dict)
    given: Sequence[ValueType] = ()
    """On the way in: the type of each input that is no operand, in the op's order."""
    inputs: dict[str, str] = field(default_factory=dict)
    """On the way in: slot or role -> value, for ops whose rows say what their inputs are."""
    operands: int = 0
    """On the way in: how many of the positional inputs are operands."""
    mapped: dict[str, MappedTensor] = field(default_factory=dict)
    omitted: list[Omitted] = field(default_factory=list)
    """On the way in: tensors that inference does not use."""
    literals: dict[str, LiteralOperand] = field(default_factory=dict)
    """On the way in: operands that are numbers in the native config."""
    data: dict[str, NativeWeight] = field(default_factory=dict)
    """On the way out: the stored operands by role, in canonical axes, with their keys as paths."""
    input_axes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Slot -> (axes as the native layer has them, axes as the IR layer takes them)."""
    output_axes: dict[str, tuple[str, str]] = field(default_factory=dict)
    before: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    """On the way in: slot -> layers of one value that its input goes through first, such as a Cast."""
    after: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    """On the way in: result -> layers of one value that it goes through last."""

    @property
    def ranks(self) -> list[int]:
        """On the way in: the rank of each input."""
        return [len(value.shape) for value in self.given]

    def refuse(self, what: str, remedy: str = "") -> Refused:
        """An error that names this layer."""
        return Refused(self.where, what, remedy)


@dataclass
class Workpiece:
    """The native side of a codec at work: what is left to be understood, or what has been written so far."""

    config: Fields
    tensors: dict[str, NativeWeight]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    given: dict[int, list[Given | None]] = field(default_factory=dict)
    """On the way in: the inputs that are those of a row, by its identity."""
    first: Given | None = None
    """On the way in: the first input, where no row stands for it."""

    def taken(self, row: Row) -> Given | None:
        """On the way in: the input that a positional row stands for; None where it is absent."""
        found = self.given.get(id(row), [])
        return found[0] if found else None


class Row:
    """Takes what it knows out of one side and puts it into the other."""

    @property
    def takes_inputs(self) -> Literal["none", "one", "rest"]:
        """How many positional inputs of the op the row stands for; rows stand in the op's order."""
        return "none"

    @property
    def tensor(self) -> str:
        """The native tensor that a positional row stands for, too, where it is given by name; empty for none."""
        return ""

    def reads(self, native: Workpiece) -> bool:
        """On the way in: whether the codec is for these settings and inputs, where several might be."""
        return True

    def decode(self, native: Workpiece, draft: Draft) -> None:
        """Native to IR."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        """IR to native."""

    @property
    def selecting(self) -> tuple[str, Any] | None:
        """The knob and its value that tell this codec from others of the same native type, if the row is about that."""
        return None

    @property
    def limits(self) -> tuple[str, Any] | None:
        """The field and the one value of it that the codec is for, if the row is about that."""
        return None

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether the row can write an IR layer with these types of inputs and operands; else it is decomposed."""
        return True


class Codec:
    """One native layer type <-> one IR layer type."""

    def __init__(self, native: str, layer: type[Layer], *rows: Row, since: int = 0) -> None:
        self.native, self.layer, self.rows = native, layer, rows
        self.since = since
        """The first version of the format (ONNX: the opset) that has the native type as these rows spell it."""

    def selects(self, config: Mapping[str, Any]) -> bool:
        """Whether a native layer of this type may be this codec's."""
        wanted = [row.selecting for row in self.rows if row.selecting is not None]
        return all(config.get(knob) == value for knob, value in wanted)

    def fits(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether an IR layer of this codec's type has the settings, inputs and operands that the codec is for."""
        wanted = [row.limits for row in self.rows if row.limits is not None]
        settings = all(getattr(layer, name) == value for name, value in wanted)
        return settings and all(row.takes(layer, given) for row in self.rows)

    def reads(self, native: Native, given: Sequence[Given | None]) -> bool:
        """Whether a native layer with these inputs is this codec's, by all that is known of it."""
        work, left = self._workpiece(native, given)
        return not left and all(row.reads(work) for row in self.rows)

    def _workpiece(self, native: Native, given: Sequence[Given | None]) -> tuple[Workpiece, list[Given | None]]:
        """The native side with each input at its row, and the inputs that no row stands for."""
        rows = [row for row in self.rows if row.takes_inputs != "none" and row.tensor not in native.tensors]
        work, left = Workpiece(dict(native.config), dict(native.tensors)), list(given)
        work.first = left[0] if left else None
        if not any(row.takes_inputs == "rest" or not row.tensor for row in rows):
            # no row stands for a slot: the inputs that are no operands fill the slots in order
            count = len(left) - len(rows)
            for row, value in zip(rows, left[max(count, 0) :] if rows else [], strict=False):
                work.given[id(row)] = [value]
            return work, []
        after = len(rows) - 1 - next((i for i, row in enumerate(rows) if row.takes_inputs == "rest"), len(rows) - 1)
        for row in rows:
            count = max(len(left) - after, 0) if row.takes_inputs == "rest" else 1
            work.given[id(row)], left = left[:count], left[count:]
        return work, [value for value in left if value is not None]

    def _rows_of(self, work: Workpiece) -> list[Row]:
        """The rows that have been given inputs."""
        return [row for row in self.rows if work.given.get(id(row))]

    def decode(self, native: Native, given: Sequence[Given | None], where: str) -> tuple[Fields, Draft]:
        """The IR layer's fields, and the draft with its tensors and axes.

        Raises `Refused` for a setting, a tensor or an input without a row, and for values the IR class does not take.
        """
        work, beyond = self._workpiece(native, given)
        operands = {id(work.given[id(row)][0]) for row in self._rows_of(work) if row.tensor}
        plain = [value.type for value in given if value is not None and id(value) not in operands]
        draft = Draft(self.layer, where, given=plain, operands=sum(bool(row.tensor) for row in self._rows_of(work)))
        if beyond:
            raise draft.refuse(f"takes {len(given) - len(beyond)} inputs, got {len(given)}")
        for row in self.rows:
            row.decode(work, draft)
        if left := [*(f"setting {k}={v!r}" for k, v in work.config.items()), *(f"tensor {k}" for k in work.tensors)]:
            raise draft.refuse(f"irconv does not know {', '.join(left)}", "It would be lost.")
        missing = [
            r
            for r, p in self.layer.PARAMETERS.items()
            if p.fill is None and not p.optional and r not in {*draft.mapped, *draft.literals, *draft.inputs}
        ]
        if missing:
            raise draft.refuse(f"expected weights {', '.join(missing)}, which the file does not have")
        return draft.fields, draft

    def encode(
        self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]
    ) -> Native:
        """The native layer. Raises `Refused` for a field or operand the framework cannot express."""
        draft = Draft(
            self.layer,
            f"layer {name} ({layer.type})",
            name,
            types=dict(types),
            fields=layer.settings(),
            data=dict(data),
        )
        work = Workpiece({}, {})
        for row in self.rows:
            row.encode(draft, work)
        if left := [*draft.fields, *draft.data]:
            raise draft.refuse(f"{self.native} cannot express {', '.join(left)}")
        return Native(
            self.native,
            name,
            work.config,
            work.tensors,
            tuple(work.inputs),
            tuple(work.outputs),
            layer.origin,
            self.since,
            draft.input_axes,
            draft.output_axes,
        )


def reasons(error: ValidationError) -> str:
    """Which settings a layer class does not take, in one line."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors())


class Table:
    """All codecs of a framework, found by native type (and selecting knobs) or by IR type."""

    def __init__(self, framework: str, codecs: Iterable[Codec], base: Table | None = None) -> None:
        """`base` is a table whose codecs come after these."""
        self.framework, self._own, self._base = framework, tuple(codecs), base
        self._own_of_native: dict[str, list[Codec]] = {}
        self._own_of_layer: dict[type[Layer], list[Codec]] = {}
        for codec in self._own:
            self._own_of_native.setdefault(codec.native, []).append(codec)
            self._own_of_layer.setdefault(codec.layer, []).append(codec)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """All of them, in the order in which they are tried."""
        return self._own if self._base is None else (*self._own, *self._base.codecs)

    @property
    def natives(self) -> Set[str]:
        """The native types that have a codec."""
        return self._own_of_native.keys() if self._base is None else self._own_of_native.keys() | self._base.natives

    def of_native(self, kind: str) -> Sequence[Codec]:
        """The codecs for a native type."""
        own = self._own_of_native.get(kind, [])
        return own if self._base is None else [*own, *self._base.of_native(kind)]

    def of_layer(self, kind: type[Layer]) -> Sequence[Codec]:
        """The codecs for an IR type."""
        own = self._own_of_layer.get(kind, [])
        return own if self._base is None else [*own, *self._base.of_layer(kind)]

    def extended(self, codecs: Iterable[Codec]) -> Table:
        """The table with codecs that go before its own."""
        return Table(self.framework, codecs, self)

    def knows(self, native_type: str) -> bool:
        """Whether there is a codec for a native type, whatever its settings."""
        return native_type in self.natives

    def has(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether there is a codec for an IR layer with its settings and the types of its inputs and operands."""
        return any(codec.fits(layer, given) for codec in self.of_layer(type(layer)))

    def supports(self, native: Native, where: str, given: Sequence[Given | None] | None = None) -> Codec:
        """The codec for a native layer, by its settings and, as far as they are known, its inputs.

        Raises `Refused` where there is none.
        """
        candidates = self.of_native(native.type)
        if not candidates:
            raise Refused(where, f"irconv has no rule for {self.framework}'s {native.type}", self.remedy(native.type))
        selected = [codec for codec in candidates if codec.selects(native.config)]
        chosen = selected[0] if selected else None
        if given is not None and len(selected) > 1:
            chosen = next((codec for codec in selected if codec.reads(native, given)), chosen)
        if chosen is None:
            knobs = {row.selecting[0] for codec in candidates for row in codec.rows if row.selecting is not None}
            got = ", ".join(f"{knob}={native.config.get(knob)!r}" for knob in sorted(knobs))
            raise Refused(where, f"irconv has no rule for {native.type} with {got}")
        return chosen

    def preferred(self, codec: Codec, layer: Layer) -> bool:
        """Whether a codec goes before others that fit, too, when the layer is written; a framework may say."""
        return False

    def decode(self, native: Native, given: Sequence[Given | None], where: str) -> tuple[Layer, Draft]:
        """An IR layer without its stored operands, which the caller names. Raises `Refused`."""
        chosen = self.supports(native, where, given)
        fields, draft = chosen.decode(native, given, where)
        try:
            return chosen.layer(**fields, origin=native.origin), draft
        except ValidationError as error:
            raise Refused(where, reasons(error)) from error

    def encode(
        self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]
    ) -> Native:
        """A native layer: of the codecs for this IR type, the first that can express it, and before them those that
        are for its settings and types. Raises `Refused`."""
        candidates = self.of_layer(type(layer))
        if len(candidates) > 1:
            rank = partial(self._rank, layer, types)
            candidates = sorted(candidates, key=rank)
        attempts = [partial(codec.encode, layer, name, data, types) for codec in candidates]
        refusals: list[Refused] = []
        for attempt in attempts:
            try:
                return attempt()
            except Refused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        raise Refused(f"layer {name} ({layer.type})", f"{self.framework} has no layer for it")

    def _rank(self, layer: Layer, types: Mapping[str, ValueType], codec: Codec) -> tuple[bool, bool]:
        return not codec.fits(layer, types), not self.preferred(codec, layer)

    def remedy(self, native_type: str) -> str:
        """What the user can do about a native type without a rule."""
        near = [name for name in sorted(self.natives) if name.lower() == native_type.lower()]
        if near:
            return f"It knows {near[0]}."
        return "irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
