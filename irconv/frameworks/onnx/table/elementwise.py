"""Mathematical functions of one value: ONNX ops <-> IR layers of the same names."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import unary

_SAME = (
    "Abs Neg Sign Sqrt Reciprocal Log Floor Ceil Round Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf "
    "IsNaN IsInf Not BitwiseNot"
)

CODECS: list[Codec] = [unary(name, name) for name in _SAME.split()]
