"""Any bundle as a `Network`: by its graph, or by what its framework's names say of weights alone."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.align import Network, Part, Unit, network
from irconv.align.attention import tagged
from irconv.align.names import goes_back
from irconv.align.network import CONSTANT, KERNEL, MATRIX, NORM, REVERSE
from irconv.frameworks.conventions import Stored, conventions
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Group, LayoutStep
from irconv.layout import relayout

_NORM_ROLES = frozenset(("gamma", "beta", "mean", "variance"))
_GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}


def network_of(bundle: Bundle) -> Network:
    """The network of a bundle; `Part.name` is the key of the tensor.

    Weights alone are units by group. What a name leaves in doubt (is it a kernel, and in which axes?) is a unit of its
    own, which only the same doubt of the same shape is aligned with.
    """
    if bundle.graph is not None:
        return network(bundle)
    if bundle.source.framework == "torch":
        from irconv.frameworks.torch.units import network_of as torch_network

        return torch_network(bundle)
    units = [unit for group in bundle.groups for unit in _of_group(bundle, group)]
    return Network(tuple(tagged(units)))


def _of_group(bundle: Bundle, group: Group) -> list[Unit]:
    records = {local: bundle.tensors[key].record for local, key in group.tensors.items()}
    shapes = {local: r.shape for local, r in records.items() if _is_weight(r.dtype) and r.role != "optimizer"}
    said = conventions(bundle.source.framework)(group.type, shapes)
    parts: dict[str, Part] = {}
    alone: list[Unit] = []
    for local, shape in shapes.items():
        part = _part(group.tensors[local], shape, said[local])
        if said[local].role == "table" and len(shapes) > 1:
            alone.append(Unit(f"{group.name}/{local}", MATRIX, {"table": Part(group.tensors[local], shape)}))
        elif said[local].known and said[local].role not in parts and part is not None:
            parts[said[local].role] = part
        else:
            name = f"{group.name}.{local}"
            alone.append(Unit(name, CONSTANT, {"value": Part(group.tensors[local], shape)}))
    family = _family(parts)
    if family is None:
        return alone + [
            Unit(f"{group.name}.{role}", CONSTANT, {"value": Part(part.name, shapes_of(shapes, group, part))})
            for role, part in parts.items()
        ]
    tag = REVERSE if family in _GATES.values() and goes_back(group.name) else ""
    return [Unit(group.name, family, parts, group.type or "", tag), *alone]


def shapes_of(shapes: Mapping[str, tuple[int, ...]], group: Group, part: Part) -> tuple[int, ...]:
    """The stored shape of a part of a group."""
    return next(shapes[local] for local, key in group.tensors.items() if key == part.name)


def _part(key: str, shape: tuple[int, ...], said: Stored) -> Part | None:
    """The part in canonical axes; None where the name's axes do not fit the shape."""
    if not said.axes:
        return Part(key, shape)
    sizes = dict(said.sizes or {})
    step = LayoutStep(source=said.axes, target=said.canonical, orders=dict(said.orders or {}), sizes=sizes)
    try:
        change = relayout(step.source, step.target, shape, step.orders, sizes)
    except ValueError:
        return None
    return Part(key, change.shape, (step,))


def _family(parts: Mapping[str, Part]) -> str | None:
    if "recurrent_kernel" in parts and "kernel" in parts:
        units = parts["recurrent_kernel"].shape[1]
        return _GATES.get(parts["kernel"].shape[0] // units if units else 0, "RNN")
    if "kernel" in parts:
        return KERNEL if len(parts["kernel"].shape) > 2 else MATRIX
    if "table" in parts:
        return MATRIX
    return NORM if parts and parts.keys() <= _NORM_ROLES else None


def _is_weight(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat", "complex"))
