"""Single ops that have no row of their own: composed of layers that the IR has."""

from __future__ import annotations

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading import computed
from irconv.frameworks.onnx.reading.attributes import element_type
from irconv.frameworks.onnx.reading.computed import Steps, is_computed
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.shapes import axis_of
from irconv.ir.dtypes import shortest_float32
from irconv.ir.known import numeric
from irconv.ir.layers.activations import Elu, Selu, Silu
from irconv.ir.layers.arithmetic import Mod, Pow
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Equal, Greater, GreaterOrEqual, Less, Where
from irconv.ir.layers.composite_activations import Swish
from irconv.ir.layers.elementwise import Abs, IsInf, Neg
from irconv.ir.layers.embedding import OneHot
from irconv.ir.layers.indexing import (
    ArgMax,
    ArgMin,
    GatherElements,
    GatherND,
    ReverseSequence,
    ScatterElements,
    ScatterND,
    TopK,
)
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.normalisation import RMSNorm
from irconv.ir.layers.plain_norms import MeanVarianceNorm
from irconv.ir.layers.selection import CountUp, NonZero, Unique
from irconv.ir.layers.shape_ops import Expand, EyeLike, Range, SizeOf, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Slice, Split
from irconv.ir.layers.tensor_ops import Add, Mul, Pad, Reduce, Reshape, Transpose
from irconv.ir.shapes import size_product

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)


def _hardmax(reader: ModelReader, op: Op) -> None:
    """1 at the first largest element along an axis, 0 elsewhere; before opset 13 all axes from `axis` on are one."""
    dtype, shape = reader.type_of(op.given(0))
    axis = axis_of(op, op.attributes["axis"], len(shape))
    together = op.version < 13 and any(size != 1 for size in shape[axis + 1 :])
    size = size_product(shape[axis:]).dimension if together else shape[axis]
    if not isinstance(size, int):
        what = f"expected a known number of elements to find the largest of, got {size}"
        raise Refused(op.where, what, "Give the sizes with --input-shape.")
    if together:
        both = (size_product(shape[:axis]).dimension, size)
        flat = reader.place(op, Reshape(shape=both), "flat", x=op.given(0))
        where = reader.place(op, ArgMax(axis=1, keepdims=False, ties="first"), "where", x=flat)
        made = reader.place(op, OneHot(depth=size, dtype=dtype), "classes", x=where)
        reader.place(op, Reshape(shape=shape), x=made)
        return
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
    if is_computed(reader, op, 1):
        computed.triangle(reader, op)
        return
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


#: Layers whose results are never negative.
_FROM_THE_FRONT = (TopK, ArgMax, ArgMin, NonZero, Range, Unique, CountUp)


def _from_the_front(reader: ModelReader, op: Op, axis: int) -> str:
    """Indices without negative ones, which count from the end in ONNX and nowhere in PyTorch's ``gather``."""
    indices, size = op.given(1), reader.shape(op.given(0))[axis]
    found = reader.importer.known(indices)
    if found is not None and numeric(found) and (isinstance(size, int) or bool((found >= 0).all())):
        if bool((found >= 0).all()):
            return indices
        return reader.constant(op, np.where(found < 0, found + size, found), "indices", reader.type_of(indices).dtype)
    if _never_negative(reader, indices):
        return indices
    s, dtype = Steps(reader, op), reader.type_of(indices).dtype
    length = s.typed(s(Reshape(shape=()), s(SizeOf(axis=axis), op.given(0))), dtype)
    return s(Where(), s(Less(), indices, s.number(0, dtype)), s(Add(), indices, length), indices)


def _never_negative(reader: ModelReader, value: str) -> bool:
    """Whether a value holds counts or places alone, which may have been moved or made wider."""
    makers = {result: node for node in reader.importer.nodes for result in node.outputs.values()}
    node = makers.get(value)
    while node is not None:
        layer = reader.importer.layers[node.layer]
        if isinstance(layer, _FROM_THE_FRONT):
            return True
        narrower = not isinstance(layer, Cast) or layer.dtype not in ("int32", "int64")
        if narrower and not isinstance(layer, Unsqueeze | Squeeze | Reshape | Expand | Transpose):
            return False
        node = makers.get(node.inputs["x"])
    return False


def _gather_elements(reader: ModelReader, op: Op) -> None:
    axis = axis_of(op, op.attribute("axis", 0), len(reader.shape(op.given(0))))
    reader.place(op, GatherElements(axis=axis), x=op.given(0), indices=_from_the_front(reader, op, axis))


