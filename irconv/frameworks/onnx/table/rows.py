"""Rows that only ONNX needs, shared by the families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.ir.layers import layer_class
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

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if padding in ("same_upper", "same_lower"):
            native.config["auto_pad"] = padding.upper()
        elif isinstance(padding, str):
            raise draft.refuse(f"ONNX has no padding {padding} for sizes that are not known")
        else:
            native.config["pads"] = [before for before, _ in padding] + [after for _, after in padding]


@dataclass(frozen=True)
class ShapeInput(Row):
    """The shape of a Reshape: 0 copies the input's size, and one other unknown size is -1."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shape, given = draft.fields.pop("shape"), draft.types["x"].shape
        sizes = [0 if not isinstance(n, int) and given[i : i + 1] == (n,) else n for i, n in enumerate(shape)]
        unknown = [n for n in sizes if not isinstance(n, int)]
        if len(unknown) > 1:
            raise draft.refuse(f"ONNX's Reshape takes one unknown size, got {', '.join(unknown)}")
        values = np.array([n if isinstance(n, int) else -1 for n in sizes], np.int64)
        ConstantInput("shape", "numbers", "int64").encode(with_field(draft, "numbers", values), native)


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
