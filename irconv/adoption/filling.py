"""The values of one unit's parameters from those of its partner: moved where both have them, else by the rules here.

What is computed is computed in float64 and is a step with words of its own. A parameter that only one side has is
filled or dropped where its value means nothing (a bias of zeros, a scale of ones), and refused else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv.adoption.weights import Weights, computed
from irconv.align import Part, Unit
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

NEUTRAL: Mapping[str, float] = {
    "bias": 0.0,
    "beta": 0.0,
    "gamma": 1.0,
    "bias_input": 0.0,
    "bias_recurrent": 0.0,
}
"""Role -> the value that changes nothing."""


@dataclass(frozen=True)
class Filled:
    """The values of one parameter in canonical axes, and how they came about."""

    data: LazyTensor
    sources: tuple[str, ...]
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fold:
    """The norm behind a layer of the source that becomes part of it, as the target has none there."""

    norm: Unit
    epsilon: float


def filled(
    source: Weights, unit: Unit, target: Unit, fold: Fold | None = None, moved_bias: bool = False
) -> tuple[dict[str, Filled], list[str]]:
    """The values of each role of `target`, in canonical axes; and the roles that the source lacks altogether.

    With `moved_bias` the bias of the layer goes into the norm behind it (see `with_bias`). Raises `Refused` for what
    the target has no place for.
    """
    if fold is not None:
        return _folded(source, unit, target, fold), []
    unit = _with_role_of(unit, target)
    found: dict[str, Filled] = {}
    missing = []
    for role in target.parts:
        if role in unit.parts:
            part = unit.parts[role]
            found[role] = Filled(source.canonical(part), (part.name,), _words(source, part))
        elif role in NEUTRAL:
            value, shape = NEUTRAL[role], target.parts[role].shape
            data = computed(_dtype(source, unit), shape, lambda v=value, s=shape: np.full(s, v))  # type: ignore[misc]
            found[role] = Filled(data, (), (f"filled with {value:g}, as the source has none",))
        else:
            missing.append(role)
    _without_place(source, unit, target, found, moved_bias)
    return found, missing


def _with_role_of(unit: Unit, target: Unit) -> Unit:
    """The unit with the word that the target has for a table: files without classes do not tell one from a kernel, and
    both have a row for each output or entry."""
    words = unit.parts.keys() ^ target.parts.keys()
    if not words >= {"kernel", "table"}:
        return unit
    other = {"kernel": "table", "table": "kernel"}
    return replace(unit, parts={other.get(role, role): part for role, part in unit.parts.items()})


def _without_place(source: Weights, unit: Unit, target: Unit, found: dict[str, Filled], moved_bias: bool) -> None:
    """What the source has and the target lacks: added to another bias, moved, or dropped where it means nothing."""
    for role in unit.parts.keys() - target.parts.keys():
        part = unit.parts[role]
        other = {"bias_recurrent": "bias_input", "bias_input": "bias_recurrent"}.get(role)
        if other in found and unit.family != "GRU":
            second = source.canonical(part)
            found[other] = _sum(found[other], second, part.name)
            continue
        if role == "bias" and moved_bias:
            continue
        if role in NEUTRAL and bool(np.all(source.canonical(part).numpy() == NEUTRAL[role])):
            continue
        what = f"the target's {target.name} has no place for {part.name}, which is not all "
        raise Refused(f"layer {unit.name}", what + f"{NEUTRAL.get(role, 0.0):g}")


def _sum(filled_: Filled, second: LazyTensor, name: str) -> Filled:
    first = filled_.data
    data = computed(first, first.shape, lambda: _wide(first) + _wide(second))
    return Filled(data, (*filled_.sources, name), (*filled_.steps, "the sum of both biases"))


def _folded(source: Weights, unit: Unit, target: Unit, fold: Fold) -> dict[str, Filled]:
    """``kernel s`` and ``(bias - mean) s + beta``, with ``s = gamma / sqrt(variance + epsilon)`` for each output."""
    if "bias" not in target.parts:
        what = f"the norm {fold.norm.name} behind it cannot become part of {target.name}, which has no bias"
        raise Refused(f"layer {unit.name}", what)
    parts = fold.norm.parts
    vectors = {role: source.canonical(part) for role, part in parts.items()}
    kernel = source.canonical(unit.parts["kernel"])
    bias = source.canonical(unit.parts["bias"]) if "bias" in unit.parts else None
    axis = 1 if unit.kind == "ConvTranspose" else 0

    def scale() -> Array:
        spread: Array = np.sqrt(_wide(vectors["variance"]) + fold.epsilon)
        return _wide(vectors["gamma"]) / spread if "gamma" in vectors else 1 / spread

    def new_kernel() -> Array:
        shape = [1] * len(kernel.shape)
        shape[axis] = -1
        return _wide(kernel) * scale().reshape(shape)

    def new_bias() -> Array:
        before = _wide(bias) if bias is not None else 0.0
        after: Array = (before - _wide(vectors["mean"])) * scale()
        return after + _wide(vectors["beta"]) if "beta" in vectors else after

    step = f"{fold.norm.name} folded in, with its epsilon of {fold.epsilon:g}"
    names = tuple(part.name for part in parts.values())
    own = tuple(part.name for role, part in unit.parts.items() if role in ("kernel", "bias"))
    shape = target.parts["bias"].shape
    return {
        "kernel": Filled(computed(kernel, kernel.shape, new_kernel), (own[0], *names), (step,)),
        "bias": Filled(computed(kernel, shape, new_bias), (*own[1:], *names), (step,)),
    }


def with_bias(norm: Filled, source: Weights, bias: Part) -> Filled:
    """The mean of a norm with the bias of the layer before it taken off: ``(x + b) - mean = x - (mean - b)``."""
    mean, values = norm.data, source.canonical(bias)
    data = computed(mean, mean.shape, lambda: _wide(mean) - _wide(values))
    step = f"less {bias.name}, as the target's layer before it has no bias"
    return Filled(data, (*norm.sources, bias.name), (*norm.steps, step))


def _wide(data: LazyTensor) -> Array:
    return data.numpy().astype(np.float64)


def _dtype(source: Weights, unit: Unit) -> str:
    return source.tensors[next(iter(unit.parts.values())).name].dtype


def _words(source: Weights, part: Part) -> tuple[str, ...]:
    piece = (f"part {part.piece[0] + 1} of {part.piece[1]} of its rows",) if part.piece else ()
    return piece + tuple(f"{step.source} -> {step.target}" for step in source.steps(part))
