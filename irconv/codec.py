"""Native layers, and the rows that carry them to IR layers and back. Each row is written once and runs both ways.

A framework's ``table.py`` is a list of `Codec`; a `Table` finds the one for a native or an IR type. After decode a
native key without a row is an error; after encode an IR field without a row is an error: the table *is* the list of
what the framework can express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from pydantic import ValidationError

from irconv.errors import Refused
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.base import Layer, Origin, ValueType
from irconv.ir.manifest import LayoutStep
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout

Fields: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class NativeWeight:
    """A tensor of a native layer: its unique name in the file, its bytes, and whether training changes it."""

    path: str
    data: LazyTensor
    trainable: bool | None = None


@dataclass(frozen=True)
class Native:
    """One layer or op as its framework spells it: plain data."""

    type: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, NativeWeight] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    """On the way out: the IR slots that the op takes as positional inputs, tensors included, in the op's order."""
    origin: Origin | None = None
    since: int = 0
    """On the way out: the first version of the format that has it."""


@dataclass(frozen=True)
class MappedTensor:
    """A native tensor that has found its role, and the steps to its canonical layout."""

    weight: NativeWeight
    native_axes: str
    steps: tuple[LayoutStep, ...]


@dataclass
class Draft:
    """One layer as the IR spells it, while a codec fills it (decode) or empties it (encode)."""

    layer: type[Layer]
    where: str
    name: str = ""
    """On the way out: the layer's name."""
    ranks: Sequence[int] = ()
    """On the way in: the rank of each input."""
    types: dict[str, ValueType] = field(default_factory=dict)
    """The types of operands by role, in canonical axes; on the way out, of inputs and results by slot, too."""
    fields: Fields = field(default_factory=dict)
    mapped: dict[str, MappedTensor] = field(default_factory=dict)
    data: dict[str, NativeWeight] = field(default_factory=dict)
    """On the way out: the stored operands by role, in canonical axes, with their keys as paths."""
    input_axes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """On the way in: slot -> (axes as the native layer has them, axes as the IR layer takes them)."""
    output_axes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def refuse(self, what: str, remedy: str = "") -> Refused:
        """An error that names this layer."""
        return Refused(self.where, what, remedy)


@dataclass
class Workpiece:
    """The native side of a codec at work: what is left to be understood, or what has been written so far."""

    config: Fields
    tensors: dict[str, NativeWeight]
    inputs: list[str] = field(default_factory=list)


class Row:
    """Takes what it knows out of one side and puts it into the other."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        """Native to IR."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        """IR to native."""

    def selects(self, config: Mapping[str, Any]) -> bool:
        """Whether a native layer may be this codec's, where several share a native type."""
        return True


