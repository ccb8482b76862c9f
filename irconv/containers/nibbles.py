"""Numbers of four bits, two in a byte, the first in its low half, as ONNX stores them."""

from __future__ import annotations

from math import prod

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor, take_box
from irconv.layout import Array, Box


@dataclass(frozen=True)
class Nibbles:
    """A source of whole numbers of four bits, given as whole bytes: `dtype` is ``int8`` or ``uint8``.

    Reading any of it reads all of it.
    """

    packed: LazyTensor
    """The bytes, of one axis."""
    dtype: str
    shape: tuple[int, ...]

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        raw = self.packed.numpy()
        numbers = np.stack([raw & 15, raw >> 4], 1).reshape(-1)[: prod(self.shape)].astype(numpy_dtype(self.dtype))
        if self.dtype == "int8":
            numbers = (numbers ^ 8) - 8
        return take_box(numbers.reshape(atoms), box)
