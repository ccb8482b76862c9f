"""Matrix products: by what the file stores they are affine maps."""

from __future__ import annotations

import numpy as np

from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.tensor_ops import Add, Mul, Transpose


def _matmul(reader: ModelReader, op: Op) -> None:
    left, right = op.given(0), op.given(1)
    if len(reader.shape(right)) == 2 and reader.importer.stored(right) is not None and len(reader.shape(left)) > 1:
        kernel = reader.place(op, Transpose(permutation=(1, 0)), "kernel", x=right)
        reader.place(op, Linear(), x=left, kernel=kernel)
        return
    reader.place(op, MatMul(), left=left, right=right)


def _gemm(reader: ModelReader, op: Op) -> None:
    """``alpha A B + beta C`` with A and B turned where the attributes say so."""
    left, right, more = op.given(0), op.given(1), op.given(2)
    alpha, beta = (float(op.attribute(name)) for name in ("alpha", "beta"))
    if op.attribute("transA"):
        left = reader.place(op, Transpose(permutation=(1, 0)), "left", x=left)
    ends = alpha == 1 and not more
    if reader.importer.stored(right) is not None:
        kernel = right if op.attribute("transB") else reader.place(op, Transpose(permutation=(1, 0)), "kernel", x=right)
        units = reader.shape(kernel)[0]
        if alpha == beta == 1 and more and reader.shape(more) == (units,) and reader.importer.stored(more) is not None:
            reader.place(op, Linear(), x=left, kernel=kernel, bias=more)
            return
        product = reader.place(op, Linear(), "" if ends else "product", x=left, kernel=kernel)
    else:
        if op.attribute("transB"):
            right = reader.place(op, Transpose(permutation=(1, 0)), "right", x=right)
        product = reader.place(op, MatMul(), "" if ends else "product", left=left, right=right)
    dtype = reader.type_of(product).dtype
    if alpha != 1:
        factor = reader.constant(op, np.float32(alpha), "alpha", dtype)
        product = reader.place(op, Mul(), "scaled" if more else "", x0=product, x1=factor)
    if more:
        if beta != 1:
            more = reader.place(op, Mul(), "more", x0=more, x1=reader.constant(op, np.float32(beta), "beta", dtype))
        reader.place(op, Add(), x0=product, x1=more)


def _einsum(reader: ModelReader, op: Op) -> None:
    factors = {f"x{i}": value for i, value in enumerate(op.inputs)}
    reader.place(op, Einsum(equation=op.attributes["equation"].replace(" ", "")), **factors)


HANDLERS: dict[str, Handler] = {"MatMul": _matmul, "Gemm": _gemm, "Einsum": _einsum}