@dataclass(frozen=True)
class Iso:
    """Two functions, each the inverse of the other."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


SAME = Iso(lambda value: value, lambda value: value)
TUPLE = Iso(tuple, list)


def choices(**pairs: Any) -> Iso:
    """An iso between native words and IR values. Raises `ValueError` for a word or value that is not listed."""

    def decode(word: Any) -> Any:
        if word not in pairs:
            raise ValueError(f"expected one of {', '.join(pairs)}, got {word!r}")
        return pairs[word]

    def encode(value: Any) -> Any:
        for word, meaning in pairs.items():
            if meaning == value:
                return word
        raise ValueError(f"expected one of {', '.join(map(repr, pairs.values()))}, got {value!r}")

    return Iso(decode, encode)


@dataclass(frozen=True)
class Attribute(Row):
    """A knob that both sides have. Its IR field has the same name unless said otherwise."""

    native: str
    field: str = ""
    iso: Iso = SAME

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if self.native not in native.config:
            raise draft.refuse(f"expected the setting {self.native!r}, which is missing")
        draft.fields[self.field or self.native] = _through(draft, self.native, self.iso.decode, native.config.pop(self.native))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.fields.pop(self.field or self.native)
        native.config[self.native] = _through(draft, self.field or self.native, self.iso.encode, value)


@dataclass(frozen=True)
class Fixed(Row):
    """A native knob the IR has no word for. It must hold this value."""

    native: str
    value: Any

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (got := native.config.pop(self.native, self.value)) != self.value:
            raise draft.refuse(f"expected {self.native}={self.value!r}, got {got!r}, which irconv cannot carry over")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.value


@dataclass(frozen=True)
class Selects(Fixed):
    """A `Fixed` knob that tells this codec from others of the same native type."""

    def selects(self, config: Mapping[str, Any]) -> bool:
        return bool(config.get(self.native) == self.value)


@dataclass(frozen=True)
class Only(Row):
    """An IR field the framework has no knob for. It must hold this value."""

    field: str
    value: Any

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = self.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (got := draft.fields.pop(self.field)) != self.value:
            raise draft.refuse(f"can only be written with {self.field}={self.value!r}, got {got!r}")


@dataclass(frozen=True)
class Derived(Row):
    """A native knob that follows from the rest: computed when written, checked against the weights when read."""

    native: str
    rule: Callable[[Draft], Any]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        got, want = native.config.pop(self.native), self.rule(draft)
        if got != want:
            raise draft.refuse(f"{self.native} is {got!r}, but the weights say {want!r}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.rule(draft)


@dataclass(frozen=True)
class Ignored(Row):
    """Native knobs without effect on inference. Listed, so that nothing else is ever dropped."""

    names: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        for name in self.names.split():
            native.config.pop(name, None)


@dataclass(frozen=True)
class Input(Row):
    """An input of an op whose inputs are positional; rows stand in the op's order."""

    slot: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.inputs.append(self.slot)


@dataclass(frozen=True)
class Weight(Row):
    """A tensor and its native axes.

    `by` names a native knob that says which of several axes strings holds (Keras on Theano turns its kernels); then
    `axes` maps its values, and the first is what is written. `positional` marks ops that take it as an input.
    """

    native: str
    role: str
    axes: str | Mapping[str, str]
    by: str = ""
    orders: Mapping[str, str] = field(default_factory=dict)
    positional: bool = False

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axes = self.axes if isinstance(self.axes, str) else self.axes[native.config.pop(self.by)]
        if (weight := native.tensors.pop(self.native, None)) is None:
            return
        target = draft.layer.PARAMETERS[self.role].axes
        step = LayoutStep(source=axes, target=target, orders=self._orders(draft), sizes={})
        try:
            change = relayout(axes, target, weight.data.shape, step.orders)
        except ValueError as error:
            raise draft.refuse(f"tensor {weight.path}: {error}") from error
        draft.mapped[self.role] = MappedTensor(weight, axes, (step,) if axes != target or step.orders else ())
        draft.types[self.role] = ValueType(weight.data.dtype, change.shape)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axes = self.axes if isinstance(self.axes, str) else next(iter(self.axes.values()))
        if self.by and not isinstance(self.axes, str):
            native.config[self.by] = next(iter(self.axes))
        if self.positional:
            native.inputs.append(self.native if self.role in draft.data else self.role)
        if (weight := draft.data.pop(self.role, None)) is None:
            return
        back = {axis: (after, before) for axis, (before, after) in self._orders(draft).items()}
        change = relayout(draft.layer.PARAMETERS[self.role].axes, axes, weight.data.shape, back)
        native.tensors[self.native] = replace(weight, data=weight.data.relayout(change))

    def _orders(self, draft: Draft) -> dict[str, tuple[str, str]]:
        canonical: Mapping[str, str] = getattr(draft.layer, "ORDERS", {})
        return {axis: (order, canonical[axis]) for axis, order in self.orders.items()}


@dataclass(frozen=True)
class Present(Row):
    """A native switch that says whether an operand exists (``use_bias``). It stands after the operand's row."""

    native: str
    role: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (said := bool(native.config.pop(self.native))) != (self.role in draft.mapped):
            raise draft.refuse(
                f"{self.native} is {said}, but the file has {'a' if self.role in draft.mapped else 'no'} {self.role}"
            )

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.role in draft.types


