"""Models of Keras 3 that compute in bfloat16: HDF5 has no type for it, and Keras keeps its name beside the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv

keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def _saved(policy: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    x = keras.layers.Input((6, 7, 3))
    y = keras.layers.Conv2D(4, 3, dtype=policy)(x)
    y = keras.layers.BatchNormalization(dtype=policy)(y)
    y = keras.layers.GlobalAveragePooling2D(dtype=policy)(keras.layers.ReLU(dtype=policy)(y))
    model = keras.Model(x, keras.layers.Dense(3, dtype=policy)(y))
    model.save(path)
    sample = np.random.RandomState(1).normal(size=(2, 6, 7, 3)).astype("f")
    return sample, np.asarray(model.predict_on_batch(sample)).astype("f")


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "mixed_float16"])
def test_a_model_of_half_precision_stays_one_in_keras_bit_for_bit(policy: str, tmp_path: Path) -> None:
    sample, wanted = _saved(policy, tmp_path / "a.keras")
    irconv.convert(tmp_path / "a.keras", tmp_path / "b.keras")
    made = keras.models.load_model(tmp_path / "b.keras", compile=False)
    assert {str(weight.dtype) for weight in made.layers[1].weights} <= {"bfloat16", "float16", "float32"}
    assert np.array_equal(np.asarray(made.predict_on_batch(sample)).astype("f"), wanted)


def test_the_bytes_of_bfloat16_are_read(tmp_path: Path) -> None:
    _saved("bfloat16", tmp_path / "a.keras")
    bundle = irconv.read(tmp_path / "a.keras")
    kept = keras.models.load_model(tmp_path / "a.keras", compile=False).layers[1].weights[0]
    kernel = next(tensor for tensor in bundle.tensors.values() if tensor.record.shape == (4, 3, 3, 3))
    assert kernel.record.dtype == "bfloat16"
    wanted = np.asarray(keras.ops.cast(kept, "float32")).transpose(3, 2, 0, 1)
    assert np.array_equal(kernel.data.numpy().astype("f"), wanted)
