"""Tensors that a file keeps in several boxes."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations
from math import prod

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import DamagedFile
from irconv.frameworks.torch.pickles_tensors import PickledTensor
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array

_MOST_PAIRED = 2048


@dataclass(frozen=True, eq=False)
class Chunk:
    """One box of a tensor: where it begins, how large it is, and the tensor that holds it."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    tensor: PickledTensor

    def meets(self, other: Chunk) -> bool:
        """Whether two boxes have an element in common."""
        pairs = zip(self.offsets, self.sizes, other.offsets, other.sizes, strict=True)
        return all(a < b + m and b < a + n for a, n, b, m in pairs)


@dataclass(frozen=True, eq=False)
class Chunked:
    """A tensor in boxes, which together are all of it."""

    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    @property
    def trainable(self) -> bool:
        """Whether it says that training changes it."""
        return all(chunk.tensor.trainable for chunk in self.chunks)

    def check(self, where: str) -> None:
        """Raise `DamagedFile` where the boxes are not all of the tensor, or another one's."""
        for chunk in self.chunks:
            view = chunk.tensor.view
            if view.shape != chunk.sizes or view.dtype != self.dtype:
                got = f"{view.dtype} {view.shape}"
                raise DamagedFile(where, f"expected {self.dtype} numbers of shape {chunk.sizes}, got {got}")
        if sum(prod(chunk.sizes) for chunk in self.chunks) != prod(self.shape):
            raise DamagedFile(where, f"its parts do not fill its shape {self.shape}")
        few = len(self.chunks) <= _MOST_PAIRED
        if not few or any(first.meets(second) for first, second in combinations(self.chunks, 2)):
            raise DamagedFile(where, "expected at most 2048 parts, none of which has elements of another")

    def tensor(self, where: str) -> LazyTensor:
        """All of it, read whole when the first element is asked for."""
        return LazyTensor(_Joined(self, tuple(chunk.tensor.view.tensor(where) for chunk in self.chunks)))


@dataclass(frozen=True)
class _Joined(AtOnce):
    """See `irconv.ir.tensors.Source`."""

    of: Chunked
    parts: tuple[LazyTensor, ...]

    @property
    def dtype(self) -> str:
        """See `irconv.ir.tensors.Source`."""
        return self.of.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """See `irconv.ir.tensors.Source`."""
        return self.of.shape

    @cached_property
    def _whole(self) -> Array:
        whole = np.empty(self.shape, numpy_dtype(self.dtype))
        for chunk, part in zip(self.of.chunks, self.parts, strict=True):
            box = tuple(slice(o, o + n) for o, n in zip(chunk.offsets, chunk.sizes, strict=True))
            whole[box] = part.numpy()
        return whole
