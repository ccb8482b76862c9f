"""Rows that only ONNX needs, shared by the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.window import padding_to_compute
from irconv.ir.shapes import Dimension, static
from irconv.rows import ConstantInput, Input, Iso

LOWEST_OPSET = 18
"""Pad takes its axes as an input from here on, which keeps onnxruntime 1.31 from fusing a Pad into a MaxPool."""

FLAG = Iso(bool, int)


@dataclass(frozen=True)
class OnnxPadding(Row):
    """``pads`` (all befores, then all afters), or ``auto_pad`` for a rule whose numbers depend on unknown sizes."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rule, pads = native.config.pop("auto_pad", "NOTSET"), native.config.pop("pads", None)
        if rule in ("SAME_UPPER", "SAME_LOWER"):
            draft.fields["padding"] = rule.lower()
        elif rule == "NOTSET" and pads is not None:
            half = len(pads) // 2
            draft.fields["padding"] = tuple(zip(pads[:half], pads[half:], strict=True))
        else:
            raise draft.refuse(f"expected pads, or auto_pad SAME_UPPER or SAME_LOWER, got {rule}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """onnxruntime knows no rule together with dilation."""
        fields, sizes = layer.settings(), given["x"].shape[2:]
        kernel = fields.get("kernel") or static(given["kernel"].shape[2:])
        dilation = fields.get("dilation") or (1,) * len(sizes)
        if not kernel or not padding_to_compute(fields["padding"], sizes, kernel, fields["stride"], dilation):
            return True
        return fields["padding"] in ("same_upper", "same_lower") and all(d == 1 for d in dilation)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if padding in ("same_upper", "same_lower"):
            if any(d != 1 for d in native.config.get("dilations") or ()):
                raise draft.refuse(f"onnxruntime has no padding {padding} of unknown sizes with dilation")
            native.config["auto_pad"] = padding.upper()
        elif isinstance(padding, str):
            raise draft.refuse(f"ONNX has no padding {padding} for sizes that are not known")
        else:
            native.config["pads"] = [before for before, _ in padding] + [after for _, after in padding]


Flat: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, ValueType]], "list[Dimension]"]
"""The dimensions that an op takes, in its order, from a layer's fields and the types of its inputs."""


@dataclass(frozen=True)
class SizesInput(Row):
    """A field of dimensions that the op takes as an int64 input: constant where `flat` gives numbers only.

    Otherwise `irconv.frameworks.onnx.lowerings.sizes` has computed it, and the node has an input of the field's name.
    `flat` may read other fields: this row stands before theirs.
    """

    native: str
    field: str
    flat: Flat
    read: Callable[[Any], Any] | None = None
    """The field from the constant; None where that needs the shapes, too."""
    scalar: bool = False

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if self.read is None:
            raise draft.refuse(f"{self.native} cannot be read without the shapes of the inputs")
        draft.fields[self.field] = self.read(native.tensors.pop(self.native).data.numpy().tolist())

    def encode(self, draft: Draft, native: Workpiece) -> None:
        sizes = self.flat(draft.fields, draft.types)
        draft.fields.pop(self.field)
        if self.field in draft.types:
            native.inputs.append(self.field)
            return
        if unknown := [size for size in sizes if isinstance(size, str)]:
            raise draft.refuse(f"its {self.field} depends on {', '.join(unknown)}")
        values = np.array(sizes[0] if self.scalar else sizes, np.int64)
        ConstantInput(self.native, "numbers", "int64").encode(with_field(draft, "numbers", values), native)


def whole(name: str) -> Flat:
    """The field as it is: a tuple of dimensions, or one."""

    def flat(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
        value = fields[name]
        return list(value) if isinstance(value, tuple) else [value]

    return flat


@dataclass(frozen=True)
class AbsentInput(Row):
    """An input that is never given."""

    name: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.inputs.append(self.name)


def with_field(draft: Draft, name: str, value: Any) -> Draft:
    """The draft with one more field, for a row that hands a derived value on to another row."""
    draft.fields[name] = value
    return draft


@dataclass(frozen=True)
class AllAxes(Row):
    """The ``axes`` of Pad: every axis. Stated though optional, see `LOWEST_OPSET`."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axes = list(range(len(draft.types["x"].shape)))
        ConstantInput("axes", "axes", "int64").encode(with_field(draft, "axes", axes), native)


def flat_pads(pairs: Any) -> list[int]:
    """All befores, then all afters."""
    return [before for before, _ in pairs] + [after for _, after in pairs]


def paired_pads(flat: Any) -> tuple[tuple[int, int], ...]:
    half = len(flat) // 2
    return tuple(zip(flat[:half], flat[half:], strict=True))


def unary(native: str, layer: str, *rows: Row, since: int = 0) -> Codec:
    """An op of one input."""
    return Codec(native, layer_class(layer), Input("x"), *rows, since=since)
