"""Tensors of a file on their way into a bundle: each is stored once for each layout, small numbers are written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irconv.codec import MappedTensor, NativeWeight
from irconv.ir.bundle import Tensor
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.manifest import NativeTensor, Piece, Role, TensorRecord
from irconv.layout import customary

LITERAL = 64
"""Constants of up to so many elements stand in the manifest."""


class Storage:
    """The tensors of a bundle, by key, with what they are of a file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.tensors: dict[str, Tensor] = {}
        self._keys: dict[tuple[str, Piece | None, tuple[object, ...]], str] = {}

    def store(self, name: str, role: str, found: MappedTensor, layer: type[Layer]) -> StoredOperand | LiteralOperand:
        """The tensor in the bundle, once for each layout; small numbers of the graph are written out."""
        weight, parameter = found.weight, layer.PARAMETERS[role]
        if weight.role == "constant" and weight.literal and not found.steps and few(weight) and _writable(weight):
            return LiteralOperand(literal=weight.data.numpy().tolist(), dtype=weight.data.dtype)
        data = weight.source
        steps = (*weight.steps, *found.steps)
        axes = found.native_axes if steps else parameter.axes
        if weight.steps:
            axes = weight.steps[0].source
        role_of: Role = "constant" if weight.role == "constant" else "buffer" if parameter.buffer else "parameter"
        record = TensorRecord(
            role=role_of,
            trainable=False if parameter.buffer else weight.trainable,
            dtype=data.dtype,
            shape=data.shape,
            axes=axes,
            letters=customary(axes, len(data.shape)),
            source=self._source(found, data.shape, axes),
            steps=(),
        )
        tensor = Tensor(record, data)
        for step in steps:
            tensor = tensor.relayout(step)
        if weight.steps and not found.steps:
            letters = customary(parameter.axes, len(tensor.data.shape))
            tensor = replace(tensor, record=replace(tensor.record, axes=parameter.axes, letters=letters))
        key = self._keys.setdefault((weight.path, found.piece or weight.piece, tensor.data.changes), f"{name}.{role}")
        self.tensors.setdefault(key, tensor)
        return StoredOperand(tensor=key)

    def _source(self, found: MappedTensor, shape: tuple[int, ...], axes: str) -> NativeTensor | None:
        if found.weight.role == "constant" and found.weight.literal:
            return None
        return NativeTensor(
            file=self.file,
            name=found.weight.path,
            shape=shape,
            axes=axes if found.weight.steps else found.native_axes,
            piece=found.piece or found.weight.piece,
            members=found.weight.members,
        )


def count(weight: NativeWeight) -> int:
    """How many elements a tensor has."""
    return int(np.prod(weight.data.shape))


def few(weight: NativeWeight) -> bool:
    """Whether a manifest may hold them one by one."""
    return count(weight) <= LITERAL


def _writable(weight: NativeWeight) -> bool:
    """Whether a manifest can hold the numbers, which JSON has no infinities for."""
    kind = weight.data.dtype
    return not kind.startswith(("float", "bfloat")) or bool(np.isfinite(weight.data.numpy().astype(np.float64)).all())
