"""ONNX's own Attention (opset 23 on): `irconv.ir.layers.attention.ScaledDotProductAttention` and what goes around it.

A query that may attend to nothing gets zeros.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Literal

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import Softmax, Tanh
from irconv.ir.layers.arithmetic import Div
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Equal, GreaterOrEqual, Less, LessOrEqual, Where
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Range, Repeat, Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size

_TURN = Transpose(permutation=(0, 2, 1, 3))


def _standard(reader: ModelReader, op: Op) -> None:
    """ONNX's Attention: queries, keys and values with their heads as an axis, or folded into the last."""
    window = op.attribute("left_window_size", -1), op.attribute("right_window_size", -1)
    if window != (-1, -1) and op.given(6):
        raise Refused(op.where, "counts each sample's keys and attends inside a window, which irconv does not read")
    folded = len(reader.shape(op.given(0))) == 3
    heads, groups = op.attribute("q_num_heads"), op.attribute("kv_num_heads")
    query, key, value = op.inputs[:3]
    if folded:
        if not heads or not groups:
            raise Refused(op.where, "expected q_num_heads and kv_num_heads beside inputs of three axes")
        query = unfolded(reader, op, query, heads, "query")
        key, value = (unfolded(reader, op, v, groups, s) for v, s in ((key, "key"), (value, "value")))
    past = bool(op.given(4))
    if past:
        key = reader.place(op, Concat(axis=2), "keys", x0=op.given(4), x1=key)
        value = reader.place(op, Concat(axis=2), "values", x0=op.given(5), x1=value)
    for index, found in ((1, key), (2, value)):
        if index < len(op.outputs) and op.outputs[index]:
            reader.gives(op, found, index)
    causal: Any = ("last" if past else "first") if op.attribute("is_causal") else "none"
    mask = _mask(reader, op, key)
    if causal != "none" and op.given(6):  # the last of the keys that a sample has is the last query's
        seen = _before_own(reader, op, reader.shape(query)[2], reader.shape(key)[2])
        mask, causal = _both(reader, op, mask, seen), "none"
    if window != (-1, -1):
        mask = _both(reader, op, mask, _near(reader, op, reader.shape(query)[2], reader.shape(key)[2], window))
    width = reader.shape(query)[3]
    scale = op.attribute("scale") or (1 / sqrt(width) if isinstance(width, int) else None)
    if scale is None:
        raise Refused(op.where, f"expected heads of a known width, got {width}")
    softcap = float(op.attribute("softcap", 0.0)) or None
    layer = ScaledDotProductAttention(
        scale=float(shortest_float32(scale)), softcap=softcap, causal=causal, fully_masked="zero"
    )
    if len(op.outputs) > 3 and op.outputs[3]:
        _scores(reader, op, layer, query, key, mask)
    attended(reader, op, layer, query, key, value, mask, folded)


def unfolded(reader: ModelReader, op: Op, value: str, heads: int, suffix: str) -> str:
    """(n, t, heads d) -> (n, heads, t, d)."""
    batch, length, width = reader.shape(value)
    each = Size.of(width).floor_divide(heads).dimension
    split = reader.place(op, Reshape(shape=(batch, length, heads, each)), f"{suffix}/heads", x=value)
    return reader.place(op, _TURN, suffix, x=split)


def attended(
    reader: ModelReader, op: Op, layer: Layer, query: str, key: str, value: str, mask: str, folded: bool
) -> None:
    """The weighted averages, with the heads folded into the last axis again where the node has them so."""
    if not folded:
        reader.place(op, layer, query=query, key=key, value=value, mask=mask)
        return
    found = reader.place(op, layer, "attended", query=query, key=key, value=value, mask=mask)
    batch, heads, length, _ = reader.shape(found)
    joined = (Size.of(heads) * reader.shape(value)[3]).dimension
    turned = reader.place(op, _TURN, "turned", x=found)
    reader.place(op, Reshape(shape=(batch, length, joined)), x=turned)


def _mask(reader: ModelReader, op: Op, key: str) -> str:
    """The mask, as long as there are keys, and without the keys that a sample has not; empty where there is none."""
    mask, counts, keys = op.given(3), op.given(6), reader.shape(key)[2]
    if mask and reader.shape(mask)[-1] != keys:
        shape, dtype = reader.shape(mask), reader.type_of(mask).dtype
        more = (Size.of(keys) - shape[-1]).dimension
        if dtype == "bool":
            mask = reader.place(op, Cast(dtype="float32"), "mask/numbers", x=mask)
        pads: tuple[tuple[Dimension, Dimension], ...] = (*((0, 0),) * (len(shape) - 1), (0, more))
        fill = 0.0 if dtype == "bool" else float("-inf")
        mask = reader.place(op, Pad(pads=pads, mode="constant", value=fill), "mask/padded", x=mask)
        if dtype == "bool":
            mask = reader.place(op, Cast(dtype="bool"), "mask/whole", x=mask)
    if not counts:
        return mask
    return _both(reader, op, mask, below(reader, op, counts, keys, "counted"), "mask/both")


def _both(reader: ModelReader, op: Op, mask: str, seen: str, suffix: str = "mask/causal") -> str:
    """A mask that leaves out what is not seen, too."""
    if not mask:
        return seen
    if reader.type_of(mask).dtype == "bool":
        return reader.place(op, And(), suffix, x0=mask, x1=seen)
    barred = reader.constant(op, float("-inf"), f"{suffix}/barred", reader.type_of(mask).dtype)
    return reader.place(op, Where(), suffix, condition=seen, x0=mask, x1=barred)


