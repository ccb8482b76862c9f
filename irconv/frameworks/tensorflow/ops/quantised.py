"""Fake quantisation: floats rounded to as many steps as integers have, kept as a quantise and a dequantise."""

from __future__ import annotations

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.quantisation import DequantizeLinear, QuantizeLinear
from irconv.layout import Array


def nudged(low: float, high: float, bits: int, narrow: bool) -> tuple[float, int, int]:
    """Step, zero point and lowest integer of a range, moved so that zero is one of the steps.

    ``scale = (high - low) / (2^bits - 1 - lowest)`` in float32, ``zero = round(lowest - low / scale)`` between the
    lowest and the highest integer; TensorFlow, ``fake_quant_ops_functor.h``.
    """
    lowest, highest = int(narrow), 2**bits - 1
    scale = (np.float32(high) - np.float32(low)) / np.float32(highest - lowest)
    zero = np.float32(lowest) - np.float32(low) / scale
    return float(scale), int(np.clip(np.floor(zero + np.float32(0.5)), lowest, highest)), lowest


def _rounded(reader: GraphReader, node: NodeDef) -> None:
    """The three forms: a range of attributes, of two numbers, or of two for each channel of the last axis."""
    attrs, where = node.attrs, reader.where(node)
    bits, narrow = int(attrs.get("num_bits", 8)), bool(attrs.get("narrow_range", False))
    x = reader.given(node, 0)
    if node.op == "FakeQuantWithMinMaxArgs":
        low, high = np.float32(attrs.get("min", -6.0)), np.float32(attrs.get("max", 6.0))
        ends: list[Array] = [np.asarray(low), np.asarray(high)]
    else:
        ends = [np.asarray(reader.numbers(node, index), np.float32) for index in (1, 2)]
    if bits != 8 or narrow:
        what = f"rounds to {'a narrow range of ' if narrow else ''}{bits} bits"
        raise Refused(where, f"{what}; irconv carries over 8 bits and their whole range")
    if not bool((ends[0] <= 0).all() and (ends[1] >= 0).all() and (ends[0] < ends[1]).all()):
        raise Refused(where, f"expected ranges with zero in them, got {ends[0].tolist()} to {ends[1].tolist()}")
    pairs = [nudged(low, high, bits, narrow)[:2] for low, high in zip(ends[0].ravel(), ends[1].ravel(), strict=True)]
    shape = ends[0].shape
    axis = len(reader.type_of(x).shape) - 1 if shape else None
    made = {
        role: reader.importer.constant(f"{node.name}/{role}", np.asarray(numbers, numpy_dtype(dtype)).reshape(shape))
        for role, dtype, numbers in (
            ("scale", "float32", [scale for scale, _ in pairs]),
            ("zero_point", "uint8", [zero for _, zero in pairs]),
        )
    }
    steps = reader.place(node, QuantizeLinear(axis=axis, rounds="quotient"), "steps", x=x, **made)
    reader.gives(node, reader.place(node, DequantizeLinear(axis=axis), x=steps, **made))


HANDLERS = dict.fromkeys(
    ("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"), _rounded
)
