"""Rows that only recurrent layers need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from irconv.codec import Draft, Given, MappedTensor, Native, NativeWeight, Row, Table, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table import activations
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.manifest import LayoutStep, Piece
from irconv.ir.tensors import LazyTensor, cut, stacked
from irconv.layout import relayout
from irconv.rows import Weight

_ACTIVATIONS = Table("Keras", activations.CODECS)
_ANY = [ValueType("float32", (1, 1))]
_GIVEN = [Given("", value) for value in _ANY]


@dataclass(frozen=True)
class ActivationWord(Row):
    """An activation inside a layer: a word, or a layer as ``{"class_name": ..., "config": ...}``.

    It is every field of `fields`; they must be the same on the way out.
    """

    native: str
    fields: tuple[str, ...]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said = native.config.pop(self.native)
        kind, config = ("Activation", {"activation": said}) if isinstance(said, str) else _parts(said)
        layer, _ = _ACTIVATIONS.decode(Native(kind, self.native, config), _GIVEN, f"{draft.where}: {self.native}")
        draft.fields |= dict.fromkeys(self.fields, layer)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        layers: list[Layer] = [draft.fields.pop(name) for name in self.fields]
        if any(layer != layers[0] for layer in layers):
            raise draft.refuse(f"can only be written with {' and '.join(self.fields)} alike")
        found = _ACTIVATIONS.encode(layers[0], self.native, {}, {"x": _ANY[0]})
        spelt = {"class_name": found.type, "config": dict(found.config)}
        native.config[self.native] = found.config["activation"] if found.type == "Activation" else spelt


def _parts(said: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return said["class_name"], said["config"]


@dataclass(frozen=True)
class Trained(Row):
    """A share that training drops; none where the layer has no such setting, as those of cuDNN."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = float(shortest_float32(native.config.pop(self.native, None) or 0.0))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if rate := draft.fields.pop(self.field):
            native.config[self.native] = rate


@dataclass(frozen=True)
class GateWeight(Row):
    """A weight whose last axis is ``(gate unit)``, or one that was stacked from one array for each gate (Keras 1)."""

    native: str
    role: str
    other: str
    """The axis in front; empty for a bias."""
    order: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        weight = native.tensors.get(self.native)
        apart = weight is not None and bool(weight.members)
        self._row(f"gate {self.other} unit" if apart else f"{self.other} (gate unit)").decode(native, draft)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        self._row(f"{self.other} (gate unit)").encode(draft, native)

    def _row(self, axes: str) -> Weight:
        orders, count = {"gate": self.order}, len(self.order)
        return Weight(
            self.native, self.role, axes.strip().replace("  ", " "), orders=orders, sizes=lambda _: {"gate": count}
        )


@dataclass(frozen=True)
class TwoBiases(Row):
    """One tensor with the bias of the input and that of the state, one after the other; `shaped` (2, ...) or flat."""

    order: str
    shaped: bool

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (weight := native.tensors.pop("bias", None)) is None:
            return
        whole, axes = weight.data.shape, "(gate unit)"
        if len(whole) != (2 if self.shaped else 1) or whole[0] % 2 or (self.shaped and whole[0] != 2):
            raise draft.refuse(f"tensor {weight.path}: expected two biases, got shape {whole}")
        orders = {"gate": (self.order, self._canonical(draft))}
        for index, (role, data) in enumerate(zip(_BIASES, cut(weight.data, 2), strict=True)):
            step = LayoutStep(source=axes, target=axes, orders=orders, sizes=_sizes(self.order, data))
            relayout(axes, axes, data.shape, orders, step.sizes)
            piece = Piece(index=index, count=2, whole=whole)
            draft.mapped[role] = MappedTensor(replace(weight, data=data), axes, (step,), piece)
            draft.types[role] = ValueType(data.dtype, data.shape)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        found = {role: draft.data.pop(role) for role in _BIASES if role in draft.data}
        if missing := [role for role in _BIASES if role in draft.types and role not in found]:
            raise draft.refuse(f"its {missing[0]} is computed by the graph, and a stored one is needed")
        if not found:
            return
        one = next(iter(found.values()))
        zeros = LazyTensor.of(np.zeros(one.data.shape, one.data.numpy().dtype))
        orders, axes = {"gate": (self._canonical(draft), self.order)}, "(gate unit)"
        turned = []
        for role in _BIASES:
            data = found[role].data if role in found else zeros
            turned.append(data.relayout(relayout(axes, axes, data.shape, orders, _sizes(self.order, data))))
        shape = (2, *one.data.shape) if self.shaped else (2 * one.data.shape[0],)
        native.tensors["bias"] = NativeWeight(one.path, stacked(turned, shape), one.trainable)

    def _canonical(self, draft: Draft) -> str:
        orders: Mapping[str, str] = getattr(draft.layer, "ORDERS", {})
        return orders["gate"]


