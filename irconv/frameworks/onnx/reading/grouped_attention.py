"""``com.microsoft.GroupQueryAttention``, as onnxruntime's processor kernel computes it.

A sample has ``seqlens_k + 1`` keys when the node is done: those of its past, then those of this call. Query i is the
key at ``past + i`` and attends to itself and what is before it, as far as a window goes. What is rotated are queries
and keys at their own places. The keys that are given on are as long as the longer of the past and
``total_sequence_length``; what is behind a sample's own keys is 0.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attention import attended, unfolded, whole
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.rotary import rotated
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.arithmetic import Maximum, Minimum, Sub
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.comparisons import And, Greater, Less, LessOrEqual, Where
from irconv.ir.layers.indexing import Gather, GatherND
from irconv.ir.layers.shape_ops import Expand, Range, Unsqueeze
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Concat, Pad, Transpose
from irconv.ir.shapes import Dimension, Size

_KEY_SCALE, _KINDS = 12, ("k_quant_type", "v_quant_type")


@dataclass(frozen=True)
class _Places:
    """Where the queries of a call stand among the keys."""

    past: str
    """(n,): how many keys each sample had; empty where nobody had any."""
    own: str
    """(n, t) or (t,): the places of the queries."""


def _grouped(reader: ModelReader, op: Op) -> None:
    _refuse_unread(op)
    heads, groups = int(op.attributes["num_heads"]), int(op.attributes["kv_num_heads"])
    query, key, value = _apart(reader, op, heads, groups)
    places = _places(reader, op, reader.shape(query)[2])
    if op.attribute("do_rotary"):
        angles = _angles(reader, op, places)
        query, key = (_turned(reader, op, v, angles, s) for v, s in ((query, "query"), (key, "key")))
    if places.past:
        length = _length(reader, op)
        key = _joined(reader, op, op.given(3), key, places, length, "keys")
        value = _joined(reader, op, op.given(4), value, places, length, "values")
    for index, found in ((1, key), (2, value)):
        if index < len(op.outputs) and op.outputs[index]:
            reader.gives(op, found, index)
    mask = _mask(reader, op, places, reader.shape(key)[2])
    key, value, mask = _with_sink(reader, op, key, value, mask, heads)
    width = reader.shape(query)[3]
    scale = op.attribute("scale") or (1 / sqrt(width) if isinstance(width, int) else None)
    if scale is None:
        raise Refused(op.where, f"expected heads of a known width, got {width}")
    layer = ScaledDotProductAttention(
        scale=float(shortest_float32(scale)),
        softcap=float(op.attribute("softcap", 0.0)) or None,
        causal="none" if mask else "first",
        fully_masked="nan",
    )
    attended(reader, op, layer, query, key, value, mask, folded=True)


def _refuse_unread(op: Op) -> None:
    if op.given(_KEY_SCALE) or any(op.attribute(kind, "NONE") not in ("", "NONE") for kind in _KINDS):
        raise Refused(op.where, "keeps its keys and values quantised, which irconv does not read")
    if len(op.outputs) > 3 and op.outputs[3]:
        raise Refused(op.where, "gives its scores on, which irconv does not read", "Cut before them with --outputs.")
    if bool(op.given(3)) != bool(op.given(4)):
        raise Refused(op.where, "has a past of keys or of values alone")


def _apart(reader: ModelReader, op: Op, heads: int, groups: int) -> list[str]:
    """Queries, keys and values with their heads as an axis; they may come side by side in one value."""
    parts, shape = [op.given(i) for i in range(3)], reader.shape(op.given(0))
    if not parts[1]:
        width = shape[-1]
        if not isinstance(width, int) or width % (heads + 2 * groups):
            raise Refused(op.where, f"expected features for {heads + 2 * groups} heads, got {width}")
        each = width // (heads + 2 * groups)
        parts = [f"{op.outputs[0]}/{part}" for part in ("q", "k", "v")]
        split = Split(axis=2, sizes=(heads * each, groups * each, groups * each))
        reader.importer.place(split, {"x": op.given(0)}, parts, f"{op.name}/split", "", op.where)
    names = zip(parts, (heads, groups, groups), ("query", "key", "value"), strict=True)
    return [v if len(reader.shape(v)) == 4 else unfolded(reader, op, v, n, s) for v, n, s in names]


def _places(reader: ModelReader, op: Op, length: Dimension) -> _Places:
    """Where each sample's queries stand: behind its past, of which the counts tell how long it is."""
    counted = reader.place(op, Range(start=0, limit=length, step=1), "places/counted")
    if not op.given(3):
        return _Places("", counted)
    counts = whole(reader, op, op.given(5), "places/counts")
    one = reader.constant(op, 1, "places/one", "int64")
    ends = reader.place(op, Add(), "places/ends", x0=counts, x1=one)
    queries = reader.place(op, Range(start=length, limit=(Size.of(length) + 1).dimension, step=1), "places/queries")
    begins = reader.place(op, Sub(), "places/begins", x0=ends, x1=queries)
    zero = reader.constant(op, 0, "places/zero", "int64")
    past = reader.place(op, Maximum(), "places/past", x0=begins, x1=zero)
    column = reader.place(op, Unsqueeze(axes=(1,)), "places/column", x=past)
    return _Places(past, reader.place(op, Add(), "places/own", x0=column, x1=counted))


