"""Quantised ops: integers with a scale, and products of integers."""

from __future__ import annotations

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attributes import element_type
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.windows import conv_settings
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.quantisation import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from irconv.ir.layers.shape_ops import Repeat, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reshape

_FLOAT = "float32"


def _axis(reader: ModelReader, op: Op, scale: str, x: str) -> int | None:
    """The axis that scales lie along; None for one scale of all."""
    shape = reader.shape(scale)
    if shape in ((), (1,)) and (not shape or reader.shape(x)[_axis_of(reader, op, x)] != 1):
        return None
    if len(shape) > 1 or op.attribute("block_size"):
        raise Refused(op.where, "has a scale for each block of elements, which irconv does not read")
    return _axis_of(reader, op, x) if shape else None


def _axis_of(reader: ModelReader, op: Op, x: str) -> int:
    rank = len(reader.shape(x))
    return int(op.attribute("axis", 1)) % rank if rank else 0


def _scalar(reader: ModelReader, op: Op, value: str, suffix: str) -> str:
    """A scale or zero point of one element as a scalar."""
    return value if reader.shape(value) == () else reader.place(op, Reshape(shape=()), suffix, x=value)


def quantised(
    reader: ModelReader, op: Op, x: str, scale: str, zero: str, suffix: str = "", axis: int | None = None
) -> str:
    """x as integers of the zero point's type, unsigned bytes without one."""
    if zero in reader.narrow:
        raise Refused(op.where, "rounds to numbers of four bits while the model runs, which irconv does not do")
    if axis is None:
        scale = _scalar(reader, op, scale, f"{suffix}scale")
    if not zero:
        dtype = op.attribute("output_dtype")
        kind = element_type(dtype, op.where) if dtype else "uint8"
        shape = reader.shape(scale)
        zero = reader.constant(op, np.zeros([n for n in shape if isinstance(n, int)]), f"{suffix}zero", kind)
    elif axis is None:
        zero = _scalar(reader, op, zero, f"{suffix}zero")
    elif reader.shape(zero) == () and reader.shape(scale) == (1,):
        zero = reader.place(op, Reshape(shape=(1,)), f"{suffix}zero", x=zero)
    layer = QuantizeLinear(axis=axis, rounds="quotient")
    return reader.place(op, layer, suffix, x=x, scale=scale, zero_point=zero)


def dequantised(
    reader: ModelReader, op: Op, x: str, scale: str, zero: str, suffix: str = "", axis: int | None = None
) -> str:
    """Integers as the numbers they stand for: ``(x - zero_point) scale``."""
    if axis is None:
        scale = _scalar(reader, op, scale, f"{suffix}scale")
    if not zero:
        dtype, shape = reader.type_of(x).dtype, reader.shape(scale)
        zero = reader.constant(op, np.zeros([n for n in shape if isinstance(n, int)]), f"{suffix}zero", dtype)
    elif axis is None:
        zero = _scalar(reader, op, zero, f"{suffix}zero")
    elif reader.shape(zero) == () and reader.shape(scale) == (1,):
        zero = reader.place(op, Reshape(shape=(1,)), f"{suffix}zero", x=zero)
    return reader.place(op, DequantizeLinear(axis=axis), suffix, x=x, scale=scale, zero_point=zero)


def _quantise(reader: ModelReader, op: Op) -> None:
    x, scale, zero = op.given(0), op.given(1), op.given(2)
    quantised(reader, op, x, scale, zero, axis=_axis(reader, op, scale, x))


def _dequantise(reader: ModelReader, op: Op) -> None:
    x, scale, zero = op.given(0), op.given(1), op.given(2)
    if len(reader.shape(scale)) > 1 and len(reader.shape(scale)) == len(reader.shape(x)):
        _dequantise_blocks(reader, op)
        return
    dequantised(reader, op, x, scale, zero, axis=_axis(reader, op, scale, x))


