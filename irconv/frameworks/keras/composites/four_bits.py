"""Layers of Keras 3 whose kernel is kept as 4-bit integers, two in a byte along the last axis."""

from __future__ import annotations

from math import prod
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation
from irconv.frameworks.keras.composites.layers import Steps, each_call


def dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``x K + b`` with the kernel that the integers stand for."""
    return _products(builder, layer, "ops.Matmul", {}, None)


def einsum_dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """As Dense: the integers lie as (axes that are summed, the others)."""
    equation = str(layer.config["equation"]).replace(" ", "")
    left, _, result = equation.partition("->")
    letters = left.partition(",")[2]
    gone = [letter for letter in letters if letter not in result]
    known = dict(zip(reversed(result), reversed(layer.config.get("output_shape") or []), strict=False))
    columns = [known.get(letter) for letter in letters if letter in result]
    if not letters.startswith("".join(gone)) or len(gone) != 1 or not all(isinstance(n, int) for n in columns):
        builder.problem(layer.name, f"has 4-bit weights and the equation {equation}, which irconv does not read there")
        columns = []
    shape = [int(layer.tensors["kernel"].data.shape[0]), *(int(n) for n in columns if isinstance(n, int))]
    return _products(builder, layer, "ops.Einsum", {"subscripts": equation}, shape)


def embedding(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Rows of the table that the integers stand for; scales and offsets are those of groups of its columns."""
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        index = step("ops.Cast", "index", *call.inputs, dtype="int32")
        packed = step.variable("embeddings", layer.tensors["embeddings"])
        width = int(layer.config["output_dim"])
        rows = _unpacked(step, step("ops.Take", "packed", packed, index, axis=0), int(packed_width(layer)), width)
        parts = {
            name: step("ops.Take", f"rows_of_{name}", step.variable(name, layer.tensors[name]), index, axis=0)
            for name in ("embeddings_scale", "embeddings_zero")
            if name in layer.tensors
        }
        made.append((_numbers(step, rows, parts, layer, "embeddings", -1, step.ends),))
    return made


def packed_width(layer: KerasLayer) -> Any:
    """How many bytes a row of the table has."""
    return layer.tensors["embeddings"].data.shape[-1]


def _products(
    builder: Builder, layer: KerasLayer, kind: str, settings: dict[str, Any], shape: list[int] | None
) -> list[Outputs]:
    activation = layer.config.get("activation") or "linear"
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for (call, step), end in zip(each_call(builder, layer), before_activation(values, activation), strict=True):
        kernel = _kernel(step, layer, shape)
        if "bias" in layer.tensors:
            product = step(kind, "product", call.inputs[0], kernel, **settings)
            step.ends("ops.Add", product, step.variable("bias", layer.tensors["bias"]), result=end)
        else:
            step.ends(kind, call.inputs[0], kernel, result=end, **settings)
    activate(builder, layer, activation, values)
    return [(value,) for value in values]


def _kernel(step: Steps, layer: KerasLayer, shape: list[int] | None) -> Value:
    rows, packed = (int(size) for size in layer.tensors["kernel"].data.shape)
    columns = int(layer.config["units"]) if shape is None else prod(shape[1:])
    integers = _unpacked(step, step.variable("kernel", layer.tensors["kernel"]), packed, columns, (rows,))
    names = ("kernel_scale", "kernel_zero")
    parts = {name: step.variable(name, layer.tensors[name]) for name in names if name in layer.tensors}
    floats = _numbers(step, integers, parts, layer, "kernel", 0, None)
    return step("ops.Reshape", "shaped", floats, newshape=shape) if shape is not None and len(shape) > 2 else floats


def _unpacked(step: Steps, packed: Value, size: int, wanted: int, before: tuple[int, ...] = ()) -> Value:
    """The two numbers of each byte, the lower half first; each from -8 to 7."""
    whole = step("ops.Cast", "bytes", packed, dtype="float32")
    sixteen = step.number("sixteen", 16.0)
    high = step("ops.Floor", "high", step("ops.TrueDivide", "sixteenths", whole, sixteen))
    low = step("ops.Subtract", "low", whole, step("ops.Multiply", "high_part", high, sixteen))
    above = step("ops.GreaterEqual", "above", low, step.number("eight", 8.0))
    signed = step("ops.Where", "signed", above, step("ops.Subtract", "wrapped", low, sixteen), low)
    pairs = step("ops.Stack", "pairs", signed, high, axis=-1)
    if before:
        flat = step("ops.Reshape", "unpacked", pairs, newshape=[*before, 2 * size])
    else:  # of any rank: the last two axes as one
        halves = [step("ops.Take", f"half{i}", pairs, step.number(f"place{i}", i), axis=-2) for i in range(size)]
        flat = step("ops.Concatenate", "unpacked", *halves, axis=-1)
    if wanted == 2 * size:
        return flat
    return step("ops.GetItem", "kept", flat, key=["...", {"start": 0, "stop": wanted, "step": None}], cuts=True)


def _numbers(
    step: Steps, integers: Value, parts: dict[str, Value], layer: KerasLayer, of: str, axis: int, ends: Any
) -> Value:
    """``(K - zero) scale`` by groups along an axis, or ``K / scale`` where one scale is for all rows."""
    scale = parts[f"{of}_scale"]
    if f"{of}_zero" not in parts:
        wide = step("ops.ExpandDims", "wide", scale, axis=-1) if of == "embeddings" else scale
        return ends("ops.TrueDivide", integers, wide) if ends else step("ops.TrueDivide", "numbers", integers, wide)
    group = step("ops.Cast", "group", step.variable("g_idx", layer.tensors["g_idx"]), dtype="int32")
    zeros = step("ops.Cast", "zeros", parts[f"{of}_zero"], dtype="float32")
    zero = step("ops.Take", "zero_of_each", zeros, group, axis=axis)
    each = step("ops.Take", "scale_of_each", scale, group, axis=axis)
    centred = step("ops.Subtract", "centred", integers, zero)
    return ends("ops.Multiply", centred, each) if ends else step("ops.Multiply", "numbers", centred, each)