def _scatter(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axis, how = axis_of(op, op.attribute("axis", 0), rank), op.attribute("reduction", "none")
    layer = ScatterElements(axis=axis, reduction=how)
    reader.place(op, layer, x=op.given(0), indices=_from_the_front(reader, op, axis), updates=op.given(2))


def _scatter_places(reader: ModelReader, op: Op) -> None:
    layer = ScatterND(reduction=op.attribute("reduction", "none"))
    reader.place(op, layer, x=op.given(0), indices=op.given(1), updates=op.given(2))


def _one_hot(reader: ModelReader, op: Op) -> None:
    """``on`` at the index, ``off`` elsewhere, along a new axis; negative indices count from the end."""
    indices, values = op.given(0), op.given(2)
    (dtype, shape), depth = reader.type_of(indices), int(reader.number(op, 1) or 0)
    made, found = reader.type_of(values).dtype, reader.known(op, 2)
    if dtype != "int64":
        indices = reader.place(op, Cast(dtype="int64"), "indices", x=indices)
    size = reader.constant(op, depth, "depth", "int64")
    counted = reader.place(op, Mod(sign="divisor"), "counted", x0=indices, x1=size)
    inside = reader.place(op, GreaterOrEqual(), "inside", x0=indices, x1=reader.constant(op, -depth, "low", "int64"))
    below = reader.place(op, Less(), "below", x0=indices, x1=size)
    inside = reader.place(op, And(), "there", x0=inside, x1=below)
    place = reader.place(
        op, Where(), "place", condition=inside, x0=counted, x1=reader.constant(op, depth, "nowhere", "int64")
    )
    rank = len(shape)
    axis = axis_of(op, op.attribute("axis", -1), rank + 1)
    plain = found is not None and numeric(found) and found.reshape(-1).tolist() == [0, 1]
    last = axis == rank
    flags = reader.place(op, OneHot(depth=depth, dtype=made), "" if plain and last else "flags", x=place)
    if not last:
        order = (*range(axis), rank, *range(axis, rank))
        flags = reader.place(op, Transpose(permutation=order), "" if plain else "turned", x=flags)
    if not plain:
        names = [f"{op.outputs[0]}/off", f"{op.outputs[0]}/on"]
        reader.importer.place(Split(axis=0, sizes=(1, 1)), {"x": values}, names, f"{op.name}/values", "", op.where)
        one = reader.constant(op, 1, "one", made)
        reader.place(
            op, Where(), condition=reader.place(op, Equal(), "hot", x0=flags, x1=one), x0=names[1], x1=names[0]
        )


def _global_norm(reader: ModelReader, op: Op) -> None:
    """GlobalLpPool: ``(sum of abs(x) ** p) ** (1 / p)`` over all places."""
    dtype, shape = reader.type_of(op.given(0))
    power = float(op.attribute("p", 2))
    raised = reader.place(
        op,
        Pow(),
        "raised",
        x0=reader.place(op, Abs(), "size", x=op.given(0)),
        x1=reader.constant(op, power, "power", dtype),
    )
    total = reader.place(op, Reduce(op="sum", axes=tuple(range(2, len(shape))), keepdims=True), "sum", x=raised)
    reader.place(op, Pow(), x0=total, x1=reader.constant(op, 1 / power, "root", dtype))


def _centred(reader: ModelReader, op: Op) -> None:
    """CenterCropPad: each axis cut or padded with zeros on both sides to its wanted size, the larger half behind."""
    value, shape = op.given(0), reader.shape(op.given(0))
    axes = [axis_of(op, axis, len(shape)) for axis in op.attribute("axes") or range(len(shape))]
    if is_computed(reader, op, 1) or any(not isinstance(shape[axis], int) for axis in axes):
        computed.centred(reader, op, axes)
        return
    wanted = dict(zip(axes, reader.numbers(op, 1) or (), strict=True))
    pads, cuts = [(0, 0)] * len(shape), {}
    for axis, size in wanted.items():
        found = shape[axis]
        assert isinstance(found, int), "others are computed"
        if found > size:
            cuts[axis] = ((found - size) // 2, (found - size) // 2 + size)
        elif found < size:
            pads[axis] = ((size - found) // 2, size - found - (size - found) // 2)
    if cuts:
        starts, ends = zip(*cuts.values(), strict=True)
        layer = Slice(axes=tuple(cuts), starts=starts, ends=ends, steps=(1,) * len(cuts))
        value = reader.place(op, layer, "cut", x=value)
    reader.place(op, Pad(pads=tuple(pads), mode="constant", value=0.0), x=value)


def _reversed(reader: ModelReader, op: Op) -> None:
    layer = ReverseSequence(batch_axis=op.attribute("batch_axis", 1), time_axis=op.attribute("time_axis", 0))
    reader.place(op, layer, x=op.given(0), lengths=op.given(1))


HANDLERS: dict[str, Handler] = {
    "OneHot": _one_hot,
    "GlobalLpPool": _global_norm,
    "CenterCropPad": _centred,
    "Hardmax": _hardmax,
    "Selu": _selu,
    "Swish": _swish,
    "IsInf": _infinite,
    "Trilu": _triangle,
    "EyeLike": _eye,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _root_mean_square,
    "GatherElements": _gather_elements,
    "GatherND": _gather_places,
    "Scatter": _scatter,
    "ScatterElements": _scatter,
    "ScatterND": _scatter_places,
    "ReverseSequence": _reversed,
}
