"""Layers that ONNX has no op for come back where the ops of the file prove what it notes, and nowhere else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import irconv
from irconv.frameworks.onnx import noted
from irconv.ir.bundle import Bundle
from irconv.passes import recompose
from tests.helpers import GOLDEN, name_of, numbers, read_case, used_types

_NAMED = [
    "keras3.15-masked_recurrent",
    "keras3.15-conv_lstm_even",
    "keras3.15-unit_normalization",
    "keras3.15-multi_head_attention_masked",
    "keras3.15-attention_scores",
    "keras3.15-masked_merges",
    "tf2.15-locally_connected",
    "tf2.15-discretization",
]


def _golden(name: str) -> Bundle:
    return read_case(next(case for case in GOLDEN if name_of(case) == name))


def _types(bundle: Bundle) -> Counter[str]:
    return Counter(kind for kind in used_types(bundle) if kind not in ("Identity", "Dropout"))


def _with_notes(path: Path, change: Callable[[Any], Any]) -> None:
    """Another text in the place of a file's notes."""
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == noted.KEY:
            found = change(json.loads(entry.value))
            entry.value = found if isinstance(found, str) else json.dumps(found)
    onnx.save(model, path)


@pytest.mark.parametrize("name", _NAMED)
def test_layers_that_onnx_lacks_come_back_with_their_weights(name: str, tmp_path: Path) -> None:
    straight = _golden(name)
    irconv.write(straight, tmp_path / "m.onnx")
    back = irconv.read(tmp_path / "m.onnx")
    assert _types(recompose.run(back)) == _types(recompose.run(straight))
    there = {tensor.numpy().tobytes() for tensor in back.tensors.values()}
    assert {tensor.numpy().tobytes() for tensor in straight.tensors.values()} <= there


def _normed(path: Path) -> None:
    irconv.write(_golden("keras3.15-unit_normalization"), path)


def _ran(path: Path) -> list[Any]:
    return [*irconv.run(irconv.read(path), [numbers(2, 5, 4, 3)]).values()]


def test_a_file_that_was_changed_reads_as_what_it_computes(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    _normed(file)
    assert "UnitNorm" in used_types(irconv.read(file))
    model, before = onnx.load(file), _ran(file)
    for tensor in model.graph.initializer:  # what is divided by is at least 10
        if numpy_helper.to_array(tensor).shape == () and numpy_helper.to_array(tensor).dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(np.float32(10), tensor.name))
    onnx.save(model, file)
    assert "UnitNorm" not in used_types(irconv.read(file))
    assert all(np.abs(b).max() < 0.5 * np.abs(a).max() for a, b in zip(before, _ran(file), strict=True))


def _others(notes: Any) -> Any:
    return [{**note, "layer": {**note["layer"], "axes": [2]}} for note in notes]


def _deep(notes: Any) -> str:
    return "[" * 100_000


_LIES: dict[str, Callable[[Any], Any]] = {
    "another axis": _others,
    "another type": lambda notes: [{**note, "layer": {"type": "Relu"}} for note in notes],
    "no type": lambda notes: [{**note, "layer": {"type": "NoSuchLayer"}} for note in notes],
    "a huge number": lambda notes: [{**note, "layer": {**note["layer"], "order": 10**12}} for note in notes],
    "inputs that are not there": lambda notes: [{**note, "inputs": {"x": "nothing"}} for note in notes],
    "operands of no role": lambda notes: [{**note, "operands": {"kernel": "nothing"}} for note in notes],
    "results made by an input": lambda notes: [{**note, "outputs": note["inputs"]} for note in notes],
    "no list": lambda notes: {"layers": notes},
    "numbers": lambda notes: [1, None, [2]],
    "no JSON": lambda notes: "{",
    "deep JSON": _deep,
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_note_that_the_ops_do_not_prove_is_not_believed(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    _normed(file)
    before = _ran(file)
    _with_notes(file, _LIES[lie])
    assert "UnitNorm" not in used_types(irconv.read(file))
    for a, b in zip(before, _ran(file), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6)


def test_weights_that_are_written_in_another_type_are_told(tmp_path: Path) -> None:
    written = irconv.write(_golden("keras3.15-mixed_float16"), tmp_path / "m.onnx")
    (told,) = [fact for fact in written.told if fact.name == "weights"]
    assert told.value == "6"
    wanted = "written as the model computes with them, in float16 and float32: conv2d.bias, conv2d.kernel, "
    assert told.evidence == f"{wanted}depthwise_conv2d.bias, ..."


def test_weights_of_eight_bits_stay_that_however_few_they_are(tmp_path: Path) -> None:
    straight = _golden("keras3.15-dense_int8")
    irconv.write(straight, tmp_path / "m.onnx")
    back = irconv.read(tmp_path / "m.onnx")
    assert _types(back)["Cast"] == _types(straight)["Cast"] == 3


def test_places_of_largest_elements_are_never_counted_from_the_end(tmp_path: Path) -> None:
    straight = _golden("keras3.15-ops_integers")
    irconv.write(straight, tmp_path / "m.onnx")
    assert not {"Where", "Less"} & _types(irconv.read(tmp_path / "m.onnx")).keys()


def test_a_norm_whose_operands_are_computed_needs_no_transposes() -> None:
    straight = _golden("keras3.15-pure_float16")
    assert _types(straight)["LayerNorm"] == 1
    assert "Transpose" not in _types(straight)