def _angles(reader: ModelReader, op: Op, places: _Places) -> tuple[str, str]:
    """(n, 1, t, pairs): cosines and sines of the places, which may be said."""
    own = op.given(9) or places.own
    axes = (1,) if len(reader.shape(own)) == 2 else (0, 1)
    found = []
    for index, name in ((7, "cos"), (8, "sin")):
        if not op.given(index):
            raise Refused(op.where, f"rotates without a table of {name}")
        rows = reader.place(op, Gather(axis=0), f"{name}/rows", x=op.given(index), indices=own)
        found.append(reader.place(op, Unsqueeze(axes=axes), name, x=rows))
    return found[0], found[1]


def _turned(reader: ModelReader, op: Op, x: str, angles: tuple[str, str], suffix: str) -> str:
    pairs = reader.shape(angles[0])[3]
    if not isinstance(pairs, int):
        raise Refused(op.where, f"expected a known number of angles, got {pairs}")
    near = bool(op.attribute("rotary_interleaved"))
    parts = rotated(reader, op, x, angles, 2 * pairs, near, f"{suffix}/")
    if len(parts) == 1:
        return parts[0]
    return reader.place(op, Concat(axis=3), f"{suffix}/turned", **{f"x{i}": part for i, part in enumerate(parts)})


def _length(reader: ModelReader, op: Op) -> Dimension:
    """How many keys are given on: the longer of the past and of all, as far as the file tells which that is."""
    past = reader.shape(op.given(3))[2]
    known = reader.importer.known(op.given(6))
    if known is None or known.size != 1:
        what = f"expected its input {op.given(6)} (total_sequence_length) to be known before the model runs"
        raise Refused(op.where, f"{what}, but it is computed", "Give it with --fix, if it is an input.")
    total = known.reshape(-1)[0]
    total = total.dimension if isinstance(total, Size) else int(total)
    if isinstance(past, int) and isinstance(total, int):
        return max(past, total)
    return total


def _joined(reader: ModelReader, op: Op, past: str, new: str, places: _Places, length: Dimension, suffix: str) -> str:
    """(n, groups, length, d): each sample's past, then what is new, then zeros."""
    queries, before = reader.shape(new)[2], reader.shape(past)[2]
    more = (Size.of(length) - before).dimension
    if more != 0:
        pads = ((0, 0), (0, 0), (0, more), (0, 0))
        past = reader.place(op, Pad(pads=pads, mode="constant", value=0.0), f"{suffix}/past", x=past)
    along = reader.place(op, Range(start=0, limit=length, step=1), f"{suffix}/along")
    start = reader.place(op, Unsqueeze(axes=(1,)), f"{suffix}/start", x=places.past)
    steps = reader.place(op, Sub(), f"{suffix}/steps", x0=along, x1=start)  # (n, length)
    count = reader.place(op, Range(start=queries, limit=(Size.of(queries) + 1).dimension, step=1), f"{suffix}/count")
    zero, one = (reader.constant(op, n, f"{suffix}/{n}", "int64") for n in (0, 1))
    last = reader.place(op, Sub(), f"{suffix}/last", x0=count, x1=one)
    within = reader.place(op, Minimum(), f"{suffix}/within", x0=steps, x1=last)
    taken = reader.place(op, Maximum(), f"{suffix}/taken", x0=within, x1=zero)
    first = reader.place(op, Transpose(permutation=(0, 2, 1, 3)), f"{suffix}/new", x=new)
    index = reader.place(op, Unsqueeze(axes=(2,)), f"{suffix}/index", x=taken)
    rows = reader.place(op, GatherND(batch_axes=1), f"{suffix}/rows", x=first, indices=index)
    spread = reader.place(op, Transpose(permutation=(0, 2, 1, 3)), f"{suffix}/spread", x=rows)
    old, real = (
        reader.place(op, Unsqueeze(axes=(1, 3)), f"{suffix}/{name}", x=seen)
        for name, seen in (
            ("old", reader.place(op, Less(), f"{suffix}/before", x0=steps, x1=zero)),
            ("real", reader.place(op, Less(), f"{suffix}/begun", x0=steps, x1=count)),
        )
    )
    nothing = reader.constant(op, 0.0, f"{suffix}/nothing", reader.type_of(new).dtype)
    behind = reader.place(op, Where(), f"{suffix}/behind", condition=real, x0=spread, x1=nothing)
    return reader.place(op, Where(), suffix, condition=old, x0=past, x1=behind)


