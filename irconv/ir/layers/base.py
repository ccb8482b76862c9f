"""What every layer class has: operands with canonical axes, slots, shape inference, axis behaviour and origin.

A class is the one home of its layer. Passes read only what is declared here, never a list of types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from types import UnionType
from typing import Any, ClassVar, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from irconv.data_classes import dataclass
from irconv.ir.shapes import Dimension, Shape, Size, never_one, symbols
from irconv.layout import Array


class Record(BaseModel):
    """Frozen data that refuses what it does not know; the base of everything in a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # of 204 classes a model has a few


class StoredOperand(Record):
    """An operand that is a tensor of the bundle; two operands with the same key are tied."""

    tensor: str


class LiteralOperand(Record):
    """An operand written out in the manifest: a number or nested lists of numbers."""

    literal: float | int | bool | list[Any]
    dtype: str


class Origin(Record):
    """How the source framework spelt the layer; the way back to the same framework starts from it."""

    framework: str
    type: str
    name: str
    config: dict[str, Any]
    split_from: str | None
    """The native layer this one was part of, such as the Conv2D whose fused activation it was."""


class ValueType(NamedTuple):
    """Element type and shape of a value of the graph."""

    dtype: str
    shape: Shape


class Parameter(NamedTuple):
    """An operand slot of a layer class."""

    axes: str
    """Canonical axes, in the words of `irconv.layout`."""
    fill: float | None = None
    """What every element of an absent operand means; None where the operand must be there."""
    buffer: bool = False
    """Whether training keeps it up to date without a gradient (running statistics)."""
    optional: bool = False
    """Whether it may be absent though nothing can stand for it; the class says when."""


@dataclass(frozen=True)
class Pointwise:
    """Acts on each element alone, with numpy's broadcasting: commutes with every permutation of the axes."""


@dataclass(frozen=True)
class AxisFields:
    """Commutes with every permutation once its fields are renamed.

    `numbers` are fields that hold an axis or a tuple of axes, `per_axis` those with one entry for each axis.
    """

    numbers: tuple[str, ...] = ()
    per_axis: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reduction:
    """Removes (or, with `keepdims`, shrinks to 1) the axes named by its field `axes`."""


@dataclass(frozen=True)
class Indexing:
    """Takes slices of its input along the axis named by its field `axis`, which gives way to the axes of its input
    ``indices``, in place and in their order; to none without such an input."""


@dataclass(frozen=True)
class NewAxis:
    """Joins its inputs along a new axis, whose number in the result its field `axis` names."""


@dataclass(frozen=True)
class Broadcasting:
    """Repeats axes of length 1 as its field `shape` says, one entry for each axis of the result."""


@dataclass(frozen=True)
class ChannelFirst:
    """Acts on each element given its index on axis 1: commutes with permutations that leave axes 0 and 1 in place."""


@dataclass(frozen=True)
class FactorReshape:
    """Splits and merges adjacent axes: commutes where each group stays together and in order."""


@dataclass(frozen=True)
class Permutation:
    """Is itself a permutation of the axes."""


@dataclass(frozen=True)
class LastAxis:
    """Acts on the last axis: commutes with permutations of those before it. `Layer.on_channels` is the same layer that
    acts on axis 1."""


@dataclass(frozen=True)
class Barrier:
    """Needs its axes where they are."""


AxisBehaviour = (
    Pointwise
    | AxisFields
    | Reduction
    | Indexing
    | NewAxis
    | Broadcasting
    | ChannelFirst
    | FactorReshape
    | Permutation
    | LastAxis
    | Barrier
)


