"""Rows and isos that only Keras needs, shared by the families."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.shapes import size_product
from irconv.rows import SAME, Created, Ignored, Iso

EVERY_LAYER = Ignored("name trainable dtype batch_input_shape batch_shape activity_regularizer")
KERNEL_TRAINING = Ignored(
    "kernel_initializer kernel_regularizer kernel_constraint bias_initializer bias_regularizer bias_constraint"
)
IMAGE = {"channels_last": "n *s c", "channels_first": "n c *s"}
FLOAT32 = Iso(shortest_float32, SAME.encode)

_RULES = {"same": "same_upper", "theano_half": "theano_half", "theano_pool_same": "theano_pool_same"}


def padding_of_rank(spatial: int) -> Iso:
    """Keras' words for padding, for so many spatial axes; ``theano_...`` are words of `normalise`."""

    def decode(word: str) -> Any:
        if word == "valid":
            return ((0, 0),) * spatial
        if word not in _RULES:
            raise ValueError(f"expected valid or same, got {word!r}")
        return _RULES[word]

    def encode(padding: Any) -> str:
        for word, rule in _RULES.items():
            if padding == rule:
                return word
        if isinstance(padding, str) or any(map(any, padding)):
            raise ValueError(f"Keras knows valid and same padding only, got {padding!r}")
        return "valid"

    return Iso(decode, encode)


def spatial_pairs(spatial: int) -> Iso:
    """(before, after) of the spatial axes in Keras, of every axis in the IR."""

    def encode(pairs: Any) -> list[list[int]]:
        if len(pairs) != spatial + 2 or any(pairs[0]) or any(pairs[1]):
            raise ValueError(f"expected padding of {spatial} spatial axes only, got {pairs!r}")
        return [list(pair) for pair in pairs[2:]]

    return Iso(lambda pairs: ((0, 0), (0, 0), *map(tuple, pairs)), encode)


def filters(draft: Draft) -> Any:
    """The number of outputs, from the kernel."""
    return draft.types["kernel"].shape[0]


def kernel_size(draft: Draft) -> Any:
    """The window, from the kernel."""
    return list(draft.types["kernel"].shape[2:])


@dataclass(frozen=True)
class TargetShape(Row):
    """The shape of a Reshape without the batch axis; -1 is the size that is left."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        target, (batch, *sizes) = native.config.pop("target_shape"), draft.given[0].shape
        known = prod(size for size in target if size != -1)
        if any(size is None or size < -1 for size in target) or list(target).count(-1) > 1 or not known:
            raise draft.refuse(f"expected positive sizes and at most one -1 in target_shape, got {target}")
        left = size_product(sizes).floor_divide(known).dimension
        draft.fields["shape"] = (batch, *(left if size == -1 else size for size in target))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if not draft.fields["shape"]:
            raise draft.refuse("Keras' Reshape keeps the batch, and this one makes a single number")
        batch, *shape = draft.fields.pop("shape")
        if batch != draft.types["x"].shape[0]:
            raise draft.refuse(f"Keras' Reshape keeps the batch {draft.types['x'].shape[0]}, got {batch}")
        unknown = [size for size in shape if not isinstance(size, int)]
        if len(unknown) > 1:
            raise draft.refuse(f"Keras' Reshape takes one unknown size, got {', '.join(map(str, unknown))}")
        native.config["target_shape"] = [size if isinstance(size, int) else -1 for size in shape]


@dataclass(frozen=True)
class CropBounds(Row):
    """How much a Cropping layer takes off before and after each axis, as the bounds of a slice."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        crops = native.config.pop("cropping")
        draft.fields["starts"] = tuple(before for before, _ in crops)
        draft.fields["ends"] = tuple(-after if after else None for _, after in crops)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        starts, ends = draft.fields.pop("starts"), draft.fields.pop("ends")
        bounds = [(start or 0, end or 0) for start, end in zip(starts, ends, strict=True)]
        crops = [[start, -end] for start, end in bounds if isinstance(start, int) and isinstance(end, int)]
        if len(crops) < len(bounds) or any(n < 0 for pair in crops for n in pair):
            raise draft.refuse(f"Keras crops by fixed amounts, got starts {starts} and ends {ends}")
        native.config["cropping"] = crops


