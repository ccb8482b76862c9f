"""Ops that move, join, cut and make tensors."""

from __future__ import annotations

from math import inf
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.elementwise import axes_of
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader, Tensor
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.composite_activations import Glu
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.indexing import Gather, GatherElements, TopK
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.patches import DepthToSpace, SpaceToDepth
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.shape_ops import Expand, Full, Range, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Flip, Roll, Select, Slice, Split, Stack, Unstack
from irconv.ir.layers.tensor_ops import Concat, Flatten, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Shape, Size, filled, size_product

_OPEN = 2**62


def _reshaped(name: str) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        given, wanted = reader.shape(call.arguments["self"]), call.arguments[name]
        try:
            shape = filled(tuple(wanted), given)
        except ValueError as error:
            raise Refused(call.where, str(error)) from error
        reader.place(call, Reshape(shape=shape), x=reader.value(call.arguments["self"]))

    return read


def _flattened(reader: ProgramReader, call: Call) -> None:
    shape = reader.shape(call.arguments["self"])
    rank = len(shape)
    start, end = call.get("start_dim", 0) % rank, call.get("end_dim", -1) % rank
    if start == 1 and end == rank - 1 and rank > 1:
        reader.place(call, Flatten(start_axis=1), x=reader.value(call.arguments["self"]))
        return
    merged = size_product(shape[start : end + 1]).dimension
    reader.place(
        call, Reshape(shape=(*shape[:start], merged, *shape[end + 1 :])), x=reader.value(call.arguments["self"])
    )


def _unflattened(reader: ProgramReader, call: Call) -> None:
    shape = reader.shape(call.arguments["self"])
    axis = call.arguments["dim"] % len(shape)
    sizes = filled(tuple(call.arguments["sizes"]), (shape[axis],))
    layer = Reshape(shape=(*shape[:axis], *sizes, *shape[axis + 1 :]))
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def permutation_of(call: Call, rank: int) -> tuple[int, ...]:
    """The order of axes that a transposing op makes."""
    if "dims" in call.arguments:
        return tuple(axis % rank for axis in call.arguments["dims"])
    first, second = (call.get(name, place) % rank for name, place in (("dim0", 0), ("dim1", 1)))
    order = list(range(rank))
    order[first], order[second] = order[second], order[first]
    return tuple(order)


def _transposed(reader: ProgramReader, call: Call) -> None:
    order = permutation_of(call, len(reader.shape(call.arguments["self"])))
    reader.place(call, Transpose(permutation=order), x=reader.value(call.arguments["self"]))


def _unsqueezed(reader: ProgramReader, call: Call) -> None:
    rank = len(reader.shape(call.arguments["self"])) + 1
    layer = Unsqueeze(axes=(call.arguments["dim"] % rank,))
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _squeezed(reader: ProgramReader, call: Call) -> None:
    """Axes of another length than 1 stay."""
    shape, value = reader.shape(call.arguments["self"]), reader.value(call.arguments["self"])
    axes = tuple(axis for axis in axes_of(reader, call) if shape[axis] == 1)
    if axes:
        reader.place(call, Squeeze(axes=axes), x=value)
    else:
        reader.gives(call, value)


def _selected(reader: ProgramReader, call: Call) -> None:
    rank = len(reader.shape(call.arguments["self"]))
    index = call.arguments["index"]
    if not isinstance(index, int):
        raise Refused(call.where, f"takes the index {index}, which depends on sizes")
    layer = Select(axis=call.arguments["dim"] % rank, index=index)
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def slice_bounds(call: Call, shape: Shape) -> tuple[int, Dimension, Dimension | None, int]:
    """Axis, start, end (None: open) and step of a slice."""
    axis = call.get("dim", 0) % len(shape)
    start, end, step = call.get("start", 0), call.get("end"), call.get("step", 1)
    end = None if end is None or (isinstance(end, int) and end > _OPEN) or end == shape[axis] else end
    return axis, start, end, step


def _sliced(reader: ProgramReader, call: Call) -> None:
    value = reader.value(call.arguments["self"])
    axis, start, end, step = slice_bounds(call, reader.shape(call.arguments["self"]))
    if (start, end, step) == (0, None, 1):
        reader.gives(call, value)
        return
    reader.place(call, Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(step,)), x=value)


def _joined(reader: ProgramReader, call: Call) -> None:
    values = [reader.value(tensor) for tensor in call.arguments["tensors"]]
    axis = call.get("dim", 0) % len(reader.importer.type_of(values[0]).shape)
    reader.place(call, Concat(axis=axis), **{f"x{i}": value for i, value in enumerate(values)})


def _stacked(reader: ProgramReader, call: Call) -> None:
    values = [reader.value(tensor) for tensor in call.arguments["tensors"]]
    axis = call.get("dim", 0) % (len(reader.importer.type_of(values[0]).shape) + 1)
    reader.place(call, Stack(axis=axis), **{f"x{i}": value for i, value in enumerate(values)})