@dataclass(frozen=True)
class Created(Row):
    """A native tensor the IR has no word for: written with this value, dropped when read."""

    native: str
    value: float
    dtype: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        native.tensors.pop(self.native, None)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        data = LazyTensor.of(np.array(self.value, numpy_dtype(self.dtype)))
        native.tensors[self.native] = NativeWeight(f"{draft.name}.{self.native}", data)


@dataclass(frozen=True)
class ConstantInput(Row):
    """A field that the framework takes as a constant input tensor (ONNX: the pads of Pad, the axes of Reduce)."""

    native: str
    field: str
    dtype: str
    iso: Iso = SAME

    def decode(self, native: Workpiece, draft: Draft) -> None:
        value = native.tensors.pop(self.native).data.numpy().tolist()
        draft.fields[self.field] = _through(draft, self.native, self.iso.decode, value)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = _through(draft, self.field, self.iso.encode, draft.fields.pop(self.field))
        native.inputs.append(self.native)
        if value is not None:
            data = LazyTensor.of(np.asarray(value, numpy_dtype(self.dtype)))
            native.tensors[self.native] = NativeWeight(f"{draft.name}.{self.native}", data)


@dataclass(frozen=True)
class Axes(Row):
    """The axes of activations as the native layer has them, where they are not the IR's.

    `native` maps the values of the knob `by` to axes of the inputs; `takes` are the axes in which the IR layer is then
    fed (its own slot's unless said), and `gives` those of its result, which is turned back to the native ones (no
    turning where it is empty).
    """

    by: str
    native: Mapping[Any, str]
    takes: str = ""
    gives: str = "n c *s"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop(self.by)
        if word not in self.native:
            raise draft.refuse(f"expected {self.by} to be one of {', '.join(map(repr, self.native))}, got {word!r}")
        for slot, canonical in draft.layer.SLOTS.items():
            draft.input_axes[slot] = (self.native[word], self.takes or canonical)
        if self.gives:
            for slot in draft.layer.RESULTS:
                draft.output_axes[slot] = (self.native[word], self.gives)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.by] = next(iter(self.native))


@dataclass(frozen=True)
class AxisNumber(Row):
    """An axis, counted from the end where negative on the native side, from 0 in the IR."""

    native: str
    field: str = "axis"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop(self.native), draft.ranks[0]
        if not isinstance(axis, int) or not -rank <= axis < rank:
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {axis!r}")
        draft.fields[self.field] = axis % rank

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = draft.fields.pop(self.field)


@dataclass(frozen=True)
class ChannelAxis(Row):
    """A knob that says which axis holds the channels, for an IR class that has them on axis 1."""

    native: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop(self.native), draft.ranks[0]
        if not isinstance(axis, int) or not -rank <= axis < rank or axis % rank == 0:
            raise draft.refuse(f"expected {self.native} to name an axis of a value of rank {rank}, got {axis!r}")
        others = [f"s{i}" for i in range(rank - 2)]
        here = " ".join(["n", *others[: axis % rank - 1], "c", *others[axis % rank - 1 :]])
        draft.input_axes["x"] = draft.output_axes["y"] = (here, " ".join(["n", "c", *others]))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = 1


@dataclass(frozen=True)
class Rank(Row):
    """The native layer takes values of these ranks only."""

    ranks: tuple[int, ...]
    slot: str = "x"

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (rank := len(draft.types[self.slot].shape)) not in self.ranks:
            raise draft.refuse(f"can only be written for values of rank {self.ranks}, got rank {rank}")


@dataclass(frozen=True)
class InputCount(Row):
    """The native op takes exactly this many values."""

    count: int

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (given := sum(slot.startswith("x") for slot in draft.types)) != self.count:
            raise draft.refuse(f"can only be written with {self.count} inputs, got {given}")


@dataclass(frozen=True)
class LastAxis(Row):
    """An IR field that must name the last axis, because the native layer knows no other."""

    field: str = "axis"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = draft.ranks[0] - 1

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axis, last = draft.fields.pop(self.field), len(draft.types["x"].shape) - 1
        if axis != last:
            raise draft.refuse(f"can only be written with {self.field}={last}, the last, got {axis}")


