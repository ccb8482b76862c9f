"""Mathematical functions of one value: ONNX ops <-> IR layers of the same names."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Row
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import unary
from irconv.ir.layers.base import Layer, ValueType

_SAME = (
    "Abs Neg Sign Sqrt Reciprocal Log Floor Ceil Round Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf "
    "IsNaN Not BitwiseNot"
)


@dataclass(frozen=True)
class _Half(Row):
    """Whether the values are of half precision."""

    wanted: bool

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return (given["x"].dtype == "float16") == self.wanted


CODECS: list[Codec] = [
    *(unary(name, name) for name in _SAME.split()),
    unary("IsInf", "IsInf", _Half(False)),
    unary("IsInf", "IsInf", _Half(True), since=20),
]
