"""Operations of TensorFlow 1.15 on the places of elements, and small formulas, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.options import ReadOptions
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "moves"
GIVEN = ("x", "y", "z", "three", "image", "blocks", "places", "rows", "whole")


def values() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "values.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", sorted(set(values()) - set(GIVEN)))
def test_it_is_read_as_tensorflow_computed_it(name: str) -> None:
    bundle = irconv.read(FOLDER / "moves.pb", ReadOptions(outputs=(name,)))
    assert bundle.graph is not None
    (found,) = irconv.run(bundle, [values()[port.name] for port in bundle.graph.inputs]).values()
    wanted = values()[name]
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)


def test_fake_quantisation_is_kept_as_quantise_and_dequantise() -> None:
    bundle = irconv.read(FOLDER / "moves.pb", ReadOptions(outputs=("fake_channels",)))
    assert [layer.type for layer in bundle.layers.values()] == ["QuantizeLinear", "DequantizeLinear"]


def test_a_gather_of_batches_that_are_no_first_axes_is_refused(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    class Model(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((2, 3, 4)), tf.TensorSpec((2, 2), tf.int32)])
        def serve(self, x, i):  # type: ignore[no-untyped-def]
            return {"y": tf.gather(x, i, axis=2, batch_dims=1)}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "m"), signatures=model.serve.get_concrete_function())
    said = rejection(lambda: irconv.read(tmp_path / "m"), Refused)
    assert "takes elements of axis 2 with 1 axes of batches before it" in said
