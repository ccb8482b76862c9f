"""A BatchNorm merged into the convolution or matrix before it, or into the one after it.

With ``q = gamma / sqrt(variance + epsilon)``: before it, ``kernel' = q kernel`` and ``bias' = q (bias - mean) + beta``,
q along the outputs; after it, ``kernel' = q kernel`` along the inputs and ``bias' = bias + sum over the inputs of
kernel (beta - q mean)``, which holds without padding alone. The epsilon is the model's; a file without a graph does not
say one, and it is the one that the merged kernel shows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irconv.comparison.folds.base import Merge, Residual, Result, View, limit, operand_of, row_blocks, wide
from irconv.comparison.graphs import Wired, wired
from irconv.comparison.sides import Operand, Unit
from irconv.comparison.stream import rows
from irconv.data_classes import dataclass
from irconv.ir.layers.normalisation import BatchNorm
from irconv.layout import Array

_INTO = ("Conv", "Linear", "ConvTranspose")
_LOOK = 4
"""Rows that tell whether a norm belongs to a kernel, where no graph does."""
_NEAR = 0.2


@dataclass(frozen=True)
class _Norm:
    """The vectors of a BatchNorm in float64; `epsilon` None where the file does not say it."""

    gamma: Array
    beta: Array
    mean: Array
    spread: Array
    kind: str
    """What `spread` is: ``variance``, ``std`` or ``inv_std``."""
    epsilon: float | None

    def scale(self, epsilon: float) -> Array:
        """q."""
        if self.kind == "inv_std":
            return np.asarray(self.gamma * self.spread)
        if self.kind == "std":
            return np.asarray(self.gamma / (self.spread + epsilon))
        return np.asarray(self.gamma / np.sqrt(self.spread + epsilon))


def find(view: View, rtol: float) -> Iterator[Merge]:
    """The BatchNorms of the split side that the merged one has in its kernels."""
    norms = [unit for unit in view.alone if _is_norm(unit)]
    if not norms:
        return
    graph = wired(view.split, ()) if view.split.has_graph else None
    taken: set[str] = set()
    for unit in norms:
        candidates = _before_and_after(view, unit, graph) if graph else _of_the_same_size(view, unit)
        for kernel_unit, before in candidates:
            if kernel_unit.name in taken:
                continue
            merge = _merge(view, unit, kernel_unit, before, rtol)
            if merge is not None:
                taken.add(kernel_unit.name)
                yield merge
                break


def _is_norm(unit: Unit) -> bool:
    if unit.type == "BatchNorm":
        return True
    return unit.layer is None and {"mean", "variance"} <= unit.operands.keys()


def _before_and_after(view: View, unit: Unit, graph: Wired) -> Iterator[tuple[Unit, bool]]:
    """The layers with a kernel before the norm, and after it, that are its only neighbours there."""
    for node in graph.nodes:
        if node.layer != unit.name or "x" not in node.inputs:
            continue
        maker = graph.maker(node.inputs["x"])
        if maker is not None and len(graph.takers.get(graph.source(node.inputs["x"]), [])) == 1:
            yield from _with_kernel(view, maker.layer, True)
        takers = graph.takers.get(node.outputs["y"], [])
        if len(takers) == 1:
            yield from _with_kernel(view, takers[0][0].layer, False)


def _with_kernel(view: View, name: str, before: bool) -> Iterator[tuple[Unit, bool]]:
    unit = view.split.units.get(name)
    if unit is not None and name in view.pairs and unit.type in _INTO and "kernel" in unit.operands:
        yield unit, before


def _of_the_same_size(view: View, unit: Unit) -> Iterator[tuple[Unit, bool]]:
    """For weights without a graph: kernels with as many outputs as the norm has channels, nearest first."""
    channels = unit.operands["mean"].data.shape[0]
    fits = [
        other
        for other in view.split.units.values()
        if other.name in view.pairs
        and (kernel := operand_of(other, "kernel")) is not None
        and len(kernel.data.shape) > 1
        and kernel.data.shape[0] == channels
    ]
    for other in sorted(fits, key=lambda other: (other.place > unit.place, abs(other.place - unit.place))):
        yield other, True


def _merge(view: View, unit: Unit, kernel_unit: Unit, before: bool, rtol: float) -> Merge | None:
    """The fold of one norm and one kernel, where the merged kernel is nearer to it than to the kernel alone."""
    target = view.pairs[kernel_unit.name]
    kernel, merged = kernel_unit.operands["kernel"], operand_of(target, "kernel", "gamma")
    norm = _norm(unit)
    if norm is None or merged is None or kernel.data.shape != merged.data.shape:
        return None
    axis = _axis(kernel_unit, before)
    if axis is None or kernel.data.shape[axis] != norm.mean.size:
        return None
    epsilon, known = norm.epsilon, norm.epsilon is not None
    if epsilon is None:
        epsilon = _shown_epsilon(norm, kernel, merged)
        if epsilon is None:
            return None
    scale = norm.scale(epsilon)
    residual, shift = _kernels(kernel, merged, scale, axis, norm.beta - norm.mean * scale)
    if not residual.explains or residual.value > _NEAR:
        return None
    results = [Result(kernel, merged, residual.value, residual.value <= limit(merged, rtol))]
    results += _bias(kernel_unit, target, norm, scale, shift if not before else None, merged, rtol)
    facts = {"epsilon": float(f"{epsilon:.9g}"), "epsilon is": "the model's" if known else "what the kernel shows"}
    return Merge("BatchNorm", target.name, tuple(unit.operands.values()), tuple(results), (unit.name,), facts)


def _axis(unit: Unit, before: bool) -> int | None:
    """The axis of the kernel that the norm's channels are; None where groups or padding stand in the way."""
    groups = getattr(unit.layer, "groups", 1)
    if before:
        return 0 if unit.type != "ConvTranspose" else (1 if groups == 1 else None)
    if groups != 1 or unit.type == "ConvTranspose":
        return None
    padding = getattr(unit.layer, "padding", ())
    padded = isinstance(padding, str) or any(any(pair) for pair in padding)
    kernel = unit.operands["kernel"].data.shape
    return None if padded and any(size > 1 for size in kernel[2:]) else 1


