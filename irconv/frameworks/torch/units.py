"""What the names and shapes of a state dict say: units for alignment, without a graph and without PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from irconv.align.attention import cut_in_three, tagged
from irconv.align.network import CONSTANT, KERNEL, MATRIX, NORM, REVERSE, Network, Part, Unit
from irconv.ir.bundle import Bundle

COUNTER = "num_batches_tracked"
"""A buffer of norms that only training looks at."""

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?")
_GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}
_ROLES = {
    ("weight", "ih"): "kernel",
    ("weight", "hh"): "recurrent_kernel",
    ("bias", "ih"): "bias_input",
    ("bias", "hh"): "bias_recurrent",
    ("weight", "hr"): "projection",
}
_NORM = {
    "weight": "gamma",
    "gamma": "gamma",
    "bias": "beta",
    "beta": "beta",
    "running_mean": "mean",
    "running_var": "variance",
}
_PACKED = "in_proj_weight", "in_proj_bias"

Shapes = Mapping[str, tuple[int, ...]]


def network_of(bundle: Bundle) -> Network:
    """The weights of a bundle of PyTorch's that has no graph; `Part.name` is the name in the state dict, the first of
    a tensor that has several."""
    names: dict[str, str] = {}
    for group in bundle.groups:
        for local, key in group.tensors.items():
            names.setdefault(key, f"{group.name}.{local}".lstrip("."))
    listed = {name: tensor.record for key, tensor in bundle.tensors.items() if (name := names.get(key))}
    return network_from({name: record.shape for name, record in listed.items() if is_weight(record.dtype)})


def is_weight(dtype: str) -> bool:
    """Whether tensors of this type are trained or averaged; others are counters, indices and masks."""
    return dtype.startswith(("float", "bfloat", "complex"))


def network_from(shapes: Shapes) -> Network:
    """A network without a graph of tensors by name, in the order in which they are listed."""
    units = units_of(shapes)
    return Network(tuple(units), stored=_stored(list(shapes), units))


def units_of(shapes: Shapes, kinds: Mapping[str, str] | None = None, whole: bool = False) -> list[Unit]:
    """The units of a state dict in its order; `kinds` gives the type of the IR for modules whose class is known. Query,
    key and value in one matrix are cut apart by its name, unless they are to stay `whole`."""
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        scope, _, local = name.rpartition(".")
        groups.setdefault(scope, {})[local] = shape
    units: list[Unit] = []
    for scope, members in groups.items():
        units += _of_group(scope, members, (kinds or {}).get(scope, ""))
    return tagged(units, whole)


def _of_group(scope: str, members: Mapping[str, tuple[int, ...]], kind: str) -> list[Unit]:
    rest = {local: shape for local, shape in members.items() if local != COUNTER}
    found = [*_recurrent(scope, rest), *_packed(scope, rest)]
    main = rest.get("weight")
    if kind == "PRelu" and main is not None:
        found.append(Unit(scope, kind, _parts(scope, rest, {"slope": "weight"}), kind))
    elif main is not None and len(main) > 1:
        family = KERNEL if len(main) > 2 else MATRIX
        roles = {"kernel": "weight", "bias": "bias"}
        found.append(Unit(scope, family, _parts(scope, rest, roles), kind))
    elif any(local in rest and len(rest[local]) == 1 for local in ("weight", "gamma", "running_mean")):
        roles = {role: local for local, role in _NORM.items() if local in rest}
        found.append(Unit(scope, NORM, _parts(scope, rest, roles), kind))
    for local, shape in rest.items():  # what no rule has taken stands alone
        name = f"{scope}.{local}".lstrip(".")
        found.append(Unit(name, CONSTANT, {"value": Part(name, shape)}))
    return found


def _parts(scope: str, rest: dict[str, tuple[int, ...]], roles: Mapping[str, str]) -> dict[str, Part]:
    """The parts by role, each taken out of what is left of a group."""
    return {
        role: Part(f"{scope}.{local}".lstrip("."), rest.pop(local)) for role, local in roles.items() if local in rest
    }


def _recurrent(scope: str, rest: dict[str, tuple[int, ...]]) -> list[Unit]:
    """A unit for each layer and direction; a module may have several of both."""
    named: dict[tuple[str, str], dict[str, str]] = {}
    for local in rest:
        if match := _RECURRENT.fullmatch(local):
            kind, matrix, layer, reverse = match.groups()
            named.setdefault((layer or "", reverse or ""), {})[_ROLES[kind, matrix]] = local
    found = {key: _parts(scope, rest, roles) for key, roles in named.items() if _is_whole(rest, roles)}
    units = []
    for (layer, reverse), parts in found.items():
        units_per_gate = parts["projection"].shape[1] if "projection" in parts else None
        gates = parts["kernel"].shape[0] // (units_per_gate or parts["recurrent_kernel"].shape[1])
        name = f"{scope}.l{layer}{reverse}" if len(found) > 1 else scope
        family = _GATES.get(gates, "RNN")
        units.append(Unit(name, family, parts, family, REVERSE if reverse else ""))
    return units


def _is_whole(rest: Shapes, roles: Mapping[str, str]) -> bool:
    """Whether the matrices of a recurrent layer are all there; a name alone does not make one."""
    matrices = [rest[roles[role]] for role in ("kernel", "recurrent_kernel", "projection") if role in roles]
    return {"kernel", "recurrent_kernel"} <= roles.keys() and all(len(s) == 2 and all(s) for s in matrices)


def _packed(scope: str, rest: dict[str, tuple[int, ...]]) -> list[Unit]:
    """Query, key and value of `nn.MultiheadAttention`: in one, or apart where their inputs differ in size."""
    if "in_proj_weight" in rest:
        parts = _parts(scope, rest, dict(zip(("kernel", "bias"), _PACKED, strict=True)))
        return cut_in_three(Unit(scope, MATRIX, parts, "Linear"))
    if not {"q_proj_weight", "k_proj_weight", "v_proj_weight"} <= rest.keys():
        return []
    bias = rest.pop("in_proj_bias", None)
    found = []
    for index, tag in enumerate("qkv"):
        parts = _parts(scope, rest, {"kernel": f"{tag}_proj_weight"})
        if bias is not None:
            parts["bias"] = Part(f"{scope}.in_proj_bias".lstrip("."), (bias[0] // 3,), (), (index, 3))
        found.append(Unit(f"{scope}.{tag}", MATRIX, parts, "Linear", tag))
    return found


def _stored(names: Sequence[str], units: Sequence[Unit]) -> tuple[int, ...] | None:
    """The order of the units in the file; None where it is that of the alphabet, or tears units apart."""
    place = {name: number for number, name in enumerate(names)}
    spans = sorted((min(places), max(places), i) for i, unit in enumerate(units) for places in [_places(unit, place)])
    if list(names) == sorted(names):
        return None
    for (_, last, one), (first, _, other) in pairwise(spans):
        pieces = {part.piece for i in (one, other) for part in units[i].parts.values()}
        if first <= last and pieces == {None}:
            return None
    return tuple(index for _, _, index in spans)


def _places(unit: Unit, place: Mapping[str, int]) -> list[int]:
    return [place[part.name] for part in unit.parts.values()]
