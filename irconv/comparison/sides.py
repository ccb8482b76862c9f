"""A model as it is compared: units (layers, or groups of weights without a graph), each with its operands by role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from irconv.comparison.holders import Holders, holders
from irconv.comparison.names import nested, spelt_alike
from irconv.data_classes import dataclass
from irconv.frameworks.conventions import Stored, conventions
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, Origin, StoredOperand
from irconv.ir.layers.control import Scan
from irconv.ir.manifest import Group
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout

_LAST = re.compile(r"[./](?=[^./]*$)")
COUNTERS = {"num_batches_tracked": "counts the steps of training; no result depends on it"}
"""Tensors that no result depends on, by the last part of their names."""


@dataclass(frozen=True)
class Operand:
    """A tensor in a role of a unit, in canonical axes as far as they are known."""

    unit: str
    role: str
    key: str
    """The tensor in the bundle, whose name it is."""
    tensor: Tensor
    data: LazyTensor
    known: bool
    """Whether its axes are certain; else a layout in which it fits the other side is looked for."""
    layer: Layer | None = None
    """The layer it belongs to, where there is a graph."""
    storage: str = ""
    """The framework, and the backend where it matters: what two files have in common that store arrays alike."""

    @property
    def native(self) -> str:
        """The name in the file."""
        source = self.tensor.record.source
        return source.name if source else self.key


@dataclass(frozen=True)
class Unit:
    """A layer, or the weights that belong together in a file without a graph."""

    name: str
    type: str | None
    layer: Layer | None
    """None where there is no graph."""
    operands: Mapping[str, Operand]
    place: int
    """Its place in the order of execution, or of the file."""
    scope: str = ""
    called: str = ""
    """Its name, where its file gives layers, their results and their tensors names that go together, but not here."""

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.called or self.name

    @property
    def stems(self) -> tuple[str, ...]:
        """What its tensors are called after."""
        return self.names[-1:] if self.called else self.names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it is called: its own name, and what the names of its tensors have in common but for numbers."""
        parts = [_LAST.split(operand.native, maxsplit=1) for operand in self.operands.values()]
        shared = {part[0] for part in parts if len(part) > 1 and not part[1].isdigit()}
        return (self.name, *shared) if len(shared) == 1 and parts and shared != {self.name} else (self.name,)

    @property
    def elements(self) -> int:
        """The elements of all operands."""
        total = 0
        for operand in self.operands.values():
            count = 1
            for size in operand.data.shape:
                count *= size
            total += count
        return total


@dataclass(frozen=True)
class Side:
    """One of the two models."""

    path: str
    bundle: Bundle
    units: Mapping[str, Unit]
    counters: Mapping[str, str]
    """Tensors that are not compared where the other side lacks them, with the reason."""
    glue: frozenset[str] = frozenset()
    """Layers that only hold or cast the operands of others, whose they are taken for."""

    @property
    def dialect(self) -> str:
        """The framework and its major version: what gives layers their names in one way."""
        source = self.bundle.source
        return f"{source.framework} {source.version.partition('.')[0]}"

    @property
    def has_graph(self) -> bool:
        """Whether settings and connections are known."""
        return self.bundle.graph is not None


def side(path: str, bundle: Bundle) -> Side:
    """A bundle as it is compared."""
    storage = _storage(bundle)
    counters = {key: why for key in bundle.tensors for end, why in COUNTERS.items() if key.rpartition(".")[2] == end}
    held = holders(bundle)
    units = _layers(bundle, storage, held) if bundle.graph is not None else _groups(bundle, storage)
    listed = {operand.key for unit in units for operand in unit.operands.values()}
    rest = [key for key in bundle.tensors if key not in listed]
    units += [_loose(bundle, key, len(units) + i) for i, key in enumerate(rest)]
    return Side(path, bundle, {unit.name: unit for unit in units}, counters, held.glue)


def _storage(bundle: Bundle) -> str:
    backend = next((fact.value for fact in bundle.source.facts if fact.name == "backend"), "")
    return f"{bundle.source.framework} {backend}"


