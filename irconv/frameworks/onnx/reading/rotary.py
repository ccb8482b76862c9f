"""Rotary embeddings: ONNX's own (opset 23 on), and those of ONNX Runtime in ``com.microsoft``."""

from __future__ import annotations

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attention import whole
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Reshape
from irconv.ir.shapes import Dimension, Size


def _rotary(reader: ModelReader, op: Op) -> None:
    """Both turn pairs of features by angles whose cosines and sines are given, by place or for each sample."""
    fused = op.domain != ""
    x, cos, sin, places = (op.given(i) for i in ((0, 2, 3, 1) if fused else (0, 1, 2, 3)))
    if fused and (op.attribute("is_packed_batching") or op.attribute("scale", 1.0) != 1.0):
        raise Refused(op.where, "packs several samples into one, or scales, which irconv does not read")
    shape, folded = reader.shape(x), len(reader.shape(x)) == 3
    if folded:
        heads = op.attribute("num_heads") or _heads(reader, op, cos, shape[2])
        each = Size.of(shape[2]).floor_divide(heads).dimension
        x = reader.place(op, Reshape(shape=(*shape[:2], heads, each)), "heads", x=x)
    length = shape[1] if folded else shape[2]
    angles = [_angles(reader, op, v, places, length, s, folded) for v, s in ((cos, "cos"), (sin, "sin"))]
    width = op.attribute("rotary_embedding_dim") or reader.shape(x)[3]
    if not isinstance(width, int):
        raise Refused(op.where, f"expected heads of a known width, got {width}")
    turned = rotated(reader, op, x, (angles[0], angles[1]), width, bool(op.attribute("interleaved")))
    if len(turned) == 1 and not folded:
        reader.gives(op, turned[0])
        return
    name = "whole" if folded else ""
    made = turned[0] if len(turned) == 1 else reader.place(
        op, Concat(axis=3), name, **{f"x{i}": part for i, part in enumerate(turned)}
    )  # fmt: skip
    if folded:
        reader.place(op, Reshape(shape=shape), x=made)


def rotated(
    reader: ModelReader, op: Op, x: str, angles: tuple[str, str], width: int, near: bool, prefix: str = ""
) -> list[str]:
    """The parts of the last axis after turning its first `width` features: pairs of neighbours where they are `near`,
    else of one half with the other."""
    whole, half = reader.shape(x)[3], width // 2
    u = reader.place(op, _part(0, width if near else half, 1 + near), f"{prefix}first", x=x)
    v = reader.place(op, _part(1 if near else half, width, 1 + near), f"{prefix}second", x=x)
    turned = [
        _turned(reader, op, Sub(), (u, angles[0]), (v, angles[1]), f"{prefix}real"),
        _turned(reader, op, Add(), (u, angles[1]), (v, angles[0]), f"{prefix}imaginary"),
    ]
    if near:
        apart = [reader.place(op, Unsqueeze(axes=(4,)), f"{prefix}apart{i}", x=part) for i, part in enumerate(turned)]
        pairs = reader.place(op, Concat(axis=4), f"{prefix}pairs", x0=apart[0], x1=apart[1])
        turned = [reader.place(op, Reshape(shape=(*reader.shape(x)[:3], width)), f"{prefix}joined", x=pairs)]
    if whole != width:
        turned.append(reader.place(op, _part(width, None, 1), f"{prefix}rest", x=x))
    return turned


def _heads(reader: ModelReader, op: Op, cos: str, width: Dimension) -> int:
    """How many heads there are, each of twice as many features as there are angles."""
    pairs = reader.shape(cos)[-1]
    if not isinstance(width, int) or not isinstance(pairs, int) or width % (2 * pairs):
        raise Refused(op.where, f"expected num_heads, got {width} features and {pairs} angles")
    return width // (2 * pairs)


def _angles(reader: ModelReader, op: Op, table: str, places: str, length: Dimension, suffix: str, folded: bool) -> str:
    """Rows of a table of cosines or sines, for each place, with an axis for the heads."""
    if places and reader.shape(places) == (1,):  # where the first place is
        counted = reader.place(op, Range(start=0, limit=length, step=1), f"{suffix}/counted")
        first = reader.place(op, Squeeze(axes=(0,)), f"{suffix}/start", x=whole(reader, op, places, f"{suffix}/first"))
        along = reader.place(op, Add(), f"{suffix}/places", x0=counted, x1=first)
        rows = reader.place(op, Gather(axis=0), f"{suffix}/rows", x=table, indices=along)
        return reader.place(op, Unsqueeze(axes=(1,) if folded else (0,)), suffix, x=rows)
    rows = table
    if places:
        rows = reader.place(op, Gather(axis=0), f"{suffix}/rows", x=table, indices=places)
    return reader.place(op, Unsqueeze(axes=(2,) if folded else (1,)), suffix, x=rows)


def _turned(
    reader: ModelReader, op: Op, layer: Layer, left: tuple[str, str], right: tuple[str, str], suffix: str
) -> str:
    products = [
        reader.place(op, Mul(), f"{suffix}/{i}", x0=part, x1=angle) for i, (part, angle) in enumerate((left, right))
    ]
    return reader.place(op, layer, suffix, x0=products[0], x1=products[1])


def _part(start: int, end: int | None, step: int) -> Slice:
    return Slice(axes=(3,), starts=(start,), ends=(end,), steps=(step,))


HANDLERS: dict[str, Handler] = {"RotaryEmbedding": _rotary}
