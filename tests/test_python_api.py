"""What people try first in Python: it works, it is short, and errors are those that Python has for them."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Fault, MissingFact, OutputExists, Refused, UnknownFormat, UnusedOption
from irconv.keywords import Adopting, Converting, Counting, Facts, Reading, Writing
from irconv.options import AdoptOptions, DiffOptions, ReadOptions, WriteOptions, flag
from irconv.wording import ARGUMENTS, in_python
from tests.helpers import ROOT, lenet, rejection

FOLDER = lenet("tf2.15-lenet5-h5").model.parent


def test_a_bundle_and_its_tensors_say_what_they_are_in_a_line() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    assert repr(bundle) == "<Bundle from keras 2.15.0: 13 layers, 10 tensors, 61,706 numbers>"
    assert repr(bundle.tensors["dense.kernel"]) == "<Tensor float32 (120, 400) OI>"
    weights = irconv.read(lenet("keras2.2.4-lenet4-weights-h5").model)
    assert repr(weights) == "<Bundle from keras 2.2.4: 4 groups, no graph, 8 tensors, 69,362 numbers>"


def test_a_tensor_is_an_array_where_numpy_asks_for_one() -> None:
    tensor = irconv.read(FOLDER / "model.h5").tensors["dense.kernel"]
    array = np.asarray(tensor)
    assert (array.shape, array.dtype) == ((120, 400), np.float32)
    assert np.asarray(tensor, np.float64).dtype == np.float64
    assert float(np.max(tensor)) == float(array.max())
    with pytest.raises(ValueError, match="has no array to share"):
        np.asarray(tensor, copy=False)


def test_a_tensor_has_a_shape_a_type_and_elements() -> None:
    tensor = irconv.read(FOLDER / "model.h5").tensors["dense.kernel"]
    assert (tensor.shape, tensor.dtype) == ((120, 400), "float32")
    assert np.array_equal(tensor[:, 3], tensor.numpy()[:, 3])
    assert len(list(tensor)) == 120


def test_layers_and_tensors_have_places_and_slices() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    assert [layer.type for layer in bundle.layers[-3:]] == ["Tanh", "Linear", "Softmax"]
    assert bundle.tensors[np.int64(1)] is bundle.tensors[1]
    assert bundle.layers["dense"] is next(layer for name, layer in bundle.layers.items() if name == "dense")
    with pytest.raises(IndexError, match="expected a place from 0 to 12, got 13"):
        bundle.layers[13]


def test_a_model_with_one_input_runs_on_one_array() -> None:
    x = np.load(FOLDER / "x_0.npy")
    (got,) = irconv.run(irconv.read(FOLDER / "model.h5"), x, runtime="numpy").values()
    assert np.abs(got - np.load(FOLDER / "y_0.npy")).max() < 2e-6


def test_a_file_that_is_not_there_is_pythons_own_error_too() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5: there is no such file or folder"):
        irconv.read("nowhere.h5")


def test_a_destination_that_exists_is_pythons_own_error_too(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(FileExistsError, match=r"exists already\. Give force=True"):
        irconv.convert(FOLDER / "model.h5", tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    irconv.convert(FOLDER / "model.h5", tmp_path / "M.ONNX")
    assert irconv.read(tmp_path / "M.ONNX").graph is not None


def test_the_command_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "irconv", "--version"], capture_output=True, text=True, check=True)
    assert irconv.__version__ in done.stdout


def test_what_is_asked_of_a_run_may_be_said_in_keywords() -> None:
    x = np.load(FOLDER / "x_0.npy")
    assert irconv.run(FOLDER / "model.h5", x, runtime="numpy", until="dense_1")["dense_1"].shape == (len(x), 84)
    said = rejection(lambda: irconv.run(FOLDER / "model.h5", x, untl="dense_1"), UnusedOption)  # type: ignore[call-arg]
    assert said == "untl=: there is no such argument. Try until=."


def test_one_input_may_be_lists_or_whatever_numpy_takes_for_an_array() -> None:
    x, model = np.load(FOLDER / "x_0.npy"), irconv.read(FOLDER / "model.h5")

    class Array:
        def __array__(self, dtype: object = None, copy: object = None) -> object:
            return x

    wanted = irconv.run(model, x, runtime="numpy")["dense_2"]
    for given in (x.tolist(), [x], (x,), Array()):
        assert np.array_equal(irconv.run(model, given, runtime="numpy")["dense_2"], wanted)


def test_what_is_asked_of_a_diff_may_be_said_in_keywords_and_of_each_side_in_a_dict() -> None:
    path = FOLDER / "model.h5"
    assert irconv.diff(path, path, atol=1e-6, ignore="renamed").ignored == {"renamed"}
    found = irconv.diff(path, path.read_bytes(), read_a={"until": "dense_1"})
    assert [layer.a or layer.b for layer in found.report.layers if layer.differs] == ["dense_2", "dense_2.activation"]
    said = rejection(lambda: irconv.diff(path, path, atoll=1), UnusedOption)  # type: ignore[call-arg]
    assert said == "atoll=: there is no such argument. Try atol= or rtol=."
    said = rejection(lambda: irconv.diff(path, path, read_a={"untl": "x"}), UnusedOption)  # type: ignore[typeddict-unknown-key]
    assert said == "untl=: there is no such argument. Try until=."


def test_what_is_asked_of_an_adoption_may_be_said_in_keywords(tmp_path: Path) -> None:
    irconv.convert(FOLDER / "model.h5", tmp_path / "theirs.safetensors")
    paths = FOLDER / "model.h5", tmp_path / "theirs.safetensors", tmp_path / "mine.safetensors"
    assert irconv.adopt(*paths, partial=True).placed == irconv.adopt(*paths, force=True).placed
    said = rejection(lambda: irconv.adopt(*paths, forse=True), UnusedOption)  # type: ignore[call-arg]
    assert said == "forse=: there is no such argument. Try force= or opset=."


def test_a_model_that_is_no_file_is_told_what_to_do_where_only_a_file_can_run() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    said = rejection(lambda: irconv.verify(bundle, FOLDER / "model.h5"), MissingFact)  # type: ignore[arg-type]
    assert said == "a: expected a path, got an object of Bundle. Write it to a file first, which irconv.write does."
    said = rejection(lambda: irconv.write(bundle, io.BytesIO()), MissingFact)  # type: ignore[arg-type]
    assert said == "path: expected a path, got an object of BytesIO."


def test_a_call_with_other_arguments_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'prob'"):
        irconv.check("m.irconv", prob=False)  # type: ignore[call-arg]


# what is read --------------------------------------------------------------------------------------------------------


def same(a: irconv.Bundle, b: irconv.Bundle) -> bool:
    """Whether two bundles have the same tensors, here and in the file, bit for bit."""
    ours = {key: tensor.data for key, tensor in a.tensors.items()} | a.source_tensors()
    theirs = {key: tensor.data for key, tensor in b.tensors.items()} | b.source_tensors()
    return list(ours) == list(theirs) and all(np.array_equal(ours[key].numpy(), theirs[key].numpy()) for key in ours)


@pytest.mark.parametrize(
    "path",
    [
        FOLDER / "model.h5",
        ROOT / "fixtures" / "torch" / "lightning.pt",
        ROOT / "fixtures" / "torch-programs" / "torch213-tied" / "tied.pt2",
        ROOT / "fixtures" / "keras_files" / "keras3.15-compiled-keras" / "model.keras",
    ],
    ids=lambda path: path.suffix,
)
def test_bytes_and_open_files_are_read_by_their_content(path: Path) -> None:
    wanted, content = irconv.read(path), path.read_bytes()
    with path.open("rb") as opened:
        found = [irconv.read(content), irconv.read(io.BytesIO(content)), irconv.read(opened)]
    assert all(same(bundle, wanted) for bundle in found)
    assert [bundle.source.files[0].name for bundle in found] == ["model", "model", path.name]
    assert all(bundle.opened == {} and bundle.paths == () for bundle in found)


def test_what_was_read_of_bytes_is_written_soundly(tmp_path: Path) -> None:
    irconv.write(irconv.read((FOLDER / "model.h5").read_bytes()), tmp_path / "m.irconv")
    assert irconv.check(tmp_path / "m.irconv") == []
    irconv.write(irconv.read((FOLDER / "model.h5").read_bytes()), tmp_path / "m.onnx")


def test_errors_of_bytes_and_open_files_speak_of_what_was_given(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.read(b"nothing"), UnknownFormat)
    assert text.startswith("<bytes>: no reader recognises its content. ")
    (tmp_path / "m.h5").write_bytes(b"nothing")
    with (tmp_path / "m.h5").open("rb") as opened:
        assert rejection(lambda: irconv.read(opened), UnknownFormat).startswith(f"{tmp_path / 'm.h5'}: ")
    with (tmp_path / "m.h5").open() as opened:
        text = rejection(lambda: irconv.read(opened), MissingFact)  # type: ignore[arg-type]
    assert text.endswith("expected a file open for reading bytes, got one for text. Open it with 'rb'.")
    text = rejection(lambda: irconv.read(3), MissingFact)  # type: ignore[arg-type]
    assert text == "source: expected a path, bytes or a file open for reading bytes, got int."


def test_layers_and_tensors_are_found_by_name_and_by_place() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    assert [*bundle.layers][:2] == ["conv2d", "conv2d.activation"]
    assert bundle.layers[0] is bundle.layers["conv2d"]
    assert bundle.layers[-1] is bundle.layers["dense_2.activation"]
    assert bundle.tensors[0] is bundle.tensors["conv2d.kernel"]
    assert len(bundle.tensors) == len(list(bundle.tensors)) == 10
    with pytest.raises(KeyError, match="dens: there is no such name; close are 'dense'"):
        bundle.layers["dens"]
    with pytest.raises(IndexError, match="expected a place from 0 to 12, got 13"):
        bundle.layers[13]
    assert "nosuch" not in bundle.layers
    assert bundle.layers.get("nosuch") is None
    assert type(replace(bundle, layers=dict(bundle.layers)).layers) is type(bundle.layers)


def test_a_layer_says_what_it_is_without_its_source() -> None:
    text = repr(irconv.read(FOLDER / "model.h5").layers["conv2d"])
    assert text.startswith("Conv(type='Conv', operands=")
    assert "origin" not in text
    assert len(text) < 300


def test_a_notebook_shows_a_short_table_in_which_names_are_text() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    page = bundle._repr_html_()
    assert "<td>dense</td><td>Linear</td><td>(N, 120)</td><td>48,120</td>" in page
    assert "input conv2d_input: float32 (N, 1, 28, 28) NCHW" in page
    assert bundle.graph is not None
    bad = "<script>x</script>"
    nodes = tuple(node.model_copy(update={"layer": bad}) for node in bundle.graph.nodes[:1])
    many = bundle.graph.model_copy(update={"nodes": nodes * 100})
    page = replace(bundle, graph=many, layers={bad: bundle.layers[0]})._repr_html_()
    assert bad not in page
    assert "&lt;script&gt;" in page
    assert page.count("<tr>") == 1 + 24 + 1
    assert "76 more" in page
    assert "<td>dense_1</td>" in irconv.read(lenet("keras2.2.4-lenet4-weights-h5").model)._repr_html_()


# arguments -----------------------------------------------------------------------------------------------------------


def test_options_are_keywords_and_one_value_stands_for_several(tmp_path: Path) -> None:
    model = FOLDER / "model.h5"
    cut = irconv.read(model, until="dense_1")
    assert cut.graph is not None
    assert cut.graph == irconv.read(model, ReadOptions(until=("dense_1",))).graph
    assert irconv.write(cut, tmp_path / "m.bin", target_format="onnx").format == "onnx"
    irconv.convert(model, tmp_path / "m.bin", until=["dense_1"], target_format="onnx", force=True)
    assert irconv.read(tmp_path / "m.bin").graph is not None
    options = ReadOptions(arch="a.json", plugins=["p.py"], until="a")  # type: ignore[arg-type]
    assert options == ReadOptions(arch=Path("a.json"), plugins=(Path("p.py"),), until=("a",))


def test_keywords_are_the_fields_of_options() -> None:
    assert {*Reading.__annotations__} == {field.name for field in fields(ReadOptions)}
    assert {*Facts.__annotations__} == {*Reading.__annotations__} - {"inputs"}
    assert [*Counting.__annotations__] == [field.name for field in fields(DiffOptions)]
    own = {field.name for field in fields(AdoptOptions)}
    assert {*Adopting.__annotations__} == {*Converting.__annotations__} | own
    assert {*Writing.__annotations__} == {field.name for field in fields(WriteOptions)}
    assert {*Converting.__annotations__} == {*Reading.__annotations__, *Writing.__annotations__}


def test_an_unknown_keyword_is_refused_with_those_that_are_alike() -> None:
    text = rejection(lambda: irconv.read(FOLDER / "model.h5", bakend="theano"), UnusedOption)  # type: ignore[call-arg]
    assert text == "bakend=: there is no such argument. Try backend=."


# errors --------------------------------------------------------------------------------------------------------------


def test_what_arguments_and_models_are_to_blame_for_is_a_value_error(tmp_path: Path) -> None:
    model = FOLDER / "model.h5"
    for call, kind in (
        (lambda: irconv.convert(model, tmp_path / "m.xyz"), UnknownFormat),
        (lambda: irconv.read(model, until="nosuch"), MissingFact),
        (lambda: irconv.read(model, key="a"), UnusedOption),
        (lambda: irconv.write(irconv.read(model), tmp_path / "m.onnx", opset=3), Refused),
    ):
        with pytest.raises(ValueError) as raised:
            call()
        assert isinstance(raised.value, kind)
        assert type(raised.value).__name__ == kind.__name__
    assert not issubclass(Fault, ValueError)
    assert not issubclass(OutputExists, ValueError)


def test_errors_speak_of_arguments_and_their_problems_of_flags() -> None:
    with pytest.raises(irconv.IrconvError) as raised:
        irconv.read(FOLDER / "model.h5", until=("a", "b"), key=None)
    said = "expected the name of a layer, but the model has none of this name"
    assert str(raised.value) == f"until=('a',): {said}.\nuntil=('b',): {said}."
    assert [problem.where for problem in raised.value.problems] == ["--until a", "--until b"]


def test_errors_pass_between_processes() -> None:
    with pytest.raises(irconv.IrconvError) as raised:
        irconv.read(FOLDER / "model.h5", until="a")
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is type(raised.value)
    assert again.problems == raised.value.problems
    with pytest.raises(FileNotFoundError) as missing:
        irconv.read("nowhere.h5")
    assert str(pickle.loads(pickle.dumps(missing.value))) == str(missing.value)


@pytest.mark.parametrize("kind", [ReadOptions, WriteOptions, DiffOptions, AdoptOptions])
def test_every_flag_that_is_a_field_has_its_argument(kind: type[ReadOptions]) -> None:
    for field in fields(kind):
        assert field.name in ARGUMENTS
        assert in_python(flag(field.name)).split("=")[0] == field.name


@pytest.mark.parametrize(
    ("said", "python"),
    [
        ("Give --opset 18 or more.", "Give opset=18 or more."),
        ("Give --backend tensorflow or --backend theano.", "Give backend='tensorflow' or backend='theano'."),
        ("--replace leaves it out, --until stops before it.", "replace= leaves it out, until= stops before it."),
        ("Give --input-shape x=N,1,28,28.", "Give input_shape=('x=N,1,28,28',)."),
        ("--no-verify reads it as it is.", "digests=False reads it as it is."),
        ("--no-recompose leaves it.", "recompose=False leaves it."),
        ("m.pt: a--arch, --nosuch", "m.pt: a--arch, --nosuch"),
    ],
)
def test_flags_in_a_sentence_become_arguments(said: str, python: str) -> None:
    assert in_python(said) == python
