"""Layers and ops on whole values."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from irconv.frameworks.theano.kinds.base import Described, Pair, Positive, Sizes


class Dense(Described):
    """``T.dot(x, W) + b`` with W (in, out)."""

    ROLES: ClassVar[tuple[str, ...]] = ("W",)
    OPTIONAL: ClassVar[tuple[str, ...]] = ("b",)

    kind: Literal["dense"]
    flatten_input: bool = Field(False, description="Whether all axes after the first are merged before.")


class Bias(Described):
    """A vector added along axis 1."""

    ROLES: ClassVar[tuple[str, ...]] = ("b",)

    kind: Literal["bias"]


class Scale(Described):
    """A number times the value: what dropout needs at test time where training did not scale."""

    kind: Literal["scale"]
    value: float


class Shift(Described):
    """A number added to the value."""

    kind: Literal["shift"]
    value: float


class BatchNorm(Described):
    """``(x - mean) gamma inv_std + beta``; std stands for 1 / inv_std, var for 1 / inv_std^2 - epsilon."""

    ROLES: ClassVar[tuple[str, ...]] = ("mean",)
    OPTIONAL: ClassVar[tuple[str, ...]] = ("inv_std", "std", "var", "gamma", "beta")

    kind: Literal["batch_norm"]
    axis: int = 1
    epsilon: float | None = Field(None, description="Added to var; with std and inv_std it has no effect.")

    def missing_roles(self) -> list[str]:
        """Exactly one of the three spreads must be there."""
        spreads = [role for role in ("inv_std", "std", "var") if role in self.arrays]
        return [*super().missing_roles(), *([] if len(spreads) == 1 else ["exactly one of inv_std, std and var"])]


class Lrn(Described):
    """``x / (k + alpha sum of squares)^beta`` over n neighbouring channels."""

    kind: Literal["lrn"]
    alpha: float
    beta: float
    k: float
    n: Positive


class Embedding(Described):
    """``W[x]`` with W (vocabulary, dim)."""

    ROLES: ClassVar[tuple[str, ...]] = ("W",)

    kind: Literal["embedding"]


class LastStep(Described):
    """``x[:, -1]``."""

    kind: Literal["last_step"]


class Slice(Described):
    """One index of an axis, which goes, or ``start:stop`` of it."""

    kind: Literal["slice"]
    axis: int
    index: int | None = None
    start: int | None = None
    stop: int | None = None


class Flatten(Described):
    """``x.flatten(outdim)``."""

    kind: Literal["flatten"]
    outdim: Positive = 2


class Reshape(Described):
    """``x.reshape(shape)``; 0 is the size of the batch, -1 what is left."""

    kind: Literal["reshape"]
    shape: Sizes


class Dimshuffle(Described):
    """``x.dimshuffle(pattern)``."""

    kind: Literal["dimshuffle"]
    pattern: list[int | Literal["x"]]


class Reduce(Described):
    """A number for all elements along whole axes."""

    kind: Literal["reduce"]
    op: Literal["max", "min", "mean", "sum", "prod", "any", "all", "l1", "l2", "sum_square", "log_sum"]
    axis: list[int] | int
    keepdims: bool = False


class Concat(Described):
    """``T.concatenate``."""

    INPUTS: ClassVar[tuple[int, float]] = (1, float("inf"))

    kind: Literal["concat"]
    axis: int


class Add(Described):
    """The sum of any number of values."""

    INPUTS: ClassVar[tuple[int, float]] = (1, float("inf"))

    kind: Literal["add"]


class Mul(Described):
    """The product of any number of values."""

    INPUTS: ClassVar[tuple[int, float]] = (1, float("inf"))

    kind: Literal["mul"]


class Pad(Described):
    """Numbers around the last axes, as many as there are pairs."""

    kind: Literal["pad"]
    pads: list[list[int | str]]
    value: float = 0.0


class Crop(Described):
    """(before, after) taken off each spatial axis."""

    kind: Literal["crop"]
    crops: list[Pair]


class Upscale(Described):
    """Each element repeated along each spatial axis."""

    kind: Literal["upscale"]
    factor: list[Positive]


class FeaturePool(Described):
    """Maxout: the largest of pool_size neighbouring channels."""

    kind: Literal["feature_pool"]
    channels: Positive
    pool_size: Positive


class Activation(Described):
    """An activation alone."""

    kind: Literal["activation"]


class Dropout(Described):
    """The value itself: dropout that scaled while training."""

    kind: Literal["dropout"]


class Identity(Described):
    """The value itself."""

    kind: Literal["identity"]
