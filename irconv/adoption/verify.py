"""Source and target on the same random inputs, value by value: where they first part, and whether they end alike.

The module runs as a copy with the new weights, the source as irconv reads it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from irconv.adoption.result import Checked
from irconv.align import Alignment
from irconv.align.network import KERNEL, MATRIX
from irconv.errors import MissingFact
from irconv.execute import execute
from irconv.frameworks.torch import live, trace
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

if TYPE_CHECKING:
    from irconv.adoption.modules import ModuleTarget

_SEED = 20
_MOST_INDEX = 8
"""Random indices are below this: every table is larger."""


def compared(
    source: Bundle, target: ModuleTarget, alignment: Alignment, tensors: Mapping[str, LazyTensor]
) -> tuple[Checked, ...]:
    """Every value that both compute, in the target's order, the outputs last.

    Raises `MissingFact` where one of them cannot be run.
    """
    if source.graph is None or target.sample is None:
        who = "the source has no graph" if source.graph is None else "; ".join(alignment.target.notes[:1])
        raise MissingFact("--verify", f"both have to run: {who or 'the target was not run'}", "Leave it out.")
    feeds = _feeds(source, target.sample)
    module = copy.deepcopy(target.module)
    replace(target, module=module).load(tensors)
    torch = live.import_torch()
    values, results = trace.run(module, [torch.from_numpy(array) for array in feeds.values()])
    pairs = _pairs(alignment)
    there = _computed(source, feeds, [value for _, _, value in pairs])
    found = [
        Checked(name, value, _error(values[mine], there[value]))
        for name, mine, value in pairs
        if mine in values and value in there
    ]
    ports = [port.value for port in source.graph.outputs]
    for number, (port, result) in enumerate(zip(ports, results, strict=False)):
        found.append(Checked(f"output {number}", port, _error(result, there[port]), output=True))
    return tuple(found)


def _feeds(source: Bundle, sample: Sequence[Any]) -> dict[str, Array]:
    assert source.graph is not None, "the caller has looked"
    ports = source.graph.inputs
    if len(ports) != len(sample):
        raise MissingFact("--verify", f"the source has {len(ports)} inputs, the target {len(sample)}")
    rng = np.random.default_rng(_SEED)
    found: dict[str, Array] = {}
    for port, tensor in zip(ports, sample, strict=True):
        shape = tuple(tensor.shape)
        if tensor.is_floating_point():
            found[port.name] = rng.random(shape, np.float32)
        else:
            found[port.name] = rng.integers(0, _MOST_INDEX, shape).astype(port.dtype)
    return found


def _pairs(alignment: Alignment) -> list[tuple[str, str, str]]:
    """For each node of the target that has a partner: what it is called, its value, and the partner's value.

    A layer whose bias went into the norm behind it computes something else by itself.
    """
    found = []
    for t, s in sorted(alignment.nodes.items()):
        mine, other = alignment.target.nodes[t], alignment.source.nodes[s]
        if mine.label in ("input", "output"):
            continue
        if mine.unit is not None and other.unit is not None:
            unit, partner = alignment.target.units[mine.unit], alignment.source.units[other.unit]
            if unit.family in (KERNEL, MATRIX) and "bias" in partner.parts and "bias" not in unit.parts:
                continue
            name = unit.name
        else:
            name = mine.label
        found.append((name, mine.value, other.value))
    return found


def _computed(source: Bundle, feeds: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
    """The values of the source's graph by name, those of its outputs among them."""
    assert source.graph is not None, "the caller has looked"
    types = infer_types(source)
    values = dict.fromkeys([*wanted, *(port.value for port in source.graph.outputs)])
    ports = tuple(
        Port(name=value, value=value, dtype=types[value].dtype, shape=types[value].shape, axes="", source_axes="")
        for value in values
        if value in types
    )
    return execute(replace(source, graph=source.graph.model_copy(update={"outputs": ports})), feeds, None)


def _error(mine: Array, other: Array) -> float:
    """The largest difference over the largest value wanted; infinite where the sizes differ."""
    if mine.size != other.size:
        return float("inf")
    wide = other.astype(np.float64).reshape(-1)
    scale = float(np.abs(wide).max(initial=0.0)) or 1.0
    error = float(np.abs(mine.astype(np.float64).reshape(-1) - wide).max(initial=0.0)) / scale
    return error if np.isfinite(error) else float("inf")
