"""Attention of ONNX Runtime (``com.microsoft``): Attention, MultiHeadAttention and their quantised form.

What is masked has a large finite number added to its scores. A past of keys and values comes before those of the call.
"""

from __future__ import annotations

from math import sqrt

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attention import attended, below, unfolded, whole
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.quantisation import dequantised
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.comparisons import And, Cast, GreaterOrEqual, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, Unsqueeze
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Transpose
from irconv.ir.shapes import Dimension

_FILLS = -10000.0


def _packed(reader: ModelReader, op: Op) -> None:
    """Attention: one kernel for queries, keys and values, whose heads are the outer part of each."""
    x, kernel, bias, mask, past, more, shared = (op.given(i) for i in range(7))
    if shared or op.attribute("past_present_share_buffer"):
        raise Refused(op.where, "writes its keys into the past's own memory, which irconv does not read")
    _project(reader, op, x, kernel, bias, mask, past, more)


def _quantised(reader: ModelReader, op: Op) -> None:
    """QAttention: the same of integers, the kernel's with one scale or one for each of its columns."""
    x, kernel, bias, x_scale, scale, mask, x_zero, zero, past = (op.given(i) for i in range(9))
    if op.attribute("past_present_share_buffer"):
        raise Refused(op.where, "writes its keys into the past's own memory, which irconv does not read")
    columns = 1 if reader.shape(scale) not in ((), (1,)) else None
    real = dequantised(reader, op, x, x_scale, x_zero, "x")
    weights = dequantised(reader, op, kernel, scale, zero, "weights", columns)
    _project(reader, op, real, weights, bias, mask, past, "")


def _project(reader: ModelReader, op: Op, x: str, kernel: str, bias: str, mask: str, past: str, more: str) -> None:
    if op.attribute("do_rotary"):
        raise Refused(op.where, "turns what it attends to, which irconv does not read")
    width = reader.shape(kernel)[1]
    sizes = op.attribute("qkv_hidden_sizes") or ([width // 3] * 3 if isinstance(width, int) else None)
    if sizes is None:
        raise Refused(op.where, f"expected a kernel of known width, got {width}")
    turned = reader.place(op, Transpose(permutation=(1, 0)), "kernel", x=kernel)
    projected = reader.place(op, Linear(), "projected", x=x, kernel=turned, bias=bias)
    names = [f"{op.outputs[0]}/{part}" for part in ("q", "k", "v")]
    reader.importer.place(Split(axis=2, sizes=tuple(sizes)), {"x": projected}, names, f"{op.name}/split", "", op.where)
    heads = op.attributes["num_heads"]
    parts = [unfolded(reader, op, v, heads, s) for v, s in zip(names, ("query", "key", "value"), strict=True)]
    if past:
        for i, suffix in ((0, "keys"), (1, "values")):
            index = reader.constant(op, i, f"{suffix}/index", "int64")
            before = reader.place(op, Gather(axis=0), f"{suffix}/past", x=past, indices=index)
            parts[i + 1] = reader.place(op, Concat(axis=2), suffix, x0=before, x1=parts[i + 1])
    if len(op.outputs) > 1 and op.outputs[1]:
        both = [reader.place(op, Unsqueeze(axes=(0,)), f"given on/{i}", x=part) for i, part in enumerate(parts[1:])]
        reader.gives(op, reader.place(op, Concat(axis=0), "given on", x0=both[0], x1=both[1]), 1)
    _with_fill(reader, op, parts, mask, more, bool(past))


def _several(reader: ModelReader, op: Op) -> None:
    """MultiHeadAttention: queries, keys and values projected already, with or without bias."""
    query, key, value, bias, mask, more = (op.given(i) for i in range(6))
    past = op.given(6), op.given(7)
    if any(op.given(i) for i in range(8, 10)) or any(past) != all(past):
        raise Refused(op.where, "keeps a past in memory of its own, which irconv does not read")
    if any(op.outputs[3:]):
        raise Refused(op.where, "gives its scores on, which irconv does not read", "Cut before them with --outputs.")
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
    parts = [v if len(reader.shape(v)) == 4 else unfolded(reader, op, v, heads, s) for s, v in given.items()]
    for i, (before, suffix) in enumerate(zip(past, ("keys", "values"), strict=True), 1):
        if before:
            parts[i] = reader.place(op, Concat(axis=2), suffix, x0=before, x1=parts[i])
        if i < len(op.outputs) and op.outputs[i]:
            reader.gives(op, parts[i], i)
    _with_fill(reader, op, parts, mask, more, bool(past[0]))


def _width(reader: ModelReader, op: Op, value: str) -> int:
    width = reader.shape(value)[-1]
    if not isinstance(width, int):
        raise Refused(op.where, f"expected a known width, got {width}")
    return width


def _with_fill(reader: ModelReader, op: Op, parts: list[str], mask: str, more: str, past: bool) -> None:
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
        causal=("last" if past else "first") if op.attribute("unidirectional") else "none",
        fully_masked="nan",
    )
    attended(reader, op, layer, query, key, value, added, folded=True)


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
        return below(reader, op, mask, keys, "mask/seen")
    if not isinstance(count, int) or not isinstance(batch, int) or count != 2 * batch:
        raise Refused(op.where, f"expected {batch} ends or as many ends and beginnings, got {count} numbers")
    names = [f"{op.outputs[0]}/mask/ends", f"{op.outputs[0]}/mask/begins"]
    split = Split(axis=0, sizes=(batch, batch))
    reader.importer.place(split, {"x": mask}, names, f"{op.name}/mask/split", "", op.where)
    before = below(reader, op, names[0], keys, "mask/before")
    places = reader.place(op, Range(start=0, limit=keys, step=1), "mask/places")
    begins = whole(reader, op, names[1], "mask/begins")
    along = reader.place(op, Unsqueeze(axes=(1, 2, 3)), "mask/start", x=begins)
    after = reader.place(op, GreaterOrEqual(), "mask/after", x0=places, x1=along)
    return reader.place(op, And(), "mask/seen", x0=before, x1=after)


FUSED: dict[str, Handler] = {"Attention": _packed, "MultiHeadAttention": _several, "QAttention": _quantised}
