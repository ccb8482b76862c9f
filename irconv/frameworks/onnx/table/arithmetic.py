"""Arithmetic of several values: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Row
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.comparisons import binary
from irconv.frameworks.onnx.table.rows import FLAG
from irconv.ir.layers.arithmetic import CumSum, Maximum, Mean, Minimum
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.running import CumProd
from irconv.rows import Attribute, ConstantInput, Input, Only, Selects


@dataclass(frozen=True)
class _Integers(Row):
    """The op is for integers only."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return "int" in given["x0"].dtype


@dataclass(frozen=True)
class _OpenSize(Row):
    """Older opsets have no such op: it is written only where the number of elements is unknown, for what it is made of
    depends on it."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return layer.decompose(given) is None


def _running(native: str, layer: type[Layer], *rows: Row, since: int = 0) -> Codec:
    flags = Attribute("exclusive", iso=FLAG), Attribute("reverse", iso=FLAG)
    return Codec(native, layer, Input("x"), ConstantInput("axis", "axis", "int64"), *flags, *rows, since=since)


CODECS: list[Codec] = [
    *(binary(name, name) for name in ("Sub", "Div", "Pow")),
    binary("Mod", "Mod", Selects("fmod", 0), Only("sign", "divisor"), _Integers()),
    binary("Mod", "Mod", Selects("fmod", 1), Only("sign", "dividend")),
    Codec("Max", Maximum),
    Codec("Min", Minimum),
    Codec("Mean", Mean),
    _running("CumSum", CumSum),
    _running("CumProd", CumProd, _OpenSize(), since=26),
]