def _mask(reader: ModelReader, op: Op, places: _Places, keys: Dimension) -> str:
    """What may be attended to, in one value; empty where being causal says it all."""
    window, bias = int(op.attribute("local_window_size", -1)), op.given(10)
    if not places.past and window < 0 and not bias and not _has_sink(op):
        return ""
    own = reader.place(op, Unsqueeze(axes=(len(reader.shape(places.own)),)), "mask/own", x=places.own)
    along = reader.place(op, Range(start=0, limit=keys, step=1), "mask/along")
    seen = reader.place(op, LessOrEqual(), "mask/before", x0=along, x1=own)
    if window >= 0:
        far = reader.place(op, Sub(), "mask/far", x0=own, x1=reader.constant(op, window, "mask/window", "int64"))
        near = reader.place(op, Greater(), "mask/near", x0=along, x1=far)
        seen = reader.place(op, And(), "mask/both", x0=seen, x1=near)
    if places.past:
        seen = reader.place(op, Unsqueeze(axes=(1,)), "mask/seen", x=seen)
    if not bias and not _has_sink(op):
        return seen
    dtype = reader.type_of(op.given(0)).dtype
    if bias:
        more = (Size.of(keys) - reader.shape(bias)[3]).dimension
        if more != 0:
            pads = ((0, 0), (0, 0), (0, 0), (0, more))
            bias = reader.place(op, Pad(pads=pads, mode="constant", value=0.0), "mask/bias", x=bias)
    added = bias or reader.constant(op, 0.0, "mask/free", dtype)
    barred = reader.constant(op, -np.inf, "mask/barred", dtype)
    return reader.place(op, Where(), "mask/added", condition=seen, x0=added, x1=barred)


def _has_sink(op: Op) -> bool:
    return bool(op.given(11)) or op.attribute("smooth_softmax", -1) == 1


def _with_sink(reader: ModelReader, op: Op, key: str, value: str, mask: str, heads: int) -> tuple[str, str, str]:
    """One key more that is worth nothing and has a score of its own, 0 or that of the head: part of the sum that a
    softmax divides by."""
    if not _has_sink(op):
        return key, value, mask
    pads = ((0, 0), (0, 0), (0, 1), (0, 0))
    layer = Pad(pads=pads, mode="constant", value=0.0)
    key, value = (reader.place(op, layer, f"sink/{s}", x=v) for s, v in (("keys", key), ("values", value)))
    shape = reader.shape(mask)
    if op.given(11):
        sink = reader.place(op, Unsqueeze(axes=(1, 2)), "sink/heads", x=op.given(11))
    else:
        sink = reader.constant(op, np.zeros((1, 1, 1)), "sink/heads", reader.type_of(mask).dtype)
    count = heads if op.given(11) or (len(shape) == 4 and shape[1] != 1) else 1
    several: tuple[Dimension, ...] = (shape[0] if len(shape) == 4 else 1, count, shape[-2])
    wide = reader.place(op, Expand(shape=(*several, shape[-1])), "sink/mask", x=mask)
    column = reader.place(op, Expand(shape=(*several, 1)), "sink/column", x=sink)
    return key, value, reader.place(op, Concat(axis=3), "sink/both", x0=wide, x1=column)


FUSED: dict[str, Handler] = {"GroupQueryAttention": _grouped}