def _dequantise_blocks(reader: ModelReader, op: Op) -> None:
    """``(x - zero_point) scale``, both of which a block of elements along an axis shares."""
    x, scale, zero = op.given(0), op.given(1), op.given(2)
    axis, dtype = _axis_of(reader, op, x), reader.type_of(scale).dtype
    size, blocks = reader.shape(x)[axis], reader.shape(scale)[axis]
    if not isinstance(size, int) or not isinstance(blocks, int):
        raise Refused(op.where, f"has blocks along an axis of {size}, whose size has to be known")
    block = int(op.attribute("block_size", 0)) or -(-size // blocks)
    if -(-size // block) != blocks:
        raise Refused(op.where, f"expected {-(-size // block)} blocks of {block} along an axis of {size}, got {blocks}")

    def whole(value: str, suffix: str) -> str:
        repeated = reader.place(op, Repeat(axis=axis, repeats=block), f"{suffix}/repeated", x=value)
        if blocks * block == size:
            return repeated
        return reader.place(op, Slice(axes=(axis,), starts=(0,), ends=(size,), steps=(1,)), suffix, x=repeated)

    value = reader.place(op, Cast(dtype=dtype), "numbers", x=x)
    if zero:
        numbers = reader.place(op, Cast(dtype=dtype), "zero/numbers", x=zero)
        value = reader.place(op, Sub(), "centred", x0=value, x1=whole(numbers, "zero"))
    reader.place(op, Mul(), x0=value, x1=whole(scale, "scale"))


def _dynamic(reader: ModelReader, op: Op) -> None:
    reader.results(op, DynamicQuantizeLinear(), op.outputs, x=op.given(0))


def _centred(reader: ModelReader, op: Op, value: str, zero: str, suffix: str, axis: int | None = None) -> str:
    """Integers less their zero point, as floating numbers, which hold them exactly."""
    plain = reader.place(op, Cast(dtype=_FLOAT), f"{suffix}/numbers", x=value)
    if not zero:
        return plain
    rank, less = len(reader.shape(value)), reader.place(op, Cast(dtype=_FLOAT), f"{suffix}/zero", x=zero)
    if len(reader.shape(zero)) == 1 and reader.shape(zero) != (1,) and axis is not None and axis < rank - 1:
        less = reader.place(op, Unsqueeze(axes=tuple(range(1, rank - axis))), f"{suffix}/along", x=less)
    return reader.place(op, Sub(), f"{suffix}/centred", x0=plain, x1=less)


def _integer_product(reader: ModelReader, op: Op) -> None:
    """MatMulInteger: exact in floating numbers as long as sums stay below 2^24."""
    left = _centred(reader, op, op.given(0), op.given(2), "a", len(reader.shape(op.given(0))) - 2)
    right = _centred(reader, op, op.given(1), op.given(3), "b", len(reader.shape(op.given(1))) - 1)
    product = reader.place(op, MatMul(), "product", left=left, right=right)
    reader.place(op, Cast(dtype="int32"), x=product)


def _integer_conv(reader: ModelReader, op: Op) -> None:
    x = _centred(reader, op, op.given(0), op.given(2), "x")
    kernel = _centred(reader, op, op.given(1), op.given(3), "kernel", 0)
    layer = Conv(**conv_settings(op, len(reader.shape(op.given(1))) - 2))
    reader.place(op, Cast(dtype="int32"), x=reader.place(op, layer, "sums", x=x, kernel=kernel))


def _quantised_product(reader: ModelReader, op: Op) -> None:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = (op.given(i) for i in range(8))
    left = dequantised(reader, op, a, a_scale, a_zero, "a")
    along = len(reader.shape(b)) - 1 if reader.shape(b_scale) not in ((), (1,)) else None
    right = dequantised(reader, op, b, b_scale, b_zero, "b", along)
    quantised(reader, op, reader.place(op, MatMul(), "product", left=left, right=right), y_scale, y_zero)


def _quantised_conv(reader: ModelReader, op: Op) -> None:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = (op.given(i) for i in range(9))
    value = dequantised(reader, op, x, x_scale, x_zero, "x")
    kernel = dequantised(reader, op, w, w_scale, w_zero, "w", 0 if reader.shape(w_scale) not in ((), (1,)) else None)
    layer: Layer = Conv(**conv_settings(op, len(reader.shape(w)) - 2))
    value = reader.place(op, layer, "sums", x=value, kernel=kernel)
    if bias:
        numbers = reader.place(op, Cast(dtype=_FLOAT), "bias", x=bias)
        scale = reader.place(op, Mul(), "bias/scale", x0=x_scale, x1=w_scale)
        real = reader.place(op, Mul(), "bias/real", x0=numbers, x1=scale)
        rank = len(reader.shape(value))
        along = reader.place(op, Unsqueeze(axes=tuple(range(1, rank - 1))), "bias/along", x=real)
        value = reader.place(op, Add(), "biased", x0=value, x1=along)
    quantised(reader, op, value, y_scale, y_zero)


HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": _quantise,
    "DequantizeLinear": _dequantise,
    "DynamicQuantizeLinear": _dynamic,
    "MatMulInteger": _integer_product,
    "ConvInteger": _integer_conv,
    "QLinearMatMul": _quantised_product,
    "QLinearConv": _quantised_conv,
}
