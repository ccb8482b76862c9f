"""The row types that tables are made of. Each is written once and runs both ways; see `irconv.codec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from irconv.codec import Draft, Given, MappedTensor, NativeWeight, Row, Workpiece
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.manifest import LayoutStep, Omitted
from irconv.ir.tensors import LazyTensor
from irconv.layout import merged_sizes, permutation, relayout

_MERGE = "Give --merge to compute what depends on no input."


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
        draft.fields[self.field or self.native] = through(
            draft, self.native, self.iso.decode, native.config.pop(self.native)
        )

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.fields.pop(self.field or self.native)
        native.config[self.native] = through(draft, self.field or self.native, self.iso.encode, value)


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

    @property
    def selecting(self) -> tuple[str, Any]:
        """See `Row.selecting`."""
        return self.native, self.value


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

    @property
    def limits(self) -> tuple[str, Any]:
        """See `Row.limits`."""
        return self.field, self.value


@dataclass(frozen=True)
class Forgotten(Row):
    """An IR field without effect on inference, which a framework has no word for."""

    field: str
    value: Any

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = self.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


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

    @property
    def takes_inputs(self) -> Literal["one"]:
        """See `Row.takes_inputs`."""
        return "one"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (given := native.taken(self)) is not None:
            draft.inputs[self.slot] = given.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.inputs.append(self.slot)


@dataclass(frozen=True)
class Inputs(Row):
    """All inputs of an op that takes any number, as far as other rows do not stand for them."""

    @property
    def takes_inputs(self) -> Literal["rest"]:
        """See `Row.takes_inputs`."""
        return "rest"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = native.given.get(id(self), [])
        draft.inputs |= {f"x{i}": value.value for i, value in enumerate(given) if value is not None}

    def encode(self, draft: Draft, native: Workpiece) -> None:
        count = sum(slot[:1] == "x" and slot[1:].isdigit() for slot in draft.types)
        native.inputs += [f"x{i}" for i in range(count)]


@dataclass(frozen=True)
class Output(Row):
    """A result of an op with several, some optional; rows stand in the op's order."""

    slot: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.outputs.append(self.slot)


