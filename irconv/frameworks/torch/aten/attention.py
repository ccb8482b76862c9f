"""Matrix products and attention."""

from __future__ import annotations

from math import sqrt

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.shape_ops import Expand
from irconv.ir.layers.tensor_ops import Add, Mul, Reshape
from irconv.ir.shapes import size_product


def _product(reader: ProgramReader, call: Call) -> None:
    left, right = (reader.value(call.arguments[name]) for name in ("self", _second(call)))
    reader.place(call, MatMul(), left=left, right=right)


def _second(call: Call) -> str:
    return next(name for name in ("other", "mat2", "vec2", "tensor") if name in call.arguments)


def _product_and_sum(reader: ProgramReader, call: Call) -> None:
    """``beta self + alpha a b``."""
    first, second = ("batch1", "batch2") if "batch1" in call.arguments else ("mat1", "mat2")
    left, right, more = (reader.value(call.arguments[name]) for name in (first, second, "self"))
    product = reader.place(call, MatMul(), "product", left=left, right=right)
    dtype = reader.importer.type_of(product).dtype
    if call.get("alpha", 1) != 1:
        factor = reader.number(call, call.arguments["alpha"], dtype, "alpha")
        product = reader.place(call, Mul(), "scaled", x0=product, x1=factor)
    if call.get("beta", 1) != 1:
        more = reader.place(call, Mul(), "more", x0=more, x1=reader.number(call, call.arguments["beta"], dtype, "beta"))
    reader.place(call, Add(), x0=product, x1=more)


def _einsum(reader: ProgramReader, call: Call) -> None:
    factors = {f"x{i}": reader.value(tensor) for i, tensor in enumerate(call.arguments["tensors"])}
    reader.place(call, Einsum(equation=call.arguments["equation"].replace(" ", "")), **factors)


def _attention(reader: ProgramReader, call: Call) -> None:
    if call.get("dropout_p", 0.0):
        raise Refused(call.where, "drops scores, as in training", "Export the module in eval mode.")
    shape = reader.shape(call.arguments["query"])
    if len(shape) < 3 or not isinstance(shape[-1], int):
        raise Refused(call.where, f"has queries of shape {shape}; irconv reads (batch, heads, steps, features)")
    if call.get("is_causal") and call.get("attn_mask") is not None:
        raise Refused(call.where, "is causal and has a mask, which PyTorch refuses, too")
    layer = ScaledDotProductAttention(
        scale=call.get("scale") or 1 / sqrt(shape[-1]),
        softcap=None,
        causal="first" if call.get("is_causal") else "none",
        fully_masked="zero",
    )
    found = {slot: reader.value(call.arguments[slot]) for slot in ("query", "key", "value")}
    mask = reader.value(call.get("attn_mask"))
    if len(shape) == 4:
        reader.place(call, layer, **found, mask=mask)
        return
    found = {slot: _four_axes(reader, call, value, slot) for slot, value in found.items()}
    if mask and len(reader.importer.type_of(mask).shape) > 2:
        whole = (*shape[:-2], *reader.importer.type_of(mask).shape[-2:])
        if reader.importer.type_of(mask).shape != whole:
            mask = reader.place(call, Expand(shape=whole), "mask/spread", x=mask)
        mask = _four_axes(reader, call, mask, "mask")
    made = reader.place(call, layer, "heads", **found, mask=mask)
    result = (*shape[:-1], reader.importer.type_of(made).shape[-1])
    reader.place(call, Reshape(shape=result), x=made)


def _four_axes(reader: ProgramReader, call: Call, value: str, suffix: str) -> str:
    """All axes before the last two as a batch, of one head each."""
    shape = reader.importer.type_of(value).shape
    apart = (size_product(shape[:-2]).dimension, 1, *shape[-2:])
    return reader.place(call, Reshape(shape=apart), f"{suffix}/batch", x=value)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("matmul.default", "mm.default", "bmm.default"), _product),
    **dict.fromkeys(("addmm.default", "baddbmm.default"), _product_and_sum),
    "einsum.default": _einsum,
    "scaled_dot_product_attention.default": _attention,
    "_scaled_dot_product_flash_attention_for_cpu.default": _attention,
    "_scaled_dot_product_attention_math.default": _attention,
}
