"""Rows of tensors: weights with their native axes, and settings that stand in the file as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np

from irconv.codec import Draft, Given, MappedTensor, NativeWeight, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.base import ValueType
from irconv.ir.manifest import LayoutStep, Omitted
from irconv.ir.tensors import LazyTensor
from irconv.layout import merged_sizes, permutation, relayout
from irconv.rows.settings import SAME, Iso, through

_MERGE = "Give --merge to compute what depends on no input."


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
