"""Graphs that TensorFlow 1.15.5 wrote, as plain data; constants stay in the file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irconv.containers import graph_def_scan, messages
from irconv.containers.files import FileBytes
from irconv.containers.graph_def import FunctionName, GraphDef, TensorInfo
from irconv.containers.graph_def_kind import SAVED_MODEL, kind_of
from irconv.containers.graph_def_read import read_graph, read_meta_graph, read_objects, read_saved_model
from irconv.containers.tensor_protos import StringTensor
from irconv.errors import DamagedFile
from irconv.ir.tensors import LazyTensor
from tests.helpers import LENET, ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "graphs"
KINDS = {
    "graph.pb": "GraphDef",
    "graph.pbtxt": "GraphDef",
    "model.meta": "MetaGraphDef",
    "saved/saved_model.pb": "SavedModel",
    "saved/variables/variables.index": None,
    "constants.npz": None,
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_message_is_known_by_its_first_fields(name: str, kind: str | None) -> None:
    assert kind_of(FOLDER / name) == kind


@pytest.mark.parametrize(
    "head",
    [b"", b"\x08", b"\x08\x07\x12\x07pytorch", b"\x0a\x05LeNet", b"version: 3\n", b"library: x", b"\x80\x02}q\x00"],
)
def test_other_files_are_not_taken_for_graphs(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x").write_bytes(head + bytes(40))
    assert kind_of(tmp_path / "x") is None


def graphs() -> dict[str, GraphDef]:
    return {
        "graph.pb": read_graph(FOLDER / "graph.pb"),
        "graph.pbtxt": read_graph(FOLDER / "graph.pbtxt"),
        "model.meta": read_meta_graph(FOLDER / "model.meta").graph,
    }


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "model.meta"])
def test_constants_of_every_type_are_read_however_they_are_stored(name: str) -> None:
    nodes = {node.name: node for node in graphs()[name].nodes}
    with np.load(FOLDER / "constants.npz") as wanted:
        assert len(wanted.files) == 36
        for key in wanted.files:
            tensor = nodes[key].attrs["value"]
            assert isinstance(tensor, LazyTensor)
            found = tensor.numpy()
            assert (found.dtype, found.shape) == (wanted[key].dtype, wanted[key].shape)
            assert found.tobytes() == wanted[key].tobytes()
            assert nodes[key].attrs["dtype"] == key.partition("/")[2]
    strings = nodes["strings"].attrs["value"]
    assert strings == StringTensor((1, 2), (b"a", b"bc"))


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "model.meta"])
def test_attributes_are_plain_values(name: str) -> None:
    nodes = {node.name: node for node in graphs()[name].nodes}
    assert (nodes["x"].attrs["dtype"], nodes["x"].attrs["shape"]) == ("float32", (None, 6, 5, 3))
    assert nodes["of_any_rank"].attrs["shape"] is None
    convolution = nodes["conv/Conv2D"]
    assert (convolution.op, convolution.inputs) == ("Conv2D", ("x", "conv/kernel/read"))
    assert convolution.attrs["strides"] == (1, 2, 1, 1)
    assert convolution.attrs["padding"] == "SAME"
    assert convolution.attrs["use_cudnn_on_gpu"] is True
    assert nodes["conv/kernel"].attrs["shape"] == (3, 3, 3, 4)
    if name != "model.meta":  # which is exported without defaults
        assert nodes["conv/kernel"].attrs["container"] == ""
    assert any(inputs.startswith("^") for node in nodes.values() for inputs in node.inputs)


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "model.meta"])
def test_functions_of_the_library_are_read(name: str) -> None:
    function = graphs()[name].functions["halved_sum"]
    assert [(given.name, given.dtype) for given in function.inputs] == [("a", "float32"), ("b", "float32")]
    assert [node.op for node in function.nodes] == ["Add", "Const", "Mul"]
    assert function.nodes[0].inputs == ("a", "b")
    assert function.ret == {function.outputs[0].name: "mul_0:z:0"}
    half = function.nodes[1].attrs["value"]
    assert isinstance(half, LazyTensor)
    assert half.numpy() == 0.5


def test_collections_list_variables_and_slices() -> None:
    found = read_meta_graph(FOLDER / "model.meta")
    assert found.version == "1.15.5"
    variables = {variable.name: variable for variable in found.variables["variables"]}
    assert variables["conv/kernel:0"].trainable
    assert not variables["conv/kernel:0"].resource
    assert variables["conv/kernel:0"].snapshot == "conv/kernel/read:0"
    part = variables["table/part_1:0"]
    assert (part.full_name, part.full_shape, part.offset, part.shape) == ("table", (7, 2), (4, 0), (3, 2))
    assert [variable.name for variable in found.variables["trainable_variables"]] == ["conv/kernel:0"]
    assert [variable.name for variable in found.variables["moving_average_variables"]] == ["conv/kernel:0"]
    assert found.collections["train_op"] == ("train",)
    assert found.saver is not None
    assert (found.saver.filename, found.saver.restore) == ("save/Const:0", "save/restore_all")


def test_a_saved_model_has_its_graphs_by_tags_and_its_signatures() -> None:
    for given in (FOLDER / "saved", FOLDER / "saved" / "saved_model.pb"):
        found = read_saved_model(given)
        assert [graph.tags for graph in found.meta_graphs] == [("serve",), ("serve", "tpu")]
        assert list(found.meta_graphs[0].signatures) == ["other", "serving_default"]
        signature = found.meta_graphs[0].signatures["serving_default"]
        assert signature.inputs == {"image": TensorInfo("x:0", "float32", (None, 6, 5, 3))}
        assert signature.method == "tensorflow/serving/predict"
        assert found.variables == FOLDER / "saved" / "variables" / "variables"


def wide(folder: Path, shape: tuple[int, ...] = (300, 200)) -> tuple[Path, Any]:
    """A SavedModel with a large constant in its graph and one in a function, stored raw and one by one."""
    message = messages.message("tensorflow", "SavedModel")
    message.saved_model_schema_version = 1
    meta = message.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    value = np.arange(np.prod(shape), dtype="float32")
    function = meta.graph_def.library.function.add()
    function.signature.name = "f"
    for nodes, name in ((meta.graph_def.node, "outside"), (function.node_def, "inside")):
        for kind in ("raw", "row"):
            node = nodes.add(name=f"{name}_{kind}", op="Const")
            tensor = node.attr["value"].tensor
            tensor.dtype = 1
            for size in shape:
                tensor.tensor_shape.dim.add(size=size)
            if kind == "raw":
                tensor.tensor_content = value.tobytes()
            else:
                tensor.float_val.extend(value)
            nodes.add(name=f"{name}_{kind}_after", op="Identity").input.append(node.name)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    return folder / "saved_model.pb", value.reshape(shape)


def test_large_constants_stay_in_the_file(tmp_path: Path) -> None:
    path, value = wide(tmp_path)
    graph = read_saved_model(path).meta_graphs[0].graph
    for nodes in (graph.nodes, graph.functions["f"].nodes):
        assert [node.op for node in nodes] == ["Const", "Identity"] * 2
        for node in nodes[::2]:
            tensor = node.attrs["value"]
            assert isinstance(tensor.source, FileBytes)
            assert np.array_equal(tensor.numpy(), value)


def test_a_file_cannot_claim_that_its_constants_lie_elsewhere(tmp_path: Path) -> None:
    message = messages.message("tensorflow", "GraphDef")
    tensor = message.node.add(name="a", op="Const").attr["value"].tensor
    tensor.dtype, tensor.left_out_offset, tensor.left_out_size = 1, 0, 4
    (tmp_path / "x.pb").write_bytes(message.SerializeToString())
    text = rejection(lambda: read_graph(tmp_path / "x.pb"), DamagedFile)
    assert text == f"{tmp_path / 'x.pb'}: a: attribute value: has a field that TensorFlow does not know."


def graph_file(folder: Path, build: Any) -> Path:
    message = messages.message("tensorflow", "GraphDef")
    build(message)
    (folder / "x.pb").write_bytes(message.SerializeToString())
    return folder / "x.pb"


def constant(message: Any, dtype: int, shape: tuple[int, ...], **values: Any) -> None:
    tensor = message.node.add(name="a", op="Const").attr["value"].tensor
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for name, value in values.items():
        if isinstance(value, bytes):
            setattr(tensor, name, value)
        else:
            getattr(tensor, name).extend(value)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda m: constant(m, 1, (1 << 40,), float_val=[1.0]), f"claims {1 << 42} bytes for float32 ({1 << 40},)"),
        (lambda m: constant(m, 1, (-3,)), "elements, got (-3,)"),
        (lambda m: constant(m, 1, (2,), float_val=[1.0] * 3), "expected 2 numbers for float32 (2,), got 3"),
        (lambda m: constant(m, 1, (2,), tensor_content=b"abc"), "expected 8 bytes for float32 (2,), got 3"),
        (lambda m: constant(m, 7, (3,), string_val=[b"a", b"b"]), "expected 3 strings, got 2"),
        (lambda m: constant(m, 7, (1 << 40,), string_val=[b"a"]), f"expected {1 << 40} strings, got 1"),
        (lambda m: [m.node.add(name="a", op="NoOp") for _ in range(2)], "a: is in the graph twice"),
        (lambda m: m.node.add(name="a"), "a: has no name or no operation"),
        (lambda m: [m.library.function.add().signature.MergeFrom(m.library.function[0].signature) for _ in range(2)],
         "function : stands in the library twice"),
        (lambda m: m.node.add(name="a", op="B").attr["c"].list.MergeFrom(
            messages.message("tensorflow", "AttrValue").list.__class__(i=[1], f=[2.0])),
         "a: attribute c: expected a list of one kind, got i, f"),
    ],
)  # fmt: skip
def test_graphs_that_claim_what_cannot_be_are_refused(tmp_path: Path, build: Any, said: str) -> None:
    assert said in rejection(lambda: read_graph(graph_file(tmp_path, build)), DamagedFile)


@pytest.mark.parametrize(
    "damage", [b"\x0a\xff\xff\xff\xff\x7f", b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\x0b"]
)
def test_a_message_that_ends_beyond_its_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    path, _ = wide(tmp_path)
    path.write_bytes(path.read_bytes() + damage)
    assert f"{path}: expected a SavedModel: " in rejection(lambda: read_saved_model(path), DamagedFile)


def test_messages_inside_messages_without_end_are_refused(tmp_path: Path) -> None:
    inner = messages.message("tensorflow", "AttrValue")
    for _ in range(200):
        outer = messages.message("tensorflow", "AttrValue")
        outer.func.attr["x"].CopyFrom(inner)
        inner = outer
    path = graph_file(tmp_path, lambda m: m.node.add(name="a", op="B").attr["c"].CopyFrom(inner))
    assert "expected a GraphDef of tensorflow" in rejection(lambda: read_graph(path), DamagedFile)


def test_what_is_no_constant_must_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_def_scan, "MOST_BYTES", 1 << 17)
    path = graph_file(tmp_path, lambda m: m.node.add(name="a" * (1 << 18), op="B"))
    assert "that is no constant" in rejection(lambda: read_graph(path), DamagedFile)


def test_a_function_attribute_is_a_name_and_its_attributes(tmp_path: Path) -> None:
    def build(message: Any) -> None:
        function = message.node.add(name="a", op="If").attr["then_branch"].func
        function.name = "f"
        function.attr["T"].type = 1

    assert read_graph(graph_file(tmp_path, build)).nodes[0].attrs["then_branch"] == FunctionName("f", {"T": "float32"})


def test_an_object_that_names_one_that_is_not_there_is_refused() -> None:
    message = messages.message("tensorflow", "TrackableObjectGraph")
    message.nodes.add().children.add(node_id=7, local_name="layer")
    text = rejection(lambda: read_objects(message.SerializeToString(), "here"), DamagedFile)
    assert text == "here: graph of objects: has 1 objects, but names number 7."


def test_no_file_of_another_framework_is_taken_for_a_graph(tmp_path: Path) -> None:
    files = [path for path in LENET.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if kind_of(path)] == []


def test_a_saved_model_without_variables_has_none(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "saved" / "saved_model.pb", tmp_path)
    assert read_saved_model(tmp_path).variables is None
    assert SAVED_MODEL == ("saved_model.pb", "saved_model.pbtxt")