def _layers(bundle: Bundle, storage: str, held: Holders) -> list[Unit]:
    """The layers in the order of their first use, those of bodies after the Scan that runs them."""
    assert bundle.graph is not None
    order: dict[str, str] = {}

    def walk(nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            order.setdefault(node.layer, node.scope)
            layer = bundle.layers[node.layer]
            if isinstance(layer, Scan):
                walk(layer.body.nodes)

    walk(bundle.graph.nodes)
    units = []
    for place, (name, scope) in enumerate(order.items()):
        layer = bundle.layers[name]
        stored = {role: o.tensor for role, o in layer.operands.items() if isinstance(o, StoredOperand)}
        keys = {**stored, **held.computed.get(name, {})}
        operands = {
            role: Operand(name, role, key, tensor, tensor.data, True, layer, storage)
            for role, key in keys.items()
            for tensor in [bundle.tensors[key]]
        }
        if name not in held.glue:
            units.append(Unit(name, layer.type, layer, operands, place, scope))
    return _called(units)


_FEW = 0.2
"""The part of a file's layers up to which those whose names do not go together were renamed; one may always be."""


def _called(units: list[Unit]) -> list[Unit]:
    """The units, with the name of a node that was renamed, or whose result or tensors were. A layer of ONNX is called
    after its result, as the names of nodes are optional and often mere counters; where the names of a file go
    together, one that does not is told."""
    own = {unit.name: unit.layer.origin for unit in units if unit.layer is not None and unit.layer.origin is not None}
    said = {name: origin.name for name, origin in own.items() if origin.framework == "onnx" and not _counter(origin)}
    odd: set[str] = set()
    for place in (0, -1):  # results, then tensors
        there = [unit for unit in units if unit.name in said and (place == 0 or unit.operands)]
        apart = {unit.name for unit in there if not _together(unit.names[place], said[unit.name])}
        odd |= apart if len(there) > 2 and len(apart) <= max(1, _FEW * len(there)) else set()
    return [replace(unit, called=said[unit.name]) if unit.name in odd else unit for unit in units]


def _together(a: str, b: str) -> bool:
    return spelt_alike(a) == spelt_alike(b) or nested(a, b)


def _counter(origin: Origin) -> bool:
    """Whether a node has no name, or that of its type with a number."""
    pattern = rf"(?:node_?|n_?)?(?:{re.escape(origin.type)})?[_:]?[0-9]*"
    return re.fullmatch(pattern, origin.name, re.IGNORECASE) is not None


def _groups(bundle: Bundle, storage: str) -> list[Unit]:
    say = conventions(bundle.source.framework)
    units: dict[str, Unit] = {}
    for place, group in enumerate(bundle.groups):
        shapes = {local: bundle.tensors[key].data.shape for local, key in group.tensors.items()}
        said = say(group.type, shapes)
        operands: dict[str, Operand] = {}
        for local, key in group.tensors.items():
            operand = _stored(group, key, bundle.tensors[key], said.get(local, Stored(local, known=False)))
            operand = replace(operand, storage=storage)
            role = operand.role if operand.role not in operands else local
            operands[role] = operand
        name = group.name if group.name not in units else f"{group.name}#{place}"
        units[name] = Unit(name, group.type, None, operands, place)
    return list(units.values())


def _stored(group: Group, key: str, tensor: Tensor, said: Stored) -> Operand:
    """A weight in canonical axes: those of its record where it has some, else those of its framework's convention."""
    data = tensor.data
    if tensor.record.axes:
        return Operand(group.name, said.role, key, tensor, data, True)
    known = said.known
    if said.axes:
        try:
            data = data.relayout(relayout(said.axes, said.canonical, data.shape, said.orders, said.sizes))
        except ValueError:
            known = False
    return Operand(group.name, said.role, key, tensor, data, known)


def _loose(bundle: Bundle, key: str, place: int) -> Unit:
    """A tensor that no layer and no group has."""
    tensor = bundle.tensors[key]
    name, _, role = key.rpartition(".")
    operand = Operand(name or key, role, key, tensor, tensor.data, bool(tensor.record.axes))
    return Unit(f"{name}.{role}" if name else key, None, None, {role: operand}, place)
