"""Arithmetic of several values: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from irconv.codec import Codec, Row
from irconv.frameworks.onnx.table.comparisons import binary
from irconv.frameworks.onnx.table.rows import FLAG
from irconv.ir.layers.arithmetic import CumSum, Maximum, Mean, Minimum
from irconv.ir.layers.base import Layer, ValueType
from irconv.rows import Attribute, ConstantInput, Input, Only, Selects


@dataclass(frozen=True)
class _Integers(Row):
    """The op is for integers only."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return "int" in given["x0"].dtype


CODECS: list[Codec] = [
    *(binary(name, name) for name in ("Sub", "Div", "Pow")),
    binary("Mod", "Mod", Selects("fmod", 0), Only("sign", "divisor"), _Integers()),
    binary("Mod", "Mod", Selects("fmod", 1), Only("sign", "dividend")),
    Codec("Max", Maximum),
    Codec("Min", Minimum),
    Codec("Mean", Mean),
    Codec(
        "CumSum",
        CumSum,
        Input("x"),
        ConstantInput("axis", "axis", "int64"),
        Attribute("exclusive", iso=FLAG),
        Attribute("reverse", iso=FLAG),
    ),
]
