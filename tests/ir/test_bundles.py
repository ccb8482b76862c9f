"""Bundles made by hand: what no Keras file holds survives being archived, too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import LiteralOperand, Origin
from irconv.ir.layers.control import Opaque, Scan
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Mul
from irconv.ir.manifest import Fact, Group, Omitted, SourceFile, SourceRecord
from tests.helpers import SOURCE, Builder, error, numbers, port, predictions, rejection, tensor, used_types


def archived(bundle: Bundle, folder: Path) -> Bundle:
    """The bundle, written and read back; its archive must be sound."""
    irconv.write(bundle, folder / "m.irconv")
    assert irconv.check(folder / "m.irconv") == []
    back = irconv.read(folder / "m.irconv")
    assert back.manifest() == bundle.manifest()
    return back


def running_sum(reverse: bool) -> Bundle:
    """Adds up a sequence step by step."""
    add = Node(layer="add", scope="", inputs={"x0": "total", "x1": "step"}, outputs={"y": "sum"})
    row = ("N", 3)
    body = Graph(
        inputs=(port("total", row), port("step", row)), outputs=(port("sum", row), port("sum", row)), nodes=(add,)
    )
    scan = Scan(body=body, carried=1, scanned=1, reverse=reverse, order="time")
    inputs = (port("start", row), port("x", ("N", "T", 3)))
    outputs = {"carried0": "last", "stacked0": "all"}
    node = Node(layer="scan", scope="", inputs={"carried0": "start", "scanned0": "x"}, outputs=outputs)
    graph = Graph(inputs=inputs, outputs=(port("last", row), port("all", ("N", "T", 3))), nodes=(node,))
    return Bundle(SOURCE, {"scan": scan, "add": Add()}, graph)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_survives_an_archive_and_runs(reverse: bool, tmp_path: Path) -> None:
    bundle = archived(running_sum(reverse), tmp_path)
    start, x = numbers(2, 3), numbers(2, 5, 3, seed=8)
    steps = x[:, ::-1] if reverse else x
    sums = start[:, None] + np.cumsum(steps, 1)
    for runtime in ("numpy", "onnxruntime"):
        got = irconv.run(bundle, {"start": start, "x": x}, runtime=runtime)
        assert error([got["last"], got["all"]], [sums[:, -1], sums[:, ::-1] if reverse else sums]) < 1e-6


def test_a_scan_is_refused_by_what_has_no_words_for_it(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.write(running_sum(False), tmp_path / "m.theano"), Refused)
    assert text == "layer scan (Scan): Theano has no layer for it."
    assert list(tmp_path.iterdir()) == []


def opaque() -> Bundle:
    config = {"function": ["4wEAAAAA", None, None], "nested": {"π": [1, 2.5, True, None]}}
    origin = Origin(framework="keras", type="Lambda", name="odd", config=config, split_from=None)
    results = {"y": ("float32", ("N", "(T + 1)//2"))}
    layer = Opaque(native_type="Lambda", native_config=config, results=results, origin=origin)
    return Builder(x=("N", "T")).add("odd", layer, "x").build()


def test_an_opaque_layer_survives_an_archive_as_inert_text(tmp_path: Path) -> None:
    layer = archived(opaque(), tmp_path).layers["odd"]
    assert isinstance(layer, Opaque)
    assert layer.native_config["nested"] == {"π": [1, 2.5, True, None]}
    assert layer.results == {"y": ("float32", ("N", "(T + 1)//2"))}


@pytest.mark.parametrize(("suffix", "framework"), [(".onnx", "ONNX"), (".py", "PyTorch"), (".safetensors", "PyTorch")])
def test_an_opaque_layer_is_written_by_nothing_else(suffix: str, framework: str, tmp_path: Path) -> None:
    text = rejection(lambda: irconv.write(opaque(), tmp_path / f"m{suffix}"), Refused)
    assert text.startswith(
        f"layer odd (Opaque): {framework} has no layer for it. It was kept as it is, for a bundle alone: "
    )
    assert list(tmp_path.iterdir()) == []


def test_symbolic_sizes_survive_an_archive_and_run_at_any_size(tmp_path: Path) -> None:
    pool = MaxPool(kernel=(3, 2), stride=(2, 3), dilation=(1, 1), padding=((1, 1), (0, 1)), ceil_mode=False)
    bundle = archived(Builder(x=("N", 3, "H", "W")).add("y", pool, "x").build(), tmp_path)
    assert bundle.graph is not None
    assert bundle.graph.outputs[0].shape == ("N", 3, "(H + 1)//2", "(W + 2)//3")
    for shape in ((1, 3, 7, 4), (2, 3, 4, 9)):
        got = irconv.run(bundle, [numbers(*shape)], runtime="numpy")["y"]
        assert got.shape == (shape[0], 3, (shape[2] + 1) // 2, (shape[3] + 2) // 3)


def test_a_shared_layer_is_stored_once_and_used_twice(tmp_path: Path) -> None:
    builder = Builder(a=("N", 5), b=("N", 5)).add("fc", Linear(), "a", kernel=numbers(3, 5), bias=numbers(3))
    bundle = archived(
        builder.use("fc", "b", result="second").add("y", Concat(axis=1), "fc", "second").build(), tmp_path
    )
    assert used_types(bundle) == ["Linear", "Linear", "Concat"]
    assert sorted(bundle.tensors) == ["fc.bias", "fc.kernel"]
    a, b = numbers(2, 5, seed=1), numbers(2, 5, seed=2)
    wanted = np.concatenate([x @ numbers(3, 5).transpose() + numbers(3) for x in (a, b)], 1)
    got = predictions(bundle, [a, b], tmp_path)
    assert max(error(results, [wanted]) for results in got.values()) < 1e-6
    source = (tmp_path / "model.py").read_text()
    assert source.count("nn.Linear(") == 1
    assert source.count("self.fc(") == 2


def test_tied_tensors_stay_tied(tmp_path: Path) -> None:
    kernel = numbers(5, 5)
    builder = Builder(x=("N", 5)).add("first", Linear(), "x", kernel=kernel)
    builder.add("second", Linear(), "first")
    tied = builder.layers["second"].model_copy(update={"operands": builder.layers["first"].operands})
    builder.layers["second"] = tied
    bundle = archived(builder.build(), tmp_path)
    assert list(bundle.tensors) == ["first.kernel"]
    x = numbers(2, 5, seed=3)
    got = predictions(bundle, [x], tmp_path)
    wanted = x @ kernel.transpose() @ kernel.transpose()
    assert max(error(results, [wanted]) for results in got.values()) < 1e-6


def test_literal_operands_survive_an_archive_and_run(tmp_path: Path) -> None:
    scale = LiteralOperand(literal=[[0.5], [2.0], [-1.0]], dtype="float32")
    builder = Builder(x=("N", 3, 4)).add("scale", Constant(operands={"value": scale}))
    bundle = archived(builder.add("y", Mul(), "x", "scale").build(), tmp_path)
    x = numbers(2, 3, 4)
    wanted = x * np.array([[0.5], [2.0], [-1.0]], np.float32)
    for runtime in ("numpy", "onnxruntime"):
        assert error([irconv.run(bundle, [x], runtime=runtime)["y"]], [wanted]) < 1e-6


def test_weights_without_a_graph_survive_an_archive(tmp_path: Path) -> None:
    groups = (Group(name="a", type=None, evidence="names", tensors={"w": "a.w"}),)
    omitted = (Omitted(name="lr", reason="optimizer state"),)
    facts = (Fact(name="backend", value="theano", evidence="given by the user"),)
    source = SourceRecord(framework="x", version="", files=(SourceFile(name="é.bin", size=3, sha256="0"),), facts=facts)
    bundle = Bundle(source, tensors={"a.w": tensor(numbers(3, 4))}, groups=groups, omitted=omitted)
    back = archived(bundle, tmp_path)
    assert back.groups == groups
    assert np.array_equal(back.tensors["a.w"].data.numpy(), numbers(3, 4))


def test_a_bundle_without_any_tensor_survives_an_archive(tmp_path: Path) -> None:
    bundle = archived(Builder(x=("N", 3)).add("y", Add(), "x", "x").build(), tmp_path)
    assert sorted(p.name for p in (tmp_path / "m.irconv").iterdir()) == ["README.md", "SHA256SUMS", "manifest.json"]
    assert irconv.run(bundle, [numbers(2, 3)], runtime="numpy")["y"].tolist() == (numbers(2, 3) * 2).tolist()


def test_every_element_type_of_a_tensor_survives_an_archive(tmp_path: Path) -> None:
    arrays = {
        "half": numbers(3).astype(np.float16),
        "brain": numbers(3).astype(ml_dtypes.bfloat16),
        "eight": numbers(3).astype(ml_dtypes.float8_e4m3fn),
        "double": numbers(3).astype(np.float64),
        "whole": np.arange(3, dtype=np.int64),
        "flags": np.array([True, False]),
    }
    groups = (Group(name="g", type=None, evidence="", tensors={name: name for name in arrays}),)
    bundle = Bundle(SOURCE, tensors={name: tensor(array) for name, array in arrays.items()}, groups=groups)
    back = archived(bundle, tmp_path)
    for name, array in arrays.items():
        got = back.tensors[name].data.numpy()
        assert (got.dtype, got.tobytes()) == (array.dtype, array.tobytes())


def test_types_are_inferred_for_every_value() -> None:
    conv = Conv(stride=(2,), dilation=(1,), groups=1, padding="same_upper")
    builder = Builder(x=("N", 3, "W")).add("conv", conv, "x", kernel=numbers(4, 3, 3))
    types = infer_types(builder.add("y", Add(), "conv", "conv").build())
    assert {name: found.shape for name, found in types.items()} == {
        "x": ("N", 3, "W"),
        "conv": ("N", 4, "(W + 1)//2"),
        "y": ("N", 4, "(W + 1)//2"),
    }


def test_all_layers_whose_inputs_do_not_fit_are_named_at_once() -> None:
    bundle = Builder(x=("N", 5), y=("N", 6)).add("a", Linear(), "x", kernel=numbers(3, 5)).build()
    assert bundle.graph is not None
    inputs = (port("x", ("N", 7)), port("y", ("N", 8)))
    wrong = Node(layer="b", scope="", inputs={"x": "y"}, outputs={"y": "b"})
    layers = {**bundle.layers, "b": bundle.layers["a"]}
    graph = bundle.graph.model_copy(update={"inputs": inputs, "nodes": (*bundle.graph.nodes, wrong)})
    text = rejection(lambda: infer_types(replace(bundle, layers=layers, graph=graph)), Refused)
    assert text.splitlines() == [
        "layer a (Linear): its inputs do not fit: a kernel of shape (3, 5) does not take 7 features.",
        "layer b (Linear): its inputs do not fit: a kernel of shape (3, 5) does not take 8 features.",
    ]


def test_a_manifest_is_readable_json_with_settings_first(tmp_path: Path) -> None:
    archived(opaque(), tmp_path)
    layer = json.loads((tmp_path / "m.irconv" / "manifest.json").read_text(encoding="utf-8"))["layers"]["odd"]
    assert list(layer)[-2:] == ["operands", "origin"]
