"""Digests of the contents of tensors in canonical layout, to find a tensor again under another name."""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np

from irconv.comparison.stream import blocks
from irconv.ir.tensors import LazyTensor


class Digests:
    """Digests made when they are asked for, each tensor's once."""

    def __init__(self) -> None:
        self._made: dict[int, bytes | None] = {}
        self._kept: list[LazyTensor] = []

    def of(self, data: LazyTensor) -> bytes | None:
        """The digest of type, shape and elements; None for a tensor that says nothing, as all of its elements are the
        same."""
        key = id(data)
        if key not in self._made:
            self._made[key] = _digest(data)
            self._kept.append(data)
        return self._made[key]


def kind(data: LazyTensor) -> tuple[str, tuple[int, ...]]:
    """Type and shape: what two tensors have in common if they can be equal."""
    return data.dtype, data.shape


def _digest(data: LazyTensor) -> bytes | None:
    if prod(data.shape) == 0:
        return None
    digest = hashlib.blake2b(repr(kind(data)).encode(), digest_size=16)
    first = None
    constant = True
    for block in blocks(data):
        digest.update(np.ascontiguousarray(block).view(np.uint8).data)
        if constant:
            first = block[0] if first is None else first
            constant = bool((block == first).all())
    return None if constant else digest.digest()
