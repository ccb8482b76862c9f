"""Resizing and sampling: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.frameworks.onnx.table.rows import FLAG, AbsentInput, OptionalAttribute, SizesInput, whole
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.resampling import AffineGrid, GridSample, Resize
from irconv.ir.shapes import Dimension
from irconv.rows import Attribute, ConstantInput, Input, Only


@dataclass(frozen=True)
class _Spatial(Row):
    """``axes``: the spatial ones, which the IR resizes only."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        wanted = list(range(2, draft.ranks[0]))
        if (axes := native.config.pop("axes", None)) != wanted:
            raise draft.refuse(f"expected the spatial axes {wanted}, got {axes}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axes"] = list(range(2, len(draft.types["x"].shape)))


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
        _Spatial(),
        _Sure(),
        since=since,
    )


def _of_value(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    """AffineGrid takes the whole shape of the value to be sampled; the channels do not matter."""
    return [types["theta"].shape[0], 1, *fields["sizes"]]


_SIZES = SizesInput("sizes", "sizes", whole("sizes"), tuple)

CODECS: list[Codec] = [
    _resize(ConstantInput("scales", "scales", "float32"), Only("sizes", None), since=19),
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
