"""What is written for Theano: the source's own files again, or Theano's words for a model from elsewhere."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

import irconv
from irconv.errors import MissingFact, Refused
from irconv.frameworks.theano import arrays
from irconv.frameworks.theano.kinds import KINDS
from irconv.ir.layers.activations import PRelu
from irconv.ir.layers.matrix import Einsum
from irconv.options import ReadOptions, WriteOptions
from tests.frameworks.theano.cases import CASES, case, name_of, read
from tests.helpers import GOLDEN_ERROR, Builder, Case, datasets, error, golden, numbers, rejection


@pytest.mark.parametrize("found", CASES, ids=name_of)
@pytest.mark.parametrize("origin", ["theano", "elsewhere"])
def test_a_written_folder_is_read_again_and_predicts_the_same(found: Case, origin: str, tmp_path: Path) -> None:
    bundle = read(found)
    if origin == "elsewhere":
        bundle = replace(bundle, source=bundle.source.model_copy(update={"framework": "other"}))
    irconv.write(bundle, tmp_path / "m.theano", WriteOptions(io="source"))
    results = irconv.run(tmp_path / "m.theano", found.inputs)
    assert error(list(results.values()), found.outputs) < GOLDEN_ERROR
    ast.parse((tmp_path / "m.theano" / "model.py").read_text())


@pytest.mark.parametrize("found", CASES, ids=name_of)
def test_one_file_with_its_architecture_beside_it_predicts_the_same(found: Case, tmp_path: Path) -> None:
    irconv.write(read(found), tmp_path / "m.theano.h5", WriteOptions(io="source"))
    again = irconv.read(tmp_path / "m.theano.h5", ReadOptions(arch=tmp_path / "arch.json"))
    assert error(list(irconv.run(again, found.inputs).values()), found.outputs) < GOLDEN_ERROR


def test_a_folder_comes_back_with_every_array_in_its_own_file_and_dataset(tmp_path: Path) -> None:
    found = case("storage-folder")
    irconv.write(read(found), tmp_path / "m.irconv")
    irconv.convert(tmp_path / "m.irconv", tmp_path / "m.theano")
    files = sorted(path.name for path in found.model.iterdir())
    assert sorted(path.name for path in (tmp_path / "m.theano").glob("*.h5")) == files
    for name in files:
        before, after = datasets(found.model / name), datasets(tmp_path / "m.theano" / name)
        assert {key: (a.dtype, a.tobytes()) for key, a in before.items()} == {
            key: (a.dtype, a.tobytes()) for key, a in after.items()
        }


def test_one_hdf5_file_comes_back_with_its_groups_and_element_types(tmp_path: Path) -> None:
    found = case("storage-dressed")
    irconv.write(read(found), tmp_path / "m.theano.h5")
    before, after = datasets(found.model), datasets(tmp_path / "m.theano.h5")
    assert sorted(after) == ["net/conv/W", "net/conv/b", "net/dense/W", "net/dense/real"]
    assert all((after[name] == before[name]).all() and after[name].shape == before[name].shape for name in after)
    assert after["net/conv/b"].dtype == "float64"


def test_the_source_of_a_theano_model_is_what_its_author_would_write(tmp_path: Path) -> None:
    irconv.write(read(case("storage-folder")), tmp_path / "m.theano")
    text = (tmp_path / "m.theano" / "model.py").read_text()
    assert (
        '    c = T.nnet.conv2d(x, load("W")) + load("b").dimshuffle("x", 0, "x", "x")\n    c = T.nnet.relu(c)\n' in text
    )
    assert text.endswith("    d = T.nnet.softmax(d)\n    return [x], [d]\n")


def test_the_architecture_of_a_foreign_model_knows_only_listed_kinds(tmp_path: Path) -> None:
    bundle = read(case("shapes"))
    irconv.write(bundle, tmp_path / "m.theano", WriteOptions(io="source"))
    layers = json.loads((tmp_path / "m.theano" / "arch.json").read_text())["layers"]
    assert {layer["kind"] for layer in layers} <= set(KINDS)


def test_layers_without_theano_ops_are_refused_by_name(tmp_path: Path) -> None:
    builder = Builder(x=("N", 3, 4), y=("N", 3, 4)).add("e", Einsum(equation="nij,nij->ni"), "x", "y")
    message = rejection(lambda: irconv.write(builder.build(), tmp_path / "m.theano"), Refused)
    assert message == "layer e (Einsum): Theano has no layer for it."
    assert list(tmp_path.iterdir()) == []


def test_arrays_without_an_architecture_are_not_written_as_a_model(tmp_path: Path) -> None:
    bundle = irconv.read(case("storage-npz-list").model)
    message = rejection(lambda: irconv.write(bundle, tmp_path / "m.onnx"), MissingFact)
    assert "Say with --arch what they are the weights of; `irconv sketch` begins such a file." in message


def test_names_that_are_no_file_names_become_such(tmp_path: Path) -> None:
    from irconv.ir.layers.convolution import Linear

    builder = Builder(x=("N", 3)).add("block/1 a", Linear(), "x", kernel=numbers(2, 3))
    irconv.write(builder.build(), tmp_path / "m.theano")
    assert [path.name for path in (tmp_path / "m.theano").glob("*.h5")] == ["block_1_a_W.h5"]
    assert len(arrays.read(tmp_path / "m.theano").found) == 1


def test_one_slope_a_channel_lies_along_the_channels(tmp_path: Path) -> None:
    builder = Builder(x=("N", 6, 5, 4)).add("p", PRelu(), "x", slope=numbers(6))
    irconv.write(builder.build(), tmp_path / "m.theano")
    assert 'load("p_alpha").dimshuffle("x", 0, "x", "x") * ' in (tmp_path / "m.theano" / "model.py").read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("keras3.15-mixed_bfloat16", "layer conv2d (Conv): computes in bfloat16, which Theano does not have. "),
        (
            "keras3.15-mixed_sequences",
            "layer lstm (LSTM): is a recurrence in float16, which Theano's scan does not run. ",
        ),
    ],
)
def test_element_types_that_theano_lacks_are_refused_and_float32_is_the_way_out(
    name: str, reason: str, tmp_path: Path
) -> None:
    found = golden(name)
    message = rejection(lambda: irconv.convert(found.model, tmp_path / "m.theano"), Refused)
    assert f"model.h5: {reason}--dtype f32 makes the model float32." in message.splitlines()
    irconv.convert(found.model, tmp_path / "m.theano", write_options=WriteOptions(dtype="f32"))
    assert (tmp_path / "m.theano" / "model.py").exists()
