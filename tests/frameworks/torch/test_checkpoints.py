"""Checkpoints as today's tools write them: wrappers in names, trees, numpy's arrays, distributed ones, adapters."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import DamagedFile, MissingFact, NoSuchFile, Refused, UnknownFormat
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "torch-checkpoints"
PLAIN = ("arrays", "compiled-inside", "distributed", "distributed-sharded", "tree")


def expected(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / name / "expected.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def model(name: str) -> Path:
    return next((FOLDER / name).glob("model*"))


def weights(bundle: irconv.Bundle) -> dict[str, np.ndarray]:
    members = ((group.name, local, key) for group in bundle.groups for local, key in group.tensors.items())
    return {f"{group}.{local}".lstrip("."): bundle.tensors[key].data.numpy() for group, local, key in members}


def same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return got.keys() == wanted.keys() and all(np.array_equal(got[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("name", PLAIN)
def test_every_weight_arrives_under_its_own_name_bit_for_bit(name: str) -> None:
    bundle = irconv.read(model(name))
    assert bundle.source.framework == "torch"
    assert same(weights(bundle), expected(name))


def test_what_wrappers_put_into_names_is_told() -> None:
    facts = {fact.name: fact.value for fact in irconv.read(model("compiled-inside")).source.facts}
    assert facts["wrappers"] == "_orig_mod"


def test_what_stands_beside_the_weights_of_a_distributed_checkpoint_is_listed() -> None:
    omitted = {omitted.name for omitted in irconv.read(model("distributed")).omitted}
    assert {name.partition(".")[0] for name in omitted} == {"optimizer"}
    assert [omitted.name for omitted in irconv.read(model("distributed-sharded")).omitted] == ["step"]


def test_a_distributed_checkpoint_without_one_of_its_files_is_refused(tmp_path: Path) -> None:
    shutil.copytree(model("distributed-sharded"), tmp_path / "ckpt")
    (tmp_path / "ckpt" / "__1_0.distcp").unlink()
    assert "expected the file '__1_0.distcp' in the folder, which is missing" in str(
        rejection(lambda: irconv.read(tmp_path / "ckpt"), DamagedFile)
    )


def test_networks_beside_each_other_are_not_taken_for_one(tmp_path: Path) -> None:
    import torch

    value = {name: {"conv.weight": torch.ones(2, 3)} for name in ("generator", "discriminator")}
    torch.save(value, tmp_path / "gan.pt")
    assert "Give --key with one of them: generator, discriminator." in str(
        rejection(lambda: irconv.read(tmp_path / "gan.pt"), MissingFact)
    )


def test_an_adapter_is_added_to_its_base_where_it_is_asked_for(tmp_path: Path) -> None:
    irconv.convert(model("lora"), tmp_path / "m.safetensors", None, WriteOptions(merge=True))
    got, wanted = weights(irconv.read(tmp_path / "m.safetensors")), expected("lora")
    assert got.keys() == wanted.keys()
    assert all(np.allclose(got[key], wanted[key], rtol=1e-6, atol=1e-7) for key in wanted)


def test_a_base_is_not_written_without_its_adapter(tmp_path: Path) -> None:
    for name in ("m.safetensors", "m.irconv"):
        message = str(rejection(lambda name=name: irconv.convert(model("lora"), tmp_path / name), Refused))
        assert "holds a base and a low-rank adapter beside it" in message
        assert not (tmp_path / name).exists()


def test_an_adapter_alone_is_refused(tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(model("lora") / name, tmp_path / name)
    for path in (tmp_path, tmp_path / "adapter_model.safetensors"):
        assert "of a base that is not here" in str(rejection(lambda path=path: irconv.read(path), Refused))


def test_adapters_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    shutil.copytree(model("lora"), tmp_path / "dora")
    config = json.loads((tmp_path / "dora" / "adapter_config.json").read_text())
    (tmp_path / "dora" / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    assert "is an adapter of the kind LORA with use_dora, which irconv cannot merge" in str(
        rejection(lambda: irconv.read(tmp_path / "dora"), Refused)
    )


@pytest.mark.parametrize(("name", "tool"), [("gptq", "GPTQ"), ("bitsandbytes", "bitsandbytes")])
def test_packed_weights_are_refused_by_the_tool_that_packed_them(name: str, tool: str) -> None:
    for path in (FOLDER / name, FOLDER / name / "model.safetensors"):
        message = str(rejection(lambda path=path: irconv.read(path), Refused))
        assert f"holds weights packed by {tool} (" in message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        ((FOLDER / "gguf" / "model.gguf").read_bytes(), "is a GGUF file"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, not the file that it was to be"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00rest", "is compressed with gzip"),
        (b"\x04\x22\x4d\x18rest", "is compressed with lz4"),
        (b"\x1c\x00\x00\x00TFL3rest", "is a TensorFlow Lite model"),
        (b"https://example.org/m.h5\n", "holds an address, not what is found there"),
        (b'<?xml version="1.0"?>\n<net name="m" version="11">', "is the graph of an OpenVINO model"),
        (b'{"class_name": "Sequential", "config": []}', "is the architecture of a Keras model. Give the file of its"),
    ],
    ids=["empty", "gguf", "page", "pointer", "gzip", "lz4", "tflite", "address", "openvino", "json"],
)
def test_unknown_content_is_named_by_its_first_bytes(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    assert what in str(rejection(lambda: irconv.read(path, ReadOptions()), UnknownFormat))


def test_a_zip_that_holds_a_model_is_named(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("inside/model.h5", b"x")
    assert "is a zip archive with inside/model.h5 in it" in str(
        rejection(lambda: irconv.read(tmp_path / "m.zip"), UnknownFormat)
    )


@pytest.mark.parametrize("name", ["m.mlmodel", "m.mlpackage"])
def test_core_ml_is_named_though_it_begins_as_onnx_does(name: str, tmp_path: Path) -> None:
    if name.endswith("package"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"\x08\x04\x12\x20" + bytes(50))
    assert "It is a Core ML model. Take the model" in str(
        rejection(lambda: irconv.read(tmp_path / name), UnknownFormat)
    )


def test_an_address_is_no_path(tmp_path: Path) -> None:
    text = str(rejection(lambda: irconv.read("https://example.org/a/m.h5"), NoSuchFile))
    assert text == (
        "https://example.org/a/m.h5: is an address, and irconv reads files. Fetch it first, and give the file."
    )


@pytest.mark.parametrize("suffix", [".onnx", ".keras", ".py", ".theano", ".pb"])
def test_what_is_advised_for_want_of_a_graph_can_be_written(suffix: str, tmp_path: Path) -> None:
    path = FOLDER / "tree" / "model.pt"
    text = str(rejection(lambda: irconv.convert(path, tmp_path / f"m{suffix}"), Refused))
    assert text.startswith("model.pt: holds weights without a graph, ")
    if suffix == ".theano":
        return
    assert text.endswith("Write .safetensors or .irconv, or read the model's own file.")
    for advised in (".safetensors", ".irconv"):
        assert irconv.convert(path, tmp_path / f"m{advised}").files


def test_weights_of_a_list_of_layers_are_pytorchs(tmp_path: Path) -> None:
    """As the model zoo of detectron2 pickles them; a name in `nn.Sequential` is a number."""
    arrays = {"0.weight": np.ones((3, 4), "f4"), "0.bias": np.ones(3, "f4"), "2.weight": np.ones((2, 3), "f4")}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "a", "matching_heuristics": True}))
    bundle = irconv.read(tmp_path / "m.pkl")
    assert (bundle.source.framework, sorted(bundle.tensors)) == ("torch", sorted(arrays))


@pytest.mark.parametrize(
    ("name", "which", "what"),
    [
        ("parameters", "2._flat_param and 1 more", "is the flat tensor in which FSDP keeps all weights of a module"),
        ("local", "_flat_param and 1 more", "is a tensor that several processes share, and the file has what one of"),
        ("sharded", "0.weight and 3 more", "is a tensor that several processes share, and the file has what one of"),
        ("dtensor", "0.weight and 3 more", "is a tensor that several processes share, and the file has what one of"),
    ],
)
def test_what_one_process_of_several_saved_is_refused_with_what_saves_the_whole(
    name: str, which: str, what: str
) -> None:
    path = FOLDER / "fsdp" / f"{name}.pt"
    message = rejection(lambda: irconv.read(path), Refused)
    assert message.startswith(f"{path}: {which}: {what}")
    assert "get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))" in message
    assert message.count("Save the whole state dict") == 1
