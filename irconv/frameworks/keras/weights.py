"""Keras weights without a model: groups of tensors by layer, typed only where names leave no doubt."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import NativeWeight
from irconv.ir.bundle import Tensor
from irconv.ir.manifest import Group, NativeTensor, TensorRecord


def read_groups(
    weights: Mapping[str, Mapping[str, NativeWeight]], file: str, backend: str
) -> tuple[dict[str, Tensor], tuple[Group, ...]]:
    """Every tensor as the file has it, axes unknown, with a group for each layer that has weights.

    Only BatchNormalization is named: nothing else has a moving mean and a moving variance. A rank-4 ``kernel`` may
    belong to a convolution or to its transpose, a rank-2 one to Dense, SimpleRNN or an embedding under another name.
    """
    tensors: dict[str, Tensor] = {}
    groups: list[Group] = []
    for layer, named in weights.items():
        if not named:
            continue
        keys = {name: f"{layer}.{local_name(name)}" for name in named}
        if len(set(keys.values())) < len(keys):
            keys = {name: f"{layer}.{name}" for name in named}
        for name, weight in named.items():
            shape = weight.data.shape
            native = NativeTensor(file=file, name=weight.path, shape=shape, axes="")
            role = "buffer" if local_name(name).startswith("moving_") else "parameter"
            record = TensorRecord(
                role=role,
                trainable=None,
                dtype=weight.data.dtype,
                shape=shape,
                axes="",
                letters="",
                source=native,
                steps=(),
            )
            tensors[keys[name]] = Tensor(record, weight.data)
        locals_ = {local_name(name) for name in named}
        normalises = {"moving_mean", "moving_variance"} <= locals_
        evidence = "moving_mean and moving_variance" if normalises else f"Keras on {backend}; no model in the file"
        groups.append(Group(name=layer, type="BatchNorm" if normalises else None, evidence=evidence, tensors=keys))
    return tensors, tuple(groups)


def local_name(name: str) -> str:
    """The last part of a variable's name, without TensorFlow's output number.

    >>> local_name("block/conv2d_1/kernel:0")
    'kernel'
    """
    return name.rsplit("/", 1)[-1].split(":", maxsplit=1)[0]
