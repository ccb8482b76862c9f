"""Real architectures, built by the installed Keras: to ONNX, to PyTorch source and back, with Keras' own predictions.

``python -m benchmarks.architectures`` does the same for all of them, and measures it.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers import ROOT, import_file

#: Architecture -> transposes of its naive translation; those left in ONNX, PyTorch source and Keras are below.
NAIVE = {
    "MobileNetV2": 217,
    "MobileNetV3Small": 204,
    "DenseNet121": 495,
    "ResNet50V2": 249,
    "EfficientNetB0": 289,
    "ConvNeXtTiny": 47,
    "ShuffleNet": 89,
    "ViT": 3,
}

#: A shuffle of the channels in each of the six units is a transposition itself. In a ViT, patches become tokens, which
#: are channels-last everywhere, and attention takes its heads apart: ONNX and PyTorch spell that, Keras has a layer.
LEFT = {"ShuffleNet": {"onnx": 6, "py": 6, "keras": 6}, "ViT": {"onnx": 9, "py": 9, "keras": 0}}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_file(ROOT / "benchmarks" / "architectures.py")


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")  # Keras saves
@pytest.mark.parametrize("name", NAIVE)
def test_an_architecture_keeps_predictions_and_weights_and_no_transpose(
    name: str, script: ModuleType, tmp_path: Path
) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    script.build(name, tmp_path)
    assert script.naive(tmp_path) == NAIVE[name]
    for target in script.FORMATS:
        script.convert(tmp_path, target)
        found = script.compare(tmp_path, target)
        assert found["error"] < 5e-6  # weights are drawn anew each time; 2.0e-6 was seen, in ConvNeXtTiny
        assert found["left"] == LEFT.get(name, {}).get(target, 0)
        if target == "keras":
            assert (found["exact"], found["added"]) == (found["weights"], 0)
    keras.backend.clear_session()
