"""Real architectures, built by the installed Keras: no transpose left, and Keras' own predictions.

``python benchmarks/architectures.py`` does the same for all of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "architectures.py"

#: Architecture -> transposes of its naive translation.
NAIVE = {"MobileNetV2": 217, "MobileNetV3Small": 204, "DenseNet121": 495, "ResNet50V2": 249}


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("architectures", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAIVE)
def test_an_architecture_keeps_no_transpose_and_predicts_as_keras_does(name: str) -> None:
    _, _, _, naive, left, error, _, _, reason, _ = _script().measure(name).split("|")
    assert reason.strip() == ""
    assert (int(naive), int(left)) == (NAIVE[name], 0)
    assert float(error) < 2e-6
