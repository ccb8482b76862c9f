"""Checkpoints of TensorFlow as bundles: any file of them, every variable once, and back bit for bit."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import safetensors
from irconv.containers.files import SourceFile
from irconv.errors import DamagedFile, MissingFact, Refused, UnknownFormat, UnusedOption
from irconv.frameworks.tensorflow import files
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow"
ADAM = FOLDER / "training" / "adam.ckpt"


def wanted(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / "training" / "values.npz") as found:
        return {key.removeprefix(f"{name}/"): found[key] for key in found.files if key.startswith(f"{name}/")}


def same(bundle: Bundle, values: dict[str, np.ndarray]) -> bool:
    found = bundle.source_tensors()
    return found.keys() == values.keys() and all(
        found[key].numpy().tobytes() == np.asarray(value).tobytes() for key, value in values.items()
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in (FOLDER / "training").glob("adam.ckpt.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/adam.ckpt"\n')
    return tmp_path


@pytest.mark.parametrize(
    "given", ["adam.ckpt", "adam.ckpt.index", "adam.ckpt.meta", "adam.ckpt.data-00000-of-00001", "checkpoint", "."]
)
def test_any_file_of_a_checkpoint_means_all_of_it(copy: Path, given: str) -> None:
    bundle = irconv.read(copy / given)
    assert bundle.source.framework == "tensorflow"
    assert bundle.source.version == "1.15.5"
    assert same(bundle, wanted("adam"))


def test_every_variable_has_one_role() -> None:
    bundle = irconv.read(ADAM)
    roles = {key: tensor.record.role for key, tensor in bundle.tensors.items()}
    assert sorted(key for key, role in roles.items() if role == "parameter") == [
        "net/bn/beta", "net/bn/gamma", "net/conv/bias", "net/conv/kernel", "net/fc/frozen", "net/fc/weights",
    ]  # fmt: skip
    assert sorted(key for key, role in roles.items() if role == "buffer") == [
        "net/bn/moving_mean", "net/bn/moving_variance",
    ]  # fmt: skip
    assert sum(role == "optimizer" for role in roles.values()) == len(wanted("adam")) - 8
    groups = {group.name: group for group in bundle.groups}
    assert groups["net/bn"].type == "BatchNorm"
    assert groups["net/conv"].type == "Conv"
    assert groups["net/conv"].evidence == "(3, 2, 3, 4) and a bias of 4, which only axis 3 has"
    assert groups["training state: Adam_1"].tensors.keys() == {
        f"net/{name}/Adam_1" for name in ("bn/beta", "bn/gamma", "conv/bias", "conv/kernel", "fc/weights")
    }
    members = [key for group in bundle.groups for key in group.tensors.values()]
    assert sorted(members) == sorted(bundle.tensors)


def test_moving_averages_are_the_weights_where_they_are_asked_for() -> None:
    bundle = irconv.read(ADAM, ReadOptions(ema=True))
    values = wanted("adam")
    for name in ("net/conv/kernel", "net/fc/weights"):
        assert np.array_equal(bundle.tensors[name].data.numpy(), values[f"{name}/ExponentialMovingAverage"])
        assert not np.array_equal(values[name], values[f"{name}/ExponentialMovingAverage"])
    assert np.array_equal(bundle.tensors["net/bn/moving_mean"].data.numpy(), values["net/bn/moving_mean"])
    assert not any("ExponentialMovingAverage" in key for key in bundle.tensors)
    omitted = {left.name: left.reason for left in bundle.omitted}
    assert omitted["net/conv/kernel"] == "net/conv/kernel/ExponentialMovingAverage is read in its place"
    text = rejection(lambda: irconv.read(FOLDER / "training" / "momentum.ckpt", ReadOptions(ema=True)), MissingFact)
    assert text.endswith("--ema: there are no moving averages among the variables. Leave it out.")


def test_options_for_graphs_are_refused_where_there_is_none_to_read() -> None:
    said = rejection(lambda: irconv.read(ADAM, ReadOptions(backend="theano")), UnusedOption)
    assert "what is read as tensorflow has no use for it" in said


def test_weights_are_written_under_their_names_and_in_their_layouts(tmp_path: Path) -> None:
    irconv.convert(ADAM, tmp_path / "m.safetensors")
    tensors, metadata = safetensors.read(SourceFile(tmp_path / "m.safetensors"))
    values = wanted("adam")
    assert metadata == {"format": "tf"}
    assert len(tensors) == 8
    assert all(tensor.numpy().tobytes() == values[name].tobytes() for name, tensor in tensors.items())


def test_what_was_written_so_is_not_taken_for_pytorchs(tmp_path: Path) -> None:
    irconv.convert(ADAM, tmp_path / "m.safetensors")
    assert irconv.read(tmp_path / "m.safetensors").source.framework == "tensorflow"
    text = rejection(lambda: irconv.convert(tmp_path / "m.safetensors", tmp_path / "m.pt"), Refused)
    assert "holds weights without a graph, so that their axes are not known" in text


def test_a_bundle_gives_every_variable_back(tmp_path: Path) -> None:
    irconv.convert(ADAM, tmp_path / "m.irconv")
    assert irconv.check(tmp_path / "m.irconv") == []
    assert same(irconv.read(tmp_path / "m.irconv"), wanted("adam"))


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_variables_are_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    values = {"net/conv/kernel:0": np.arange(36, dtype="float32").reshape(3, 3, 1, 4), "step:0": np.int64(3)}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({**values, "note:0": "text"}, protocol))
    bundle = irconv.read(tmp_path / "w.pkl")
    assert bundle.source.framework == "tensorflow"
    assert same(bundle, {key: np.asarray(value) for key, value in values.items()})
    assert bundle.tensors.keys() == {"net/conv/kernel", "step"}
    assert [(left.name, left.reason) for left in bundle.omitted] == [
        ("note:0", "is a str, which is no array of numbers")
    ]


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    raw = array.tobytes()
    state = b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
    state += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U"
    made = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + state
        + bytes([len(raw)])
        + raw
        + b"tb"
    )
    (tmp_path / "w.pkl").write_bytes(b"\x80\x02}q\x00U\x0cfc/weights:0q\x01" + made + b"s.")
    assert same(irconv.read(tmp_path / "w.pkl"), {"fc/weights:0": array})


def test_a_pickle_of_other_names_is_not_taken_for_tensorflows(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"layer0_W": np.ones((2, 3), "float32")}))
    assert not files.recognises(tmp_path / "w.pkl")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("executed",)


def test_a_pickle_that_calls_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a/b:0": np.ones(2), "c:0": Harmful()}))
    assert "the pickle names builtins.print" in rejection(lambda: irconv.read(tmp_path / "w.pkl"), Refused)


def test_objects_of_tensorflow_2_are_named_by_their_place() -> None:
    bundle = irconv.read(FOLDER / "objects" / "plain-1")
    with np.load(FOLDER / "objects" / "values.npz") as values:
        assert np.array_equal(bundle.tensors["module/w"].data.numpy(), values["w"])
    assert bundle.tensors["module/w"].record.role == "parameter"
    assert {key for key, tensor in bundle.tensors.items() if tensor.record.role == "optimizer"} == {
        "step",
        "save_counter",
    }
    assert "module/w/.ATTRIBUTES/VARIABLE_VALUE" in bundle.source_tensors()
    assert [left.name for left in bundle.omitted] == ["_CHECKPOINTABLE_OBJECT_GRAPH"]


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "model.meta"])
def test_a_graph_with_variables_needs_its_checkpoint(name: str) -> None:
    path = FOLDER / "graphs" / name
    text = rejection(lambda: irconv.read(path, ReadOptions(outputs=("y:0",))), MissingFact)
    what = "conv/kernel (VariableV2): is a variable, whose value is not in the graph"
    assert text == f"{path}: {what}. Put the checkpoint beside it, or freeze the graph."


def test_a_folder_of_several_checkpoints_is_asked_about() -> None:
    text = rejection(lambda: irconv.read(FOLDER / "training"), MissingFact)
    assert (
        "has 4 checkpoints: adam.ckpt, momentum.ckpt, named.ckpt, rmsprop.ckpt. Give the file of one of them." in text
    )


def test_a_state_that_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/data/model.ckpt-7"\n')
    text = rejection(lambda: irconv.read(tmp_path / "checkpoint"), DamagedFile)
    what = "names the checkpoint model.ckpt-7, which is not beside it. Give one of the checkpoint's own files."
    assert text == f"{tmp_path / 'checkpoint'}: {what}"


def test_a_state_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "checkpoints" / "v1.ckpt", tmp_path / "v1.ckpt")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "checkpoint").write_text(f'model_checkpoint_path: "{tmp_path}/v1.ckpt"\n')
    assert "which is not beside it" in rejection(lambda: irconv.read(tmp_path / "inner"), DamagedFile)


def test_a_name_that_means_nothing_is_said_to_be_missing(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.read(tmp_path / "model.ckpt"), UnknownFormat)
    assert text == f"{tmp_path / 'model.ckpt'}: there is no such file or folder."


@pytest.mark.parametrize("given", ["v1-sharded.ckpt", "v1-sharded.ckpt-00001-of-00002", "checkpoint"])
def test_a_checkpoint_of_the_first_version_may_lie_in_several_files(tmp_path: Path, given: str) -> None:
    for file in (FOLDER / "checkpoints").glob("v1-sharded.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "v1-sharded.ckpt-?????-of-00002"\n')
    found = irconv.read(tmp_path / given).source_tensors()
    with np.load(FOLDER / "checkpoints" / "values.npz") as values:
        assert found.keys() == set(values.files) - {"types/bfloat16"}
        assert all(found[name].numpy().tobytes() == values[name].tobytes() for name in found)
    (tmp_path / "v1-sharded.ckpt-00000-of-00002").unlink()
    text = rejection(lambda: irconv.read(tmp_path / "v1-sharded.ckpt-00001-of-00002"), DamagedFile)
    assert "expected 2 files of this checkpoint, got 1. Put all of them into one folder." in text


@pytest.mark.parametrize("left", ["index", "data-00000-of-00001"])
def test_half_a_checkpoint_is_refused(copy: Path, left: str) -> None:
    for file in copy.glob("*"):
        if not file.name.endswith(left):
            file.unlink()
    text = rejection(lambda: irconv.read(copy / f"adam.ckpt.{left}"), DamagedFile)
    assert text.startswith(f"{copy}/adam.ckpt")
    assert "is missing" in text


def test_a_damaged_index_is_said_to_be_damaged(copy: Path) -> None:
    index = copy / "adam.ckpt.index"
    index.write_bytes(index.read_bytes()[:-3])
    assert "expected a table of sorted keys" in rejection(lambda: irconv.read(copy / "adam.ckpt"), DamagedFile)


def test_a_checkpoint_of_lightning_is_pytorchs_whatever_its_suffix(tmp_path: Path) -> None:
    for source in sorted((ROOT / "fixtures" / "torch").rglob("*.pt")):
        (tmp_path / "model.ckpt").write_bytes(source.read_bytes())
        assert files.recognises(tmp_path / "model.ckpt") == ""
    assert files.recognises(FOLDER / "checkpoints" / "v1.ckpt").startswith("is a table of variables")