def _norm(unit: Unit) -> _Norm | None:
    kind = next((role for role in ("variance", "std", "inv_std") if role in unit.operands), None)
    if kind is None or "mean" not in unit.operands:
        return None
    mean = wide(unit.operands["mean"])
    gamma, beta = operand_of(unit, "gamma"), operand_of(unit, "beta")
    return _Norm(
        gamma=np.ones_like(mean) if gamma is None else wide(gamma),
        beta=np.zeros_like(mean) if beta is None else wide(beta),
        mean=mean,
        spread=wide(unit.operands[kind]),
        kind=kind,
        epsilon=unit.layer.epsilon if isinstance(unit.layer, BatchNorm) else None,
    )


def _shown_epsilon(norm: _Norm, kernel: Operand, merged: Operand) -> float | None:
    """The epsilon that makes the kernel the merged one, from a few rows first; None where none does."""
    few = min(_LOOK, norm.mean.size)
    if few == 0 or _epsilon(norm, *(rows(o.data, 0, few) for o in (kernel, merged))) is None:
        return None
    scales = []
    for old, new in row_blocks(kernel, merged):
        flat, other = old.reshape(len(old), -1), new.reshape(len(new), -1)
        with np.errstate(all="ignore"):
            scales.append((flat * other).sum(1) / np.square(flat).sum(1))
    return _from_scales(norm, np.concatenate(scales))


def _epsilon(norm: _Norm, old: Array, new: Array) -> float | None:
    """See `_shown_epsilon`; None where the rows are not multiples of each other."""
    flat, other = (a.astype(np.float64).reshape(len(a), -1) for a in (old, new))
    with np.errstate(all="ignore"):
        scale = (flat * other).sum(1) / np.square(flat).sum(1)
    gap = np.linalg.norm(other - scale[:, None] * flat)
    if not gap <= _NEAR * np.linalg.norm(other):
        return None
    return _from_scales(norm, scale)


def _from_scales(norm: _Norm, scale: Array) -> float | None:
    """The epsilon of most channels; a short number beside it where that is as good."""
    count = len(scale)
    with np.errstate(all="ignore"):
        each = np.square(norm.gamma[:count] / scale) - norm.spread[:count]
        signs = np.sign(norm.gamma[:count]) == np.sign(scale)
    each = each[np.isfinite(each) & signs]
    if len(each) < count / 2 or not len(each):
        return None
    found = float(np.median(each))
    short = float(f"{found:.1g}") if found > 0 else 0.0
    apart = float(np.median(np.abs(each - found))) + 1e-6 * float(np.median(norm.spread))
    return short if abs(short - found) <= 4 * apart else found


def _kernels(kernel: Operand, merged: Operand, scale: Array, axis: int, shift: Array) -> tuple[Residual, Array]:
    """The residual of the merged kernel, and for each output the sum of the kernel times the inputs' shifts."""
    residual, sums, done = Residual(), [], 0
    for old, new in row_blocks(kernel, merged):
        shape = [1] * old.ndim
        shape[axis] = -1
        factor = scale[done : done + len(old)] if axis == 0 else scale
        residual.add(new, old * factor.reshape(shape), old)
        if axis == 1:
            sums.append((old * shift.reshape(shape)).reshape(len(old), -1).sum(1))
        done += len(old)
    return residual, np.concatenate(sums) if sums else np.zeros(0)


def _bias(
    split: Unit, target: Unit, norm: _Norm, scale: Array, shift: Array | None, merged_kernel: Operand, rtol: float
) -> list[Result]:
    """The merged bias; one that is absent is zero. Its residual is relative to the terms that it is the sum of."""
    old, new = operand_of(split, "bias", "beta"), operand_of(target, "bias", "beta")
    bias = wide(old) if old is not None else np.zeros(1)
    terms = [bias * scale, -norm.mean * scale, norm.beta] if shift is None else [bias, shift]
    computed = np.asarray(sum(np.broadcast_to(term, np.broadcast_shapes(*(t.shape for t in terms))) for term in terms))
    found = wide(new) if new is not None else np.zeros_like(computed)
    if found.shape != computed.shape:
        return []
    whole = sum(float(np.linalg.norm(term)) for term in terms)
    gap = float(np.linalg.norm(found - computed))
    residual = gap / whole if whole else (0.0 if gap == 0 else float("inf"))
    if old is None and new is None:
        return []
    return [Result(old, new, residual, residual <= limit(new if new is not None else merged_kernel, rtol))]
