"""Normalisations with weights or statistics.

They differ in where `epsilon` goes, and each class says it: under the root beside the variance, beside the standard
deviation, or as the least deviation there is.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from irconv.ir.layers.base import (
    AxisBehaviour,
    Barrier,
    ChannelFirst,
    Decomposition,
    LastAxis,
    Layer,
    LiteralOperand,
    OnChannels,
    Parameter,
    Step,
    ValueType,
)
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axes, Epsilon, Positive
from irconv.ir.layers.tensor_ops import Add, Identity, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Shape, Size, size_product

_AFFINE = {"gamma": Parameter("c", 1.0), "beta": Parameter("c", 0.0)}


class BatchNorm(Layer):
    """Normalises each channel by running statistics, of which the spread is kept as it was found.

    With `variance`: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta`` (all frameworks of today). With `std`:
    ``gamma (x - mean) / (std + epsilon) + beta`` (Keras up to 1.0.6; Theano code, with epsilon 0). With `inv_std`:
    ``gamma (x - mean) inv_std + beta`` (Lasagne), where epsilon is the one that went into inv_std and has no effect any
    more. Exactly one of the three is there; each operand is a vector over axis 1.

    `momentum` is the weight of the OLD average (Keras, TensorFlow, ONNX; PyTorch's and Lasagne's is one minus it); None
    keeps a cumulative average (PyTorch). It has no effect on inference. Defaults of `epsilon` differ: Keras 1e-3,
    PyTorch 1e-5, Lasagne 1e-4. PyTorch's InstanceNorm with running statistics is this at inference.
    Axes: x and y (n, c, \\*s); gamma, beta, mean and the spread (c).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **_AFFINE,
        "mean": Parameter("c", buffer=True),
        "variance": Parameter("c", buffer=True, optional=True),
        "std": Parameter("c", buffer=True, optional=True),
        "inv_std": Parameter("c", buffer=True, optional=True),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = ChannelFirst()
    ALIKE: ClassVar[tuple[str, ...] | None] = ("gamma beta", "mean variance std inv_std")

    type: Literal["BatchNorm"] = "BatchNorm"
    epsilon: Epsilon
    momentum: float | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if len(spreads := [role for role in ("variance", "std", "inv_std") if role in given]) != 1:
            raise ValueError(f"expected one of variance, std and inv_std, got {' and '.join(spreads) or 'none'}")
        _check_channels(given, "gamma", "beta", "mean", *spreads)
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The arithmetic of `std` and `inv_std`; with `variance` it is simple."""
        from irconv.ir.layers.arithmetic import Div, Sub

        if "variance" in given:
            return None
        f, rank = Formula(self, given), len(given["x"].shape)
        y = f(Sub(), "x", f.along("mean", (1,), rank))
        if "inv_std" in given:
            y = f(Mul(), y, f.along("inv_std", (1,), rank))
        else:
            y = f(Div(), y, f(Add(), f.along("std", (1,), rank), f.number(self.epsilon)))
        return affine(f, given, y, (1,), rank)


class LayerNorm(Layer):
    """Normalises each sample over some of its axes: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, with
    the mean and the (biased) variance over `axes`.

    gamma and beta have the normalised axes, in the order of `axes`. Keras: the last axis and epsilon 1e-3 unless said;
    PyTorch: the last ones, as many as `normalized_shape` has, and 1e-5; BERT 1e-12.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"gamma": Parameter("*k", 1.0), "beta": Parameter("*k", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = LastAxis()

    type: Literal["LayerNorm"] = "LayerNorm"
    axes: Axes
    epsilon: Epsilon

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check_normalised(given, self.axes)
        return {"y": given["x"]}

    def on_channels(self, rank: int) -> OnChannels | None:
        if self.axes != (rank - 1,):
            return None
        return OnChannels(LayerNorm(axes=(1,), epsilon=self.epsilon), {})

    def on_last_axis(self, rank: int) -> OnChannels | None:
        if self.axes != (1,):
            return None
        return OnChannels(LayerNorm(axes=(rank - 1,), epsilon=self.epsilon), {})

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import Div, Sub
        from irconv.ir.layers.elementwise import Sqrt, Square

        f = Formula(self, given)
        mean = Reduce(op="mean", axes=tuple(sorted(self.axes)), keepdims=True)
        centred = f(Sub(), "x", f(mean, "x"))
        spread = f(Sqrt(), f(Add(), f(mean, f(Square(), centred)), f.number(self.epsilon)))
        return affine(f, given, f(Div(), centred, spread), self.axes, len(given["x"].shape))


class RMSNorm(Layer):
    """``y = gamma x / sqrt(mean(x x) + epsilon)``, with the mean over `axes`.

    gamma has the normalised axes, in the order of `axes`. Keras: the last axis and epsilon 1e-6 unless said; PyTorch:
    the distance from 1 to the next number of the element type (1.1920929e-07 for float32).
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"gamma": Parameter("*k", 1.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = LastAxis()

    type: Literal["RMSNorm"] = "RMSNorm"
    axes: Axes
    epsilon: Epsilon

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check_normalised(given, self.axes)
        return {"y": given["x"]}

    def on_channels(self, rank: int) -> OnChannels | None:
        if self.axes != (rank - 1,):
            return None
        return OnChannels(RMSNorm(axes=(1,), epsilon=self.epsilon), {})

    def on_last_axis(self, rank: int) -> OnChannels | None:
        if self.axes != (1,):
            return None
        return OnChannels(RMSNorm(axes=(rank - 1,), epsilon=self.epsilon), {})

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import Div
        from irconv.ir.layers.elementwise import Sqrt, Square

        f = Formula(self, given)
        mean = f(Reduce(op="mean", axes=tuple(sorted(self.axes)), keepdims=True), f(Square(), "x"))
        spread = f(Sqrt(), f(Add(), mean, f.number(self.epsilon)))
        return affine(f, given, f(Div(), "x", spread), self.axes, len(given["x"].shape))


class GroupNorm(Layer):
    """Normalises each sample over each of `groups` groups of neighbouring channels, and over all spatial axes:
    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``; gamma and beta are vectors over the channels.

    Keras: 32 groups and epsilon 1e-3 unless said, channels last; PyTorch 1e-5. One group is a `LayerNorm` but for the
    axes of gamma and beta, as many groups as channels an `InstanceNorm`.
    Axes: x and y (n, c, \\*s); gamma and beta (c).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _AFFINE
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["GroupNorm"] = "GroupNorm"
    groups: Positive
    epsilon: Epsilon

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        channels = given["x"].shape[1]
        if isinstance(channels, int) and channels % self.groups:
            raise ValueError(f"{channels} channels do not fall into {self.groups} groups")
        _check_channels(given, "gamma", "beta")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """An `InstanceNorm` of the groups, each as one long channel; of the channels where each is a group."""
        f, shape = Formula(self, given), given["x"].shape
        if self.groups == shape[1] and len(shape) > 2:
            return f.ends(InstanceNorm(epsilon=self.epsilon), "x", gamma="gamma", beta="beta")
        rest = (size_product(shape[2:]) * Size.of(shape[1]).floor_divide(self.groups)).dimension
        grouped = f(Reshape(shape=(shape[0], self.groups, rest)), "x")
        y = f(Reshape(shape=shape), f(InstanceNorm(epsilon=self.epsilon), grouped))
        return affine(f, given, y, (1,), len(shape))


class InstanceNorm(Layer):
    """Normalises each channel of each sample over the spatial axes:
    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``.

    PyTorch: without gamma and beta unless `affine`; with running statistics it is `BatchNorm` at inference.
    Axes: x and y (n, c, \\*s), with at least one spatial axis; gamma and beta (c).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _AFFINE
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["InstanceNorm"] = "InstanceNorm"
    epsilon: Epsilon

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if len(given["x"].shape) < 3:
            raise ValueError(f"shape {given['x'].shape} has no spatial axes to normalise over")
        _check_channels(given, "gamma", "beta")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        return _with_affine(InstanceNorm(epsilon=self.epsilon), given)


class Standardization(Layer):
    """``(x - mean) / max(sqrt(variance), epsilon)``, or with `invert` ``mean + x max(sqrt(variance), epsilon)``, with
    fixed vectors over axis 1: Keras' Normalization, whose epsilon is 1e-7. Axes: x and y (n, c, \\*s); operands (c)."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "mean": Parameter("c", buffer=True),
        "variance": Parameter("c", buffer=True),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = ChannelFirst()

    type: Literal["Standardization"] = "Standardization"
    epsilon: Epsilon
    invert: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check_channels(given, "mean", "variance")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.activations import Clip
        from irconv.ir.layers.arithmetic import Div, Sub
        from irconv.ir.layers.elementwise import Sqrt

        f, rank = Formula(self, given), len(given["x"].shape)
        mean = f.along("mean", (1,), rank)
        std = f(Clip(low=self.epsilon, high=None), f(Sqrt(), f.along("variance", (1,), rank)))
        if self.invert:
            return f.ends(Add(), mean, f(Mul(), "x", std))
        return f.ends(Div(), f(Sub(), "x", mean), std)


class ChannelAffine(Layer):
    """``y = scale x + shift`` with vectors over axis 1: Caffe's Scale and Bias, Lasagne's ScaleLayer and BiasLayer,
    ConvNeXt's layer scale, a BatchNorm that is frozen for good. Over the last axis it is `Mul` and `Add`.
    Axes: x and y (n, c, \\*s); scale and shift (c)."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"scale": Parameter("c", 1.0), "shift": Parameter("c", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = ChannelFirst()

    type: Literal["ChannelAffine"] = "ChannelAffine"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check_channels(given, "scale", "shift")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, rank = Formula(self, given), len(given["x"].shape)
        return affine(f, given, "x", (1,), rank, ("scale", "shift"))


def _check_channels(given: Mapping[str, ValueType], *roles: str) -> None:
    """Raises `ValueError` where a vector does not lie along axis 1 of x."""
    shape = given["x"].shape
    for role in roles:
        if role in given and isinstance(shape[1], int) and given[role].shape != (shape[1],):
            raise ValueError(f"{role} of shape {given[role].shape} does not fit axis 1 of {shape}")


def _check_normalised(given: Mapping[str, ValueType], axes: Sequence[int]) -> None:
    """Raises `ValueError` where gamma or beta does not have the normalised axes of x."""
    shape: Shape = tuple(given["x"].shape[axis] for axis in axes)
    for role in ("gamma", "beta"):
        if role in given and all(isinstance(size, int) for size in shape) and given[role].shape != shape:
            raise ValueError(f"{role} of shape {given[role].shape} does not fit axes {axes} of {given['x'].shape}")


def affine(
    f: Formula,
    given: Mapping[str, ValueType],
    value: str,
    axes: Sequence[int],
    rank: int,
    roles: tuple[str, str] = ("gamma", "beta"),
) -> Decomposition:
    """The value times one operand plus the other, each laid along `axes`, as far as they are there."""
    scale, shift = (_laid(f, given, role, axes, rank) if role in given else "" for role in roles)
    if not scale and not shift:
        return f.ends(Identity(), value)
    if not shift:
        return f.ends(Mul(), value, scale)
    return f.ends(Add(), f(Mul(), value, scale) if scale else value, shift)


def _laid(f: Formula, given: Mapping[str, ValueType], role: str, axes: Sequence[int], rank: int) -> str:
    """An operand whose axes lie along `axes`, in any order, as a value that broadcasts."""
    rising = tuple(sorted(axes))
    if rising == tuple(axes):
        return f.along(role, rising, rank)
    order = tuple(axes.index(axis) for axis in rising)
    sizes = dict(zip(axes, given[role].shape, strict=True))
    turned = f(Transpose(permutation=order), f.operand(role))
    return f(Reshape(shape=tuple(sizes.get(axis, 1) for axis in range(rank))), turned)


def _with_affine(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """The layer with gamma and beta, the absent ones written out; None where both are there or the size is unknown."""
    channels = given["x"].shape[1]
    missing = [role for role in ("gamma", "beta") if role not in given]
    if not missing or not isinstance(channels, int):
        return None
    written = {
        role: LiteralOperand(literal=[layer.PARAMETERS[role].fill] * channels, dtype=given["x"].dtype)
        for role in missing
    }
    present = {role: role for role in ("gamma", "beta") if role in given}
    return [Step(layer.model_copy(update={"operands": written}), {"x": "x"}, {"y": "y"}, present)]
