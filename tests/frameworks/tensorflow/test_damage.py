"""Damaged and hostile files of TensorFlow are refused by name; `run_damage` measures the command."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.options import ReadOptions
from tests.frameworks.tensorflow.run_damage import Attack, attacks
from tests.helpers import ROOT
from tests.test_appetite import outcome


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both writers' modules, so that the processes of the attacks need not import them."""
    folder = tmp_path_factory.mktemp("sound")
    net = ReadOptions(inputs=("x:0",), outputs=("net/y:0",))
    irconv.convert(ROOT / "fixtures" / "tensorflow" / "training" / "adam.ckpt", folder / "m.onnx", net)
    irconv.convert(ROOT / "fixtures" / "tensorflow" / "training" / "adam.ckpt", folder / "m.safetensors")


@pytest.mark.parametrize("attack", attacks(), ids=lambda attack: attack.name)
def test_it_is_refused_in_little_time_and_memory(attack: Attack, tmp_path: Path) -> None:
    source = attack.make(tmp_path)
    graph = source.suffix in (".pb", ".pbtxt")
    options = ReadOptions(inputs=("x:0",), outputs=("y:0",)) if graph else ReadOptions()
    text = outcome(lambda: irconv.convert(source, tmp_path / ("out.onnx" if graph else "out.safetensors"), options))
    assert text, "it was converted"
    assert attack.said in text
    assert not list(tmp_path.glob("out*"))
