"""Functions of single elements <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.table.rows import (
    DTYPE,
    KeepsIntegers,
    binary,
    function,
    is_float,
    is_integer,
    unary,
)
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Clip, HardSigmoid
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.training import Dropout, GaussianNoise
from irconv.rows import TUPLE, Attribute, AxisNumber, Fixed, Only

#: IR type -> function of one value that is the same in PyTorch.
_SAME_NAMES = (
    "Abs Neg Sign Sqrt Rsqrt Square Reciprocal Exp Exp2 Expm1 Log Log1p Log2 Log10 Floor Ceil Round Trunc "
    "Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf IsNaN IsInf IsFinite"
)
_UNARY = {name: f"torch.{name.lower()}" for name in _SAME_NAMES.split()} | {
    "Not": "torch.logical_not",
    "BitwiseNot": "torch.bitwise_not",
}

#: IR type -> operator of two values.
_BINARY = {
    "Sub": "torch.sub",
    "Equal": "torch.eq",
    "NotEqual": "torch.ne",
    "Less": "torch.lt",
    "LessOrEqual": "torch.le",
    "Greater": "torch.gt",
    "GreaterOrEqual": "torch.ge",
    "And": "torch.logical_and",
    "Or": "torch.logical_or",
    "Xor": "torch.logical_xor",
    "BitwiseAnd": "torch.bitwise_and",
    "BitwiseOr": "torch.bitwise_or",
    "BitwiseXor": "torch.bitwise_xor",
    "Pow": "torch.pow",
    "FloorDiv": "torch.floor_divide",
    "Atan2": "atan2",
}


@dataclass(frozen=True)
class _Features(Row):
    """Dropout of whole channels: what lies behind the channels of a value shares its fate.

    The first axes are those of batch and channels, but for a value without a batch, which some modules take.
    """

    unbatched: int
    """The rank of a value without a batch; 0 for none."""
    ranks: tuple[int, ...] = ()
    """The ranks for which it is written; any where there is none."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rank = draft.ranks[0]
        draft.fields["shared"] = tuple(range(1 if rank == self.unbatched else 2, rank))

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        rank = len(given["x"].shape)
        behind = rank > 2 and tuple(sorted(layer.settings()["shared"])) == tuple(range(2, rank))
        return behind and (not self.ranks or rank in self.ranks)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shared, rank = draft.fields.pop("shared"), len(draft.types["x"].shape)
        if tuple(sorted(shared)) != tuple(range(2, rank)):
            raise draft.refuse(f"can only be written for all axes behind the channels, got {shared} of {rank}")


_RATE = Attribute("p", "rate")
_ZERO, _ALPHA = Only("noise", "zero"), Only("noise", "alpha")
_DROPOUTS: list[Codec] = [
    Codec("nn.Dropout", Dropout, _RATE, _ZERO, Only("shared", ())),
    Codec("nn.Dropout1d", Dropout, _RATE, _ZERO, _Features(2, (3,))),
    Codec("nn.Dropout2d", Dropout, _RATE, _ZERO, _Features(0, (4,))),
    Codec("nn.Dropout3d", Dropout, _RATE, _ZERO, _Features(4, (5,))),
    Codec("nn.AlphaDropout", Dropout, _RATE, _ALPHA, Only("shared", ())),
    Codec("nn.FeatureAlphaDropout", Dropout, _RATE, _ALPHA, _Features(0)),
    Codec("GaussianDropout", Dropout, _RATE, Only("noise", "gaussian"), Only("shared", ())),
    Codec("SharedDropout", Dropout, _RATE, _ZERO, Attribute("axes", "shared", TUPLE), Fixed("alpha", value=False)),
    Codec("SharedDropout", Dropout, _RATE, _ALPHA, Attribute("axes", "shared", TUPLE), Fixed("alpha", value=True)),
    Codec("GaussianNoise", GaussianNoise, Attribute("deviation")),
]

