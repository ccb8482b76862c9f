"""Words of `composites` that are not layers of Keras: steps of a sequence as part of the batch and back, the last of
them, a value of the shape of another, and numbers that a layer works out of its settings and of the shape of a value.
"""

from __future__ import annotations

import numpy as np

from irconv.codec import Codec, Draft, MappedTensor, NativeWeight, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.slicing import Select
from irconv.ir.layers.tensor_ops import Constant, Reshape
from irconv.ir.shapes import size_product
from irconv.ir.tensors import LazyTensor
from irconv.rows import Attribute, Only


@dataclass(frozen=True)
class MergedSteps(Row):
    """(n, t, ...) as (n t, ...)."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        batch, steps, *rest = draft.given[0].shape
        draft.fields["shape"] = (size_product((batch, steps)).dimension, *rest)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shape, before = draft.fields.pop("shape"), draft.types["x"].shape
        if len(before) < 2 or shape != (size_product(before[:2]).dimension, *before[2:]):
            raise draft.refuse(f"does not make the steps part of the batch: {before} becomes {shape}")


@dataclass(frozen=True)
class SplitSteps(Row):
    """(n t, ...) as (n, t, ...), both sizes given."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        sizes = native.config.pop("batch"), native.config.pop("steps")
        draft.fields["shape"] = (*sizes, *draft.given[0].shape[1:])

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shape, before = draft.fields.pop("shape"), draft.types["x"].shape
        if len(shape) < 2 or shape[2:] != before[1:]:
            raise draft.refuse(f"does not split the batch alone: {before} becomes {shape}")
        native.config |= dict(zip(("batch", "steps"), shape, strict=False))


@dataclass(frozen=True)
class Numbers(Row):
    """An array of a type, kept as a constant under the name that is given with it."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        array = np.asarray(native.config.pop("value"), numpy_dtype(native.config.pop("dtype")))
        weight = NativeWeight(native.config.pop("name"), LazyTensor.of(array), literal=True, role="constant")
        draft.types["value"] = ValueType(weight.data.dtype, weight.data.shape)
        draft.mapped["value"] = MappedTensor(weight, "*a", ())


READ = [Codec("numbers", Constant, Numbers())]
"""Is read only: Keras has no layer for it."""

CODECS: list[Codec] = [
    Codec("merge_steps", Reshape, MergedSteps()),
    Codec("split_steps", Reshape, SplitSteps()),
    Codec("full_like", Full, Attribute("shape"), Attribute("value"), Attribute("dtype")),
    Codec("last_step", Select, Only("axis", 1), Only("index", -1)),
]
