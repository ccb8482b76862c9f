"""Real architectures, built by the installed Keras: no transpose left either way, and Keras' own predictions.

``python benchmarks/architectures.py`` does the same for all of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "architectures.py"

#: Architecture -> transposes of its naive translation, of what the pass leaves, and of the way back to channels-last.
TRANSPOSES = {
    "MobileNetV2": (217, 0, 0),
    "MobileNetV3Small": (204, 0, 0),
    "DenseNet121": (495, 0, 0),
    "ResNet50V2": (249, 0, 0),
    "ShuffleNet": (89, 6, 6),  # a shuffle of the channels in each of its six units is a transposition itself
    "ViT": (3, 1, 0),  # patches become tokens, which are channels-last everywhere
}


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("architectures", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TRANSPOSES)
def test_an_architecture_keeps_no_transpose_and_predicts_as_keras_does(name: str) -> None:
    _, _, _, naive, left, back, error, _, _, reason, _ = _script().measure(name).split("|")
    assert reason.strip() == ""
    assert (int(naive), int(left), int(back)) == TRANSPOSES[name]
    assert float(error) < 2e-6