ACTIVATIONS: list[Codec] = [
    unary("nn.Identity", "Identity"),
    *_DROPOUTS,
    unary("nn.ReLU", "Relu"),
    unary("nn.LeakyReLU", "LeakyRelu", Attribute("negative_slope", "slope")),
    unary("nn.Threshold", "ThresholdedRelu", Attribute("threshold"), Fixed("value", 0.0)),
    unary("nn.Threshold", "Threshold", Attribute("threshold"), Attribute("value")),
    Codec("nn.ReLU6", Clip, Only("low", 0.0), Only("high", 6.0)),
    Codec("torch.clamp", Clip, Attribute("min", "low"), Attribute("max", "high")),
    unary("nn.ELU", "Elu", Attribute("alpha")),
    unary("nn.CELU", "Celu", Attribute("alpha")),
    unary("nn.SELU", "Selu"),
    unary("nn.Sigmoid", "Sigmoid"),
    unary("nn.LogSigmoid", "LogSigmoid"),
    Codec("nn.Hardsigmoid", HardSigmoid, Only("slope", 1 / 6), Only("offset", 0.5)),
    Codec("hard_sigmoid", HardSigmoid, Attribute("slope"), Attribute("offset")),
    unary("nn.Tanh", "Tanh"),
    unary("nn.Tanhshrink", "TanhShrink"),
    unary("nn.Hardshrink", "HardShrink", Attribute("lambd", "threshold")),
    unary("nn.Softshrink", "SoftShrink", Attribute("lambd", "threshold")),
    unary("nn.Softplus", "Softplus", Fixed("beta", 1.0)),
    unary("nn.Softplus", "ScaledSoftplus", Attribute("beta")),
    unary("nn.Softsign", "Softsign"),
    unary("nn.SiLU", "Silu"),
    unary("nn.Mish", "Mish"),
    unary("nn.Hardswish", "HardSwish"),
    unary("nn.GELU", "Gelu", Attribute("approximate", "approximation")),
    unary("nn.GLU", "Glu", AxisNumber("dim")),
    unary("nn.Softmax", "Softmax", AxisNumber("dim")),
    unary("nn.Softmin", "Softmin", AxisNumber("dim")),
    unary("nn.LogSoftmax", "LogSoftmax", AxisNumber("dim")),
]

ARITHMETIC: list[Codec] = [
    *(unary(native, name) for name, native in _UNARY.items()),
    *(binary(native, name) for name, native in _BINARY.items()),
    Codec("torch.add", layer_class("Add")),
    Codec("torch.mul", layer_class("Mul")),
    binary("truncated_div", "Div", is_integer("x0")),
    binary("torch.div", "Div", is_float("x0")),
    binary("torch.remainder", "Mod", Only("sign", "divisor")),
    binary("torch.fmod", "Mod", Only("sign", "dividend")),
    Codec("torch.maximum", layer_class("Maximum")),
    Codec("torch.minimum", layer_class("Minimum")),
    Codec("mean of values", layer_class("Mean")),
    unary(
        "torch.cumsum",
        "CumSum",
        Attribute("dim", "axis"),
        Only("exclusive", False),
        Only("reverse", False),
        KeepsIntegers(),
    ),
    unary("cumsum", "CumSum", Attribute("dim", "axis"), Attribute("exclusive"), Attribute("reverse")),
    unary(
        "torch.cumprod",
        "CumProd",
        Attribute("dim", "axis"),
        Only("exclusive", False),
        Only("reverse", False),
        KeepsIntegers(),
    ),
    unary("cumprod", "CumProd", Attribute("dim", "axis"), Attribute("exclusive"), Attribute("reverse")),
    unary("view_bits", "BitCast", Attribute("dtype", iso=DTYPE)),
    binary("bit_shift", "BitShift", Attribute("direction")),
    function("torch.where", "Where", "condition x0 x1"),
    unary("to", "Cast", Attribute("dtype", iso=DTYPE)),
]
