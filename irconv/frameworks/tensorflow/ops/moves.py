"""Operations on the places of elements, and small formulas, that are several layers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.layers.arithmetic import Div, FloorDiv, Sub
from irconv.ir.layers.comparisons import Equal, Where
from irconv.ir.layers.elementwise import Log
from irconv.ir.layers.indexing import GatherND
from irconv.ir.layers.patches import Unfold
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Roll, Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.layers.window import PaddingMode
from irconv.ir.shapes import Dimension, Size, static


def _rolled(reader: GraphReader, node: NodeDef) -> None:
    x, rank = reader.given(node, 0), len(reader.type_of(reader.given(node, 0)).shape)
    shifts, axes = (reader.numbers(node, index).reshape(-1).tolist() for index in (1, 2))
    total: dict[int, int] = {}
    for shift, axis in zip(shifts, axes, strict=True):  # an axis may be named twice
        total[int(axis) % rank] = total.get(int(axis) % rank, 0) + int(shift)
    layer = Roll(axes=tuple(total), shifts=tuple(total.values()))
    reader.gives(node, reader.place(node, layer, x=x))


def _crossed(reader: GraphReader, node: NodeDef) -> None:
    """``a x b = (a << 1) (b << 2) - (a << 2) (b << 1)``, turned along the last axis."""
    a, b = reader.all_given(node)
    axis = len(reader.type_of(a).shape) - 1
    turned = {
        f"{name}{by}": reader.place(node, Roll(axes=(axis,), shifts=(-by,)), f"{name}{by}", x=value)
        for name, value in (("a", a), ("b", b))
        for by in (1, 2)
    }
    first = reader.place(node, Mul(), "first", x0=turned["a1"], x1=turned["b2"])
    second = reader.place(node, Mul(), "second", x0=turned["a2"], x1=turned["b1"])
    reader.gives(node, reader.place(node, Sub(), x0=first, x1=second))


def _inverse(reader: GraphReader, node: NodeDef) -> None:
    """Where each number of a permutation stands; known, as it is in every graph that asks for it."""
    order = reader.numbers(node, 0)
    reader.gives(node, reader.importer.constant(node.name, np.argsort(order).astype(order.dtype)))


def _spread_shapes(reader: GraphReader, node: NodeDef) -> None:
    """The shape that two known shapes broadcast to."""
    first, second = (tuple(int(n) for n in reader.numbers(node, index)) for index in (0, 1))
    dtype = reader.numbers(node, 0).dtype
    reader.gives(node, reader.importer.constant(node.name, np.asarray(np.broadcast_shapes(first, second), dtype)))


def _diagonal(reader: GraphReader, node: NodeDef) -> None:
    """The main diagonal of the last two axes, by its places."""
    x = reader.given(node, 0)
    shape = reader.type_of(x).shape
    _main_diagonal(reader, node)
    sizes = static(shape[-2:])
    if sizes is None:
        raise Refused(reader.where(node), f"takes the diagonal of {shape}, whose sizes are not known")
    rank, least = len(shape), min(sizes)
    flat = reader.place(node, Reshape(shape=(*shape[:-2], prod(sizes))), "flat", x=x)
    ends = (least - 1) * (sizes[1] + 1) + 1
    layer = Slice(axes=(rank - 2,), starts=(0,), ends=(ends,), steps=(sizes[1] + 1,))
    reader.gives(node, reader.place(node, layer, x=flat))


def _on_diagonal(reader: GraphReader, node: NodeDef) -> None:
    """Elements of the last axis as the diagonal of a square; zeros around it."""
    x = reader.given(node, 0)
    dtype, shape = reader.type_of(x)
    size = shape[-1]
    _main_diagonal(reader, node)
    if not isinstance(size, int):
        raise Refused(reader.where(node), f"makes matrices of {size} rows, which is not known")
    places = reader.importer.constant(f"{node.name}/places", np.eye(size, dtype=bool))
    rows = reader.place(node, Unsqueeze(axes=(len(shape) - 1,)), "rows", x=x)
    zero = reader.number(node, 0, dtype, "zero")
    reader.gives(node, reader.place(node, Where(), condition=places, x0=rows, x1=zero))


def _main_diagonal(reader: GraphReader, node: NodeDef) -> None:
    """Refuse others; of the later versions k, numbers of rows and columns, and a padding are inputs."""
    for index in range(1, len(reader.inputs(node))):
        wanted = (0, -1, 0) if node.op.startswith("MatrixDiagPart") else (0, -1, -1, 0)
        place = index - 1 if not node.op.startswith("MatrixDiagPart") else (0, 2)[index - 1]
        known = reader.numbers(node, index).reshape(-1)
        if not bool((known == wanted[place]).all()):
            raise Refused(reader.where(node), f"expected the main diagonal and zeros, got {known.tolist()}")


def _log_product(reader: GraphReader, node: NodeDef) -> None:
    """``x log(y)``, and 0 where x is 0."""
    x, y = reader.all_given(node)
    zero = reader.number(node, 0, reader.type_of(x).dtype, "zero")
    product = reader.place(node, Mul(), "product", x0=x, x1=reader.place(node, Log(), "log", x=y))
    nothing = reader.place(node, Equal(), "nothing", x0=x, x1=zero)
    reader.gives(node, reader.place(node, Where(), condition=nothing, x0=zero, x1=product))


def _or_zero(divides: bool) -> Callable[[GraphReader, NodeDef], None]:
    """``x / y``, and 0 where x is 0 (Xdivy); ``x y``, and 0 where y is 0 (MulNoNan)."""

    def read(reader: GraphReader, node: NodeDef) -> None:
        x, y = reader.all_given(node)
        zero = reader.number(node, 0, reader.type_of(x).dtype, "zero")
        made = reader.place(node, Div() if divides else Mul(), "made", x0=x, x1=y)
        nothing = reader.place(node, Equal(), "nothing", x0=x if divides else y, x1=zero)
        reader.gives(node, reader.place(node, Where(), condition=nothing, x0=zero, x1=made))

    return read


def _moved_bits(left: bool) -> Callable[[GraphReader, NodeDef], None]:
    """Signed integers by a known number: times 2^n, or the floor of the quotient by it."""

    def read(reader: GraphReader, node: NodeDef) -> None:
        x, dtype = reader.given(node, 0), reader.type_of(reader.given(node, 0)).dtype
        if dtype.startswith("uint"):
            reader.add(node)
            return
        by = reader.numbers(node, 1)
        if by.size != 1 or not 0 <= int(by.item()) < 31:
            raise Refused(reader.where(node), f"moves the bits of {dtype} by {by.tolist()}, which irconv does not read")
        factor = reader.number(node, 2 ** int(by.item()), dtype, "factor")
        reader.gives(node, reader.place(node, Mul() if left else FloorDiv(), x0=x, x1=factor))

    return read


def _gathered(reader: GraphReader, node: NodeDef) -> None:
    """A gather whose first axes are those of its indices, where the axis is just behind them; else as the row says."""
    batch = int(node.attrs.get("batch_dims", 0))
    if batch == 0:
        reader.add(node)
        return
    x, indices = reader.given(node, 0), reader.given(node, 1)
    rank, named = len(reader.type_of(x).shape), len(reader.type_of(indices).shape)
    axis, batch = int(reader.numbers(node, 2).item()) % rank, batch % (named + 1)
    if axis != batch:
        raise Refused(reader.where(node), f"takes elements of axis {axis} with {batch} axes of batches before it")
    places = reader.place(node, Unsqueeze(axes=(named,)), "places", x=indices)
    reader.gives(node, reader.place(node, GatherND(batch_axes=batch), x=x, indices=places))


def from_batch(reader: GraphReader, node: NodeDef) -> None:
    """BatchToSpaceND by its definition: blocks of the batch go back between the elements of the spatial axes, and ends
    are cut off."""
    x, block = reader.given(node, 0), [int(n) for n in reader.numbers(node, 1)]
    crops = [(int(before), int(after)) for before, after in reader.numbers(node, 2)]
    shape, spatial = reader.type_of(x).shape, len(block)
    rank, rest = len(shape), shape[1 + spatial :]
    batch = _divided(shape[0], prod(block))
    cut = reader.place(node, Reshape(shape=(*block, batch, *shape[1:])), "cut", x=x)
    pairs = [axis for i in range(spatial) for axis in (spatial + 1 + i, i)]
    order = (spatial, *pairs, *range(2 * spatial + 1, rank + spatial))
    turned = reader.place(node, Transpose(permutation=order), "turned", x=cut)
    sizes = [_times(size, b) for size, b in zip(shape[1:], block, strict=False)]
    last = any(map(any, crops))
    made = reader.place(node, Reshape(shape=(batch, *sizes, *rest)), "whole" if last else "", x=turned)
    if last:
        ends = tuple((Size.of(size) - after).dimension for size, (_, after) in zip(sizes, crops, strict=True))
        starts = tuple(before for before, _ in crops)
        layer = Slice(axes=tuple(range(1, 1 + spatial)), starts=starts, ends=ends, steps=(1,) * spatial)
        made = reader.place(node, layer, x=made)
    reader.gives(node, made)


def _divided(size: Dimension, by: int) -> Dimension:
    return Size.of(size).floor_divide(by).dimension


def _times(size: Dimension, by: int) -> Dimension:
    return (Size.of(size) * by).dimension


def _patches(reader: GraphReader, node: NodeDef) -> None:
    """The elements under each position of a window, places first and channels last."""
    x, attrs = reader.given(node, 0), node.attrs
    batch, _, _, channels = reader.type_of(x).shape
    kernel, stride, dilation = (tuple(int(n) for n in attrs[name])[1:3] for name in ("ksizes", "strides", "rates"))
    rules: dict[str, PaddingMode | tuple[tuple[int, int], ...]] = {"SAME": "same_upper", "VALID": ((0, 0), (0, 0))}
    layer = Unfold(kernel=kernel, stride=stride, dilation=dilation, padding=rules[str(attrs["padding"])])
    first = reader.place(node, Transpose(permutation=(0, 3, 1, 2)), "channels_first", x=x)
    rows = reader.place(node, layer, "columns", x=first)
    positions = layer.positions(reader.type_of(first))
    apart = Reshape(shape=(batch, channels, prod(kernel), *positions))
    cut = reader.place(node, apart, "apart", x=rows)
    turned = reader.place(node, Transpose(permutation=(0, 3, 4, 2, 1)), "turned", x=cut)
    depth = _times(channels, prod(kernel))
    reader.gives(node, reader.place(node, Reshape(shape=(batch, *positions, depth)), x=turned))


def _contrast(reader: GraphReader, node: NodeDef) -> None:
    """``(x - mean) factor + mean``, with the mean of each channel of each image."""
    x, factor = reader.all_given(node)
    rank = len(reader.type_of(x).shape)
    layer = Reduce(op="mean", axes=(rank - 3, rank - 2), keepdims=True)
    mean = reader.place(node, layer, "mean", x=x)
    apart = reader.place(node, Sub(), "apart", x0=x, x1=mean)
    wide = reader.place(node, Mul(), "wide", x0=apart, x1=factor)
    reader.gives(node, reader.place(node, Add(), x0=wide, x1=mean))


HANDLERS = {
    "Roll": _rolled,
    "Cross": _crossed,
    "InvertPermutation": _inverse,
    "BroadcastArgs": _spread_shapes,
    **dict.fromkeys(("MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3"), _diagonal),
    **dict.fromkeys(("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3"), _on_diagonal),
    "Xlogy": _log_product,
    "Xdivy": _or_zero(True),
    "MulNoNan": _or_zero(False),
    "LeftShift": _moved_bits(True),
    "RightShift": _moved_bits(False),
    "GatherV2": _gathered,
    "ExtractImagePatches": _patches,
    "AdjustContrastv2": _contrast,
}
