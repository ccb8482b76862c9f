"""Resizing and sampling: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irconv.codec import Codec, Row
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import FLAG, AbsentInput, SizesInput
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.resampling import AffineGrid, GridSample, Resize
from irconv.ir.shapes import Dimension
from irconv.rows import Attribute, ConstantInput, Input, Iso, Only, OptionalAttribute


@dataclass(frozen=True)
class _Sure(Row):
    """Leaves the nearest element to gathers where the runtime's rounding errors would choose it."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return layer.decompose(given) is None


def _resize(*rows: Row, since: int = 0) -> Codec:
    return Codec(
        "Resize",
        Resize,
        Input("x"),
        AbsentInput("roi"),
        *rows,
        Attribute("mode"),
        Attribute("coordinate_transformation_mode", "coordinates"),
        OptionalAttribute("nearest_mode", "rounding"),
        OptionalAttribute("cubic_coeff_a", "cubic_coefficient"),
        Attribute("exclude_outside", iso=FLAG),
        Attribute("antialias", iso=FLAG),
        _Sure(),
        since=since,
    )


def _of_value(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    """AffineGrid takes the whole shape of the value to be sampled; the channels do not matter."""
    return [types["theta"].shape[0], 1, *fields["sizes"]]


def _all_axes(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    """With those of the batch and the channels: beside a Transpose, the optimiser of onnxruntime 1.31 mistakes a Resize
    that has `axes`."""
    return [] if fields["sizes"] is None else [*types["x"].shape[:2], *fields["sizes"]]


def _spatial(all_axes: Sequence[Any]) -> tuple[Any, ...]:
    """What is left without batch and channels, which the IR does not resize. Raises `ValueError` where they change."""
    if list(all_axes[:2]) != [1.0, 1.0]:
        raise ValueError(f"the batch and the channels to keep their sizes, got {list(all_axes)}")
    return tuple(all_axes[2:])


_SCALES = Iso(_spatial, lambda scales: [1.0, 1.0, *scales])
_SIZES = SizesInput("sizes", "sizes", _all_axes)

CODECS: list[Codec] = [
    _resize(ConstantInput("scales", "scales", "float32", _SCALES), Only("sizes", None), since=19),
    _resize(AbsentInput("scales"), _SIZES, Only("scales", None), since=19),
    Codec(
        "GridSample",
        GridSample,
        Input("x"),
        Input("grid"),
        Attribute("mode"),
        Attribute("padding_mode", "outside"),
        Attribute("align_corners", iso=FLAG),
        since=20,
    ),
    Codec(
        "AffineGrid",
        AffineGrid,
        Input("theta"),
        SizesInput("size", "sizes", _of_value),
        Attribute("align_corners", iso=FLAG),
        since=20,
    ),
]
