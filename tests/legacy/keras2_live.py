"""``make test-keras2``: live models of TensorFlow 2.15's Keras 2 as bundles, which predict what Keras predicts.

The weights are those of the model bit for bit, and what `to_keras` makes of the bundle predicts the same again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

import irconv

_ALLOWED = 2e-6
_RUNTIMES: tuple[Literal["numpy", "onnxruntime"], ...] = ("numpy", "onnxruntime")


def _convolutions(keras: Any) -> Any:
    kl = keras.layers
    x = entry = keras.Input((13, 11, 3))
    x = kl.Conv2D(5, (3, 4), (2, 1), "same", activation="relu")(x)
    x = kl.add([kl.BatchNormalization()(kl.SeparableConv2D(5, 3, padding="same")(x)), x])
    x = kl.GlobalAveragePooling2D()(kl.Conv2DTranspose(4, 3, 2)(x))
    return keras.Model(entry, kl.Dense(6, "softmax")(x))


def _recurrent(keras: Any) -> Any:
    kl = keras.layers
    layers = [
        keras.Input((None,)),
        kl.Embedding(23, 7, mask_zero=True),
        kl.Bidirectional(kl.LSTM(5, return_sequences=True)),
    ]
    return keras.Sequential([*layers, kl.GRU(4, go_backwards=True), kl.Dense(3)])


def _attention(keras: Any) -> Any:
    kl = keras.layers
    entry = keras.Input((6, 8))
    x = kl.MultiHeadAttention(2, 3)(kl.LayerNormalization()(entry), entry)
    return keras.Model(entry, kl.Dense(5, "gelu")(kl.Flatten()(kl.Add()([x, entry]))))


def _input(model: Any, seed: int) -> Any:
    shape = [size or (2 if axis == 0 else 9) for axis, size in enumerate(model.input_shape)]
    random = np.random.default_rng(seed)
    if len(shape) == 2:
        return random.integers(0, 23, shape).astype(np.int32)
    return random.uniform(-1, 1, shape).astype(np.float32)


def _apart(got: Any, wanted: Any) -> float:
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def main() -> int:
    """Judge the models; the exit code says whether all are right."""
    keras, wrong = import_module("tensorflow").keras, 0
    if not (found := version("keras")).startswith("2."):
        print(f"skipped: this Python has Keras {found}, and Keras 2 is what is tested here")
        return 0
    builders: tuple[Callable[[Any], Any], ...] = (_convolutions, _recurrent, _attention)
    for build in builders:
        keras.utils.set_random_seed(7)
        model = build(keras)
        model.set_weights([weight + np.float32(0.05) for weight in model.get_weights()])
        x = _input(model, 1)
        wanted = model.predict(x, verbose=0)
        bundle = irconv.from_keras(model)
        kept = [tensor.numpy() for tensor in bundle.source_tensors().values()]
        same = sum(any(np.array_equal(weight, one) for one in kept) for weight in model.get_weights())
        ran = [y for name in _RUNTIMES for y in irconv.run(bundle, [x], runtime=name).values()]
        back = irconv.to_keras(bundle).predict(x, verbose=0)
        errors = max(_apart(one, wanted) for one in ran), _apart(back, wanted)
        right = max(errors) < _ALLOWED and same == len(model.get_weights())
        wrong += not right
        said = f"{errors[0]:.1e} as a bundle, {errors[1]:.1e} back in Keras"
        weights = f"{same} of {len(model.get_weights())} weights bit for bit"
        print(f"{'right' if right else 'WRONG'}: {build.__name__.lstrip('_')}: {said}, {weights}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
