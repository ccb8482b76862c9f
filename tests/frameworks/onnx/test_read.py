"""ONNX files that real exporters wrote, read and run against the outputs that were recorded with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.errors import DamagedFile, IrconvError, MissingFact, Refused
from irconv.options import ReadOptions
from tests.helpers import rejection, used_types
from tests.helpers_cases import FIXTURES, GoldenFile, golden_files

FILES = golden_files("onnx", "*.onnx")


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_model_gives_the_recorded_outputs_or_is_refused_by_name(file: GoldenFile) -> None:
    if file.expected == "refuse":
        with pytest.raises(IrconvError) as raised:
            irconv.read(file.path, file.options)
        assert str(raised.value).startswith((file.path.name, str(file.path)))
    else:
        assert file.error() < 2e-6


def test_a_convolutional_network_comes_back_as_layers_of_whole_networks() -> None:
    bundle = irconv.read(FIXTURES / "onnx" / "onnx-keras-export-1" / "model.onnx")
    assert not {"Transpose", "Reshape"} & set(used_types(bundle))


def test_a_condition_that_an_input_decides_is_refused_until_the_input_is_fixed() -> None:
    path = FIXTURES / "onnx" / "onnx-if-input-2" / "model.onnx"
    text = rejection(lambda: irconv.read(path), Refused)
    assert text.endswith("It hangs on sr: --fix sr=VALUE decides it.")
    assert irconv.read(path, ReadOptions(fix=("sr=16000",))).graph is not None
    text = rejection(lambda: irconv.read(path, ReadOptions(fix=("rate=16000",))), Refused)
    assert "--fix rate: the graph has no input of this name." in text


def test_an_output_may_be_a_value_inside_the_graph() -> None:
    path = FIXTURES / "onnx" / "onnx-lstm-2" / "model.onnx"
    name = onnx.load(path).graph.node[0].output[0]
    bundle = irconv.read(path, ReadOptions(outputs=(name,)))
    assert bundle.graph is not None
    assert [port.name for port in bundle.graph.outputs] == [name]
    text = rejection(lambda: irconv.read(path, ReadOptions(outputs=("nosuch",))), MissingFact)
    assert text == "model.onnx: output nosuch: the graph has no value of this name. `irconv inspect` lists them."


def test_a_graph_may_give_what_it_holds(tmp_path: Path) -> None:
    """A tensor that is an output as it lies, one that a node makes, and one that the steps of a loop give."""
    held = numpy_helper.from_array(np.array([[1.5, -2.0, 3.0]], np.float32), "held")
    step = numpy_helper.from_array(np.array([4.0, -5.0], np.float32), "step")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in [
        ("x", [4, 3]), ("held", [1, 3]), ("made", [2]), ("all", [4, 2]), ("y", [4, 3]),
    ]]  # fmt: skip
    row = helper.make_tensor_value_info("row", TensorProto.FLOAT, [3])
    given = helper.make_tensor_value_info("step", TensorProto.FLOAT, [2])
    body = helper.make_graph([], "body", [row], [given], [step])
    nodes = [
        helper.make_node("Constant", [], ["made"], value=numpy_helper.from_array(np.array([7.0, 8.5], np.float32))),
        helper.make_node("Scan", ["x"], ["all"], body=body, num_scan_inputs=1),
        helper.make_node("Add", ["x", "held"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [held])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = irconv.run(irconv.read(tmp_path / "m.onnx"), {"x": x})
    wanted = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": x})
    assert [found[name].tolist() for name in ("held", "made", "all", "y")] == [value.tolist() for value in wanted]


def test_external_data_leads_nowhere_else(tmp_path: Path) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], np.ones(6, np.float32).tobytes(), raw=True)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../weights.bin")
    _save(tmp_path / "m.onnx", weight)
    (tmp_path.parent / "weights.bin").write_bytes(b"\0" * 24)
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert "expected external data in the folder of the model, got '../weights.bin'" in text


def test_weights_shorter_than_their_shape_are_damage(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    weight.raw_data = weight.raw_data[:-4]
    _save(tmp_path / "m.onnx", weight)
    assert "expected 24 bytes, got 20" in rejection(lambda: irconv.read(tmp_path / "m.onnx"), DamagedFile)


def test_large_weights_stay_in_the_file_until_they_are_used(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.arange(60_000, dtype=np.float32).reshape(300, 200), "w")
    _save(tmp_path / "m.onnx", weight)
    bundle = irconv.read(tmp_path / "m.onnx")
    (tensor,) = bundle.source_tensors().values()
    assert type(tensor.source).__name__ == "FileBytes"
    assert np.array_equal(tensor.numpy(), np.arange(60_000, dtype=np.float32).reshape(300, 200))


def _save(path: Path, weight: TensorProto) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", weight.dims[0]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", weight.dims[1]])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())


def test_a_stored_first_state_of_zeros_is_listed_as_left_out(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    shapes = {"W": (1, 15, 4), "R": (1, 15, 5), "B": (1, 30)}
    stored = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    stored["h0"] = np.zeros((1, 3, 5), np.float32)
    node = onnx.helper.make_node("GRU", ["x", "W", "R", "B", "", "h0"], ["y"], hidden_size=5, linear_before_reset=1)
    ports = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [7, 3, 4]), ("y", [7, 1, 3, 5]))]
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:], weights)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    bundle = irconv.read(tmp_path / "m.onnx")
    assert [(left.name, left.reason) for left in bundle.omitted] == [
        ("h0", "a first state of zeros, which the layer starts from without it")
    ]


def test_constants_without_rows_keep_their_columns(tmp_path: Path) -> None:
    """What exporters leave of a slice that is empty: nothing is turned, and nothing is put into its place."""
    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 3]) for name in ("x", "y")]
    held = [
        ("rows", np.zeros((0, 8), np.float32)),
        ("places", np.zeros((0, 2), np.int64)),
        ("row", np.zeros((0,), np.float32)),
    ]
    nodes = [
        helper.make_node("Transpose", ["rows"], ["turned"], perm=[1, 0]),
        helper.make_node("ReduceSum", ["turned"], ["nothing"], keepdims=0),
        helper.make_node("ScatterND", ["x", "places", "row"], ["same"]),
        helper.make_node("Add", ["same", "nothing"], ["y"]),
    ]
    stored = [numpy_helper.from_array(array, name) for name, array in held]
    graph = helper.make_graph(nodes, "g", wide[:1], wide[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    (wanted,) = onnxruntime.InferenceSession(path.read_bytes()).run(None, {"x": x})
    (got,) = irconv.run(irconv.read(path), [x]).values()
    assert np.array_equal(got, wanted)
