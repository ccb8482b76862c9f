"""Source and target on the same random inputs, value by value: where they first part, and whether they end alike.

A module runs as a copy with the new weights; files run as irconv reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from irconv.adoption.result import Checked
from irconv.align import Alignment
from irconv.align.network import KERNEL, MATRIX
from irconv.errors import MissingFact
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

_SEED = 20
_MOST_INDEX = 8
"""Random indices are below this: every table is larger."""

Values = Mapping[str, Array]


class Runs(Protocol):
    """A target that can be run with the weights that were found."""

    @property
    def shapes(self) -> Sequence[Sequence[int | str]] | None:
        """Those of its inputs, a name for a size that is free; None where it cannot be run."""

    def run(
        self, feeds: Sequence[Array], tensors: Mapping[str, LazyTensor], wanted: Sequence[str]
    ) -> tuple[Values, Sequence[Array]]:
        """Some of its values by the names of its nodes, and its outputs."""


def compared(
    source: Bundle, target: Runs, alignment: Alignment, tensors: Mapping[str, LazyTensor]
) -> tuple[Checked, ...]:
    """Every value that both compute, in the target's order, the outputs last.

    Raises `MissingFact` where one of them cannot be run.
    """
    if source.graph is None or target.shapes is None:
        who = "the source has no graph" if source.graph is None else "; ".join(alignment.target.notes[:1])
        raise MissingFact("--verify", f"both have to run: {who or 'the target has no graph'}", "Leave it out.")
    feeds = _feeds(source, target.shapes)
    pairs = _pairs(alignment)
    values, results = target.run([*feeds.values()], tensors, [value for _, value, _ in pairs])
    there = computed(source, feeds, [value for _, _, value in pairs])
    found = [
        Checked(name, value, _error(values[mine], there[value]))
        for name, mine, value in pairs
        if mine in values and value in there
    ]
    ports = [port.value for port in source.graph.outputs]
    for number, (port, result) in enumerate(zip(ports, results, strict=False)):
        found.append(Checked(f"output {number}", port, _error(result, there[port]), output=True))
    return tuple(found)


def _feeds(source: Bundle, shapes: Sequence[Sequence[int | str]]) -> dict[str, Array]:
    """Random inputs; a size is the target's, else the source's, else a small one that is the same for one name."""
    assert source.graph is not None, "the caller has looked"
    ports = source.graph.inputs
    if len(ports) != len(shapes):
        raise MissingFact("--verify", f"the source has {len(ports)} inputs, the target {len(shapes)}")
    rng, free = np.random.default_rng(_SEED), dict[str, int]()
    found: dict[str, Array] = {}
    for port, wanted in zip(ports, shapes, strict=True):
        if len(port.shape) != len(wanted):
            raise MissingFact("--verify", f"the source's input {port.name} is {port.shape}, the target's {wanted}")
        both = zip(wanted, port.shape, strict=True)
        sizes = [next((size for size in pair if isinstance(size, int)), str(pair[0])) for pair in both]
        shape = [free.setdefault(size, 2 + len(free) * 5) if isinstance(size, str) else size for size in sizes]
        if port.dtype.startswith("float"):
            found[port.name] = rng.random(shape, np.float32).astype(port.dtype)
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


def computed(source: Bundle, feeds: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
    """The values of a bundle's graph by name, those of its outputs among them."""
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
