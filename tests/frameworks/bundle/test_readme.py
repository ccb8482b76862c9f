"""A bundle's README is enough to compute the model again, with numpy and nothing of irconv's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import irconv
from irconv.frameworks.bundle import sketch
from irconv.frameworks.bundle.readme import readme
from irconv.frameworks.bundle.sketch import program
from irconv.ir.layers import layer_class
from irconv.ir.layers.comparisons import Cast
from irconv.options import ReadOptions, WriteOptions
from tests.helpers_cases import FIXTURES
from tests.layers.harness import Case, bundle_of, difference
from tests.layers.test_layers import CASES

_BLOCK = re.compile(r"```python\n(.*?)\n```", re.S)

#: Whoever has the two files has these: no irconv, no framework, no manifest.
_BY_HAND = """
import os, re, sys
import numpy as np
folder, *inputs = sys.argv[1:]
assert sorted(os.listdir(folder)) == ["README.md", "weights.safetensors"]
text = open(folder + "/README.md", encoding="utf-8").read()
there = {}
exec(re.search(r"```python\\n(.*?)\\n```", text, re.S)[1], there)
made = there["model"](there["read"](folder + "/weights.safetensors"), *(np.load(path) for path in inputs))
np.savez(folder + ".npz", **{f"y{place}": array for place, array in enumerate(made.values())})
foreign = [name for name in ("irconv", "torch", "tensorflow", "onnx", "keras") if name in sys.modules]
assert not foreign, foreign
"""
MODELS = {
    "LeNet-5 of Keras 2.15": ("lenet/tf2.15-lenet5-h5", "model.h5"),
    "LeNet-4 of Keras 2.2.4 on Theano": ("lenet/keras2.2.4th-lenet4-h5", "model.h5"),
    "a net of residual blocks of Keras 2.3": ("keras/keras2.3.1-residual", "model.h5"),
    "two bidirectional LSTMs of PyTorch's": ("torch-programs/torch213-lstm-bi-2layer", "model.pt2"),
    "an LSTM of ONNX', with lengths": ("onnx/onnx-lstm-2", "model.onnx"),
    "two bidirectional GRUs of PyTorch's": ("torch-programs/torch213-gru-bi-2layer", "model.pt2"),
    "a BERT whose layers ONNX Runtime has fused": ("onnx/onnx-ms-fused-bert-1", "model.onnx"),
    "a transformer's encoder of PyTorch's": ("torch-programs/torch213-mha", "model.pt2"),
    "masked attention of Keras 3.15": ("keras/keras3.15-multi_head_attention_masked", "model.h5"),
    "separable convolutions of Keras 3.15": ("keras/keras3.15-separable_conv", "model.h5"),
    "transposed convolutions of PyTorch's in 1, 2 and 3 dimensions": ("torch-programs/torch213-deconvs", "model.pt2"),
    "a U-Net of PyTorch's, resized": ("torch-programs/torch213-unet-upsample", "model.pt2"),
    "shuffled channels and pixels, slices and products": ("torch-programs/torch213-shuffle", "model.pt2"),
    "pools and resizing of Keras 3.15": ("keras/keras3.15-ops_images", "model.h5"),
    "a loop of ONNX': a body of its own": ("onnx/onnx-scan-1", "model.onnx"),
    "a ConvLSTM of TensorFlow 1.15's Keras": ("keras/tf1.15-conv_lstm", "model.h5"),
}


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_model_is_computed_from_the_text_of_its_readme_and_its_weights_alone(model: str, tmp_path: Path) -> None:
    folder, name = MODELS[model]
    case = json.loads((FIXTURES / folder / "case.json").read_text(encoding="utf-8"))
    bundle = irconv.read(FIXTURES / folder / name)
    assert bundle.graph is not None
    irconv.write(bundle, tmp_path / "m.irconv")
    (tmp_path / "two").mkdir()
    for alone in ("README.md", "weights.safetensors"):
        shutil.copy(tmp_path / "m.irconv" / alone, tmp_path / "two" / alone)
    inputs: list[Path] = []
    for port, given in zip(bundle.graph.inputs, case["inputs"], strict=True):
        array = np.load(FIXTURES / folder / given["file"])
        order = [port.source_axes.index(axis) for axis in port.axes] if port.axes else range(array.ndim)
        np.save(tmp_path / f"x{len(inputs)}.npy", array.transpose(*order))
        inputs.append(tmp_path / f"x{len(inputs)}.npy")
    command = [sys.executable, "-I", "-c", _BY_HAND, tmp_path / "two", *inputs]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = np.load(tmp_path / "two.npz")
    for place, (port, wanted) in enumerate(zip(bundle.graph.outputs, case["outputs"], strict=True)):
        want = np.load(FIXTURES / folder / wanted["file"])
        order = [port.axes.index(axis) for axis in port.source_axes] if port.axes else range(want.ndim)
        got = made[f"y{place}"].transpose(*order)
        assert got.shape == want.shape
        assert np.abs(got - want).max() / np.abs(want).max() < 2e-6


#: Where a runtime of integers counts in another width than the framework that made the case.
_WIDER = {"puts what equals a boundary above it"}
SKETCHED = [case for case in CASES if case.name not in _WIDER and isinstance(program(bundle_of(case)), list)]


@pytest.mark.parametrize("case", SKETCHED, ids=lambda case: f"{case.layer.type}: {case.name}")
def test_the_program_of_a_layer_gives_what_its_framework_gave(case: Case) -> None:
    bundle = bundle_of(case)
    there: dict[str, object] = {}
    exec(compile("\n".join(program(bundle)), "README.md", "exec"), there)  # irconv's own text, not a file's
    weights = {key: tensor.data.numpy() for key, tensor in bundle.tensors.items()}
    with np.errstate(all="ignore"):  # infinities and NaN are results
        made = there["model"](weights, *case.inputs.values())  # type: ignore[operator]
    for slot, wanted in case.results().items():
        assert difference(np.asarray(made[slot]), wanted) <= 3 * case.tolerance


def test_every_type_that_has_a_case_has_a_program() -> None:
    assert {case.layer.type for case in SKETCHED} == {case.layer.type for case in CASES}


def test_a_program_is_told_from_none_by_what_layers_hold_and_by_the_width_of_numbers() -> None:
    bundle = irconv.read(FIXTURES / "onnx" / "onnx-float8-1" / "model.onnx")
    assert "There is none here for float8_e4m3fn numbers; what they compute is said above." in readme(bundle)


def test_a_readme_says_the_wiring_the_settings_and_what_each_type_computes() -> None:
    bundle = irconv.read(FIXTURES / "lenet" / "tf2.15-lenet5-h5" / "model.h5")
    text = readme(bundle)
    assert "| average_pooling2d | AveragePool | conv2d.activation | kernel=\\[2, 2\\], stride=\\[2, 2\\]" in text
    first = (layer_class("Conv").__doc__ or "").split("\n")[0]
    assert f"**Conv**: {first}" in text


def test_a_readme_without_a_program_says_for_which_types_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.layer.type == "GridSample")
    sources = {name: text for name, text in sketch._sources().items() if name != "GridSample"}
    monkeypatch.setattr(sketch, "_sources", lambda: sources)
    assert "There is none here for GridSample; what they compute is said above." in readme(bundle_of(case))


def test_bfloat16_is_computed_in_float32_and_rounded_where_the_model_rounds() -> None:
    cast = next(case for case in CASES if case.layer.type == "Cast")
    bundle = bundle_of(replace(cast, layer=Cast(dtype="bfloat16")))
    there: dict[str, Any] = {}
    exec(compile("\n".join(program(bundle)), "README.md", "exec"), there)
    x = np.array([1.00390625, 1.01171875, -3.3895314e38, np.inf, np.nan], np.float32)
    (made,) = there["model"]({}, x).values()
    assert made.dtype == np.float32
    assert np.array_equal(made, torch.from_numpy(x).bfloat16().float().numpy(), equal_nan=True)


@pytest.mark.parametrize("name", ['a"; import os\n```\n# b', "w", "model", "np", "x", "class", "\u202eé"])
def test_names_in_a_program_are_text_and_identifiers(name: str, tmp_path: Path) -> None:
    bundle = irconv.read(FIXTURES / "lenet" / "tf2.15-lenet5-h5" / "model.h5", ReadOptions())
    assert bundle.graph is not None
    node, *rest = bundle.graph.nodes
    layers = {**bundle.layers, name: bundle.layers[node.layer]}
    port = bundle.graph.inputs[0].model_copy(update={"name": name})
    graph = bundle.graph.model_copy(
        update={"nodes": (node.model_copy(update={"layer": name}), *rest), "inputs": (port,)}
    )
    changed = replace(bundle, layers=layers, graph=graph)
    irconv.write(changed, tmp_path / "m.irconv", WriteOptions(force=True))
    text = (tmp_path / "m.irconv" / "README.md").read_text(encoding="utf-8")
    (block,) = _BLOCK.findall(text)
    there: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), there)  # nothing but numpy and json may be in reach
    assert {"read", "model"} <= there.keys()
    assert "os" not in there
