"""Ops that put elements where something says: columns into images, elements back under their windows, rows into caches,
and windows that are bent."""

from __future__ import annotations

from typing import Any

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.computed import Steps, is_computed, length_of
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.selection import counted_sizes
from irconv.frameworks.onnx.reading.windows import explicit_pads, of_axes
from irconv.ir.layers.arithmetic import FloorDiv, Mod, Sub
from irconv.ir.layers.comparisons import Cast, Equal
from irconv.ir.layers.deformable import DeformConv
from irconv.ir.layers.indexing import ScatterElements
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.patches import Fold
from irconv.ir.layers.shape_ops import Expand, Full, Range, SizeOf
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Size, size_product


def _columns(reader: ModelReader, op: Op) -> None:
    """Col2Im: the sizes of the image and of the block are inputs."""
    rank = length_of(reader, op, 2)
    pads = explicit_pads(op, rank)
    settings = {"stride": of_axes(op, "strides", rank), "dilation": of_axes(op, "dilations", rank)}
    if is_computed(reader, op, 2):
        _by_matrices(reader, op, settings["stride"], settings["dilation"], pads)
        return
    image, block = counted_sizes(reader, op, 1) or (), reader.numbers(op, 2) or ()
    reader.place(op, Fold(output_size=image, kernel=block, padding=pads, **settings), x=op.given(0))


def _by_matrices(
    reader: ModelReader, op: Op, stride: tuple[int, ...], dilation: tuple[int, ...], pads: tuple[tuple[int, int], ...]
) -> None:
    """Col2Im by blocks of computed sizes: along each axis a product with ones where a place of a block falls on a place
    of the image."""
    s, x, rank = Steps(reader, op), op.given(0), len(pads)
    dtype, batch = reader.type_of(x).dtype, reader.shape(x)[0]
    image, block = s.typed(op.given(1)), s.typed(op.given(2))
    # how often a block fits: (image + padding - (block - 1) dilation - 1) // stride + 1
    reach = s(Add(), s(Mul(), s(Sub(), block, s.number(1)), s.number(dilation)), s.number(1))
    room = s(Sub(), s(Add(), image, s.number([before + after for before, after in pads])), reach)
    counts = s(Add(), s(FloorDiv(), room, s.number(stride)), s.number(1))
    area = s(Reduce(op="prod", axes=(0,), keepdims=True), block)
    channels = s.sizes(s(FloorDiv(), s(SizeOf(axis=1), x), area), 1)[0]
    wide, places, sizes = s.sizes(block, rank), s.sizes(counts, rank), s.sizes(image, rank)
    value = s(Reshape(shape=(batch, channels, *wide, *places)), x)
    for i in range(rank):
        # (n, c, done ..., block i ..., place i ...) -> (..., block i, place i) x (block i and place i, size i)
        left = len(reader.shape(value))
        axes = (2, 2 + rank - i)
        order = [axis for axis in range(left) if axis not in axes]
        kept = [reader.shape(value)[axis] for axis in order]
        value = s(Transpose(permutation=(*order, *axes)), value)
        value = s(Reshape(shape=(*kept, size_product((wide[i], places[i])).dimension)), value)
        value = s(MatMul(), value, _falls(s, wide[i], places[i], sizes[i], (stride[i], dilation[i], pads[i][0]), dtype))
    s.ends(Reshape(shape=(batch, channels, *sizes)), value)


def _falls(s: Steps, wide: Any, places: Any, size: Any, rule: tuple[int, int, int], dtype: str) -> str:
    """(block and place, image): ones where ``place stride + block dilation - before`` is the place in the image."""
    stride, dilation, before = rule
    rows = s(Mul(), s(Range(start=0, limit=wide, step=1)), s.number(dilation))
    columns = s(Mul(), s(Range(start=0, limit=places, step=1)), s.number(stride))
    both = s(Add(), s(Reshape(shape=(wide, 1, 1)), rows), s(Reshape(shape=(places, 1)), columns))
    found = s(Equal(), s(Sub(), both, s.number(before)), s(Range(start=0, limit=size, step=1)))
    return s(Reshape(shape=(size_product((wide, places)).dimension, size)), s(Cast(dtype=dtype), found))


def _bent(reader: ModelReader, op: Op) -> None:
    """DeformConv: x, kernel, offset, bias, mask."""
    layer = DeformConv(
        stride=of_axes(op, "strides", 2),
        dilation=of_axes(op, "dilations", 2),
        groups=op.attribute("group", 1),
        offset_groups=op.attribute("offset_group", 1),
        padding=explicit_pads(op, 2),
    )
    given = dict(zip(("x", "kernel", "offset", "bias", "mask"), op.inputs, strict=False))
    reader.place(op, layer, **given)


def _unpooled(reader: ModelReader, op: Op) -> None:
    """MaxUnpool: elements put where their index says, which counts the elements of the whole result."""
    if op.given(2):
        raise Refused(op.where, "fills an output_shape of its own, of which runtimes make different things")
    s, x, rank = Steps(reader, op), op.given(0), len(reader.shape(op.given(0))) - 2
    dtype, shape = reader.type_of(x)
    kernel, stride, pads = tuple(op.attributes["kernel_shape"]), of_axes(op, "strides", rank), explicit_pads(op, rank)
    wide = tuple(
        ((Size.of(n) - 1) * step + k - sum(pad)).dimension
        for n, step, k, pad in zip(shape[2:], stride, kernel, pads, strict=True)
    )
    whole = (*shape[:2], *wide)
    zeros = s(Full(shape=(size_product(whole).dimension,), value=0, dtype=dtype))
    flat = Reshape(shape=(size_product(shape).dimension,))
    filled = s(ScatterElements(axis=0, reduction="none"), zeros, s(flat, op.given(1)), s(flat, x))
    s.ends(Reshape(shape=whole), filled)


def _kept(reader: ModelReader, op: Op) -> None:
    """TensorScatter: rows of each sample written into its cache from a place on, or round and round."""
    s, cache, update = Steps(reader, op), op.given(0), op.given(1)
    shape, new = reader.shape(cache), reader.shape(update)
    rank = len(shape)
    axis = op.attribute("axis", -2) % rank
    rows = s(Range(start=0, limit=new[axis], step=1))
    rows = s(Reshape(shape=(new[axis], *(1,) * (rank - 1 - axis))), rows)
    if op.given(2):
        starts = s(Reshape(shape=(shape[0], *(1,) * (rank - 1))), s.typed(op.given(2)))
        rows = s(Add(), starts, rows)
    if op.attribute("mode", "linear") == "circular":
        rows = s(Mod(sign="divisor"), rows, s(SizeOf(axis=axis), cache))
    places = s(Expand(shape=new), rows)
    s.ends(ScatterElements(axis=axis, reduction="none"), cache, places, update)


HANDLERS: dict[str, Handler] = {
    "Col2Im": _columns,
    "DeformConv": _bent,
    "MaxUnpool": _unpooled,
    "TensorScatter": _kept,
}
