"""Attention and rotary embeddings: ONNX's own (opset 23 on), and those of ONNX Runtime in ``com.microsoft``.

Both mean `irconv.ir.layers.attention.ScaledDotProductAttention`. ONNX gives zeros to a query that may attend to
nothing; ONNX Runtime adds a finite number to the scores of what is masked.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Literal

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import Softmax, Tanh
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Equal, GreaterOrEqual, Less, LessOrEqual, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Range, Repeat, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Slice, Split
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size

_TURN = Transpose(permutation=(0, 2, 1, 3))
_FILLS = -10000.0


def _standard(reader: ModelReader, op: Op) -> None:
    """ONNX's Attention: queries, keys and values with their heads as an axis, or folded into the last."""
    if op.attribute("left_window_size", -1) != -1 or op.attribute("right_window_size", -1) != -1:
        raise Refused(op.where, "attends inside a window, which irconv does not read")
    folded = len(reader.shape(op.given(0))) == 3
    heads, groups = op.attribute("q_num_heads"), op.attribute("kv_num_heads")
    query, key, value = op.inputs[:3]
    if folded:
        if not heads or not groups:
            raise Refused(op.where, "expected q_num_heads and kv_num_heads beside inputs of three axes")
        query = _unfolded(reader, op, query, heads, "query")
        key, value = (_unfolded(reader, op, v, groups, s) for v, s in ((key, "key"), (value, "value")))
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
    _attended(reader, op, layer, query, key, value, mask, folded)


def _unfolded(reader: ModelReader, op: Op, value: str, heads: int, suffix: str) -> str:
    """(n, t, heads d) -> (n, heads, t, d)."""
    batch, length, width = reader.shape(value)
    each = Size.of(width).floor_divide(heads).dimension
    split = reader.place(op, Reshape(shape=(batch, length, heads, each)), f"{suffix}/heads", x=value)
    return reader.place(op, _TURN, suffix, x=split)


def _attended(
    reader: ModelReader, op: Op, layer: Layer, query: str, key: str, value: str, mask: str, folded: bool
) -> None:
    """The weighted averages, with the heads folded into the last axis again where the node has them so."""
    if not folded:
        reader.place(op, layer, query=query, key=key, value=value, mask=mask)
        return
    attended = reader.place(op, layer, "attended", query=query, key=key, value=value, mask=mask)
    batch, heads, length, _ = reader.shape(attended)
    joined = (Size.of(heads) * reader.shape(value)[3]).dimension
    turned = reader.place(op, _TURN, "turned", x=attended)
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
    return _both(reader, op, mask, _below(reader, op, counts, keys, "counted"), "mask/both")


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
    counts = reader.place(op, Unsqueeze(axes=(1, 2, 3)), "causal/counts", x=_whole(reader, op, op.given(6), "causal"))
    start = reader.place(op, Range(start=(-Size.of(queries)).dimension, limit=0, step=1), "causal/from the last")
    column = reader.place(op, Unsqueeze(axes=(1,)), "causal/column", x=start)
    own = reader.place(op, Add(), "causal/own", x0=counts, x1=column)
    places = reader.place(op, Range(start=0, limit=keys, step=1), "causal/places")
    return reader.place(op, LessOrEqual(), "causal/seen", x0=places, x1=own)


def _below(reader: ModelReader, op: Op, counts: str, keys: Dimension, suffix: str) -> str:
    """(n, 1, 1, keys): which keys of each sample come before its count."""
    places = reader.place(op, Range(start=0, limit=keys, step=1), f"{suffix}/places")
    along = reader.place(op, Unsqueeze(axes=(1, 2, 3)), f"{suffix}/along", x=_whole(reader, op, counts, suffix))
    return reader.place(op, Less(), suffix, x0=places, x1=along)


def _whole(reader: ModelReader, op: Op, value: str, suffix: str) -> str:
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


