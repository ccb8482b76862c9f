"""ConvLSTM against Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.activations import HardSigmoid, Sigmoid, Tanh
from irconv.ir.layers.conv_recurrent import ConvLSTM
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.layout import relayout
from tests.layers.harness import Arrays, Case, arrays

N, T, IN, UNITS = 2, 4, 3, 2
MASK = np.array([[1, 1, 0, 0], [0, 1, 0, 1]], bool)
PLAIN: dict[str, Any] = {
    "activation": Tanh(),
    "recurrent_activation": Sigmoid(),
    "output_activation": Tanh(),
    "forget_bias": 0.0,
    "reverse": False,
    "order": "time",
    "masked_output": "repeat",
    **UNDROPPED,
}


def _weights(*window: int) -> Arrays:
    shapes = {"kernel": (4 * UNITS, IN, *window), "recurrent_kernel": (4 * UNITS, UNITS, *window)}
    return {role: 0.5 * a for role, a in arrays(21, **shapes, bias_input=(4 * UNITS,)).items()}


def _turned(array: np.ndarray, source: str, target: str) -> np.ndarray:
    return relayout(source, target, array.shape).apply(array)


def _keras(
    x: np.ndarray, w: Arrays, window: tuple[int, ...], mask: np.ndarray | None = None, **settings: Any
) -> Arrays:
    import keras

    layer = getattr(keras.layers, f"ConvLSTM{len(window)}D")(
        UNITS, window, return_sequences=True, return_state=True, **settings
    )
    last = _turned(x, "n t c *s", "n t *s c")
    layer.build(last.shape)
    kernels = [_turned(w[role], "out in *k", "*k in out") for role in ("kernel", "recurrent_kernel")]
    layer.set_weights([*kernels, w["bias_input"]])
    y, h, c = layer(last, mask=mask)
    states = {name: _turned(np.asarray(value), "n *s c", "n c *s") for name, value in (("h", h), ("c", c))}
    return {"y": _turned(np.asarray(y), "n t *s c", "n t c *s"), **states}


X1, X2, X3 = (arrays(22 + len(s), x=(N, T, IN, *s))["x"] for s in ((7,), (5, 6), (3, 4, 5)))
W1, W2, W3 = _weights(4), _weights(3, 2), _weights(2, 3, 1)

CASES = [
    Case(
        "over images of unknown size, padded as SAME, an even kernel",
        ConvLSTM(**{**PLAIN, "stride": (1, 1), "dilation": (1, 1), "padding": "same_upper"}),
        {"x": X2},
        lambda: _keras(X2, W2, (3, 2), padding="same"),
        "keras.layers.ConvLSTM2D",
        W2,
        {"x": ("N", "T", IN, "H", "W")},
    ),
    Case(
        "with stride 2 and no padding, backwards, masked, a hard sigmoid",
        ConvLSTM(
            **{
                **PLAIN,
                "recurrent_activation": HardSigmoid(slope=1 / 6, offset=0.5),
                "stride": (2, 1),
                "dilation": (1, 1),
                "padding": ((0, 0), (0, 0)),
                "reverse": True,
                "order": "processing",
            }
        ),
        {"x": X2, "mask": MASK},
        lambda: _keras(
            X2,
            W2,
            (3, 2),
            MASK,
            strides=(2, 1),
            padding="valid",
            go_backwards=True,
            recurrent_activation="hard_sigmoid",
        ),
        "keras.layers.ConvLSTM2D",
        W2,
        {"x": ("N", "T", IN, 5, 6), "mask": ("N", "T")},
    ),
    Case(
        "over sequences of rows, stride 2 with SAME",
        ConvLSTM(**{**PLAIN, "stride": (2,), "dilation": (1,), "padding": "same_upper"}),
        {"x": X1},
        lambda: _keras(X1, W1, (4,), padding="same", strides=2),
        "keras.layers.ConvLSTM1D",
        W1,
        {"x": ("N", "T", IN, 7)},
    ),
    Case(
        "over volumes, dilated",
        ConvLSTM(**{**PLAIN, "stride": (1, 1, 1), "dilation": (1, 1, 2), "padding": "same_upper"}),
        {"x": X3},
        lambda: _keras(X3, W3, (2, 3, 1), padding="same", dilation_rate=(1, 1, 2)),
        "keras.layers.ConvLSTM3D",
        W3,
    ),
]