class Layer(Record):
    """The base of every layer and tensor op.

    `SLOTS` and `RESULTS` name the inputs and outputs with their canonical axes (``*`` axes: any). A class with
    `VARIADIC` takes any number of inputs, in slots ``x0``, ``x1``, ...; one with `VARIADIC_RESULTS` gives ``y0``,
    ``y1``, ... An operand of `PARAMETERS` that is computed by the graph is an input of the node, under its role.
    `SIZES` are the fields that hold dimensions: where one has symbols, a target may have to compute it at run time.
    `MAKES` are those that name a size which the layer itself makes, from what it is given: no other layer has it first.
    `INTEGERS` are the slots and roles that count or point at places: their numbers are whole ones.
    `ALIKE` are groups of slots and roles whose element types are one; None: the first slot and every operand.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}
    VARIADIC: ClassVar[bool] = False
    VARIADIC_RESULTS: ClassVar[bool] = False
    SIZES: ClassVar[tuple[str, ...]] = ()
    INTEGERS: ClassVar[tuple[str, ...]] = ()
    MAKES: ClassVar[tuple[str, ...]] = ()
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = None
    FIELDS_OF_EVERY_LAYER: ClassVar[frozenset[str]] = frozenset({"type", "operands", "origin"})

    type: str
    operands: dict[str, SerializeAsAny[StoredOperand | LiteralOperand]] = {}
    origin: Origin | None = Field(default=None, repr=False)

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        """The types of the results, from those of the inputs and operands by slot and role.

        The default is a function of one value that keeps its type. Raises `ValueError` saying what does not fit.
        """
        return {"y": given["x"]}

    def unlike(self, given: Mapping[str, ValueType], whole: bool = False) -> str:
        """Why the element types of inputs and operands do not go together; empty where they do.

        While a model is read, readers have yet to cast numbers of one floating type to another; in a `whole` one all
        are alike.
        """
        for name in self.INTEGERS:
            if name in given and "int" not in given[name].dtype:
                return f"expected whole numbers as {name}, got {given[name].dtype}"
        groups = [" ".join([*list(self.SLOTS)[:1], *self.PARAMETERS])] if self.ALIKE is None else self.ALIKE
        for group in groups:
            kinds = {name: given[name].dtype for name in group.split() if name in given}
            told_apart = set(kinds.values()) if whole else {"float" in dtype for dtype in kinds.values()}
            if len(told_apart) > 1:
                said = ", ".join(f"{name} {dtype}" for name, dtype in kinds.items())
                return f"expected one element type, got {said}"
        return ""

    def together(self, given: Mapping[str, ValueType]) -> Sequence[Sequence[Shape]]:
        """Groups of shapes that broadcast with each other, of the inputs by slot: sizes that meet there are the same,
        or one of them is 1."""
        return [[value.shape for value in given.values()]] if isinstance(self.BEHAVIOUR, Pointwise) else []

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        """The results where they follow from the types of the inputs and operands and from what is known of these, by
        slot and role, as `irconv.ir.known` has it; None where they do not.

        This is the one evaluator of sizes that are computed by a graph; numbers agree with the numpy runtime.
        """
        return None

    def decompose(self, given: Mapping[str, ValueType]) -> "Decomposition | None":
        """The same layer in simpler types, given the types of its inputs and operands; None where it is simple."""
        return None

    def on_channels(self, rank: int) -> "OnChannels | None":
        """For a class with the behaviour `LastAxis`: the same layer with axis 1 in the place of the last."""
        return None

    def on_last_axis(self, rank: int) -> "OnChannels | None":
        """What `on_channels` may have been made of: the same layer with the last axis in the place of axis 1."""
        return None

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size | None:
        """How many products of a weight, or of another value, with a value are summed, given the types of the inputs
        and operands; None where it is those of the decomposition. Element by element nothing is counted."""
        return None

    def settings(self) -> dict[str, Any]:
        """The fields of this class alone, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in self.FIELDS_OF_EVERY_LAYER}


# pydantic would evaluate the annotations of all bases once more for each of 200 subclasses, which took half of the time
# of importing them; what is a class variable it also keeps by name
for _name in Layer.__class_vars__:
    Layer.__annotations__.pop(_name, None)


@dataclass(frozen=True)
class Step:
    """One node of a decomposition; values are named by the composite's slots and results, or freely."""

    layer: Layer
    inputs: Mapping[str, str]
    """Slot of this step -> value."""
    outputs: Mapping[str, str]
    """Result of this step -> value."""
    operands: Mapping[str, str] = field(default_factory=dict)
    """Role of this step -> role of the composite whose operand it takes over, stored, literal or computed."""
    body: Mapping[str, Layer] = field(default_factory=dict)
    """The layers that the body of a Scan names."""


Decomposition = Sequence[Step]


class OnChannels(NamedTuple):
    """A layer that acts on axis 1 where another acts on the last (or the other way round), and the layouts its operands
    then take."""

    layer: Layer
    axes: Mapping[str, tuple[str, str]]
    """Role -> (axes as the first layer has them, axes as this one does); words that begin with ``u`` have length 1."""


def symbols_in(layer: Layer, fields: Sequence[str]) -> set[str]:
    """The symbols in some fields of a layer that hold dimensions, alone, in tuples or in pairs."""

    def within(value: Any) -> set[str]:
        if isinstance(value, tuple):
            return set().union(*map(within, value))
        return symbols(value) if isinstance(value, str) else set()

    return within(tuple(getattr(layer, name) for name in fields))


@cache
def size_fields(kind: type[Layer]) -> tuple[str, ...]:
    """The settings of a type of layer that state sizes."""
    return tuple(name for name, field in kind.model_fields.items() if _states_sizes(field.annotation))


def _states_sizes(annotation: Any) -> bool:
    """Whether a type is that of a size, or of sizes in tuples."""
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return {int, str} <= set(parts) <= {int, str, type(None)} or any(map(_states_sizes, parts))
    return get_origin(annotation) is tuple and any(map(_states_sizes, parts))


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape that numpy's broadcasting gives. Raises `ValueError` where two known sizes differ and neither is 1.

    A size that is not known beside one that cannot be 1 can only be that or 1, so that is the result.
    """
    rank = max(map(len, shapes))
    result: list[Dimension] = []
    for position in range(-rank, 0):
        sizes = {shape[position] for shape in shapes if len(shape) >= -position} - {1}
        known: set[Dimension] = {size for size in sizes if isinstance(size, int)}
        if not known and len(sizes) > 1:
            known = {size for size in sizes if never_one(size)}
        if len(known) > 1 or (not known and len(sizes) > 1):
            raise ValueError(f"shapes {', '.join(map(str, shapes))} do not broadcast")
        result.append(known.pop() if known else sizes.pop() if sizes else 1)
    return tuple(result)