@dataclass(frozen=True)
class Weight(Row):
    """A tensor and its native axes.

    `by` names a native knob that says which of several axes strings holds (Keras on Theano turns its kernels); then
    `axes` maps its values, and the first is what is written. `positional` marks ops that take it as an input. `target`
    names the canonical axes in finer words where some are merged (one for all, or by the value of the knob), `sizes`
    gives lengths of those (from the native settings that are known by then).
    """

    native: str
    role: str
    axes: str | Mapping[str, str]
    by: str = ""
    orders: Mapping[str, str] = field(default_factory=dict)
    positional: bool = False
    target: str | Mapping[str, str] = ""
    sizes: Callable[[Mapping[str, Any]], Mapping[str, int]] = field(default=lambda _: {})

    @property
    def takes_inputs(self) -> Literal["none", "one"]:
        """See `Row.takes_inputs`."""
        return "one" if self.positional else "none"

    @property
    def tensor(self) -> str:
        """See `Row.tensor`."""
        return self.native

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`: of several codecs, the one with an operand is for what the file stores."""
        given = native.taken(self)
        return given is None or given.stored is not None

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop(self.by) if self.by else ""
        axes = self.axes if isinstance(self.axes, str) else self.axes[word]
        weight = native.tensors.pop(self.native, None)
        if weight is None and (given := native.taken(self)) is not None:
            weight = given.stored
            if weight is None:
                self._computed(given, axes, word, draft)
        if weight is None:
            return
        target, shape = self._target(draft, word), weight.data.shape
        try:
            sizes = merged_sizes(axes, target, shape, self.sizes(native.config))
            step = LayoutStep(source=axes, target=target, orders=self._orders(draft), sizes=sizes)
            change = relayout(axes, target, shape, step.orders, sizes)
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
            if self.role in draft.types:
                self._turned(draft, axes)
            return
        back = {axis: (after, before) for axis, (before, after) in self._orders(draft).items()}
        canonical = self._target(draft, "" if isinstance(self.axes, str) else next(iter(self.axes)))
        change = relayout(canonical, axes, weight.data.shape, back, self.sizes(native.config))
        native.tensors[self.native] = replace(weight, data=weight.data.relayout(change))

    def _computed(self, given: Given, axes: str, word: str, draft: Draft) -> None:
        """An operand that the graph computes, turned by the graph where it lies in other axes."""
        target = self._target(draft, word)
        if axes != target and ("(" in axes + target or "~" in axes + target or self.orders):
            raise draft.refuse(f"its {self.role} is computed by the graph, and a stored one is needed", _MERGE)
        draft.inputs[self.role] = given.value
        shape = given.type.shape
        draft.types[self.role] = given.type
        if axes != target:
            draft.input_axes[self.role] = (axes, target)
            order = permutation(axes, target, len(shape))
            draft.types[self.role] = ValueType(given.type.dtype, tuple(shape[axis] for axis in order))

    def _turned(self, draft: Draft, axes: str) -> None:
        """On the way out: an operand that the graph computes lies in the IR's axes, and is turned where need be."""
        target = self._target(draft, "")
        if not self.positional or (axes != target and ("(" in axes + target or "~" in axes + target or self.orders)):
            raise draft.refuse(f"its {self.role} is computed by the graph, and a stored one is needed", _MERGE)
        if axes != target:
            draft.input_axes[self.role] = (axes, target)

    def _target(self, draft: Draft, word: str) -> str:
        finer = self.target if isinstance(self.target, str) else self.target.get(word, "")
        return finer or draft.layer.PARAMETERS[self.role].axes

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
    """A native tensor the IR has no word for, because inference does not use it: written with this value, listed as
    left out when read."""

    native: str
    value: float
    dtype: str
    reason: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (weight := native.tensors.pop(self.native, None)) is not None:
            draft.omitted.append(Omitted(name=weight.path, reason=self.reason))

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

    @property
    def takes_inputs(self) -> Literal["one"]:
        """See `Row.takes_inputs`."""
        return "one"

    @property
    def tensor(self) -> str:
        """See `Row.tensor`."""
        return self.native

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = None
        if (value := known_input(self, native, draft)) is not None:
            draft.fields[self.field] = through(draft, self.native, self.iso.decode, value)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = through(draft, self.field, self.iso.encode, draft.fields.pop(self.field))
        native.inputs.append(self.native)
        if value is not None:
            data = LazyTensor.of(np.asarray(value, numpy_dtype(self.dtype)))
            native.tensors[self.native] = NativeWeight(f"{draft.name}.{self.native}", data)


@dataclass(frozen=True)
class Counted(Row):
    """How many elements a layer makes, which no framework says: only running the model tells."""

    field: str = "count"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        raise draft.refuse("makes as many elements as the numbers it is given say, which this reader does not count")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


@dataclass(frozen=True)
class Axes(Row):
    """The axes of activations as the native layer has them, where they are not the IR's.

    `native` maps the values of the knob `by` to axes of the inputs; `slot_axes` are the axes in which the IR layer is
    then fed (its own slot's unless said), and `result_axes` those of its result, which is turned back to the native
    ones (no turning where it is empty). With an empty `by` there is no knob: the axes are always those of ``""``.
    """

    by: str
    native: Mapping[Any, str]
    slot_axes: str = ""
    result_axes: str = "n c *s"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop(self.by) if self.by else ""
        if word not in self.native:
            raise draft.refuse(f"expected {self.by} to be one of {', '.join(map(repr, self.native))}, got {word!r}")
        self._turn(draft, self.native[word])

    def encode(self, draft: Draft, native: Workpiece) -> None:
        word, here = next(iter(self.native.items()))
        if self.by:
            native.config[self.by] = word
        self._turn(draft, here)

    def _turn(self, draft: Draft, here: str) -> None:
        for slot, canonical in draft.layer.SLOTS.items():
            draft.input_axes[slot] = (here, self.slot_axes or canonical)
        if self.result_axes:
            for slot in draft.layer.RESULTS:
                draft.output_axes[slot] = (here, self.result_axes)


def channels_last() -> Axes:
    """The row of a layer of images that are always channels last: it has no setting for the order of axes."""
    return Axes("", {"": "n *s c"})


@dataclass(frozen=True)
class KernelGroups(Row):
    """The groups of a convolution, which no setting says: the channels of its value by those of its kernel (axis 1 of
    the canonical one). It follows the kernel and the axes."""

    field: str = "groups"
    kernel: str = "kernel"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        here, _ = draft.input_axes.get("x", ("n c *s", ""))
        axis = 1 if here.split().index("c") == 1 else -1
        channels, each = draft.given[0].shape[axis], draft.types[self.kernel].shape[1]
        if not isinstance(channels, int) or not isinstance(each, int) or channels % each:
            raise draft.refuse(f"a kernel for {each} channels does not fit a value of {channels}")
        draft.fields[self.field] = channels // each

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


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
    """A knob that says which axis holds the channels, for an IR class that has them on axis 1. The last is written."""

    native: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop(self.native), draft.ranks[0]
        if not isinstance(axis, int) or not -rank <= axis < rank or axis % rank == 0:
            raise draft.refuse(f"expected {self.native} to name an axis of a value of rank {rank}, got {axis!r}")
        others = [f"s{i}" for i in range(rank - 2)]
        here = " ".join(["n", *others[: axis % rank - 1], "c", *others[axis % rank - 1 :]])
        draft.input_axes["x"] = draft.output_axes["y"] = (here, " ".join(["n", "c", *others]))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = -1
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")


@dataclass(frozen=True)
class AxisNumbers(Row):
    """A list of axes (or one): counted from the end where negative on the native side, from 0 in the IR."""

    native: str
    field: str = "axes"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given, rank = native.config.pop(self.native), draft.ranks[0]
        axes = [given] if isinstance(given, int) else given
        if not axes or not all(isinstance(axis, int) and -rank <= axis < rank for axis in axes):
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {given!r}")
        draft.fields[self.field] = tuple(axis % rank for axis in axes)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = list(draft.fields.pop(self.field))


@dataclass(frozen=True)
class Rank(Row):
    """The native layer takes values of these ranks only."""

    ranks: tuple[int, ...]
    slot: str = "x"

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`: judged by the first input."""
        first = next((found[0] for found in native.given.values() if found), native.first)
        return first is None or len(first.type.shape) in self.ranks

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (rank := len(draft.types[self.slot].shape)) not in self.ranks:
            raise draft.refuse(f"can only be written for values of rank {self.ranks}, got rank {rank}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return len(given[self.slot].shape) in self.ranks


@dataclass(frozen=True)
class InputCount(Row):
    """The native op takes exactly this many values."""

    count: int

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (given := sum(slot.startswith("x") for slot in draft.types)) != self.count:
            raise draft.refuse(f"can only be written with {self.count} inputs, got {given}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return sum(slot.startswith("x") for slot in given) == self.count


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


def known_input(row: Row, native: Workpiece, draft: Draft) -> Any:
    """What a positional row that stands for numbers is given, as nested lists of numbers and dimensions; None where it
    is absent. Raises `Refused` where nothing but running the model would tell."""
    if (weight := native.tensors.pop(row.tensor, None)) is not None:
        return weight.data.numpy().tolist()
    if (given := native.taken(row)) is None:
        return None
    if (value := given.elements()) is None:
        raise draft.refuse(f"expected {row.tensor} to be known before the model runs, but {given.value} is computed")
    return value


def through(draft: Draft, name: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Apply one side of an iso; what it cannot take is refused under the layer's name."""
    try:
        return function(value)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise draft.refuse(f"{name}: {error}") from error
