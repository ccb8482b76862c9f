"""Layers, uses and whole models as their framework spells them: plain data with lazy tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

from irconv.data_classes import dataclass
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin, ValueType
from irconv.ir.manifest import LayoutStep, Omitted, Piece
from irconv.ir.shapes import Dimension, Size
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array, relayout


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


class TypeOf(NamedTuple):
    """In the config of a native layer: the element type of some value. It is filled in before decoding."""

    value: str


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


Reference: TypeAlias = SizeOf | TypeOf | NumbersOf | OfShape
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
