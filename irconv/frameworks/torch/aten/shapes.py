"""Ops that move, join, cut and make tensors."""

from __future__ import annotations

from math import inf

from irconv.errors import Refused
from irconv.frameworks.torch.aten.batches import leading
from irconv.frameworks.torch.aten.elementwise import axes_of
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.base import broadcast
from irconv.ir.layers.composite_activations import Glu
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.patches import ChannelShuffle, DepthToSpace, SpaceToDepth
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.shape_ops import Expand, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Flip, Select, Slice, Split, Stack, Unstack
from irconv.ir.layers.tensor_ops import Concat, Flatten, Identity, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Shape, Size, filled, size_product

_OPEN = 2**62
TURNS = (
    *("transpose.int", "t.default", "permute.default", "swapaxes.default", "swapdims.default", "numpy_T.default"),
    *("mT.default", "adjoint.default", "movedim.int", "movedim.intlist", "moveaxis.int", "moveaxis.intlist"),
)
"""Ops that change the order of axes."""


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
    if "source" in call.arguments:
        return _moved(call, rank)
    if call.op.startswith("numpy_T"):
        return tuple(reversed(range(rank)))
    named = ("axis0", "axis1") if "axis0" in call.arguments else ("dim0", "dim1")
    matrix = call.op.partition(".")[0] in ("mT", "adjoint")
    usual = (-2, -1) if matrix else (0, 1)
    first, second = (call.get(name, place) % rank for place, name in zip(usual, named, strict=True))
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
    """Axis, start, end (None: open) and step of a slice; ``narrow`` has a length for an end."""
    axis = call.get("dim", 0) % len(shape)
    start, end, step = call.get("start", 0), call.get("end"), call.get("step", 1)
    if "length" in call.arguments:
        if not isinstance(start, int | str):
            raise Refused(call.where, "starts where a tensor says, which irconv does not read")
        end = (Size.of(start) + call.arguments["length"]).dimension
        end = None if end == 0 else end
    end = None if end is None or (isinstance(end, int) and end > _OPEN) or end == shape[axis] else end
    return axis, start, end, step


def _sliced(reader: ProgramReader, call: Call) -> None:
    value = reader.value(call.arguments["self"])
    axis, start, end, step = slice_bounds(call, reader.shape(call.arguments["self"]))
    if (start, end, step) == (0, None, 1):
        reader.gives(call, value)
        return
    reader.place(call, Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(step,)), x=value)


def _joinable(reader: ProgramReader, call: Call) -> list[str]:
    """The tensors that are joined, in one element type; vectors of no elements go with tensors of any rank."""
    tensors = call.arguments["tensors"]
    some = [tensor for tensor in tensors if reader.shape(tensor) != (0,)] or tensors[:1]
    return reader.promoted(call, *some)


def _joined(reader: ProgramReader, call: Call) -> None:
    values = _joinable(reader, call)
    if len(values) == 1:
        reader.gives(call, values[0])
        return
    axis = call.get("dim", 0) % len(reader.importer.type_of(values[0]).shape)
    reader.place(call, Concat(axis=axis), **{f"x{i}": value for i, value in enumerate(values)})


def _stacked(reader: ProgramReader, call: Call) -> None:
    values = reader.promoted(call, *call.arguments["tensors"])
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
    _repeat(reader, call, call.arguments["repeats"])


def _repeat(reader: ProgramReader, call: Call, repeats: list[Dimension]) -> None:
    value = reader.value(call.arguments["self"])
    more = len(repeats) - len(reader.shape(call.arguments["self"]))
    if more:
        value = reader.place(call, Unsqueeze(axes=tuple(range(more))), "axes", x=value)
    reader.place(call, Tile(repeats=tuple(repeats)), x=value)


def _looked_up(reader: ProgramReader, call: Call) -> None:
    padding = call.get("padding_idx", -1)
    layer = Embedding(padding_index=None if padding == -1 else padding)
    table, indices = (reader.value(call.arguments[name]) for name in ("weight", "indices"))
    reader.place(call, layer, table=table, x=indices)


