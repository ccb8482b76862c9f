"""A weight computed from parts on one side, whole on the other: weight norm, spectral norm, pruning masks.

``kernel = v g / ||v||`` with the norm over the axes on which g has length 1; ``kernel = w / (u W v)`` with W the weight
as a matrix of its first axis; ``kernel = w mask``. PyTorch names the parts, in two ways; a graph says them by its
layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from irconv.comparison.folds.base import Merge, Residual, Result, View, limit, operand_of, row_blocks, wide
from irconv.comparison.graphs import Wired, wired
from irconv.comparison.model import FoldKind
from irconv.comparison.sides import Operand, Unit
from irconv.data_classes import dataclass
from irconv.ir.graph import Node
from irconv.layout import Array

_KERNEL = ("kernel", "gamma", "weight")


@dataclass(frozen=True)
class _Parts:
    """What a weight is made of: the tensor of its shape, what scales it, and the formula."""

    kind: FoldKind
    whole: Operand
    others: tuple[Operand, ...]
    gone: tuple[str, ...] = ()
    """Units that hold nothing else."""


def find(view: View, rtol: float) -> Iterator[Merge]:
    """The weights that the split side has in parts and the merged one whole."""
    graph = wired(view.split, ()) if view.split.has_graph else None
    for name, target in view.pairs.items():
        unit = view.split.units[name]
        merged = operand_of(target, *_KERNEL)
        if merged is None or operand_of(unit, *_KERNEL) is not None:
            continue
        parts = _in_graph(view, graph, unit) if graph is not None else _by_name(view, unit)
        if parts is None or parts.whole.data.shape != merged.data.shape:
            continue
        residual = Residual()
        for new, computed, old in _rows(parts, merged):
            residual.add(new, computed, old)
        if residual.value < 0.5 and (residual.explains or residual.other == 0):
            right = residual.value <= limit(merged, rtol)
            result = Result(None, merged, residual.value, right)
            yield Merge(parts.kind, target.name, (parts.whole, *parts.others), (result,), parts.gone)


def _by_name(view: View, unit: Unit) -> _Parts | None:
    """The parts by PyTorch's names: hooks keep them in the module, ``parametrize`` in one below it."""
    have = unit.operands
    below = view.split.units.get(f"{unit.name}.parametrizations.weight")
    inner = view.split.units.get(f"{unit.name}.parametrizations.weight.0")
    if {"weight_g", "weight_v"} <= have.keys():
        return _Parts("weight norm", have["weight_v"], (have["weight_g"],))
    if {"weight_orig", "weight_mask"} <= have.keys():
        return _Parts("pruning", have["weight_orig"], (have["weight_mask"],))
    if {"weight_orig", "weight_u", "weight_v"} <= have.keys():
        return _Parts("spectral norm", have["weight_orig"], (have["weight_u"], have["weight_v"]))
    if below is not None and {"original0", "original1"} <= below.operands.keys():
        return _Parts("weight norm", below.operands["original1"], (below.operands["original0"],), (below.name,))
    if (
        below is not None
        and inner is not None
        and "original" in below.operands
        and {"_u", "_v"} <= inner.operands.keys()
    ):
        vectors = (inner.operands["_u"], inner.operands["_v"])
        return _Parts("spectral norm", below.operands["original"], vectors, (below.name, inner.name))
    return None


_LAYERS: Mapping[str, tuple[FoldKind, str, tuple[str, ...]]] = {
    "WeightNorm": ("weight norm", "v", ("g",)),
    "SpectralNorm": ("spectral norm", "w", ("u", "v")),
    "Mul": ("pruning", "x0", ("x1",)),
}
"""Layer that computes a weight -> kind, the slot of the weight's shape, the other slots."""


def _in_graph(view: View, graph: Wired, unit: Unit) -> _Parts | None:
    """The parts of a kernel that a node computes from constants."""
    node = next((n for n in graph.nodes if n.layer == unit.name and "kernel" in n.inputs), None)
    maker = graph.maker(node.inputs["kernel"]) if node is not None else None
    if maker is None or graph.layer(maker).type not in _LAYERS:
        return None
    kind, whole, others = _LAYERS[graph.layer(maker).type]
    found = {slot: _constant(view, graph, maker, slot) for slot in (whole, *others)}
    kept = {slot: operand for slot, operand in found.items() if operand is not None}
    if len(kept) < len(found):
        return None
    gone = (maker.layer, *(operand.unit for operand in kept.values()))
    return _Parts(kind, kept[whole], tuple(kept[slot] for slot in others), tuple(dict.fromkeys(gone)))


def _constant(view: View, graph: Wired, node: Node, slot: str) -> Operand | None:
    """The stored tensor that a node takes in a slot."""
    own = view.split.units[node.layer].operands.get(slot)
    if own is not None or slot not in node.inputs:
        return own
    maker = graph.maker(node.inputs[slot])
    return view.split.units[maker.layer].operands.get("value") if maker is not None else None


def _rows(parts: _Parts, merged: Operand) -> Iterator[tuple[Array, Array, Array]]:
    """(merged, computed, the tensor of its shape), some rows at a time."""
    whole = parts.whole
    others = [wide(other) for other in parts.others]
    if parts.kind == "spectral norm":
        scale = 1 / _largest_singular_value(whole, others[0], others[1])
        yield from ((new, old * scale, old) for new, old in row_blocks(merged, whole))
    elif parts.kind == "pruning":
        for new, old, mask in row_blocks(merged, whole, parts.others[0]):
            yield new, old * mask, old
    elif others[0].shape[:1] == whole.data.shape[:1] and others[0].size == whole.data.shape[0]:
        length = others[0].reshape(-1)
        done = 0
        for new, old in row_blocks(merged, whole):
            norms = np.sqrt(np.square(old).reshape(len(old), -1).sum(1))
            factor = length[done : done + len(old)] / norms
            yield new, old * factor.reshape(-1, *[1] * (old.ndim - 1)), old
            done += len(old)
    else:
        old, length = wide(whole), others[0]
        axes = tuple(axis for axis in range(old.ndim) if length.ndim <= axis or length.shape[axis] == 1)
        norms = np.sqrt(np.square(old).sum(axes, keepdims=True))
        yield wide(merged), old * (length / norms), old


def _largest_singular_value(whole: Operand, u: Array, v: Array) -> float:
    """u W v, with W the weight as a matrix of the axis that u has the length of."""
    total, done = 0.0, 0
    if u.size == whole.data.shape[0]:
        for (block,) in row_blocks(whole):
            total += float(u[done : done + len(block)] @ (block.reshape(len(block), -1) @ v))
            done += len(block)
        return total
    return float(np.tensordot(u, wide(whole), ([0], [1])).reshape(-1) @ v)
