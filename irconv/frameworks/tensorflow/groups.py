"""Variables without a graph: a group for each scope, with a type only where names and shapes leave no doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from irconv.frameworks.tensorflow.variables import Variable
from irconv.ir.bundle import Tensor
from irconv.ir.manifest import Group, NativeTensor, TensorRecord
from irconv.ir.tensors import LazyTensor

TRAINING = "training state"
"""In front of the names of groups that hold what serves the training alone."""
_KINDS = {"slot": "slots of the optimizer", "average": "moving averages", "counter": "counters and settings"}
_ROLES: Mapping[str, Literal["parameter", "buffer"]] = {"weight": "parameter", "buffer": "buffer"}


def read_groups(
    tensors: Mapping[str, LazyTensor], variables: Mapping[str, Variable], natives: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, Tensor], tuple[Group, ...]]:
    """Every variable as the file has it, axes unknown; `natives` gives the file and the name that each has there."""
    made: dict[str, Tensor] = {}
    scopes: dict[str, dict[str, str]] = {}
    state: dict[str, dict[str, str]] = {}
    evidence: dict[str, str] = {}
    for name, data in tensors.items():
        variable = variables[name]
        made[name] = Tensor(_record(variable, data, *natives[name]), data)
        if variable.role in _KINDS:
            kind = f"{TRAINING}: {variable.slot or _KINDS[variable.role]}"
            state.setdefault(kind, {})[name] = name
            evidence.setdefault(kind, variable.evidence)
        else:
            scope, _, local = name.rpartition("/")
            scopes.setdefault(scope, {})[local] = name
    groups = []
    for scope, members in scopes.items():
        layer, why = evident(scope, {local: tensors[key].shape for local, key in members.items()})
        groups.append(Group(name=scope, type=layer, evidence=why, tensors=members))
    for name, members in state.items():
        groups.append(Group(name=name, type=None, evidence=f"the first of them: {evidence[name]}", tensors=members))
    return made, tuple(groups)


def _record(variable: Variable, data: LazyTensor, file: str, name: str) -> TensorRecord:
    return TensorRecord(
        role=_ROLES.get(variable.role, "optimizer"),
        trainable=variable.trainable,
        dtype=data.dtype,
        shape=data.shape,
        axes="",
        letters="",
        source=NativeTensor(file=file, name=name, shape=data.shape, axes=""),
        steps=(),
    )


def evident(scope: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str | None, str]:
    """The type of a layer, if the names and shapes of its variables allow no other; and why.

    A rank-4 ``kernel`` may be a convolution's, or with its last two axes exchanged that of a transposed one: a bias as
    long as one of these axes alone tells. One of rank 2 may be dense or an embedding.
    """
    last = re.sub(r"_\d+$", "", scope.rsplit("/", 1)[-1]).lower()
    if {"moving_mean", "moving_variance"} <= shapes.keys():
        return "BatchNorm", "moving_mean and moving_variance"
    if last in ("layernorm", "layer_norm", "layer_normalization") and shapes.keys() == {"gamma", "beta"}:
        return "LayerNorm", f"gamma and beta of a {last}"
    kernel = next((shapes[name] for name in ("kernel", "weights") if name in shapes), ())
    bias = next((shapes[name] for name in ("bias", "biases") if name in shapes), ())
    if (recurrent := _recurrent(scope, shapes, kernel, bias)) is not None:
        return recurrent
    if len(kernel) in (3, 4, 5) and len(bias) == 1 and kernel[-1] != kernel[-2]:
        for axis, kind in ((-1, "Conv"), (-2, "ConvTranspose")):
            if bias[0] == kernel[axis] and "depthwise" not in scope:
                return kind, f"{kernel} and a bias of {bias[0]}, which only axis {len(kernel) + axis} has"
    return None, "no graph says what it is"


def _recurrent(
    scope: str, shapes: Mapping[str, tuple[int, ...]], kernel: tuple[int, ...], bias: tuple[int, ...]
) -> tuple[str | None, str] | None:
    """A cell of TensorFlow 1 by the name that only it has, and the sizes of its gates."""
    cell = scope.rsplit("/", 1)[-1]
    if re.fullmatch(r"(basic_)?lstm_cell(_\d+)?", cell) and len(kernel) == 2 and kernel[1:] == bias:
        units = kernel[1] // 4
        if kernel[1] == 4 * units and kernel[0] > units:
            return (
                "LSTM",
                f"a kernel of {kernel}: 4 x {units} columns for {kernel[0] - units} inputs and {units} states",
            )
    if re.search(r"(^|/)gru_cell(_\d+)?/(gates|candidate)$", scope) and len(kernel) == 2:
        return None, f"the {cell} of a GRU, whose other part is a group of its own"
    return None
