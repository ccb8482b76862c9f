"""What ONNX Runtime's optimiser and exporters write in ``com.microsoft``: fused activations, norms and products.

The ops are those of onnxruntime/docs/ContribOperators.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import Clip, Gelu, Silu
from irconv.ir.layers.comparisons import Cast, Equal
from irconv.ir.layers.composite_activations import Swish
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.normalisation import LayerNorm, RMSNorm
from irconv.ir.layers.shape_ops import Range
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Transpose

_NAMED = {"activation_alpha": "alpha", "activation_beta": "beta", "activation_gamma": "gamma"}
#: The settings that an activation's parameters are, in their order.
_PARAMETERS = {"LeakyRelu": ("alpha",), "Clip": ("min", "max"), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",)}


def _gelu(approximation: Any) -> Handler:
    """``gelu(x + bias)``; the bias is optional."""

    def read(reader: ModelReader, op: Op) -> None:
        x = op.given(0)
        if op.given(1):
            x = reader.place(op, Add(), "biased", x0=x, x1=op.given(1))
        reader.place(op, Gelu(approximation=approximation), x=x)

    return read


def _quick_gelu(reader: ModelReader, op: Op) -> None:
    beta = float(shortest_float32(op.attribute("alpha", 1.702)) or 0.0)
    reader.place(op, Silu() if beta == 1 else Swish(beta=beta), x=op.given(0))


def _fused_product(reader: ModelReader, op: Op) -> None:
    """``alpha A B``, where the attributes say so with the first axis of a side behind those of the batch, and then with
    its last two axes turned."""
    sides = [op.given(0), op.given(1)]
    for i, side in enumerate(("A", "B")):
        rank = len(reader.shape(sides[i]))
        if op.attribute(f"transBatch{side}") and rank > 2:
            order = (*range(1, rank - 1), 0, rank - 1)
            sides[i] = reader.place(op, Transpose(permutation=order), f"batch{side}", x=sides[i])
        if op.attribute(f"trans{side}") and rank > 1:
            order = (*range(rank - 2), rank - 1, rank - 2)
            sides[i] = reader.place(op, Transpose(permutation=order), f"turned{side}", x=sides[i])
    alpha = float(op.attribute("alpha", 1.0))
    product = reader.place(op, MatMul(), "" if alpha == 1 else "product", left=sides[0], right=sides[1])
    if alpha != 1:
        factor = reader.constant(op, np.float32(alpha), "alpha", reader.type_of(product).dtype)
        reader.place(op, Mul(), x0=product, x1=factor)


def _activated(reader: ModelReader, op: Op, value: str, parameters: dict[str, float]) -> None:
    """The last part of a fused op: the activation that it names, or nothing."""
    name = op.attribute("activation", "")
    if name == "Clip":  # whose bounds are inputs, not attributes, from opset 11 on
        if parameters.keys() != {"min", "max"}:
            raise Refused(op.where, f"expected two bounds of its Clip, got {parameters}")
        reader.place(op, Clip(low=parameters["min"], high=parameters["max"]), x=value)
    elif name:
        reader.standard(op, name, (value,), op.outputs, parameters)
    else:
        reader.gives(op, value)


def _fused_gemm(reader: ModelReader, op: Op) -> None:
    plain = {key: value for key, value in op.attributes.items() if not key.startswith("activation")}
    made = f"{op.outputs[0]}/product"
    reader.standard(op, "Gemm", op.inputs, (made,), plain)
    _activated(reader, op, made, {to: op.attributes[name] for name, to in _NAMED.items() if name in op.attributes})


def _fused_conv(reader: ModelReader, op: Op) -> None:
    """A convolution, then a sum with a fourth input where there is one, then an activation."""
    plain = {key: value for key, value in op.attributes.items() if not key.startswith("activation")}
    made = f"{op.outputs[0]}/conv"
    reader.standard(op, "Conv", op.inputs[:3], (made,), plain)
    if op.given(3):
        made = reader.place(op, Add(), "sum", x0=made, x1=op.given(3))
    numbers = op.attribute("activation_params") or []
    name = op.attribute("activation", "")
    if numbers and name not in _PARAMETERS:
        raise Refused(op.where, f"has parameters of the activation {name}, which irconv does not know")
    _activated(reader, op, made, dict(zip(_PARAMETERS.get(name, ()), numbers, strict=False)))


def _epsilon(op: Op, absent: float) -> float:
    return float(shortest_float32(float(op.attribute("epsilon", absent))) or 0.0)


def _sum_of(reader: ModelReader, op: Op, bias: str) -> str:
    """``input + skip + bias``, the last result of the node."""
    total = reader.place(op, Add(), "skip", x0=op.given(0), x1=op.given(1))
    if bias:
        total = reader.place(op, Add(), "sum", x0=total, x1=bias)
    _refuse_statistics(op)
    if len(op.outputs) > 3 and op.outputs[3]:
        reader.gives(op, total, 3)
    return total


def _refuse_statistics(op: Op) -> None:
    if any(op.outputs[1:3]):
        raise Refused(op.where, "gives the mean and the deviation of a norm, which only training needs")


def _skip_layer_norm(reader: ModelReader, op: Op) -> None:
    total = _sum_of(reader, op, op.given(4))
    layer = LayerNorm(axes=(len(reader.shape(total)) - 1,), epsilon=_epsilon(op, 1e-12))
    reader.place(op, layer, x=total, gamma=op.given(2), beta=op.given(3))


def _skip_rms_norm(reader: ModelReader, op: Op) -> None:
    total = _sum_of(reader, op, op.given(3))
    layer = RMSNorm(axes=(len(reader.shape(total)) - 1,), epsilon=_epsilon(op, 1e-5))
    reader.place(op, layer, x=total, gamma=op.given(2))


def _embedded(reader: ModelReader, op: Op) -> None:
    """The sum of embeddings of words, places and segments, normalised; and how many tokens the mask lets through."""
    ids, segments, words, places, kinds, gamma, beta, mask, numbers = (op.given(i) for i in range(9))
    if numbers:
        place = reader.place(op, Embedding(padding_index=None), "places", x=numbers, table=places)
    else:
        counted = reader.place(op, Range(start=0, limit=reader.shape(ids)[1], step=1), "counted")
        place = reader.place(op, Embedding(padding_index=None), "places", x=counted, table=places)
    word = reader.place(op, Embedding(padding_index=None), "words", x=ids, table=words)
    total = reader.place(op, Add(), "sum", x0=word, x1=place)
    if segments:
        kind = reader.place(op, Embedding(padding_index=None), "kinds", x=segments, table=kinds)
        total = reader.place(op, Add(), "all", x0=total, x1=kind)
    layer = LayerNorm(axes=(len(reader.shape(total)) - 1,), epsilon=_epsilon(op, 1e-12))
    reader.place(op, layer, x=total, gamma=gamma, beta=beta)
    if len(op.outputs) > 1 and op.outputs[1]:
        reader.gives(op, _lengths(reader, op, mask, ids), 1)
    if len(op.outputs) > 2 and op.outputs[2]:
        reader.gives(op, total, 2)


def _lengths(reader: ModelReader, op: Op, mask: str, ids: str) -> str:
    """How many ones each row of the mask has; zeros without a mask."""
    if not mask:
        mask = reader.place(op, Mul(), "no mask", x0=ids, x1=reader.constant(op, 0, "zero", reader.type_of(ids).dtype))
    one = reader.constant(op, 1, "one", reader.type_of(mask).dtype)
    ones = reader.place(op, Cast(dtype="int32"), "ones", x=reader.place(op, Equal(), "seen", x0=mask, x1=one))
    return reader.place(op, Reduce(op="sum", axes=(1,), keepdims=False), "lengths", x=ones)


def same_as(name: str) -> Handler:
    """An op that is a standard one under another domain."""

    def read(reader: ModelReader, op: Op) -> None:
        reader.standard(op, name, op.inputs, op.outputs, dict(op.attributes))

    return read


HANDLERS: dict[str, Handler] = {
    "Gelu": _gelu("none"),
    "BiasGelu": _gelu("none"),
    "FastGelu": _gelu("tanh"),
    "QuickGelu": _quick_gelu,
    "FusedMatMul": _fused_product,
    "FusedGemm": _fused_gemm,
    "FusedConv": _fused_conv,
    "SkipLayerNormalization": _skip_layer_norm,
    "SkipSimplifiedLayerNormalization": _skip_rms_norm,
    "SimplifiedLayerNormalization": same_as("RMSNormalization"),
    "EmbedLayerNormalization": _embedded,
    "QuantizeLinear": same_as("QuantizeLinear"),
    "DequantizeLinear": same_as("DequantizeLinear"),
}