def _before_own(reader: ModelReader, op: Op, queries: Dimension, keys: Dimension) -> str:
    """(n, 1, queries, keys): query i of a sample with c keys attends to those up to ``c - queries + i``."""
    counts = reader.place(op, Unsqueeze(axes=(1, 2, 3)), "causal/counts", x=whole(reader, op, op.given(6), "causal"))
    start = reader.place(op, Range(start=(-Size.of(queries)).dimension, limit=0, step=1), "causal/from the last")
    column = reader.place(op, Unsqueeze(axes=(1,)), "causal/column", x=start)
    own = reader.place(op, Add(), "causal/own", x0=counts, x1=column)
    places = reader.place(op, Range(start=0, limit=keys, step=1), "causal/places")
    return reader.place(op, LessOrEqual(), "causal/seen", x0=places, x1=own)


def _near(reader: ModelReader, op: Op, queries: Dimension, keys: Dimension, window: tuple[int, int]) -> str:
    """(queries, keys): what lies at most so far before and behind a query's own place, which comes behind the past."""
    past = reader.shape(op.given(4))[2] if op.given(4) else 0
    rows = reader.place(op, Range(start=past, limit=(Size.of(past) + queries).dimension, step=1), "window/own")
    column = reader.place(op, Unsqueeze(axes=(1,)), "window/column", x=rows)
    places = reader.place(op, Range(start=0, limit=keys, step=1), "window/places")
    seen = ""
    for limit, name, layer in zip(window, ("left", "right"), (GreaterOrEqual(), LessOrEqual()), strict=True):
        if limit < 0:
            continue
        far = reader.constant(op, -limit if name == "left" else limit, f"window/{name}", "int64")
        edge = reader.place(op, Add(), f"window/{name}/edge", x0=column, x1=far)
        side = reader.place(op, layer, f"window/{name}/seen", x0=places, x1=edge)
        seen = reader.place(op, And(), "window/seen", x0=seen, x1=side) if seen else side
    return seen


def below(reader: ModelReader, op: Op, counts: str, keys: Dimension, suffix: str) -> str:
    """(n, 1, 1, keys): which keys of each sample come before its count."""
    places = reader.place(op, Range(start=0, limit=keys, step=1), f"{suffix}/places")
    along = reader.place(op, Unsqueeze(axes=(1, 2, 3)), f"{suffix}/along", x=whole(reader, op, counts, suffix))
    return reader.place(op, Less(), suffix, x0=places, x1=along)


def whole(reader: ModelReader, op: Op, value: str, suffix: str) -> str:
    if reader.type_of(value).dtype == "int64":
        return value
    return reader.place(op, Cast(dtype="int64"), f"{suffix}/int64", x=value)


def _scores(reader: ModelReader, op: Op, layer: ScaledDotProductAttention, query: str, key: str, mask: str) -> None:
    """The fourth result: scores as they are (0), under the softcap (1), under the mask (2), or as weights (3)."""
    mode, dtype = op.attribute("qk_matmul_output_mode", 0), reader.type_of(query).dtype
    shape = (*reader.shape(query)[:3], reader.shape(key)[2])
    heads, groups = shape[1], reader.shape(key)[1]
    if heads != groups and isinstance(heads, int) and isinstance(groups, int):
        key = reader.place(op, Repeat(axis=1, repeats=heads // groups), "scores/keys", x=key)
    scaled = reader.place(
        op, Mul(), "scores/scaled", x0=query, x1=reader.constant(op, layer.scale, "scores/scale", dtype)
    )
    turned = reader.place(op, Transpose(permutation=(0, 1, 3, 2)), "scores/turned", x=key)
    scores = reader.place(op, MatMul(), "scores/product", left=scaled, right=turned)
    if mode > 0 and layer.softcap is not None:
        cap = reader.constant(op, layer.softcap, "scores/cap", dtype)
        bent = reader.place(op, Tanh(), "scores/bent", x=reader.place(op, Div(), "scores/part", x0=scores, x1=cap))
        scores = reader.place(op, Mul(), "scores/capped", x0=bent, x1=cap)
    if mode > 1:
        barred = reader.constant(op, float("-inf"), "scores/barred", dtype)
        if mask and reader.type_of(mask).dtype == "bool":
            scores = reader.place(op, Where(), "scores/masked", condition=mask, x0=scores, x1=barred)
        elif mask:
            scores = reader.place(op, Add(), "scores/masked", x0=scores, x1=mask)
        if layer.causal != "none":
            seen = _triangle(reader, op, layer.causal, shape[2], shape[3])
            scores = reader.place(op, Where(), "scores/causal", condition=seen, x0=scores, x1=barred)
    if mode > 2:
        weights = reader.place(op, Softmax(axis=3), "scores/softmax", x=scores)
        barred = reader.constant(op, float("-inf"), "scores/nothing", dtype)
        out = reader.place(op, Equal(), "scores/out", x0=scores, x1=barred)
        zero = reader.constant(op, 0.0, "scores/zero", dtype)
        scores = reader.place(op, Where(), "scores/weights", condition=out, x0=zero, x1=weights)
    reader.gives(op, scores, 3)


def _triangle(
    reader: ModelReader, op: Op, causal: Literal["none", "first", "last"], queries: Dimension, keys: Dimension
) -> str:
    start = 0 if causal == "first" else (Size.of(keys) - queries).dimension
    rows = reader.place(op, Range(start=start, limit=(Size.of(start) + queries).dimension, step=1), "scores/rows")
    column = reader.place(op, Unsqueeze(axes=(1,)), "scores/column", x=rows)
    places = reader.place(op, Range(start=0, limit=keys, step=1), "scores/places")
    return reader.place(op, LessOrEqual(), "scores/seen", x0=places, x1=column)


HANDLERS: dict[str, Handler] = {"Attention": _standard}