def _packed(reader: ModelReader, op: Op) -> None:
    """``com.microsoft.Attention``: one kernel for queries, keys and values, whose heads are the outer part of each."""
    if op.given(4) or op.given(6) or op.attribute("do_rotary"):
        raise Refused(op.where, "keeps a past, or turns what it attends to, which irconv does not read")
    if len(op.outputs) > 1 and op.outputs[1]:
        raise Refused(op.where, "gives its keys and values on, which irconv does not read")
    x, kernel, bias, mask, more = (op.given(i) for i in (0, 1, 2, 3, 5))
    width = reader.shape(kernel)[1]
    sizes = op.attribute("qkv_hidden_sizes") or ([width // 3] * 3 if isinstance(width, int) else None)
    if sizes is None:
        raise Refused(op.where, f"expected a kernel of known width, got {width}")
    turned = reader.place(op, Transpose(permutation=(1, 0)), "kernel", x=kernel)
    projected = reader.place(op, Linear(), "projected", x=x, kernel=turned, bias=bias)
    names = [f"{op.outputs[0]}/{part}" for part in ("q", "k", "v")]
    reader.importer.place(Split(axis=2, sizes=tuple(sizes)), {"x": projected}, names, f"{op.name}/split", "", op.where)
    heads = op.attributes["num_heads"]
    parts = [_unfolded(reader, op, v, heads, s) for v, s in zip(names, ("query", "key", "value"), strict=True)]
    _with_fill(reader, op, parts, mask, more)


def _several(reader: ModelReader, op: Op) -> None:
    """``com.microsoft.MultiHeadAttention``: queries, keys and values projected already, with or without bias."""
    query, key, value, bias, mask, more = (op.given(i) for i in range(6))
    if any(op.given(i) for i in range(6, 10)) or any(op.outputs[1:]):
        raise Refused(op.where, "keeps a past, which irconv does not read")
    if not key or not value or len(reader.shape(query)) != 3:
        raise Refused(op.where, "expected queries, keys and values apart, each of three axes, or keys with their heads")
    heads = op.attributes["num_heads"]
    given = {"query": query, "key": key, "value": value}
    if bias:
        widths = [_width(reader, op, found) for found in given.values()]
        names = [f"{op.outputs[0]}/{slot}/bias" for slot in given]
        split = Split(axis=0, sizes=tuple(widths))
        reader.importer.place(split, {"x": bias}, names, f"{op.name}/biases", "", op.where)
        for (slot, found), part in zip(list(given.items()), names, strict=True):
            if len(reader.shape(found)) != 3:
                raise Refused(op.where, "adds a bias to keys that have their heads apart, which irconv does not read")
            given[slot] = reader.place(op, Add(), f"{slot}/biased", x0=found, x1=part)
    parts = [v if len(reader.shape(v)) == 4 else _unfolded(reader, op, v, heads, s) for s, v in given.items()]
    _with_fill(reader, op, parts, mask, more)


def _width(reader: ModelReader, op: Op, value: str) -> int:
    width = reader.shape(value)[-1]
    if not isinstance(width, int):
        raise Refused(op.where, f"expected a known width, got {width}")
    return width


def _with_fill(reader: ModelReader, op: Op, parts: list[str], mask: str, more: str) -> None:
    """Attention as ONNX Runtime has it: what is masked has a large negative number added."""
    query, key, value = parts
    added = _additive(reader, op, mask, query, key) if mask else ""
    if more:
        added = reader.place(op, Add(), "mask/more", x0=added, x1=more) if added else more
    width = reader.shape(query)[3]
    scale = op.attribute("scale") or (1 / sqrt(width) if isinstance(width, int) else None)
    if scale is None:
        raise Refused(op.where, f"expected heads of a known width, got {width}")
    layer = ScaledDotProductAttention(
        scale=float(shortest_float32(scale)),
        softcap=None,
        causal="first" if op.attribute("unidirectional") else "none",
        fully_masked="nan",
    )
    _attended(reader, op, layer, query, key, value, added, folded=True)


def _additive(reader: ModelReader, op: Op, mask: str, query: str, key: str) -> str:
    """The mask as numbers to add: given by ones and zeros, or by the places where each sample ends (and begins)."""
    shape, dtype = reader.shape(mask), reader.type_of(query).dtype
    batch, keys = reader.shape(query)[0], reader.shape(key)[2]
    fill = reader.constant(op, float(op.attribute("mask_filter_value", _FILLS)), "mask/fill", dtype)
    zero = reader.constant(op, 0.0, "mask/none", dtype)
    if len(shape) == 1:
        seen = _between(reader, op, mask, shape[0], batch, keys)
        return reader.place(op, Where(), "mask/added", condition=seen, x0=zero, x1=fill)
    if len(shape) not in (2, 3) or shape[-1] != keys:
        raise Refused(op.where, f"expected a mask of the {keys} keys, got {shape}")
    numbers = reader.place(op, Cast(dtype=dtype), "mask/numbers", x=mask)
    along = reader.place(op, Unsqueeze(axes=(1, 2) if len(shape) == 2 else (1,)), "mask/along", x=numbers)
    less = reader.place(op, Sub(), "mask/barred", x0=reader.constant(op, 1.0, "mask/one", dtype), x1=along)
    return reader.place(op, Mul(), "mask/added", x0=less, x1=fill)


def _between(reader: ModelReader, op: Op, mask: str, count: Dimension, batch: Dimension, keys: Dimension) -> str:
    """Which keys each sample has: those before its end, and from its beginning on where the mask has both."""
    if count == batch:
        return _below(reader, op, mask, keys, "mask/seen")
    if not isinstance(count, int) or not isinstance(batch, int) or count != 2 * batch:
        raise Refused(op.where, f"expected {batch} ends or as many ends and beginnings, got {count} numbers")
    names = [f"{op.outputs[0]}/mask/ends", f"{op.outputs[0]}/mask/begins"]
    split = Split(axis=0, sizes=(batch, batch))
    reader.importer.place(split, {"x": mask}, names, f"{op.name}/mask/split", "", op.where)
    before = _below(reader, op, names[0], keys, "mask/before")
    places = reader.place(op, Range(start=0, limit=keys, step=1), "mask/places")
    begins = _whole(reader, op, names[1], "mask/begins")
    along = reader.place(op, Unsqueeze(axes=(1, 2, 3)), "mask/start", x=begins)
    after = reader.place(op, GreaterOrEqual(), "mask/after", x0=places, x1=along)
    return reader.place(op, And(), "mask/seen", x0=before, x1=after)


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
    width, whole = op.attribute("rotary_embedding_dim") or reader.shape(x)[3], reader.shape(x)[3]
    if not isinstance(width, int):
        raise Refused(op.where, f"expected heads of a known width, got {width}")
    near, half = bool(op.attribute("interleaved")), width // 2
    u = reader.place(op, _part(0, width if near else half, 1 + near), "first", x=x)
    v = reader.place(op, _part(1 if near else half, width, 1 + near), "second", x=x)
    turned = [
        _turned(reader, op, Sub(), (u, angles[0]), (v, angles[1]), "real"),
        _turned(reader, op, Add(), (u, angles[1]), (v, angles[0]), "imaginary"),
    ]
    if near:
        apart = [reader.place(op, Unsqueeze(axes=(4,)), f"apart{i}", x=part) for i, part in enumerate(turned)]
        pairs = reader.place(op, Concat(axis=4), "pairs", x0=apart[0], x1=apart[1])
        turned = [reader.place(op, Reshape(shape=(*reader.shape(x)[:3], width)), "joined", x=pairs)]
    if whole != width:
        turned.append(reader.place(op, _part(width, None, 1), "rest", x=x))
    if len(turned) == 1 and not folded:
        reader.gives(op, turned[0])
        return
    name = "whole" if folded else ""
    made = turned[0] if len(turned) == 1 else reader.place(
        op, Concat(axis=3), name, **{f"x{i}": part for i, part in enumerate(turned)}
    )  # fmt: skip
    if folded:
        reader.place(op, Reshape(shape=shape), x=made)


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
        first = reader.place(op, Squeeze(axes=(0,)), f"{suffix}/start", x=_whole(reader, op, places, f"{suffix}/first"))
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


HANDLERS: dict[str, Handler] = {"Attention": _standard, "RotaryEmbedding": _rotary}
FUSED: dict[str, Handler] = {"Attention": _packed, "MultiHeadAttention": _several, "RotaryEmbedding": _rotary}
