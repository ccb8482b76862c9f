"""PyTorch weights without a graph: a group for each module, with a type only where its tensors leave no doubt."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from irconv.data_classes import dataclass
from irconv.ir.bundle import Tensor
from irconv.ir.manifest import Fact, Group, NativeTensor, TensorRecord
from irconv.ir.tensors import LazyTensor

_BUFFERS = {"running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_mask", "_u", "_v"}
_GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of a state dict: its bytes and what is known of it."""

    name: str
    """Its key in the file, prefixes included."""
    file: str
    data: LazyTensor
    identity: object
    """Equal for two keys that are one tensor."""
    trainable: bool | None = None
    buffer: bool | None = None


def read_groups(
    weights: Mapping[str, Weight], classes: Mapping[str, tuple[str | None, str]] | None = None
) -> tuple[dict[str, Tensor], tuple[Group, ...], tuple[Fact, ...]]:
    """Every tensor as the file has it, axes unknown; a group for each module; and a fact for each tie.

    Tied tensors are one tensor that stands in several groups. `classes` gives the type and the evidence for the
    modules whose class the file names.
    """
    tensors: dict[str, Tensor] = {}
    members: dict[str, dict[str, str]] = {}
    first: dict[object, str] = {}
    ties: list[Fact] = []
    for key, weight in weights.items():
        group, _, local = key.rpartition(".")
        known = first.setdefault(weight.identity, key)
        members.setdefault(group, {})[local] = known
        if known != key:
            ties.append(Fact(name="tied", value=f"{key} = {known}", evidence="one storage under two names"))
            continue
        tensors[key] = Tensor(_record(local, weight), weight.data)
    shapes = {key: tensor.record.shape for key, tensor in tensors.items()}
    names = tuple(members)  # of which there may be a hundred thousand: what has become a group is let go
    modules = frozenset(names)
    groups = [_group(name, members.pop(name), shapes, modules, classes or {}) for name in names]
    return tensors, tuple(groups), tuple(ties)


def _record(local: str, weight: Weight) -> TensorRecord:
    buffer = local in _BUFFERS if weight.buffer is None else weight.buffer
    shape = weight.data.shape
    return TensorRecord(
        role="buffer" if buffer else "parameter",
        trainable=False if buffer else weight.trainable,
        dtype=weight.data.dtype,
        shape=shape,
        axes="",
        letters="",
        source=NativeTensor(file=weight.file, name=weight.name, shape=shape, axes=""),
        steps=(),
    )


def _group(
    name: str,
    named: dict[str, str],
    shapes: Mapping[str, Sequence[int]],
    modules: Container[str],
    classes: Mapping[str, tuple[str | None, str]],
) -> Group:
    if name in classes:
        kind, evidence = classes[name]
    else:
        kind, evidence = _evident({local: tuple(shapes[key]) for local, key in named.items()}, name, modules)
    return Group(name=name, type=kind, evidence=evidence, tensors=named)


def _evident(shapes: Mapping[str, Sequence[int]], name: str, modules: Container[str]) -> tuple[str | None, str]:
    """The type of a module, if its tensors' names and shapes allow no other; and why.

    A rank-4 ``weight`` may be a convolution's or a transposed one's, a rank-2 one of Linear or Embedding, and
    ``running_mean`` belongs to BatchNorm or InstanceNorm.
    """
    for suffix in ("_l0", ""):
        inner, recurrent = shapes.get(f"weight_ih{suffix}"), shapes.get(f"weight_hh{suffix}")
        if inner and recurrent and len(inner) == len(recurrent) == 2 and inner[0] == recurrent[0]:
            cell = "" if suffix else ", one step (a cell)"
            if f"weight_hr{suffix}" in shapes:
                return "LSTM", f"weight_hr{suffix}: only an LSTM has a projection"
            gates = recurrent[0] / recurrent[1]
            if gates in _GATES:
                evidence = f"weight_hh{suffix} has {int(gates)} x {recurrent[1]} rows{cell}"
                return (_GATES[int(gates)] if suffix else None), evidence
    if "in_proj_weight" in shapes and f"{name}.out_proj".lstrip(".") in modules:
        return "MultiHeadAttention", "in_proj_weight and out_proj; the number of heads is not in the file"
    if {"running_mean", "running_var"} <= shapes.keys():
        return None, "running_mean and running_var: BatchNorm or InstanceNorm"
    if {"weight_g", "weight_v"} <= shapes.keys() or {"original0", "original1"} <= shapes.keys():
        return None, "weight norm: a length and a direction"
    if {"weight_orig", "weight_mask"} <= shapes.keys():
        return None, "pruned: a weight and a mask"
    if {"weight_orig", "weight_u"} <= shapes.keys():
        return None, "spectral norm: a weight and the vectors of its largest singular value"
    return None, "no module in the file"
