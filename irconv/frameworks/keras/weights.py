"""Keras weights without a model: groups of tensors by layer, typed only where names leave no doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from irconv.codec import NativeWeight
from irconv.containers.hdf5 import Folder
from irconv.ir.bundle import Tensor
from irconv.ir.manifest import Group, NativeTensor, Role, TensorRecord


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
            role: Role = "buffer" if local_name(name).startswith("moving_") else "parameter"
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


def placed_groups(root: Folder, file: str) -> tuple[dict[str, Tensor], tuple[Group, ...]]:
    """Every tensor of an archive's weights with a group for each place (``layers/conv2d_1``) that has variables.

    Only four vectors in a row, which a BatchNormalization has, would leave little doubt: nothing is named.
    """
    tensors: dict[str, Tensor] = {}
    groups: list[Group] = []
    for folder in _places(root):
        name = folder.path.removesuffix("/vars").strip("/") or "model"
        keys = {place: f"{name}.{place}" for place in sorted(folder.datasets, key=lambda place: (len(place), place))}
        for place, key in keys.items():
            data, path = folder.datasets[place], f"{folder.path}/{place}".lstrip("/")
            native = NativeTensor(file=file, name=path, shape=data.shape, axes="")
            record = TensorRecord(
                role="parameter",
                trainable=None,
                dtype=data.dtype,
                shape=data.shape,
                axes="",
                letters="",
                source=native,
                steps=(),
            )
            tensors[key] = Tensor(record, data)
        said = folder.attributes.get("name")
        evidence = f"the layer {said}; no model in the file" if said else "no model in the file"
        groups.append(Group(name=name, type=None, evidence=evidence, tensors=keys))
    return tensors, tuple(groups)


def _places(folder: Folder) -> Iterator[Folder]:
    """The groups of variables of layers; those of the optimizer and of metrics are none."""
    for name, inner in folder.folders.items():
        if name == "vars" and inner.datasets:
            yield inner
        elif name not in ("optimizer", "metrics", "seed_generator"):
            yield from _places(inner)


def local_name(name: str) -> str:
    """The last part of a variable's name, without TensorFlow's output number.

    >>> local_name("block/conv2d_1/kernel:0")
    'kernel'
    """
    return name.rsplit("/", 1)[-1].split(":", maxsplit=1)[0]
