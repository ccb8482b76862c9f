"""What Keras 2.2 and 2.3 save and then do not load themselves."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.errors import Refused
from irconv.frameworks.keras.outlined import Outline, Outlined
from irconv.frameworks.keras.weights_write import tree_of

_CONVERTED = (
    *("Conv", "SeparableConv", "DepthwiseConv", "LocallyConnected"),
    *("LSTM", "GRU", "SimpleRNN", "Bidirectional", "TimeDistributed", "CuDNN"),
)
"""Beginnings of the names of layers whose weights Keras looks at when it loads them."""


def refuse_unloadable(model: Outline) -> None:
    """Raise `Refused` where models lie within models that lie within others, and some of the weights are not trained.

    Keras 2.2 and 2.3 hand the weights of a model to its layers in two turns, trained ones and others, and each turn to
    a model in it as if it were all that this has (``convert_nested_model``): convolutions get the statistics of norms.
    """
    for outer in _models(model):
        for inner in _models(outer.model):
            layers = list(_layers(inner.model))
            trained = {
                variable.trainable for layer in layers if layer.weights for variable in tree_of(layer).variables()
            }
            kinds = sorted({layer.kind for layer in layers if layer.kind.startswith(_CONVERTED)})
            if len(trained) > 1 and kinds:
                what = "Keras 2.3.1 does not load a model two models deep with weights that are not trained beside a "
                remedy = "Write for a later Keras, with --target-version 1.15."
                raise Refused(f"model {inner.name}", what + ", a ".join(kinds), remedy)


def _models(model: Outline | None) -> Iterator[Outlined]:
    yield from (layer for layer in (model.layers if model else ()) if layer.model is not None)


def _layers(model: Outline | None) -> Iterator[Outlined]:
    for layer in model.layers if model else ():
        yield layer
        yield from _layers(layer.model)
