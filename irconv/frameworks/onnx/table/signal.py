"""Fourier transforms: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Row
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import FLAG
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.signal import DFT
from irconv.rows import Attribute, ConstantInput, Input


@dataclass(frozen=True)
class _Fast(Row):
    """ONNX Runtime's transform of other lengths than powers of two loses a digit: matrices are closer."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return layer.decompose(given) is None


CODECS: list[Codec] = [
    Codec(
        "DFT",
        DFT,
        Input("x"),
        ConstantInput("dft_length", "length", "int64"),
        ConstantInput("axis", "axis", "int64"),
        Attribute("inverse", iso=FLAG),
        Attribute("onesided", iso=FLAG),
        _Fast(),
        since=20,
    ),
]