@dataclass(frozen=True)
class LiteralValue(Row):
    """A number, or a list of numbers along the last axis, that Keras keeps in the call or in the config."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.literals["value"] = LiteralOperand(literal=native.config.pop("value"), dtype="float32")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.data.pop("value")  # the outline puts what is stored into calls, as numbers or a weight
        native.config["value"] = shortest_float32(value.data.numpy()) if value.literal else value.data


@dataclass(frozen=True)
class LiteralVector(Row):
    """An operand that stands in the config as a list, or is None there and a weight in the file."""

    role: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        value = native.config.pop(self.role)
        if value is not None:
            listed = [value] if isinstance(value, int | float) else value
            draft.literals[self.role] = LiteralOperand(literal=[float(number) for number in listed], dtype="float32")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        weight = draft.data.get(self.role)
        literal = weight is not None and weight.literal
        native.config[self.role] = None
        if weight is not None and literal:
            native.config[self.role] = shortest_float32(draft.data.pop(self.role).data.numpy())
            del draft.types[self.role]


@dataclass(frozen=True)
class AdaptedCount(Created):
    """The count that a Normalization has where its statistics are weights, not lists in the config. It stands last."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if native.config["mean"] is None:
            super().encode(draft, native)


@dataclass(frozen=True)
class DepthwiseGroups(Row):
    """A depthwise kernel (\\*k, channels, multiplier) has a group for each channel."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        kernel = native.tensors["depthwise_kernel"].data.shape
        if (said := native.config.pop("depth_multiplier")) != kernel[-1]:
            raise draft.refuse(f"depth_multiplier is {said}, but the kernel has shape {kernel}")
        draft.fields["groups"] = kernel[-2]

    def encode(self, draft: Draft, native: Workpiece) -> None:
        out, groups = draft.types["kernel"].shape[0], draft.fields.pop("groups")
        if draft.types["kernel"].shape[1] != 1 or out % groups:
            raise draft.refuse(f"is depthwise only with one input channel for each of its {groups} groups")
        native.config["depth_multiplier"] = out // groups


@dataclass(frozen=True)
class MergedRanks(Row):
    """Values of a lower rank get axes of length 1 behind the batch, where numpy's broadcasting puts them in front."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        slots = draft.layer.SLOTS or {f"x{i}": "*a" for i in range(len(draft.ranks))}
        for slot, rank in zip(slots, draft.ranks, strict=False):
            if 0 < rank < max(draft.ranks):
                draft.before[slot] = (Unsqueeze(axes=tuple(range(1, 1 + max(draft.ranks) - rank))),)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        ranks = {len(kind.shape) for slot, kind in draft.types.items() if slot.startswith("x")}
        if len(ranks) > 1:
            raise draft.refuse(f"Keras merges values of one rank as numpy does, got ranks {sorted(ranks)}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`. A layer of Keras' has a batch, so that scalars are left to operators."""
        ranks = {len(kind.shape) for slot, kind in given.items() if slot.startswith("x")}
        return len(ranks) == 1 and 0 not in ranks


@dataclass(frozen=True)
class AxisOfEach(Row):
    """One axis of each of two values; a single number names the same axis of both."""

    native: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = native.config.pop(self.native)
        axes = (given, given) if isinstance(given, int) else tuple(given)
        if len(axes) != 2 or any(not -rank <= axis < rank for axis, rank in zip(axes, draft.ranks, strict=True)):
            raise draft.refuse(f"expected {self.native} to name one axis of each input, got {given!r}")
        draft.fields["axes"] = tuple(axis % rank for axis, rank in zip(axes, draft.ranks, strict=True))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = list(draft.fields.pop("axes"))
