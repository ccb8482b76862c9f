"""A layer may have any name, also one that irconv gives to a part of another layer or to a Transpose of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from tests.helpers import ROOT, numbers

MODEL = ROOT / "fixtures" / "keras" / "tf2.15-residual" / "model.h5"
X = numbers(2, 17, 14, 3)


def renamed(path: Path, old: str, new: str) -> Path:
    """The model with one layer called otherwise."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(part) for key, part in value.items()}
        return [walk(part) for part in value] if isinstance(value, list) else new if value == old else value

    shutil.copy(MODEL, path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(walk(json.loads(file.attrs["model_config"])))
        group = file["model_weights"]
        group.move(old, new)
        names = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["layer_names"]]
        group.attrs["layer_names"] = [new if name == old else name for name in names]
    return path


def predicted(path: Path) -> np.ndarray[Any, Any]:
    return next(iter(irconv.run(irconv.read(path), [X]).values()))


@pytest.mark.parametrize("name", ["dense.activation", "dense.linear", "transpose_0312", "transpose_0231", "conv2d#1"])
@pytest.mark.parametrize("layer", ["activation_1", "global_average_pooling2d", "conv2d_3", "add"])
def test_a_layer_called_like_a_part_of_another_is_itself(layer: str, name: str, tmp_path: Path) -> None:
    path = renamed(tmp_path / "m.h5", layer, name)
    wanted = predicted(MODEL)
    assert np.abs(predicted(path) - wanted).max() < 1e-6
    irconv.convert(path, tmp_path / "m.keras")
    assert np.abs(predicted(tmp_path / "m.keras") - wanted).max() < 1e-6


def test_the_name_is_kept_where_it_is_known(tmp_path: Path) -> None:
    bundle = irconv.read(renamed(tmp_path / "m.h5", "global_average_pooling2d", "dense.activation"))
    origins = {layer.origin.name for layer in bundle.layers.values() if layer.origin is not None}
    assert "dense.activation" in origins


def test_a_constant_in_a_list_of_tensors_is_read_again(tmp_path: Path) -> None:
    source = ROOT / "fixtures" / "torch-programs" / "torch213-writes-kinds" / "model.pt2"
    irconv.convert(source, tmp_path / "m.h5")
    x = numbers(2, 5, 6)
    wanted = list(irconv.run(irconv.read(source), [x]).values())
    found = list(irconv.run(irconv.read(tmp_path / "m.h5"), [x]).values())
    assert [np.abs(a - b).max() for a, b in zip(wanted, found, strict=True)] == [0, 0]
    with h5py.File(tmp_path / "m.h5") as file:
        assert '["_CONSTANT_VALUE", -1, [[[0.0' in file.attrs["model_config"]
