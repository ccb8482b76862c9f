"""``--input-shape`` makes open sizes fixed, whatever the source; what it computes stays the same, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest

import irconv
from irconv.errors import MissingFact, Refused, UnusedOption
from irconv.ir.graph import Port
from irconv.layout import letter_order
from irconv.options import ReadOptions
from tests.helpers import ROOT, golden, lenet, rejection

LENET = lenet("tf2.15-lenet5-h5")
OPEN = [
    "keras2.3.1-recurrent_unknown_length",
    "keras3.15-time_distributed_unknown_length",
    "keras2.3.1-unknown_batch_and_size",
    "tf2.15-unknown_batch_and_size",
]
GRAPHS = ["onnx-loop-known-1", "onnx-keras-export-1", "onnx-lstm-2", "onnx-ms-attention-1"]
PROGRAMS = ["torch213-unet-upsample", "torch213-mha", "torch213-gru-bi-2layer"]


def sizes(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))


def source_shape(port: Port) -> tuple[int | str, ...]:
    if port.axes == port.source_axes:
        return port.shape
    return tuple(port.shape[axis] for axis in letter_order(port.axes, port.source_axes))


def fixed_as_open(model: Path, inputs: Sequence[Any]) -> None:
    """Reads a model with the shapes of its inputs given, and compares it with the model as it is."""
    loose = irconv.read(model)
    assert loose.graph is not None
    said = tuple(f"{port.name}={sizes(array.shape)}" for port, array in zip(loose.graph.inputs, inputs, strict=True))
    fixed = irconv.read(model, ReadOptions(input_shape=said))
    assert fixed.graph is not None
    assert [source_shape(port) for port in fixed.graph.inputs] == [array.shape for array in inputs]
    wanted, got = (irconv.run(bundle, list(inputs), runtime="numpy") for bundle in (loose, fixed))
    assert list(got) == list(wanted)
    for port in fixed.graph.outputs:
        assert np.array_equal(got[port.name], wanted[port.name], equal_nan=True)
        assert source_shape(port) == got[port.name].shape


@pytest.mark.parametrize("name", OPEN)
def test_open_sizes_of_keras_are_fixed(name: str) -> None:
    fixed_as_open(golden(name).model, golden(name).inputs)


@pytest.mark.parametrize("kind", ["onnx", "torch-programs"])
@pytest.mark.parametrize("place", range(4))
def test_open_sizes_of_graphs_are_fixed(kind: str, place: int) -> None:
    names = {"onnx": GRAPHS, "torch-programs": PROGRAMS}[kind]
    if place >= len(names):
        return
    folder = ROOT / "fixtures" / kind / names[place]
    case = json.loads((folder / "case.json").read_text())
    fixed_as_open(folder / case["entry"], [np.load(folder / one["file"]) for one in case["inputs"]])


def test_open_sizes_of_theano_are_fixed() -> None:
    folder = ROOT / "fixtures" / "theano" / "storage-folder"
    x = np.load(folder / "x.npy")
    options = ReadOptions(arch=folder / "arch.json", input_shape=(sizes(x.shape),))
    fixed = irconv.read(folder / "weights", options)
    assert fixed.graph is not None
    assert fixed.graph.inputs[0].shape == x.shape
    (got,) = irconv.run(fixed, x, runtime="numpy").values()
    assert np.abs(got - np.load(folder / "y_y.npy")).max() < 1e-6


def test_open_sizes_of_a_bundle_are_fixed_in_the_axes_of_the_source(tmp_path: Path) -> None:
    case = golden("tf2.15-unknown_batch_and_size")
    irconv.convert(case.model, tmp_path / "m.irconv")
    fixed_as_open(tmp_path / "m.irconv", case.inputs)


def test_one_size_may_be_fixed_and_another_left_open() -> None:
    case = golden("tf2.15-unknown_batch_and_size")
    x = case.inputs[0]
    said = ("N", *map(str, x.shape[1:]))
    bundle = irconv.read(case.model, ReadOptions(input_shape=(",".join(said),)))
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].shape[0] == "N"
    assert all(isinstance(size, int) for size in bundle.graph.inputs[0].shape[1:])


def without_shape(model: Path, path: Path) -> Path:
    """A Sequential model that was never built, as Keras keeps it."""
    path.write_bytes(model.read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        body = config["config"]
        layers = body["layers"] if isinstance(body, dict) else body
        if layers[0]["class_name"] == "InputLayer":
            del layers[0]
        layers[0]["config"].pop("batch_input_shape", None)
        if isinstance(body, dict):
            body.pop("build_input_shape", None)
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_a_model_that_was_never_built_is_given_its_shape(tmp_path: Path) -> None:
    model = without_shape(LENET.model, tmp_path / "m.h5")
    text = rejection(lambda: irconv.read(model), Refused)
    assert text.endswith("but it was never built. Give --input-shape, such as N,28,28,1.")
    bundle = irconv.read(model, ReadOptions(input_shape=("N,28,28,1",)))
    (got,) = irconv.run(bundle, LENET.inputs[0], runtime="numpy").values()
    assert np.abs(got - LENET.outputs[0]).max() < 2e-6


def test_an_onnx_input_without_a_shape_is_given_one(tmp_path: Path) -> None:
    irconv.convert(LENET.model, tmp_path / "m.onnx", write_options=irconv.WriteOptions(io="source"))
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "loose.onnx")
    text = rejection(lambda: irconv.read(tmp_path / "loose.onnx"), Refused)
    assert "says neither its shape nor its rank. Give --input-shape conv2d_input=N,3,224,224" in text
    bundle = irconv.read(tmp_path / "loose.onnx", ReadOptions(input_shape=("N,28,28,1",)))
    (got,) = irconv.run(bundle, LENET.inputs[0], runtime="numpy").values()
    assert np.abs(got - LENET.outputs[0]).max() < 2e-6


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (("N,28,28,3",), "--input-shape N,28,28,3: expected size 1 on axis 3, as the file says N,28,28,1, got 3."),
        (("N,28,28",), "--input-shape N,28,28: expected 4 sizes, as the file says N,28,28,1, got 3."),
        (("x=1,28,28,1",), "--input-shape x=1,28,28,1: the model has no such input, but conv2d_input."),
        (("2,28,28,1:int64",), "--input-shape 2,28,28,1:int64: expected float32, which the file states, got int64."),
        (
            ("2,28,28,1", "3,28,28,1"),
            "--input-shape 3,28,28,1: expected at most 1 inputs (conv2d_input).",
        ),
        (
            ("2,28,28,1", "conv2d_input=3,28,28,1"),
            "--input-shape conv2d_input=3,28,28,1: expected N to be 2, as it is elsewhere, got 3.",
        ),
    ],
)
def test_a_shape_that_is_not_the_models_is_refused(said: tuple[str, ...], reason: str) -> None:
    assert rejection(lambda: irconv.read(LENET.model, ReadOptions(input_shape=said)), MissingFact) == reason


def test_weights_without_a_graph_have_no_use_for_a_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", W=np.ones((2, 3)))
    for path in (tmp_path / "w.npz", lenet("keras2.2.4-lenet4-weights-h5").model):
        text = rejection(lambda path=path: irconv.read(path, ReadOptions(input_shape=("N,3",))), UnusedOption)
        assert text.startswith("--input-shape N,3: has no effect: weights without a graph have no inputs. ")
