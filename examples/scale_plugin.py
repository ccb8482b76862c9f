"""A layer of one's own for `irconv convert --plugin`: y = x f, with one trained factor for each feature.

In Keras it was a subclass of ``keras.layers.Layer`` named Scale with one weight, ``factor``. A plugin says what the
layer does in terms of layers that irconv knows (`decompose`), and how the framework's file spells it (`CODECS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.codec import Codec
from irconv.ir.layers.base import Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.tensor_ops import Mul
from irconv.rows import Ignored, Weight


class Scale(Layer):
    """``y = x f``. Axes: x and y (\\*a, c); f (c)."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"scale": Parameter("c")}

    type: Literal["example.Scale"] = "example.Scale"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        """The shape stays."""
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """One product."""
        f = Formula(self, given)
        return f.ends(Mul(), "x", f.operand("scale"))


CODECS = {
    "keras": [
        Codec(
            "Scale",
            Scale,
            Ignored("name trainable dtype activity_regularizer autocast"),
            Weight("factor", "scale", "c"),
        )
    ]
}
"""Framework -> its layers; several rows take a layer's settings, see `irconv.rows`."""