def _chunks(reader: ProgramReader, call: Call) -> None:
    """So many chunks, so long ones, or ones of these sizes."""
    shape = reader.shape(call.arguments["self"])
    axis = call.get("dim", 0) % len(shape)
    sizes, whole = call.get("split_sizes") or call.get("split_size"), shape[axis]
    if not isinstance(sizes, list):
        if not isinstance(whole, int):
            raise Refused(call.where, f"cuts an axis of {whole} into equal pieces")
        each = sizes or -(-whole // call.arguments["chunks"])
        written_out(whole / each if each > 0 else inf, f"pieces of {each}")
        sizes = [min(each, whole - start) for start in range(0, whole, each)]
    reader.several(call, Split(axis=axis, sizes=tuple(sizes)), x=reader.value(call.arguments["self"]))


def _unbound(reader: ProgramReader, call: Call) -> None:
    axis = call.get("dim", 0) % len(reader.shape(call.arguments["self"]))
    layer = Unstack(axis=axis, count=len(call.outputs))
    reader.several(call, layer, x=reader.value(call.arguments["self"]))


def _expanded(reader: ProgramReader, call: Call) -> None:
    """-1 leaves a size."""
    shape = reader.shape(call.arguments["self"])
    wanted = call.arguments["size"]
    before = len(wanted) - len(shape)
    sizes = tuple(shape[i - before] if size == -1 else size for i, size in enumerate(wanted))
    reader.place(call, Expand(shape=sizes), x=reader.value(call.arguments["self"]))


def _repeated(reader: ProgramReader, call: Call) -> None:
    value, repeats = reader.value(call.arguments["self"]), call.arguments["repeats"]
    more = len(repeats) - len(reader.shape(call.arguments["self"]))
    if more:
        value = reader.place(call, Unsqueeze(axes=tuple(range(more))), "axes", x=value)
    reader.place(call, Tile(repeats=tuple(repeats)), x=value)


def _looked_up(reader: ProgramReader, call: Call) -> None:
    padding = call.get("padding_idx", -1)
    layer = Embedding(padding_index=None if padding == -1 else padding)
    table, indices = (reader.value(call.arguments[name]) for name in ("weight", "indices"))
    reader.place(call, layer, table=table, x=indices)


def _indexed(reader: ProgramReader, call: Call) -> None:
    """One tensor of indices, along one axis; or one mask, whose elements may be changed and put back."""
    indices, value = call.arguments["indices"], reader.value(call.arguments["self"])
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1:
        raise Refused(call.where, "takes elements by several indices, which irconv does not read")
    ((axis, index),) = given
    if reader.type_of(index).dtype == "bool":
        reader.masked[call.outputs[0]] = (reader.value(index), axis)
        reader.gives(call, value)
    else:
        reader.place(call, Gather(axis=axis), x=value, indices=reader.value(index))


def _index_select(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    value, indices = (reader.value(call.arguments[name]) for name in ("self", "index"))
    reader.place(call, Gather(axis=axis), x=value, indices=indices)


def _gathered(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    value, indices = (reader.value(call.arguments[name]) for name in ("self", "index"))
    if reader.shape(call.arguments["self"])[:axis] != reader.shape(call.arguments["index"])[:axis]:
        raise Refused(call.where, "has indices for a part of the tensor only, which irconv does not read")
    reader.place(call, GatherElements(axis=axis), x=value, indices=indices)


def _padded(reader: ProgramReader, call: Call) -> None:
    """Pairs from the last axis on."""
    rank, flat = len(reader.shape(call.arguments["self"])), call.arguments["pad"]
    mode = {"replicate": "edge", "circular": "wrap"}.get(call.get("mode", "constant"), call.get("mode", "constant"))
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    pads = [(0, 0)] * (rank - len(pairs)) + pairs[::-1]
    value = float(call.get("value", 0.0)) if mode == "constant" else None
    reader.place(call, Pad(pads=tuple(pads), mode=mode, value=value), x=reader.value(call.arguments["self"]))


def _constant(number: Any) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        value = call.arguments.get("fill_value", number)
        like = call.arguments.get("self")
        shape = (
            tuple(call.arguments.get("size", ())) if not isinstance(like, Tensor) or "size" in call.arguments else ()
        )
        if isinstance(like, Tensor) and "size" not in call.arguments:
            shape = reader.shape(like)
        usual = reader.type_of(like).dtype if isinstance(like, Tensor) else "float32"
        dtype = call.get("dtype") or usual
        if "fill_value" in call.arguments and not call.get("dtype") and not isinstance(like, Tensor):
            dtype = {bool: "bool", int: "int64"}.get(type(value), "float32")
        typed = bool(value) if dtype == "bool" else float(value) if "float" in dtype else int(value)
        reader.place(call, Full(shape=shape, value=typed, dtype=dtype))

    return read


def _range(reader: ProgramReader, call: Call) -> None:
    start, end, step = call.get("start", 0), call.arguments["end"], call.get("step", 1)
    dtype = call.get("dtype") or ("float32" if any(isinstance(n, float) for n in (start, end, step)) else "int64")
    if any(isinstance(n, float) and n != int(n) for n in (start, end, step)):
        raise Refused(call.where, f"counts from {start} to {end} in steps of {step}")
    bounds: list[Dimension] = [n if isinstance(n, str) else int(n) for n in (start, end)]
    layer = Range(start=bounds[0], limit=bounds[1], step=int(step))
    if dtype == "int64":
        reader.place(call, layer)
    else:
        reader.place(call, Cast(dtype=dtype), x=reader.place(call, layer, "int64"))


def _triangle(upper: bool) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        layer = Trilu(upper=upper, diagonal=call.get("diagonal", 0))
        reader.place(call, layer, x=reader.value(call.arguments["self"]))

    return read


def _largest(reader: ProgramReader, call: Call) -> None:
    axis = call.get("dim", -1) % len(reader.shape(call.arguments["self"]))
    largest, ordered = bool(call.get("largest", True)), bool(call.get("sorted", True))
    layer = TopK(axis=axis, k=call.arguments["k"], largest=largest, sorted=ordered)
    reader.several(call, layer, x=reader.value(call.arguments["self"]))


def _running(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    layer = CumSum(axis=axis, exclusive=False, reverse=False)
    value = reader.value(call.arguments["self"])
    dtype = reader.importer.type_of(value).dtype
    value = reader.cast(call, value, call.get("dtype") or ("int64" if "float" not in dtype else dtype), "typed")
    reader.place(call, layer, x=value)


def _flipped(reader: ProgramReader, call: Call) -> None:
    reader.place(call, Flip(axes=axes_of(reader, call, "dims")), x=reader.value(call.arguments["self"]))


def _rolled(reader: ProgramReader, call: Call) -> None:
    rank = len(reader.shape(call.arguments["self"]))
    axes = tuple(axis % rank for axis in call.get("dims", []))
    if not axes:
        raise Refused(call.where, "rolls the elements of all axes as one, which irconv does not read")
    layer = Roll(axes=axes, shifts=tuple(call.arguments["shifts"]))
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _gated(reader: ProgramReader, call: Call) -> None:
    axis = call.get("dim", -1) % len(reader.shape(call.arguments["self"]))
    reader.place(call, Glu(axis=axis), x=reader.value(call.arguments["self"]))


def _shuffled(reader: ProgramReader, call: Call) -> None:
    layer = DepthToSpace(block=call.arguments["upscale_factor"], mode="CRD")
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _unshuffled(reader: ProgramReader, call: Call) -> None:
    layer = SpaceToDepth(block=call.arguments["downscale_factor"], mode="CRD")
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _size(reader: ProgramReader, call: Call) -> None:
    """A size as a number, not a tensor."""
    shape = reader.shape(call.arguments["self"])
    reader.sizes[call.outputs[0]] = Size.of(shape[call.arguments["dim"] % len(shape)]).dimension


HANDLERS: dict[str, Handler] = {
    "view.default": _reshaped("size"),
    "_unsafe_view.default": _reshaped("size"),
    "reshape.default": _reshaped("shape"),
    "flatten.using_ints": _flattened,
    "unflatten.int": _unflattened,
    "transpose.int": _transposed,
    "t.default": _transposed,
    "permute.default": _transposed,
    "unsqueeze.default": _unsqueezed,
    "squeeze.dim": _squeezed,
    "squeeze.dims": _squeezed,
    "squeeze.default": _squeezed,
    "select.int": _selected,
    "slice.Tensor": _sliced,
    "cat.default": _joined,
    "concat.default": _joined,
    "stack.default": _stacked,
    "chunk.default": _chunks,
    "split.Tensor": _chunks,
    "split_with_sizes.default": _chunks,
    "split.sizes": _chunks,
    "unbind.int": _unbound,
    "expand.default": _expanded,
    "repeat.default": _repeated,
    "embedding.default": _looked_up,
    "index.Tensor": _indexed,
    "index_select.default": _index_select,
    "gather.default": _gathered,
    "pad.default": _padded,
    "constant_pad_nd.default": _padded,
    "zeros.default": _constant(0),
    "ones.default": _constant(1),
    "full.default": _constant(None),
    "zeros_like.default": _constant(0),
    "ones_like.default": _constant(1),
    "full_like.default": _constant(None),
    "new_zeros.default": _constant(0),
    "new_ones.default": _constant(1),
    "new_full.default": _constant(None),
    **dict.fromkeys(("arange.default", "arange.start", "arange.start_step"), _range),
    "triu.default": _triangle(True),
    "tril.default": _triangle(False),
    "topk.default": _largest,
    "cumsum.default": _running,
    "flip.default": _flipped,
    "roll.default": _rolled,
    "glu.default": _gated,
    "pixel_shuffle.default": _shuffled,
    "pixel_unshuffle.default": _unshuffled,
    "sym_size.int": _size,
}
