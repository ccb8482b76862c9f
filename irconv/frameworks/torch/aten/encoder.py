"""Attention and encoder layers that PyTorch runs as one call where no gradients are wanted (its "fast path").

Traces that were made under ``torch.no_grad`` hold them. Masks say what is *not* seen; those of numbers hold wherever
they are not zero, as PyTorch takes them.
"""

from __future__ import annotations

from math import inf, sqrt

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.activations import Gelu, Relu, Softmax
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Not, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.normalisation import LayerNorm
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Shape


def _attention(reader: ProgramReader, call: Call) -> None:
    """``_native_multi_head_attention``: query, key and value are projected by one matrix."""
    names = [call.arguments[name].name for name in ("query", "key", "value")]
    query, key, value = (reader.value(name) for name in names)
    mask = _mask(reader, call)
    reader.gives(call, _heads(reader, call, (query, key, value), mask))
    if call.get("need_weights") and len(call.outputs) > 1:
        _weights(reader, call, mask)


def _weights(reader: ProgramReader, call: Call, mask: str) -> None:
    """What each query takes of each key: of every head, or their mean."""
    name, heads = call.outputs[0], int(call.arguments["num_head"])
    query, key = f"{name}/part0/first", f"{name}/part1/first"
    scale = reader.number(call, 1 / sqrt(int(call.arguments["embed_dim"]) // heads), "float32", "weights/scale")
    turned = reader.place(call, Transpose(permutation=(0, 1, 3, 2)), "weights/keys", x=key)
    scaled = reader.place(call, Mul(), "weights/scaled", x0=query, x1=scale)
    scores = reader.place(call, MatMul(), "weights/scores", left=scaled, right=turned)
    if mask:
        least = reader.number(call, -inf, "float32", "weights/least")
        scores = reader.place(call, Where(), "weights/masked", condition=mask, x0=scores, x1=least)
    shares = reader.place(call, Softmax(axis=3), "weights/shares", x=scores)
    if call.get("average_attn_weights", True):
        shares = reader.place(call, Reduce(op="mean", axes=(1,), keepdims=False), "weights", x=shares)
    reader.gives(call, shares, 1)


def _heads(reader: ProgramReader, call: Call, values: tuple[str, str, str], mask: str) -> str:
    width, heads = int(call.arguments["embed_dim"]), int(call.arguments.get("num_head") or call.arguments["num_heads"])
    kernel, bias = (reader.value(call.arguments[f"qkv_{name}"]) for name in ("weight", "bias"))
    projected = dict.fromkeys(values, "")
    for i, value in enumerate(projected):
        projected[value] = reader.place(call, Linear(), f"in_proj{i or ''}", x=value, kernel=kernel, bias=bias)
    parts = [_part(reader, call, projected[value], i, width, heads) for i, value in enumerate(values)]
    layer = ScaledDotProductAttention(scale=1 / sqrt(width // heads), softcap=None, causal="none", fully_masked="nan")
    slots = dict(zip(("query", "key", "value"), parts, strict=True))
    seen = reader.place(call, layer, "heads", **slots, mask=mask)
    shape = reader.importer.type_of(values[0]).shape
    turned = reader.place(call, Transpose(permutation=(0, 2, 1, 3)), "heads/last", x=seen)
    joined = reader.place(call, Reshape(shape=shape), "joined", x=turned)
    out, more = (reader.value(call.arguments[f"proj_{name}"]) for name in ("weight", "bias"))
    return reader.place(call, Linear(), "out_proj", x=joined, kernel=out, bias=more)


def _part(reader: ProgramReader, call: Call, value: str, index: int, width: int, heads: int) -> str:
    """Queries, keys or values of a projection, as (batch, heads, steps, features)."""
    taken = Slice(axes=(2,), starts=(index * width,), ends=((index + 1) * width,), steps=(1,))
    part = reader.place(call, taken, f"part{index}", x=value)
    batch, steps = reader.importer.type_of(value).shape[:2]
    apart = reader.place(call, Reshape(shape=(batch, steps, heads, width // heads)), f"part{index}/heads", x=part)
    return reader.place(call, Transpose(permutation=(0, 2, 1, 3)), f"part{index}/first", x=apart)


def _mask(reader: ProgramReader, call: Call) -> str:
    """What is seen, as attention takes it: kinds of masks are numbers, 0 of steps by steps, 1 of keys, 2 of both."""
    given, kind = call.get("mask"), call.get("mask_type")
    if given is None:
        return ""
    value = reader.cast(call, reader.value(given), "bool", "mask/typed")
    shape: Shape = reader.importer.type_of(value).shape
    axes = {(0, 2): (), (1, 2): (1, 2), (2, 4): (), (2, 3): (1,)}.get((kind, len(shape)))
    if axes is None:
        raise Refused(call.where, f"has a mask of the kind {kind} and of shape {shape}, which irconv does not read")
    seen = reader.place(call, Not(), "mask/seen", x=value)
    return reader.place(call, Unsqueeze(axes=axes), "mask", x=seen) if axes else seen


def _layer(reader: ProgramReader, call: Call) -> None:
    """``_transformer_encoder_layer_fwd``."""
    source = reader.value(call.arguments["src"])
    first = bool(call.arguments["norm_first"])
    value = _norm(reader, call, source, 1, "norm1") if first else source
    value = _heads(reader, call, (value, value, value), _mask(reader, call))
    value = reader.place(call, Add(), "attended", x0=value, x1=source)
    value = before = value if first else _norm(reader, call, value, 1, "norm1")
    value = _norm(reader, call, value, 2, "norm2") if first else value
    activation: Layer = Gelu(approximation="none") if call.arguments["use_gelu"] else Relu()
    value = reader.place(call, activation, "activation", x=_linear(reader, call, value, 1))
    value = _linear(reader, call, value, 2)
    if first:
        reader.place(call, Add(), x0=value, x1=before)
    else:
        added = reader.place(call, Add(), "added", x0=value, x1=before)
        reader.gives(call, _norm(reader, call, added, 2, "norm2"))


def _norm(reader: ProgramReader, call: Call, value: str, number: int, suffix: str) -> str:
    gamma, beta = (reader.value(call.arguments[f"norm_{name}_{number}"]) for name in ("weight", "bias"))
    layer = LayerNorm(axes=(2,), epsilon=float(call.arguments["eps"]))
    return reader.place(call, layer, suffix, x=value, gamma=gamma, beta=beta)


def _linear(reader: ProgramReader, call: Call, value: str, number: int) -> str:
    kernel, bias = (reader.value(call.arguments[f"ffn_{name}_{number}"]) for name in ("weight", "bias"))
    return reader.place(call, Linear(), f"linear{number}", x=value, kernel=kernel, bias=bias)


HANDLERS: dict[str, Handler] = {
    "_native_multi_head_attention.default": _attention,
    "_transformer_encoder_layer_fwd.default": _layer,
}