def _through(draft: Draft, name: str, function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise draft.refuse(f"{name}: {error}") from error


class Codec:
    """One native layer type <-> one IR layer type."""

    def __init__(self, native: str, layer: type[Layer], *rows: Row, since: int = 0) -> None:
        self.native, self.layer, self.rows = native, layer, rows
        self.since = since
        """The first version of the format (ONNX: the opset) that has the native type as these rows spell it."""

    def selects(self, config: Mapping[str, Any]) -> bool:
        """Whether a native layer of this type may be this codec's."""
        return all(row.selects(config) for row in self.rows)

    def decode(self, native: Native, ranks: Sequence[int], where: str) -> tuple[Fields, Draft]:
        """The IR layer's fields, and the draft with its tensors and axes.

        Raises `Refused` for a setting or a tensor without a row, and for values the IR class does not take.
        """
        work = Workpiece(dict(native.config), dict(native.tensors))
        draft = Draft(self.layer, where, ranks=ranks)
        for row in self.rows:
            row.decode(work, draft)
        if left := [*(f"setting {k}={v!r}" for k, v in work.config.items()), *(f"tensor {k}" for k in work.tensors)]:
            raise draft.refuse(f"irconv does not know {', '.join(left)}", "It would be lost.")
        missing = [r for r, p in self.layer.PARAMETERS.items() if p.fill is None and r not in draft.mapped]
        if missing:
            raise draft.refuse(f"expected weights {', '.join(missing)}, which the file does not have")
        return draft.fields, draft

    def encode(self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]) -> Native:
        """The native layer. Raises `Refused` for a field or operand the framework cannot express."""
        draft = Draft(self.layer, f"layer {name} ({layer.type})", name, types=dict(types), fields=layer.settings(), data=dict(data))
        work = Workpiece({}, {})
        for row in self.rows:
            row.encode(draft, work)
        if left := [*draft.fields, *draft.data]:
            raise draft.refuse(f"{self.native} cannot express {', '.join(left)}")
        return Native(self.native, name, work.config, work.tensors, tuple(work.inputs), layer.origin, self.since)


class Table:
    """All codecs of a framework, found by native type (and selecting knobs) or by IR type."""

    def __init__(self, framework: str, codecs: Iterable[Codec]) -> None:
        self.framework, self.codecs = framework, tuple(codecs)

    def supports(self, native: Native, where: str) -> Codec:
        """The codec for a native layer. Raises `Refused` where there is none."""
        candidates = [codec for codec in self.codecs if codec.native == native.type]
        if not candidates:
            raise Refused(where, f"irconv has no rule for {self.framework}'s {native.type}", self._remedy(native.type))
        chosen = next((codec for codec in candidates if codec.selects(native.config)), None)
        if chosen is None:
            knobs = {row.native for codec in candidates for row in codec.rows if isinstance(row, Selects)}
            got = ", ".join(f"{knob}={native.config.get(knob)!r}" for knob in sorted(knobs))
            raise Refused(where, f"irconv has no rule for {native.type} with {got}")
        return chosen

    def decode(self, native: Native, ranks: Sequence[int], where: str) -> tuple[Layer, Draft]:
        """An IR layer without its stored operands, which the caller names. Raises `Refused`."""
        chosen = self.supports(native, where)
        fields, draft = chosen.decode(native, ranks, where)
        try:
            return chosen.layer(**fields, origin=native.origin), draft
        except ValidationError as error:
            reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors())
            raise Refused(where, reasons) from error

    def encode(self, layer: Layer, name: str, data: Mapping[str, NativeWeight], types: Mapping[str, ValueType]) -> Native:
        """A native layer: of the codecs for this IR type, the first that can express it. Raises `Refused`."""
        candidates = [codec for codec in self.codecs if codec.layer is type(layer)]
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

    def _remedy(self, native_type: str) -> str:
        known = sorted({codec.native for codec in self.codecs})
        near = [name for name in known if name.lower() == native_type.lower()]
        return f"It knows {near[0]}." if near else "A layer that irconv does not know is refused, never guessed."
