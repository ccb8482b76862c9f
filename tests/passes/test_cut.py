"""The part of a model between values that the user names, for every source with a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import irconv
from irconv.errors import MissingFact, UnusedOption
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.tensor_ops import Add
from irconv.passes import cut
from tests.helpers import KERAS, Builder, in_onnxruntime, rejection

MODEL = KERAS.parent / "lenet" / "tf2.15-lenet4-h5" / "model.h5"


def test_a_keras_model_is_cut_at_its_layers_and_both_parts_make_the_whole(tmp_path: Path) -> None:
    whole = irconv.read(MODEL)
    assert whole.graph is not None
    (x,) = (np.random.default_rng(1).random((2, *map(int, whole.graph.inputs[0].shape[1:]))).astype(np.float32),)
    pools = [name for name, layer in whole.layers.items() if layer.type == "MaxPool"]
    front, back = tmp_path / "front.onnx", tmp_path / "back.onnx"
    irconv.convert(MODEL, front, outputs=pools[0])
    irconv.convert(MODEL, back, inputs=pools[0])
    (middle,) = in_onnxruntime(front, [x], optimised=False)
    (got,) = in_onnxruntime(back, [middle], optimised=False)
    (wanted,) = irconv.run(whole, [x], io="native").values()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
    bundle = irconv.read(MODEL, inputs=pools[0])
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].axes == "NCHW"
    assert bundle.graph.inputs[0].source_axes == "NHWC"
    assert {one.reason for one in bundle.omitted} == {f"not part of --inputs {pools[0]}"}
    gone = len(whole.tensors) - len(bundle.tensors)
    assert gone == len(bundle.omitted) > 0


class _Two(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tanh(a) + torch.relu(b), b * 2


@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_programs_and_graphs_give_the_outputs_that_are_named_in_their_order(form: str, tmp_path: Path) -> None:
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    program = torch.export.export(_Two(), (a, b))
    torch.export.save(program, tmp_path / "m.pt2")
    path = tmp_path / "m.pt2"
    if form == "onnx":
        path = tmp_path / "m.onnx"
        irconv.convert(tmp_path / "m.pt2", path)
    names = ["mul", "relu"]
    bundle = irconv.read(path, outputs=names)
    assert bundle.graph is not None
    assert [port.name for port in bundle.graph.inputs] == ["b"]
    got = list(irconv.run(bundle, [b.numpy()]).values())
    np.testing.assert_array_equal(got[0], (b * 2).numpy())
    np.testing.assert_array_equal(got[1], torch.relu(b).numpy())


def test_names_that_mean_nothing_and_inputs_that_are_missing_are_refused_all_at_once() -> None:
    built = Builder(a=("N", 3), b=("N", 3)).add("first", Relu(), "a").add("sum", Add(), "first", "b").build()
    said = rejection(lambda: cut.run(built, ["nothing"], ["sum", "never"]), MissingFact)
    assert said == (
        "--inputs nothing: the model has no port, layer or value of this name. `irconv inspect` lists them.\n"
        "--outputs never: the model has no port, layer or value of this name. `irconv inspect` lists them."
    )
    said = rejection(lambda: cut.run(built, ["first"], ["sum"]), MissingFact)
    assert said == "input b: the outputs need it, too. Name it in --inputs."
    said = rejection(lambda: cut.run(built, ["first", "b"], ["first"]), MissingFact)
    assert said == "--inputs b: the outputs do not depend on it. Leave it out."


def test_a_layer_that_is_used_twice_means_several_values() -> None:
    built = Builder(a=("N", 3))
    built.layers["relu"] = Relu()
    bundle = built.use("relu", "a", result="one").use("relu", "one", result="two").build()
    said = rejection(lambda: cut.run(bundle, [], ["relu"]), MissingFact)
    assert said == "--outputs relu: means several values: one, two. Name one of them."


def test_weights_without_a_graph_have_no_inputs_to_begin_at(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.randn(4, 3)}, tmp_path / "m.pt")
    said = rejection(lambda: irconv.read(tmp_path / "m.pt", inputs="a"), UnusedOption)
    assert said.startswith("--inputs a: has no effect: weights without a graph have no inputs.")


def test_arithmetic_stays_as_the_file_has_it_where_that_is_asked_for(tmp_path: Path) -> None:
    class Norm(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.sigmoid(x)

    x = torch.randn(2, 3)
    torch.export.save(torch.export.export(Norm(), (x,)), tmp_path / "m.pt2")
    plain = irconv.read(tmp_path / "m.pt2", recompose=False)
    raised = irconv.read(tmp_path / "m.pt2")
    assert sorted(layer.type for layer in plain.layers.values()) == ["Mul", "Sigmoid"]
    assert [layer.type for layer in raised.layers.values()] != ["Mul", "Sigmoid"]
    for bundle in (plain, raised):
        (got,) = irconv.run(bundle, [x.numpy()]).values()
        np.testing.assert_allclose(got, (x * torch.sigmoid(x)).numpy(), rtol=0, atol=1e-6)
