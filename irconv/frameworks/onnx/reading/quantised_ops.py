"""Quantised ops of ONNX Runtime (``com.microsoft``): each is a float op between dequantising and quantising.

The ops are those of onnxruntime/docs/ContribOperators.md. Integers keep their scale and zero point, so results are
within one step of the output's scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.fused import same_as
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.quantisation import dequantised, quantised
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import BitShift, BitwiseAnd, Cast
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Reshape, Transpose
from irconv.ir.shapes import size_product


def _along(reader: ModelReader, scale: str, axis: int) -> int | None:
    return axis if reader.shape(scale) not in ((), (1,)) else None


def _operand(reader: ModelReader, op: Op, index: int, suffix: str) -> str:
    """Three inputs in a row: integers, their scale and their zero point."""
    return dequantised(reader, op, op.given(index), op.given(index + 1), op.given(index + 2), suffix)


def _two(layer: Layer) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        a = _operand(reader, op, 0, "a")
        b = _operand(reader, op, 3, "b")
        quantised(reader, op, reader.place(op, layer, "real", x0=a, x1=b), op.given(6), op.given(7))

    return read


def _one(name: str, *kept: str) -> Handler:
    """x, its scale and zero point, those of the result; `kept` are the attributes that the float op has, too."""

    def read(reader: ModelReader, op: Op) -> None:
        if op.attribute("channels_last"):
            raise Refused(op.where, "has its channels last, which irconv does not read")
        x = _operand(reader, op, 0, "x")
        made = f"{op.outputs[0]}/real"
        attributes = {key: op.attributes[key] for key in kept if key in op.attributes}
        reader.standard(op, name, (x,), (made,), attributes)
        quantised(reader, op, reader.values.get(made, made), op.given(3), op.given(4))

    return read


def _concat(reader: ModelReader, op: Op) -> None:
    parts = [_operand(reader, op, i, f"x{number}") for number, i in enumerate(range(2, len(op.inputs), 3))]
    axis = int(op.attributes["axis"]) % len(reader.shape(parts[0]))
    joined = reader.place(op, Concat(axis=axis), "real", **{f"x{i}": part for i, part in enumerate(parts)})
    quantised(reader, op, joined, op.given(0), op.given(1))


def _gemm(reader: ModelReader, op: Op) -> None:
    """``alpha A B + C`` with C in steps of ``alpha a_scale b_scale``; floating where the result has no scale."""
    a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero = (op.given(i) for i in range(9))
    left = dequantised(reader, op, a, a_scale, a_zero, "a")
    right = dequantised(
        reader, op, b, b_scale, b_zero, "b", _along(reader, b_scale, 0 if op.attribute("transB") else 1)
    )
    if op.attribute("transA"):
        left = reader.place(op, Transpose(permutation=(1, 0)), "left", x=left)
    if op.attribute("transB"):
        right = reader.place(op, Transpose(permutation=(1, 0)), "right", x=right)
    value = reader.place(op, MatMul(), "product", left=left, right=right)
    alpha = float(op.attribute("alpha", 1.0))
    scale = reader.place(op, Mul(), "scale", x0=a_scale, x1=b_scale)
    if alpha != 1:
        factor = reader.constant(op, np.float32(alpha), "alpha", reader.type_of(value).dtype)
        value = reader.place(op, Mul(), "scaled", x0=value, x1=factor)
        scale = reader.place(op, Mul(), "scale of all", x0=scale, x1=factor)
    if bias:
        value = _biased(reader, op, value, bias, scale)
    if y_scale:
        quantised(reader, op, value, y_scale, y_zero)
    else:
        reader.gives(op, value)


def _biased(reader: ModelReader, op: Op, value: str, bias: str, scale: str) -> str:
    numbers = reader.place(op, Cast(dtype=reader.type_of(value).dtype), "bias", x=bias)
    real = reader.place(op, Mul(), "bias/real", x0=numbers, x1=scale)
    return reader.place(op, Add(), "biased", x0=value, x1=real)


def _integers_to_numbers(reader: ModelReader, op: Op) -> None:
    """MatMulIntegerToFloat: a product of integers, scaled."""
    a, b, a_scale, b_scale, a_zero, b_zero, bias = (op.given(i) for i in range(7))
    left = dequantised(reader, op, a, a_scale, a_zero, "a")
    right = dequantised(reader, op, b, b_scale, b_zero, "b", _along(reader, b_scale, 1))
    product = reader.place(op, MatMul(), "product" if bias else "", left=left, right=right)
    if bias:
        reader.place(op, Add(), x0=product, x1=bias)


def _dynamic_product(reader: ModelReader, op: Op) -> None:
    """DynamicQuantizeMatMul: A is quantised by its own range, then it is as above."""
    a, b, b_scale, b_zero, bias = (op.given(i) for i in range(5))
    names = tuple(f"{op.outputs[0]}/a/{part}" for part in ("quantised", "scale", "zero"))
    reader.standard(op, "DynamicQuantizeLinear", (a,), names, {})
    left = dequantised(reader, op, names[0], names[1], names[2], "a")
    right = dequantised(reader, op, b, b_scale, b_zero, "b", _along(reader, b_scale, 1))
    product = reader.place(op, MatMul(), "product" if bias else "", left=left, right=right)
    if bias:
        reader.place(op, Add(), x0=product, x1=bias)


def _nibbles(reader: ModelReader, op: Op, packed: str, rows: int, suffix: str) -> str:
    """Bytes of two numbers each, the low half first, as (rows, numbers)."""
    low_half = reader.constant(op, 15, f"{suffix}/half", "uint8")
    four = reader.constant(op, 4, f"{suffix}/four", "uint8")
    low = reader.place(op, BitwiseAnd(), f"{suffix}/low", x0=packed, x1=low_half)
    high = reader.place(op, BitShift(direction="right"), f"{suffix}/high", x0=packed, x1=four)
    rank = len(reader.shape(packed))
    apart = [
        reader.place(op, Unsqueeze(axes=(rank,)), f"{suffix}/apart{i}", x=part) for i, part in enumerate((low, high))
    ]
    pairs = reader.place(op, Concat(axis=rank), f"{suffix}/pairs", x0=apart[0], x1=apart[1])
    each = size_product(reader.shape(pairs)).floor_divide(rows).dimension
    return reader.place(op, Reshape(shape=(rows, each)), suffix, x=pairs)


def _block_product(reader: ModelReader, op: Op) -> None:
    """MatMulNBits: weights of four or eight bits, with a scale and a zero point for each block along the inputs."""
    size, units, bits, block = (int(op.attributes[name]) for name in ("K", "N", "bits", "block_size"))
    x, packed, scales, zeros, order, bias = (op.given(i) for i in range(6))
    blocks = -(-size // block)
    problem = _unread(reader, bits, order, packed, units * blocks * block * bits // 8)
    if problem:
        raise Refused(op.where, problem)
    dtype = reader.type_of(x).dtype
    if bits == 4:
        whole = _nibbles(reader, op, packed, units, "numbers")
    else:
        whole = reader.place(op, Reshape(shape=(units, blocks * block)), "numbers", x=packed)
    shaped: Any = (units, blocks, block)
    numbers = reader.place(op, Cast(dtype=dtype), "floating", x=whole)
    numbers = reader.place(op, Reshape(shape=shaped), "blocks", x=numbers)
    zero = _zero_points(reader, op, zeros, (units, blocks), bits, dtype)
    centred = reader.place(op, Sub(), "centred", x0=numbers, x1=zero)
    each = reader.place(op, Reshape(shape=(units, blocks, 1)), "scales", x=scales)
    real = reader.place(op, Mul(), "real", x0=centred, x1=each)
    kernel = reader.place(op, Reshape(shape=(units, blocks * block)), "rows", x=real)
    if blocks * block != size:
        kernel = reader.place(op, Slice(axes=(1,), starts=(0,), ends=(size,), steps=(1,)), "kernel", x=kernel)
    reader.place(op, Linear(), x=x, kernel=kernel, bias=bias)


def _unread(reader: ModelReader, bits: int, order: str, packed: str, wanted: int) -> str:
    """Why such weights cannot be read; empty where they can."""
    if bits not in (4, 8):
        return f"has weights of {bits} bits, which irconv does not read"
    if order:
        return "has its inputs in an order of its own (g_idx), which irconv does not read"
    shape = reader.shape(packed)
    found = int(np.prod([n for n in shape if isinstance(n, int)], dtype=object))
    return "" if found == wanted else f"expected {wanted} bytes of weights, got {found}"


def _zero_points(reader: ModelReader, op: Op, zeros: str, shape: tuple[int, int], bits: int, dtype: str) -> str:
    """(units, blocks, 1): packed as the weights are, floating, or the middle of the range where there are none."""
    units, blocks = shape
    if not zeros:
        return reader.constant(op, float(1 << (bits - 1)), "zero", dtype)
    if "float" not in reader.type_of(zeros).dtype:
        each = size_product(reader.shape(zeros)).floor_divide(units).dimension
        packed = reader.place(op, Reshape(shape=(units, each)), "zeros/packed", x=zeros)
        whole = _nibbles(reader, op, packed, units, "zeros") if bits == 4 else packed
        if bits == 4 and blocks % 2:
            whole = reader.place(op, Slice(axes=(1,), starts=(0,), ends=(blocks,), steps=(1,)), "zeros/own", x=whole)
        zeros = reader.place(op, Cast(dtype=dtype), "zeros/floating", x=whole)
    return reader.place(op, Reshape(shape=(units, blocks, 1)), "zero", x=zeros)


_POOL = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")

HANDLERS: dict[str, Handler] = {
    "QLinearAdd": _two(Add()),
    "QLinearMul": _two(Mul()),
    "QLinearConcat": _concat,
    "QLinearSigmoid": _one("Sigmoid"),
    "QLinearLeakyRelu": _one("LeakyRelu", "alpha"),
    "QLinearSoftmax": _one("Softmax", "axis"),
    "QLinearAveragePool": _one("AveragePool", *_POOL),
    "QLinearGlobalAveragePool": _one("GlobalAveragePool"),
    "QGemm": _gemm,
    "MatMulIntegerToFloat": _integers_to_numbers,
    "DynamicQuantizeMatMul": _dynamic_product,
    "MatMulNBits": _block_product,
    "QLinearConv": same_as("QLinearConv"),
}
