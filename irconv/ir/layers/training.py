"""Layers that act in training alone: at inference each hands its input on.

They are kept for who trains the model further. A target that has no word for one gets the identity, and the loss is
told (`irconv.passes.training`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from irconv.ir.layers.base import AxisBehaviour, AxisFields, Decomposition, Layer, Pointwise, Step, ValueType
from irconv.ir.layers.ranges import Axes, Rate
from irconv.ir.layers.tensor_ops import Identity


class TrainingAlone(Layer):
    """The base of these layers: one value, which inference leaves as it is."""

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        return [Step(Identity(origin=self.origin), {"x": "x"}, {"y": "y"})]


class Dropout(TrainingAlone):
    """The identity at inference. Training drops elements at random, or disturbs them, and keeps their mean.

    `rate` is the share that is dropped (PyTorch's p, Keras' rate; TF1's ``keep_prob`` is the rest). With `noise`
    ``zero`` a dropped element is 0 and the others are divided by ``1 - rate``. With ``alpha`` (AlphaDropout) it is
    ``-1.7580993408473766``, the least value of a SELU, and all are scaled and shifted so that mean and variance stay.
    With ``gaussian`` (Keras' GaussianDropout) each is multiplied by a normal number around 1 with the deviation
    ``sqrt(rate / (1 - rate))``.

    `shared` are the axes along which one choice holds for all elements: those of space where whole channels vanish
    (PyTorch's Dropout2d and FeatureAlphaDropout, Keras' SpatialDropout2D, a 1 in Keras' ``noise_shape``).
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("shared",))

    type: Literal["Dropout"] = "Dropout"
    rate: Rate
    noise: Literal["zero", "alpha", "gaussian"]
    shared: Axes


class GaussianNoise(TrainingAlone):
    """The identity at inference. Training adds normal numbers around 0 with this `deviation` (Keras' stddev)."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["GaussianNoise"] = "GaussianNoise"
    deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Augmentation(TrainingAlone):
    """The identity at inference. Training changes images at random: `kind` is Keras' name of the change, such as
    RandomFlip, and `details` are those of Keras' layer but for the order of axes and the seed. `image` are the axes of
    height, width and channels.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("image",))

    type: Literal["Augmentation"] = "Augmentation"
    kind: str
    details: dict[str, Any]
    image: Axes
