"""Models written for TensorFlow: frozen graphs, checkpoints with their graph, SavedModels, run by TensorFlow itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import graph_def_write, tensor_bundle
from irconv.containers.graph_def_read import read_graph, read_meta_graph, read_saved_model
from irconv.errors import Refused
from irconv.ir.layers.base import LiteralOperand
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.quantisation import QuantizeLinear
from irconv.ir.layers.signal import DFT
from irconv.ir.layers.tensor_ops import Transpose
from irconv.options import ReadOptions, WriteOptions
from tests.frameworks.tensorflow.running import in_graph, in_session, in_version_2
from tests.helpers import GOLDEN_ERROR, ROOT, Builder, error, lenet, numbers, read_case, rejection, used_types

FOLDER = ROOT / "fixtures" / "tensorflow"
ADAM = FOLDER / "training" / "adam.ckpt"
NET = ReadOptions(outputs=("net/y:0",), inputs=("x:0",))
LENET = lenet("keras2.3.1-lenet4-h5")
SUFFIXES = (".pb", ".ckpt", ".savedmodel")


def adam() -> tuple[irconv.Bundle, np.ndarray, np.ndarray]:
    """The model of a training by TensorFlow 1.15, an input and what it predicts."""
    with np.load(FOLDER / "training" / "values.npz") as values:
        return irconv.read(ADAM, NET), values["adam:x"], values["adam:y"]


def test_a_frozen_graph_predicts_in_tensorflow(tmp_path: Path) -> None:
    irconv.write(read_case(LENET), tmp_path / "m.pb")
    assert error(in_graph(tmp_path / "m.pb", LENET.inputs), LENET.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("suffix", [".ckpt", ".savedmodel"])
def test_a_graph_with_its_variables_predicts_in_tensorflow(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    written = irconv.write(read_case(LENET), path)
    inputs, outputs = ([port.name for port in ports] for ports in (written.inputs, written.outputs))
    assert [port.axes for port in written.inputs] == ["NHWC"]
    assert error(in_session(path, LENET.inputs, inputs, outputs), LENET.outputs) < GOLDEN_ERROR
    if suffix == ".savedmodel":
        assert error(in_version_2(path, LENET.inputs, inputs, outputs), LENET.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_with_the_sources_axes_it_takes_what_the_source_takes(suffix: str, tmp_path: Path) -> None:
    case = lenet("keras2.2.4th-lenet4-h5")
    path = tmp_path / f"m{suffix}"
    written = irconv.write(read_case(case), path, WriteOptions(io="source"))
    assert [port.axes for port in written.inputs] == ["NCHW"]
    if suffix == ".pb":
        found = in_graph(path, case.inputs)
    else:
        found = in_session(path, case.inputs, [port.name for port in written.inputs], [p.name for p in written.outputs])
    assert error(found, case.outputs) < GOLDEN_ERROR


def test_nodes_and_variables_are_called_as_tensorflow_calls_them(tmp_path: Path) -> None:
    irconv.write(read_case(LENET), tmp_path / "m.pb")
    nodes = {node.name: node for node in read_graph(tmp_path / "m.pb").nodes}
    assert [name for name, node in nodes.items() if node.op != "Const"] == [
        "input_1", "conv2d_1/Conv2D", "conv2d_1/BiasAdd", "conv2d_1/Relu", "max_pooling2d_1/MaxPool",
        "conv2d_2/Conv2D", "conv2d_2/BiasAdd", "conv2d_2/Relu", "max_pooling2d_2/MaxPool", "flatten_1/Reshape",
        "dense_1/MatMul", "dense_1/BiasAdd", "dense_1/Relu", "dense_2/MatMul", "dense_2/BiasAdd", "activation_1",
    ]  # fmt: skip
    assert nodes["conv2d_1/Conv2D"].inputs == ("input_1", "conv2d_1/kernel")
    assert nodes["conv2d_1/Conv2D"].attrs["data_format"] == "NHWC"


def test_a_checkpoint_is_trained_further_in_tensorflow(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    v1 = tensorflow.compat.v1
    irconv.write(read_case(LENET), tmp_path / "m.ckpt")
    assert v1.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "m.ckpt")
    with v1.Graph().as_default() as graph, v1.Session() as session:
        saver = v1.train.import_meta_graph(f"{tmp_path / 'm.ckpt'}.meta")
        saver.restore(session, str(tmp_path / "m.ckpt"))
        loss = v1.reduce_mean(v1.square(graph.get_tensor_by_name("dense_2/BiasAdd:0")))
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        assert len(v1.trainable_variables()) == 8
        feed = {"input_1:0": LENET.inputs[0]}
        before = session.run(loss, feed)
        session.run(step, feed)
        assert session.run(loss, feed) < before
        saver.save(session, str(tmp_path / "trained"), write_meta_graph=False)
    was, now = (tensor_bundle.read(tmp_path / name).tensors for name in ("m.ckpt", "trained"))
    assert was.keys() == now.keys()
    assert not np.array_equal(was["dense_2/kernel"].numpy(), now["dense_2/kernel"].numpy())


def test_variables_start_as_zeros_where_nothing_is_restored(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    v1 = tensorflow.compat.v1
    irconv.write(read_case(LENET), tmp_path / "m.ckpt")
    with v1.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{tmp_path / 'm.ckpt'}.meta")
        session.run(v1.global_variables_initializer())
        assert not np.any(session.run(v1.global_variables())[0])


@pytest.mark.parametrize("suffix", [".ckpt", ".savedmodel"])
def test_what_came_from_tensorflow_keeps_its_names_axes_and_bits(suffix: str, tmp_path: Path) -> None:
    bundle, x, y = adam()
    path = tmp_path / f"m{suffix}"
    irconv.write(bundle, path)
    prefix = path if suffix == ".ckpt" else path / "variables" / "variables"
    kept, own = tensor_bundle.read(prefix).tensors, tensor_bundle.read(ADAM).tensors
    assert kept.keys() == bundle.source_tensors().keys()
    for name, tensor in kept.items():
        assert tensor.shape == own[name].shape
        assert tensor.numpy().tobytes() == own[name].numpy().tobytes()
    meta = read_meta_graph(Path(f"{path}.meta")) if suffix == ".ckpt" else read_saved_model(path).meta_graphs[0]
    own_graph = read_meta_graph(Path(f"{ADAM}.meta")).graph
    names, before = ({node.name for node in graph.nodes} for graph in (meta.graph, own_graph))
    assert {"x", "net/y", "net/conv/kernel", "net/Conv2D"} <= names & before
    assert "Transpose" not in {node.op for node in meta.graph.nodes}
    outputs = [port.name for port in bundle.graph.outputs]  # type: ignore[union-attr]
    assert error(in_session(path, [x], ["x"], outputs), [y]) < GOLDEN_ERROR


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_is_read_back_as_the_layers_it_was_written_from(suffix: str, tmp_path: Path) -> None:
    irconv.write(read_case(LENET), tmp_path / f"m{suffix}")
    again = irconv.read(tmp_path / f"m{suffix}")
    assert used_types(again) == used_types(read_case(LENET))
    (found,) = irconv.run(again, LENET.inputs).values()
    assert error([found], LENET.outputs) < GOLDEN_ERROR


def test_names_that_tensorflow_does_not_take_are_spelled_apart(tmp_path: Path) -> None:
    build = Builder(**{"in put": ("N", 3)})
    build.add("a b", Linear(), "in put", kernel=numbers(4, 3)).add("a:b", Linear(), "a b", kernel=numbers(5, 4))
    irconv.write(build.build(), tmp_path / "m.pb")
    nodes = read_graph(tmp_path / "m.pb").nodes
    assert [node.name for node in nodes] == ["in_put", "a_b/kernel", "a_b/MatMul", "a_b/kernel_1", "a_b"]
    x = numbers(2, 3)
    wanted = irconv.run(build.build(), [x])["a:b"]
    assert error(in_graph(tmp_path / "m.pb", [x]), [wanted]) < GOLDEN_ERROR


def test_what_is_rounded_is_divided_and_not_multiplied_by_the_reciprocal(tmp_path: Path) -> None:
    scale, candidates = np.float32(0.03371472656726837), (np.arange(-99, 99, dtype=np.float32) + np.float32(0.5))
    x = np.stack([np.nextafter(candidates * scale, np.float32(side)) for side in (-np.inf, 0, np.inf)])
    wanted = np.rint(x / scale).astype(np.int8)
    assert (wanted != np.rint(x * (1 / scale))).any(), "the case tells one from the other"
    operands = {
        "scale": LiteralOperand(literal=float(scale), dtype="float32"),
        "zero_point": LiteralOperand(literal=0, dtype="int8"),
    }
    build = Builder(x=x.shape)
    build.add("q", QuantizeLinear(axis=None, rounds="quotient", operands=operands), "x")
    irconv.write(build.build(), tmp_path / "m.pb")
    assert np.array_equal(in_graph(tmp_path / "m.pb", [x])[0], wanted)


def test_a_tensor_that_two_layers_share_is_one_variable_turned_for_one(tmp_path: Path) -> None:
    build = Builder(x=("N", 3))
    build.add("a", Linear(), "x", kernel=numbers(5, 3)).add("b", Linear(), "a", kernel=numbers(3, 5))
    bundle = build.build()
    tied = bundle.layers["a"].operands
    turned = Linear(operands=tied)
    build.layers["b"] = turned
    build.layers["t"] = Transpose(permutation=(1, 0))
    shared = Builder(x=("N", 3))
    shared.tensors["a.kernel"] = bundle.tensors["a.kernel"]
    shared.layers["a"] = turned
    shared.use("a", "x", result="y")
    shared.layers["e"] = Embedding(padding_index=None, operands={"table": tied["kernel"]})
    shared.inputs.append(shared.inputs[0].model_copy(update={"name": "i", "value": "i", "dtype": "int32"}))
    shared.use("e", "i", result="rows")
    irconv.write(shared.build("y", "rows"), tmp_path / "m.ckpt")
    assert list(tensor_bundle.read(tmp_path / "m.ckpt").tensors) == ["a/kernel"]
    x, i = numbers(2, 3), np.array([[0, 4, 2], [1, 1, 3]], np.int32)
    wanted = irconv.run(shared.build("y", "rows"), [x, i])
    found = in_session(tmp_path / "m.ckpt", [x, i], ["x", "i"], ["y", "rows"])
    assert error(found, [wanted["y"], wanted["rows"]]) < GOLDEN_ERROR


def test_layers_that_tensorflow_cannot_express_are_refused_all_at_once(tmp_path: Path) -> None:
    build = Builder(x=("N", 4, 2))
    transform = DFT(axis=1, inverse=False, onesided=False, length=None)
    build.add("a", transform, "x").add("b", transform, "x")
    for suffix in SUFFIXES:
        text = rejection(lambda suffix=suffix: irconv.write(build.build("a", "b"), tmp_path / f"m{suffix}"), Refused)
        assert text.splitlines() == [
            "layer a (DFT): TensorFlow has no layer for it.",
            "layer b (DFT): TensorFlow has no layer for it.",
        ]
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_weights_is_restored_from_a_checkpoint_of_no_variables(tmp_path: Path) -> None:
    bundle = Builder(x=("N", 3)).add("y", Transpose(permutation=(1, 0)), "x").build()
    irconv.write(bundle, tmp_path / "m.ckpt")
    irconv.write(bundle, tmp_path / "m.savedmodel")
    x = numbers(2, 3)
    assert error(in_session(tmp_path / "m.ckpt", [x], ["x"], ["y"]), [x.T]) == 0
    assert dict(tensor_bundle.read(tmp_path / "m.ckpt").tensors) == {}
    assert error(in_version_2(tmp_path / "m.savedmodel", [x], ["x"], ["y"]), [x.T]) == 0


def test_weights_that_a_message_cannot_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_def_write, "LARGEST", 100_000)
    text = rejection(lambda: irconv.write(read_case(LENET), tmp_path / "m.pb"), Refused)
    assert (
        "and a message holds 100000 at most. Write .ckpt or .savedmodel, which keep weights beside the graph." in text
    )
    irconv.write(read_case(LENET), tmp_path / "m.savedmodel")


def test_weights_without_a_graph_are_no_graph(tmp_path: Path) -> None:
    source = FOLDER / "checkpoints" / "v1.ckpt"
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.pb"), Refused)
    assert text.endswith(
        "holds weights without a graph, and this format is one. Write .ckpt or .irconv, or read the model's own file."
    )


def test_a_source_that_was_not_verified_is_noted_on_the_first_node(tmp_path: Path) -> None:
    irconv.write(read_case(LENET), tmp_path / "m.irconv")
    irconv.convert(tmp_path / "m.irconv", tmp_path / "m.pb", ReadOptions(digests=False))
    assert read_graph(tmp_path / "m.pb").nodes[0].attrs["_irconv_source_verified"] == "no"
    assert error(in_graph(tmp_path / "m.pb", LENET.inputs), LENET.outputs) < GOLDEN_ERROR


def test_an_output_that_is_called_like_a_variable_is_another_node(tmp_path: Path) -> None:
    source = tmp_path / "m.pb"
    source.write_bytes((ROOT / "fixtures" / "fuzz" / "tensorflow-output-is-a-constant" / "big.pb").read_bytes())
    bundle = irconv.read(source, ReadOptions(outputs=("big:0",)))
    irconv.write(bundle, tmp_path / "n.ckpt")
    nodes = [node.name for node in read_meta_graph(tmp_path / "n.ckpt.meta").graph.nodes]
    assert len(set(nodes)) == len(nodes)
    again = irconv.read(tmp_path / "n.ckpt")
    assert [port.name for port in again.graph.outputs] == ["big"]
    assert np.array_equal(irconv.run(again, [])["big"], irconv.run(bundle, [])["big"])
