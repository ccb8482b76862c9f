"""A low-rank update merged into its weight: ``kernel' = kernel + scale B A``, with A (rank, in) and B (out, rank).

The weights do not say the scale (``alpha / rank``, or ``alpha / sqrt(rank)``): it is the one that the merged weight
shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from irconv.comparison.folds.base import Merge, Residual, Result, View, limit, operand_of, row_blocks, wide
from irconv.comparison.sides import Unit

_A = re.compile(r"(?P<base>.+)\.lora_A(?P<adapter>\..+)?")


def find(view: View, rtol: float) -> Iterator[Merge]:
    """The updates that the split side has beside its weights and the merged one in them."""
    units = {unit.name: unit for unit in view.alone}
    for name, down in units.items():
        match = _A.fullmatch(name)
        if match is None:
            continue
        up = units.get(f"{match['base']}.lora_B{match['adapter'] or ''}")
        base = next((n for n in (f"{match['base']}.base_layer", match["base"]) if n in view.pairs), None)
        if up is None or base is None:
            continue
        merge = _merge(view, view.split.units[base], down, up, rtol)
        if merge is not None:
            yield merge


def _merge(view: View, base: Unit, down: Unit, up: Unit, rtol: float) -> Merge | None:
    target = view.pairs[base.name]
    kernel, merged = operand_of(base, "kernel"), operand_of(target, "kernel")
    a, b = operand_of(down, "kernel"), operand_of(up, "kernel")
    if kernel is None or merged is None or a is None or b is None or kernel.data.shape != merged.data.shape:
        return None
    left, right = wide(b).reshape(b.data.shape[0], -1), wide(a).reshape(a.data.shape[0], -1)
    if left.shape[1] != right.shape[0] or left.shape[0] != kernel.data.shape[0]:
        return None
    along = size = 0.0
    for start, (new, old) in _with_starts(row_blocks(merged, kernel)):
        update = left[start : start + len(old)] @ right
        along += float((update * (new - old).reshape(update.shape)).sum())
        size += float(np.square(update).sum())
    if size == 0 or along == 0:
        return None
    scale = along / size
    residual = Residual()
    for start, (new, old) in _with_starts(row_blocks(merged, kernel)):
        update = (left[start : start + len(old)] @ right).reshape(old.shape)
        residual.add(new, old + scale * update, old)
    if not residual.explains:
        return None
    rank = right.shape[0]
    facts = {"rank": rank, "scale": float(f"{scale:.6g}"), "scale is": "what the weight shows"}
    result = Result(kernel, merged, residual.value, residual.value <= limit(merged, rtol))
    parts = (*down.operands.values(), *up.operands.values())
    return Merge("LoRA", target.name, parts, (result,), (down.name, up.name), facts)


def _with_starts(blocks: Iterator[tuple[np.ndarray, ...]]) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    start = 0
    for block in blocks:
        yield start, block
        start += len(block[0])