_BIASES = ("bias_input", "bias_recurrent")


def _sizes(order: str, data: LazyTensor) -> dict[str, int]:
    return {"gate": len(order), "unit": data.shape[0] // len(order)}


@dataclass(frozen=True)
class GruBias(Row):
    """A GRU has two biases where the reset gate acts after the product, else one. It stands before that setting."""

    order: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        self._row(native.config["reset_after"]).decode(native, draft)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        self._row(draft.fields["reset_after"]).encode(draft, native)

    def _row(self, reset_after: bool) -> Row:
        return TwoBiases(self.order, shaped=True) if reset_after else GateWeight("bias", _BIASES[0], "", self.order)


@dataclass(frozen=True)
class HasBias(Row):
    """``use_bias``, which stands after the biases; Keras 1 always has one."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, found = bool(native.config.pop("use_bias", True)), any(role in draft.mapped for role in _BIASES)
        if said != found:
            raise draft.refuse(f"use_bias is {said}, but the file has {'a' if found else 'no'} bias")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["use_bias"] = any(role in draft.types for role in _BIASES)


@dataclass(frozen=True)
class CudnnKernel(Row):
    """A kernel as cuDNN wants it: in the columns of each gate lie the bytes of a matrix (unit, in), in C order."""

    order: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        weight, gates = native.tensors.pop("kernel"), len(self.order)
        inputs, columns = weight.data.shape
        orders = {"gate": (self.order, draft.layer.ORDERS["gate"])}  # type: ignore[attr-defined]
        row = {"gate": gates, "row": inputs, "column": columns // gates}
        unit = {"gate": gates, "in": inputs, "unit": columns // gates}
        steps = (
            LayoutStep(source="row (gate column)", target="gate (row column)", orders={}, sizes=row),
            LayoutStep(source="gate (unit in)", target="(gate unit) in", orders=orders, sizes=unit),
        )
        draft.mapped["kernel"] = MappedTensor(weight, steps[0].source, steps)
        draft.types["kernel"] = ValueType(weight.data.dtype, (columns, inputs))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if "kernel" not in draft.data:
            raise draft.refuse("its kernel is computed by the graph, and a stored one is needed")
        weight, gates = draft.data.pop("kernel"), len(self.order)
        rows, inputs = weight.data.shape
        orders = {"gate": (draft.layer.ORDERS["gate"], self.order)}  # type: ignore[attr-defined]
        sizes = {"gate": gates, "in": inputs, "unit": rows // gates}
        data = weight.data.relayout(relayout("(gate unit) in", "gate (unit in)", (rows, inputs), orders, sizes))
        sizes = {"gate": gates, "row": inputs, "column": rows // gates}
        data = data.relayout(relayout("gate (row column)", "row (gate column)", data.shape, {}, sizes))
        native.tensors["kernel"] = replace(weight, data=data)


@dataclass(frozen=True)
class MapAxes(Row):
    """The axes of the sequence, the states and the results of a recurrent layer over images."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop("data_format")
        if word not in ("channels_last", "channels_first"):
            raise draft.refuse(f"expected data_format channels_last or channels_first, got {word!r}")
        if word == "channels_last":
            self._turn(draft)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["data_format"] = "channels_last"
        self._turn(draft)

    def _turn(self, draft: Draft) -> None:
        draft.input_axes |= {"x": ("n t *s c", "n t c *s")}
        draft.input_axes |= dict.fromkeys(("initial_h", "initial_c"), ("n *s unit", "n unit *s"))
        draft.output_axes |= {"y": ("n t *s unit", "n t unit *s")}
        draft.output_axes |= dict.fromkeys(("h", "c"), ("n *s unit", "n unit *s"))


@dataclass(frozen=True)
class Without(Row):
    """An input of the IR layer that Keras does not have."""

    slot: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if self.slot in draft.types:
            raise draft.refuse(f"Keras' layer has no input for {self.slot}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self.slot not in given
