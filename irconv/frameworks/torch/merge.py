"""Weights that a state dict keeps in parts, computed: weight norm, spectral norm, pruning masks.

The formulas are the IR's layers `WeightNorm`, `SpectralNorm` and `Mul`; this file only finds the parts by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle, made
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.reparametrisation import SpectralNorm, WeightNorm
from irconv.ir.layers.tensor_ops import Constant, Mul
from irconv.ir.manifest import Group
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

Evaluate: TypeAlias = Callable[[Bundle], Mapping[str, Array]]
"""Runs a bundle that has no inputs; its outputs by port name."""

_PARAMETRIZED = "parametrizations."
_CLOSE = 0.05


@dataclass(frozen=True)
class _Part:
    """A weight in parts: where it belongs, the layer that computes it, and the keys of that layer's inputs by slot."""

    group: str
    local: str
    layer: Layer
    inputs: dict[str, str]


def merged(bundle: Bundle, evaluate: Evaluate) -> Bundle:
    """The groups with every weight whole. Raises `Refused` for parametrizations that are not known."""
    names = {_full(group.name, local): key for group in bundle.groups for local, key in group.tensors.items()}
    problems = Problems()
    parts = list(_found(bundle, names, problems))
    problems.raise_any()
    if not parts:
        return bundle
    results = evaluate(_graph(bundle, parts))
    gone = {key for part in parts for key in part.inputs.values()}
    tensors = {key: tensor for key, tensor in bundle.tensors.items() if key not in gone}
    members = {group.name: {n: k for n, k in group.tensors.items() if k not in gone} for group in bundle.groups}
    kinds = {group.name: group for group in bundle.groups}
    for part in parts:
        key = _full(part.group, part.local)
        tensors[key] = made(LazyTensor.of(results[key]))
        members.setdefault(part.group, {})[part.local] = key
    groups = [
        replace_tensors(kinds.get(name) or Group(name=name, type=None, evidence="computed", tensors={}), named)
        for name, named in members.items()
        if named
    ]
    return replace(bundle, tensors=tensors, groups=tuple(groups))


def replace_tensors(group: Group, tensors: dict[str, str]) -> Group:
    """The group with other members."""
    return replace(group, tensors=tensors)


def _full(group: str, local: str) -> str:
    return f"{group}.{local}" if group else local


def _found(bundle: Bundle, names: Mapping[str, str], problems: Problems) -> Iterator[_Part]:
    for group in bundle.groups:
        parent, parametrized, last = group.name.rpartition(_PARAMETRIZED)
        with problems.collect():
            if parametrized and "." not in last and (parent == "" or parent.endswith(".")):
                yield _parametrized(bundle, group, parent.rstrip("."), last, names)
                continue
            for local in group.tensors:
                if (part := _old_style(bundle, group, local)) is not None:
                    yield part


def _old_style(bundle: Bundle, group: Group, local: str) -> _Part | None:
    """The hooks of ``weight_norm``, ``spectral_norm`` and ``prune``: names with a suffix."""
    have = group.tensors
    stem = local.rpartition("_")[0]
    if local.endswith("_v") and f"{stem}_g" in have:
        return _weight_norm(bundle, group.name, stem, have[f"{stem}_g"], have[local])
    if not local.endswith("_orig"):
        return None
    if f"{stem}_mask" in have:
        return _Part(group.name, stem, Mul(), {"x0": have[local], "x1": have[f"{stem}_mask"]})
    if {f"{stem}_u", f"{stem}_v"} <= have.keys():
        return _spectral_norm(bundle, group.name, stem, (have[local], have[f"{stem}_u"], have[f"{stem}_v"]))
    return None


def _parametrized(bundle: Bundle, group: Group, parent: str, local: str, names: Mapping[str, str]) -> _Part:
    """The tensors of ``torch.nn.utils.parametrize`` for one weight."""
    inner = {name.removeprefix(f"{group.name}.") for name in names if name.startswith(f"{group.name}.")}
    if inner == {"original0", "original1"}:
        return _weight_norm(bundle, parent, local, group.tensors["original0"], group.tensors["original1"])
    if inner == {"original", "0._u", "0._v"}:
        vectors = names[f"{group.name}.0._u"], names[f"{group.name}.0._v"]
        return _spectral_norm(bundle, parent, local, (group.tensors["original"], *vectors))
    what = f"is computed from {', '.join(sorted(inner))} by a parametrization that irconv does not know"
    raise Refused(_full(parent, local), what, "Leave out --merge to keep its parts.")


def _weight_norm(bundle: Bundle, group: str, local: str, length: str, direction: str) -> _Part:
    g, v = bundle.tensors[length].record.shape, bundle.tensors[direction].record.shape
    axes = tuple(axis for axis in range(len(v)) if len(g) <= axis or g[axis] == 1)
    return _Part(group, local, WeightNorm(axes=axes), {"v": direction, "g": length})


def _spectral_norm(bundle: Bundle, group: str, local: str, keys: tuple[str, str, str]) -> _Part:
    """The axis is 0, or 1 for transposed convolutions: the lengths of u and v tell it, or their values."""
    shape, u, v = (bundle.tensors[key].record.shape for key in keys)
    fits = [axis for axis in (0, 1) if len(shape) > axis and u == (shape[axis],) and v == (prod(shape) // shape[axis],)]
    if len(shape) == 2 and 0 in fits:
        fits = [0]
    if len(fits) == 2:
        errors = [_distance(bundle, keys, axis) for axis in fits]
        fits = [fits[errors.index(min(errors))]] if min(errors) < _CLOSE < max(errors) else []
    if len(fits) != 1:
        what = f"vectors of shape {u} and {v} do not tell the axis that spectral norm of a weight {shape} keeps"
        raise Refused(_full(group, local), what, "Leave out --merge to keep its parts.")
    return _Part(group, local, SpectralNorm(axis=fits[0]), dict(zip("wuv", keys, strict=True)))


def _distance(bundle: Bundle, keys: tuple[str, str, str], axis: int) -> float:
    """How far u is from the direction of W v: near 0 for the axis that training used, as it refined u this way."""
    w, u, v = (bundle.tensors[key].data.numpy().astype("float64") for key in keys)
    others = tuple(i for i in range(w.ndim) if i != axis)
    image = (w * v.reshape([1 if i == axis else n for i, n in enumerate(w.shape)])).sum(others)
    return float(np.abs(image / np.linalg.norm(image) - u / np.linalg.norm(u)).max())


def _graph(bundle: Bundle, parts: list[_Part]) -> Bundle:
    """A graph that computes the weights from constants."""
    layers: dict[str, Layer] = {}
    nodes: list[Node] = []
    outputs: list[Port] = []
    for key in dict.fromkeys(key for part in parts for key in part.inputs.values()):
        layers[f"{key}.constant"] = Constant(operands={"value": StoredOperand(tensor=key)})
        nodes.append(Node(layer=f"{key}.constant", scope="", inputs={}, outputs={"y": f"{key}.value"}))
    for part in parts:
        name = _full(part.group, part.local)
        layers[f"{name}.merge"] = part.layer
        inputs = {slot: f"{key}.value" for slot, key in part.inputs.items()}
        nodes.append(Node(layer=f"{name}.merge", scope="", inputs=inputs, outputs={"y": name}))
        record = bundle.tensors[next(iter(part.inputs.values()))].record  # the first input has the weight's shape
        outputs.append(Port(name=name, value=name, dtype=record.dtype, shape=record.shape, axes="", source_axes=""))
    return replace(bundle, layers=layers, graph=Graph(inputs=(), outputs=tuple(outputs), nodes=tuple(nodes)), groups=())
