"""What became of each part of a model: frozen, fine-tuned, replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field
from math import prod, sqrt

from irconv.comparison.model import UNCHANGED, LayerDiff, Module, TensorDiff
from irconv.comparison.names import module_paths
from irconv.data_classes import dataclass

_UNRELATED = 0.5
"""The cosine below which weights of the same shape are taken for other ones, not for the same trained further."""


@dataclass
class _Part:
    tensors: list[TensorDiff] = field(default_factory=list)
    layers: list[LayerDiff] = field(default_factory=list)


def summarised(tensors: Sequence[TensorDiff], layers: Sequence[LayerDiff]) -> tuple[Module, ...]:
    """The tree of modules, depth first, each with a verdict over all that is inside."""
    units = [entry.name for entry in layers] + [unit_of(entry) for entry in tensors]
    paths = module_paths(dict.fromkeys(units))
    parts: dict[tuple[str, ...], _Part] = {}
    for tensor in tensors:
        for path in _above(paths[unit_of(tensor)]):
            parts.setdefault(path, _Part()).tensors.append(tensor)
    for layer in layers:
        for path in _above(paths[layer.name]):
            parts.setdefault(path, _Part()).layers.append(layer)
    return tuple(_module(path, parts[path]) for path in _depth_first(parts))


def unit_of(entry: TensorDiff) -> str:
    """The layer or group that a tensor belongs to, as the first side that has it names it."""
    one = entry.a or entry.b
    assert one is not None, "a tensor is on one side at least"
    return one.unit


def _above(path: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    return (path[:depth] for depth in range(len(path) + 1))


def _depth_first(parts: dict[tuple[str, ...], _Part]) -> list[tuple[str, ...]]:
    below: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in parts:
        if path:
            below.setdefault(path[:-1], []).append(path)
    order: list[tuple[str, ...]] = []
    waiting: list[tuple[str, ...]] = [()] if () in parts else []
    while waiting:
        path = waiting.pop()
        order.append(path)
        waiting += reversed(below.get(path, []))
    return order


def _module(path: tuple[str, ...], part: _Part) -> Module:
    counts: Counter[str] = Counter(status for tensor in part.tensors for status in tensor.status)
    sizes = [prod((t.a or t.b).shape) for t in part.tensors if t.a or t.b]  # type: ignore[union-attr]
    known = [t.distance for t in part.tensors if t.distance is not None]
    gap = sum((d.relative_l2 * d.norms[0]) ** 2 for d in known if d.relative_l2 is not None)
    norm = sum(d.norms[0] ** 2 for d in known)
    apart = [one.shape for t in part.tensors if t.distance is None and _kind(t) == "replaced" and (one := t.a or t.b)]
    changed = sum(d.changed for d in known) + sum(map(prod, apart))
    return Module(
        path=path,
        verdict=verdict(part.tensors, part.layers),
        tensors=dict(counts),
        elements=sum(sizes),
        changed=changed,
        relative_l2=sqrt(gap / norm) if norm else None,
    )


def verdict(tensors: Sequence[TensorDiff], layers: Sequence[LayerDiff]) -> str:
    """One word for a part: what happened to its weights, or else to its settings."""
    kinds = {kind for tensor in tensors for kind in [_kind(tensor)] if kind}
    if not kinds:
        if any(set(layer.status) - UNCHANGED - {"renamed", "folded"} for layer in layers):
            return "settings"
        renamed = any("renamed" in t.status for t in tensors) or any("renamed" in layer.status for layer in layers)
        return "renamed" if renamed else "frozen"
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= {"fine-tuned", "statistics"}:
        return "fine-tuned"
    still = any(not tensor.differs for tensor in tensors)
    return "mixed" if still or len(kinds) > 1 else next(iter(kinds))


def _kind(tensor: TensorDiff) -> str:
    status = set(tensor.status)
    if status & {"shape", "missing", "added"}:
        return "replaced"
    if "folded" in status:
        return "folded"
    if "changed" in status and tensor.distance is not None:
        one = tensor.a or tensor.b
        if one is not None and one.buffer:
            return "statistics"
        cosine = tensor.distance.cosine
        return "replaced" if cosine is not None and cosine < _UNRELATED else "fine-tuned"
    return "converted" if "dtype" in status else ""
