"""The two biases of a recurrent layer merged into one: ``bias = bias_input + bias_recurrent``.

PyTorch and ONNX keep two, Keras one. A GRU that resets after the product has two everywhere, as its candidate's do not
add up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irconv.comparison.folds.base import Merge, Residual, Result, View, limit, wide


def find(view: View, rtol: float) -> Iterator[Merge]:
    """The pairs of the split side whose sum the merged one has."""
    for name, target in view.pairs.items():
        unit = view.split.units[name]
        first, second = unit.operands.get("bias_input"), unit.operands.get("bias_recurrent")
        merged = target.operands.get("bias_input")
        if first is None or second is None or merged is None or "bias_recurrent" in target.operands:
            continue
        if not first.data.shape == second.data.shape == merged.data.shape:
            continue
        a, b, found = wide(first), wide(second), wide(merged)
        if not b.any():
            continue
        residual = Residual()
        residual.add(found, np.asarray(a + b), a)
        if residual.explains:
            right = residual.value <= limit(merged, rtol)
            yield Merge("bias pair", target.name, (second,), (Result(first, merged, residual.value, right),))
