"""Single ops that have no row of their own: composed of layers that the IR has."""

from __future__ import annotations

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op, element_type
from irconv.frameworks.onnx.reading.shapes import axis_of
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import Elu, Selu, Silu
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Greater
from irconv.ir.layers.composite_activations import Swish
from irconv.ir.layers.elementwise import IsInf, Neg
from irconv.ir.layers.embedding import OneHot
from irconv.ir.layers.indexing import ArgMax, GatherND, ReverseSequence, ScatterElements, ScatterND
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.normalisation import RMSNorm
from irconv.ir.layers.plain_norms import MeanVarianceNorm
from irconv.ir.layers.shape_ops import EyeLike
from irconv.ir.layers.tensor_ops import Mul, Transpose

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)


def _hardmax(reader: ModelReader, op: Op) -> None:
    """1 at the first largest element along an axis, 0 elsewhere."""
    dtype, shape = reader.type_of(op.given(0))
    axis, size = axis_of(op, op.attributes["axis"], len(shape)), shape[axis_of(op, op.attributes["axis"], len(shape))]
    if not isinstance(size, int) or (op.version < 13 and axis != len(shape) - 1):
        raise Refused(op.where, f"takes the largest of an axis of {size}, before opset 13 of several at once")
    where = reader.place(op, ArgMax(axis=axis, keepdims=False, ties="first"), "where", x=op.given(0))
    last = axis == len(shape) - 1
    made = reader.place(op, OneHot(depth=size, dtype=dtype), "" if last else "classes", x=where)
    if not last:
        order = [*range(len(shape) - 1)]
        order.insert(axis, len(shape) - 1)
        reader.place(op, Transpose(permutation=tuple(order)), x=made)


def _selu(reader: ModelReader, op: Op) -> None:
    alpha, gamma = (float(op.attributes[name]) for name in ("alpha", "gamma"))
    if max(abs(alpha - _SELU[0]), abs(gamma - _SELU[1])) < 1e-5:
        reader.place(op, Selu(), x=op.given(0))
        return
    elu = reader.place(op, Elu(alpha=float(shortest_float32(alpha))), "elu", x=op.given(0))
    factor = reader.constant(op, gamma, "gamma", reader.type_of(op.given(0)).dtype)
    reader.place(op, Mul(), x0=elu, x1=factor)


def _swish(reader: ModelReader, op: Op) -> None:
    beta = float(op.attribute("alpha", 1.0))
    reader.place(op, Silu() if beta == 1 else Swish(beta=beta), x=op.given(0))


def _infinite(reader: ModelReader, op: Op) -> None:
    negative, positive = (bool(op.attribute(f"detect_{sign}", 1)) for sign in ("negative", "positive"))
    if negative and positive:
        reader.place(op, IsInf(), x=op.given(0))
        return
    dtype = reader.type_of(op.given(0)).dtype
    zero = reader.constant(op, 0.0, "zero", dtype)
    value = op.given(0) if positive else reader.place(op, Neg(), "turned", x=op.given(0))
    found = reader.place(op, IsInf(), "infinite", x=op.given(0))
    reader.place(op, And(), x0=found, x1=reader.place(op, Greater(), "sign", x0=value, x1=zero))


def _triangle(reader: ModelReader, op: Op) -> None:
    numbers = reader.numbers(op, 1) or (0,)
    layer = Trilu(upper=bool(op.attribute("upper", 1)), diagonal=numbers[0])
    reader.place(op, layer, x=op.given(0))


def _eye(reader: ModelReader, op: Op) -> None:
    wanted = op.attribute("dtype")
    dtype = element_type(wanted, op.where) if wanted else reader.type_of(op.given(0)).dtype
    layer: Layer = EyeLike(diagonal=op.attribute("k", 0))
    if dtype == reader.type_of(op.given(0)).dtype:
        reader.place(op, layer, x=op.given(0))
        return
    reader.place(op, layer, x=reader.place(op, Cast(dtype=dtype), "typed", x=op.given(0)))


def _mean_variance(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axes = tuple(sorted(axis_of(op, axis, rank) for axis in op.attributes["axes"]))
    reader.place(op, MeanVarianceNorm(axes=axes, divide=True, epsilon=1e-9), x=op.given(0))


def _root_mean_square(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axes = tuple(range(op.attribute("axis", -1) % rank, rank))
    epsilon = float(shortest_float32(float(op.attribute("epsilon", 1e-5))))
    reader.place(op, RMSNorm(axes=axes, epsilon=epsilon), x=op.given(0), gamma=op.given(1))


def _gather_places(reader: ModelReader, op: Op) -> None:
    layer = GatherND(batch_axes=op.attribute("batch_dims", 0))
    reader.place(op, layer, x=op.given(0), indices=op.given(1))


def _scatter(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axis, how = axis_of(op, op.attribute("axis", 0), rank), op.attribute("reduction", "none")
    layer = ScatterElements(axis=axis, reduction=how)
    reader.place(op, layer, x=op.given(0), indices=op.given(1), updates=op.given(2))


def _scatter_places(reader: ModelReader, op: Op) -> None:
    layer = ScatterND(reduction=op.attribute("reduction", "none"))
    reader.place(op, layer, x=op.given(0), indices=op.given(1), updates=op.given(2))


def _reversed(reader: ModelReader, op: Op) -> None:
    layer = ReverseSequence(batch_axis=op.attribute("batch_axis", 1), time_axis=op.attribute("time_axis", 0))
    reader.place(op, layer, x=op.given(0), lengths=op.given(1))


HANDLERS: dict[str, Handler] = {
    "Hardmax": _hardmax,
    "Selu": _selu,
    "Swish": _swish,
    "IsInf": _infinite,
    "Trilu": _triangle,
    "EyeLike": _eye,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _root_mean_square,
    "GatherND": _gather_places,
    "Scatter": _scatter,
    "ScatterElements": _scatter,
    "ScatterND": _scatter_places,
    "ReverseSequence": _reversed,
}