def _padded(reader: ProgramReader, call: Call) -> None:
    """Pairs from the last axis on."""
    rank, flat = len(reader.shape(call.arguments["self"])), call.arguments["pad"]
    mode = {"replicate": "edge", "circular": "wrap"}.get(call.get("mode", "constant"), call.get("mode", "constant"))
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    pads = [(0, 0)] * (rank - len(pairs)) + pairs[::-1]
    value = float(call.get("value", 0.0)) if mode == "constant" else None
    layer = Pad(pads=tuple(pads), mode=mode, value=value) if any(map(any, pads)) else Identity()
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _running(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    layer = CumSum(axis=axis, exclusive=False, reverse=False)
    value = reader.value(call.arguments["self"])
    dtype = reader.importer.type_of(value).dtype
    value = reader.cast(call, value, call.get("dtype") or ("int64" if "float" not in dtype else dtype), "typed")
    reader.place(call, layer, x=value)


def _flipped(reader: ProgramReader, call: Call) -> None:
    reader.place(call, Flip(axes=axes_of(reader, call, "dims")), x=reader.value(call.arguments["self"]))


def _gated(reader: ProgramReader, call: Call) -> None:
    axis = call.get("dim", -1) % len(reader.shape(call.arguments["self"]))
    reader.place(call, Glu(axis=axis), x=reader.value(call.arguments["self"]))


def _shuffled(reader: ProgramReader, call: Call) -> None:
    layer = DepthToSpace(block=call.arguments["upscale_factor"], mode="CRD")
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _unshuffled(reader: ProgramReader, call: Call) -> None:
    layer = SpaceToDepth(block=call.arguments["downscale_factor"], mode="CRD")
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _like(layer: str) -> Handler:
    """An op that takes its sizes from another tensor."""

    def read(reader: ProgramReader, call: Call) -> None:
        value, shape = reader.value(call.arguments["self"]), reader.shape(call.arguments["other"])
        reader.place(call, Expand(shape=shape) if layer == "expand" else Reshape(shape=shape), x=value)

    return read


def _moved(call: Call, rank: int) -> tuple[int, ...]:
    """The order of axes that ``movedim`` makes."""
    listed = [call.arguments[name] for name in ("source", "destination")]
    sources, places = ([n % rank for n in (entry if isinstance(entry, list) else [entry])] for entry in listed)
    order: list[int | None] = [None] * rank
    for source, place in zip(sources, places, strict=True):
        order[place] = source
    rest = iter([axis for axis in range(rank) if axis not in sources])
    return tuple(next(rest) if axis is None else axis for axis in order)


def _tiled(reader: ProgramReader, call: Call) -> None:
    """Fewer repeats than axes are those of the last ones."""
    rank, repeats = len(reader.shape(call.arguments["self"])), list(call.arguments["dims"])
    _repeat(reader, call, [1] * (rank - len(repeats)) + repeats)


def _doubled(reader: ProgramReader, call: Call) -> None:
    """``repeat_interleave``: every element so many times in a row."""
    value, count, axis = reader.value(call.arguments["self"]), call.arguments["repeats"], call.get("dim")
    shape = reader.importer.type_of(value).shape
    if not isinstance(count, int):
        raise Refused(call.where, f"repeats elements {count} times, which is not known")
    if axis is None:
        shape = (size_product(shape).dimension,)
        value = reader.place(call, Reshape(shape=shape), "flat", x=value)
    axis = (axis or 0) % len(shape)
    apart = reader.place(call, Unsqueeze(axes=(axis + 1,)), "apart", x=value)
    many = reader.place(call, Expand(shape=(*shape[: axis + 1], count, *shape[axis + 1 :])), "many", x=apart)
    whole = (Size.of(shape[axis]) * count).dimension
    reader.place(call, Reshape(shape=(*shape[:axis], whole, *shape[axis + 1 :])), x=many)


def _shuffled_channels(reader: ProgramReader, call: Call) -> None:
    layer = ChannelShuffle(groups=call.arguments["groups"])
    reader.place(call, layer, x=reader.value(call.arguments["self"]))


def _cut_at(reader: ProgramReader, call: Call) -> None:
    """``tensor_split``: at places, or into pieces of which the first are longer by one; ``hsplit`` and the like."""
    shape = reader.shape(call.arguments["self"])
    usual = {"v": 0, "h": min(1, len(shape) - 1), "d": 2}.get(call.op[0], 0)
    axis = call.get("dim", usual) % len(shape)
    whole, places = shape[axis], call.get("indices")
    if not isinstance(whole, int):
        raise Refused(call.where, f"cuts an axis of {whole} into pieces")
    if places is None:
        count = call.arguments["sections"]
        sizes = [whole // count + (i < whole % count) for i in range(count)]
    else:
        ends = [*(min(max(n if n >= 0 else n + whole, 0), whole) for n in places), whole]
        sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    reader.several(call, Split(axis=axis, sizes=tuple(sizes)), x=reader.value(call.arguments["self"]))


def _broadcast(reader: ProgramReader, call: Call) -> None:
    """``broadcast_tensors``."""
    tensors = call.arguments["tensors"]
    shape = broadcast([reader.shape(tensor) for tensor in tensors])
    for tensor, output in zip(tensors, call.outputs, strict=True):
        reader.importer.place(Expand(shape=shape), {"x": reader.value(tensor)}, [output], name=output, where=call.where)
        reader.values[output] = output


def _diagonal(reader: ProgramReader, call: Call) -> None:
    """Elements of two axes at equal places, as a last axis."""
    shape, value = reader.shape(call.arguments["self"]), reader.value(call.arguments["self"])
    rank, offset = len(shape), call.get("offset", 0)
    first, second = call.get("dim1", 0) % rank, call.get("dim2", 1) % rank
    rows, columns = shape[first], shape[second]
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise Refused(call.where, f"takes the diagonal of {rows} rows and {columns} columns, which are not known")
    rest = [axis for axis in range(rank) if axis not in (first, second)]
    starts = max(-offset, 0), max(offset, 0)
    count = max(min(rows - starts[0], columns - starts[1]), 0)
    turned = reader.place(call, Transpose(permutation=(*rest, first, second)), "last", x=value)
    flat = reader.place(call, Reshape(shape=(*(shape[axis] for axis in rest), rows * columns)), "flat", x=turned)
    places = [(starts[0] + i) * columns + starts[1] + i for i in range(count)]
    reader.place(call, Gather(axis=rank - 2), x=flat, indices=reader.number(call, places, "int64", "places"))


def _size(reader: ProgramReader, call: Call) -> None:
    """A size as a number, not a tensor."""
    shape = reader.shape(call.arguments["self"])
    reader.sizes[call.outputs[0]] = Size.of(shape[call.arguments["dim"] % len(shape)]).dimension


def _count(reader: ProgramReader, call: Call) -> None:
    """How many elements there are."""
    reader.sizes[call.outputs[0]] = size_product(reader.shape(call.arguments["self"])).dimension


HANDLERS: dict[str, Handler] = {
    "view.default": _reshaped("size"),
    "_unsafe_view.default": _reshaped("size"),
    "reshape.default": _reshaped("shape"),
    "flatten.using_ints": _flattened,
    "unflatten.int": _unflattened,
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
    "broadcast_to.default": _expanded,
    "repeat.default": _repeated,
    "embedding.default": _looked_up,
    "pad.default": _padded,
    "constant_pad_nd.default": _padded,
    "cumsum.default": _running,
    "flip.default": _flipped,
    "glu.default": _gated,
    "pixel_shuffle.default": leading(3, _shuffled),
    "pixel_unshuffle.default": leading(3, _unshuffled),
    "sym_size.int": _size,
    "sym_numel.default": _count,
    "expand_as.default": _like("expand"),
    **dict.fromkeys(("view_as.default", "reshape_as.default"), _like("shape")),
    **dict.fromkeys(TURNS, _transposed),
    "narrow.default": _sliced,
    "tile.default": _tiled,
    "repeat_interleave.self_int": _doubled,
    **dict.fromkeys(("channel_shuffle.default", "native_channel_shuffle.default"), _shuffled_channels),
    **dict.fromkeys(("tensor_split.sections", "tensor_split.indices"), _cut_at),
    **dict.fromkeys((f"{way}split.{form}" for way in "hvd" for form in ("int", "array")), _cut_at),
    "broadcast_tensors.default": _broadcast,
    "diagonal.default": _diagonal,
    "unsafe_chunk.default": _chunks,
    **dict.fromkeys(("unsafe_split.Tensor", "unsafe_split_with_sizes.default"), _chunks),
    "concatenate.default": _joined,
}
