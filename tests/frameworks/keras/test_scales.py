"""A factor along the last axis of a value of many axes, as Keras infers its shape."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

import irconv
from irconv.ir.layers.tensor_ops import Mul
from tests.passes.test_recompose import Graph


def test_every_axis_has_a_letter_where_keras_would_exchange_those_of_an_ellipsis(tmp_path: Path) -> None:
    f = Graph((2, 4, 5, 3))
    irconv.write(f.bundle(f(Mul(), "x", f.weight(3))), tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))
    (layer,) = (layer["config"] for layer in config["config"]["layers"] if layer["class_name"] == "EinsumDense")
    assert (layer["equation"], layer["output_shape"]) == ("nopc,c->nopc", [4, 5, 3])
    x = np.linspace(-1, 1, 120, dtype=np.float32).reshape(2, 4, 5, 3)
    (wanted,), (found,) = (irconv.run(b, [x]).values() for b in (f.bundle("v2"), irconv.read(tmp_path / "m.keras")))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
