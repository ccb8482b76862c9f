"""Keras files of every kind that a real Keras wrote: structures, archives, weights alone, operators, Keras 1."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import DamagedFile, MissingFact, Refused, UnknownFormat
from irconv.options import ReadOptions
from tests.helpers import error, rejection

FOLDER = Path(__file__).parents[3] / "fixtures" / "keras_files"
LIMIT = 2e-6


@dataclass(frozen=True)
class KindOfFile:
    """One folder of `fixtures/keras_files`."""

    folder: Path

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return told

    @property
    def file(self) -> Path:
        return self.folder / str(self.told["files"][0])

    @property
    def options(self) -> ReadOptions:
        """What the files do not say: the model where it stands beside the weights; for Keras 1 the backend."""
        arch = self.folder / "model.json" if "model.json" in self.told["files"] else None
        old = self.told["version"].startswith("1.")
        return ReadOptions(arch=arch, backend=self.told["backend"] if old else None)

    def arrays(self, letter: str) -> list[Any]:
        many = self.told["inputs" if letter == "x" else "outputs"]
        return [np.load(self.folder / f"{letter}_{i}.npy") for i in range(many)]


CASES = [KindOfFile(path) for path in sorted(FOLDER.iterdir()) if (path / "case.json").is_file()]


def name_of(case: KindOfFile) -> str:
    return case.folder.name


def case_of(name: str) -> KindOfFile:
    return next(case for case in CASES if case.folder.name == name)


def test_there_are_files_of_eight_keras_versions() -> None:
    versions = {"keras1.2.2-tensorflow", "keras1.2.2-theano", "keras2.2.4", "keras2.2.4-theano"}
    versions |= {"tf1.15", "tf2.4", "tf2.15", "keras3.15"}
    assert len(CASES) > 90
    assert {
        next(v for v in sorted(versions, key=len, reverse=True) if name_of(c).startswith(v)) for c in CASES
    } == versions


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_file_of_any_kind_predicts_what_keras_predicted(case: KindOfFile) -> None:
    bundle = irconv.read(case.file, case.options)
    got = irconv.run(bundle, case.arrays("x"))
    assert error(list(got.values()), case.arrays("y")) < LIMIT


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_array_of_a_file_is_in_the_bundle_bit_for_bit_or_listed_as_left_out(case: KindOfFile) -> None:
    bundle = irconv.read(case.file, case.options)
    stored = stored_arrays(case.file)
    kept, omitted = bundle.source_tensors(), {omitted.name for omitted in bundle.omitted}
    assert set(stored) - set(kept) <= omitted
    assert not omitted & set(kept)
    for name, lazy in kept.items():
        assert lazy.numpy().tobytes() == stored[name].tobytes(), name


def stored_arrays(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as inner, h5py.File(inner) as file:
            file.visititems(take)
    else:
        with h5py.File(path) as file:
            file.visititems(take)
    return found


@pytest.mark.parametrize("name", ["tf2.15-compiled-h5", "tf2.15-compiled-keras", "keras3.15-compiled-keras"])
def test_optimizer_state_is_listed_as_left_out(name: str) -> None:
    bundle = irconv.read(case_of(name).file)
    assert {omitted.reason for omitted in bundle.omitted} <= {"optimizer state", "state of a metric"}
    assert len(bundle.omitted) > 4


def test_a_frozen_layer_is_not_trainable_wherever_its_weights_stand_in_the_list() -> None:
    for name in ("keras2.2.4-frozen-h5", "tf2.15-frozen-h5", "tf2.15-frozen-keras", "keras3.15-frozen-weights-v3"):
        case = case_of(name)
        bundle = irconv.read(case.file, case.options)
        trained = {key for key, tensor in bundle.tensors.items() if tensor.record.trainable}
        assert trained == {"inner/norm.gamma", "inner/norm.beta"} | {
            f"{layer}.{role}" for layer in ("inner/third", "last") for role in ("kernel", "bias")
        }


def test_layers_of_nested_models_have_names_and_scopes_of_their_own() -> None:
    bundle = irconv.read(case_of("keras2.2.4-nested-h5").file)
    assert bundle.graph is not None
    scopes = {node.layer: node.scope for node in bundle.graph.nodes}
    assert scopes["tower/c"] == "tower"
    assert scopes["pair/deep/d"] == "pair/deep"
    assert scopes["out"] == ""
    assert sum(node.layer == "pair/deep/d" for node in bundle.graph.nodes) == 6
    assert [port.name for port in bundle.graph.outputs] == ["out", "pair/e"]


def test_weights_alone_are_groups_without_a_model() -> None:
    archive = irconv.read(case_of("keras3.15-counters-weights-v3").file)
    assert archive.graph is None
    assert [group.name for group in archive.groups][:2] == ["layers/conv2d", "layers/conv2d_1"]
    assert archive.groups[0].evidence == "the layer zeta; no model in the file"
    legacy = irconv.read(case_of("tf2.4-counters-weights-h5").file)
    assert {group.name for group in legacy.groups} == {"zeta", "alpha", "mid", "a_dense", "b_dense"}


def test_a_whole_model_takes_no_second_one() -> None:
    case = case_of("tf2.15-counters-weights-v3")
    whole = case_of("tf2.15-counters-keras").file
    text = rejection(lambda: irconv.read(whole, case.options), Refused)
    assert text.endswith(f"expected weights alone, but {whole} has a model of its own.")


def test_the_config_of_an_archive_says_what_weights_alone_are(tmp_path: Path) -> None:
    case, whole = case_of("keras3.15-counters-weights-v3"), case_of("keras3.15-counters-keras")
    config = tmp_path / "config.json"
    with zipfile.ZipFile(whole.file) as archive:
        config.write_bytes(archive.read("config.json"))
    for arch in (config, whole.file):
        got = irconv.run(irconv.read(case.file, ReadOptions(arch=arch)), case.arrays("x"))
        assert error(list(got.values()), case.arrays("y")) < LIMIT


def test_an_arch_that_is_no_model_is_refused(tmp_path: Path) -> None:
    case, text = case_of("keras3.15-counters-weights-v3"), tmp_path / "notes.json"
    text.write_text("not a model")
    said = rejection(lambda: irconv.read(case.file, ReadOptions(arch=text)), UnknownFormat)
    assert said.startswith(f"{text}: expected the JSON of a Keras model, got ")


def test_a_deflated_archive_is_read_as_a_stored_one_is(tmp_path: Path) -> None:
    case, packed = case_of("keras3.15-counters-keras"), tmp_path / "m.keras"
    with zipfile.ZipFile(case.file) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    got = irconv.run(irconv.read(packed), case.arrays("x"))
    assert error(list(got.values()), case.arrays("y")) < LIMIT


def repacked(case: KindOfFile, path: Path, **changed: bytes) -> Path:
    """An archive with other members: `config` or `weights`."""
    names = {"config.json": "config", "model.weights.h5": "weights"}
    with zipfile.ZipFile(case.file) as archive, zipfile.ZipFile(path, "w") as other:
        for name in archive.namelist():
            other.writestr(name, changed.get(names.get(name, ""), archive.read(name)))
    return path


def test_damaged_archives_are_refused_by_member(tmp_path: Path) -> None:
    case = case_of("keras3.15-counters-keras")
    broken = repacked(case, tmp_path / "a.keras", config=b"{")
    assert rejection(lambda: irconv.read(broken), DamagedFile).startswith(f"{broken}: config.json: expected JSON, got ")
    empty = repacked(case, tmp_path / "b.keras", weights=b"\x89HDF\r\n\x1a\n")
    assert "the HDF5 library cannot read it" in rejection(lambda: irconv.read(empty), DamagedFile)


def test_a_variable_that_no_layer_has_is_refused_and_a_missing_one_too(tmp_path: Path) -> None:
    case, inner = case_of("keras3.15-counters-keras"), tmp_path / "w.h5"
    with zipfile.ZipFile(case.file) as archive:
        content = archive.read("model.weights.h5")
    inner.write_bytes(content)
    with h5py.File(inner, "r+") as file:
        file["layers/dense/vars/2"] = np.zeros(3, np.float32)
    odd = repacked(case, tmp_path / "odd.keras", weights=inner.read_bytes())
    text = rejection(lambda: irconv.read(odd), Refused)
    assert "layers/dense: expected the variables kernel, bias of Dense a_dense, got 0 " in text
    inner.write_bytes(content)
    with h5py.File(inner, "r+") as file:
        del file["layers/dense/vars/0"], file["layers/dense/vars/1"]
    bare = repacked(case, tmp_path / "bare.keras", weights=inner.read_bytes())
    text = rejection(lambda: irconv.read(bare), DamagedFile)
    assert "layers/dense: expected the variables kernel, bias of Dense a_dense, got none." in text


def test_names_of_layers_that_hdf5_had_to_split_are_put_together(tmp_path: Path) -> None:
    case, path = case_of("tf2.4-nested-h5"), tmp_path / "m.h5"
    path.write_bytes(case.file.read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        names = group.attrs["layer_names"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:3], names[3:]
        weights = group["pair"].attrs["weight_names"]
        del group["pair"].attrs["weight_names"]
        for i, name in enumerate(weights):
            group["pair"].attrs[f"weight_names{i}"] = [name]
    got = irconv.run(irconv.read(path), case.arrays("x"))
    assert error(list(got.values()), case.arrays("y")) < LIMIT


def test_a_function_of_tensorflow_without_a_rule_is_refused_by_name(tmp_path: Path) -> None:
    case = case_of("tf2.4-operators-h5")
    path = edited_config(case, tmp_path / "m.h5", '"function": "math.exp"', '"function": "math.lbeta"')
    text = rejection(lambda: irconv.read(path), Refused)
    assert text.startswith(f"{path}: layer tf.math.exp (TFOpLambda): irconv has no rule for Keras's tf.math.lbeta.")


def test_an_argument_of_an_operator_that_is_not_known_is_refused(tmp_path: Path) -> None:
    case = case_of("tf2.4-operators-h5")
    path = edited_config(case, tmp_path / "m.h5", '"transpose_b": true', '"a_is_sparse": true')
    text = rejection(lambda: irconv.read(path), Refused)
    assert "is called with the arguments {'a_is_sparse': True}, which irconv does not read" in text


# Keras 1 ------------------------------------------------------------------------------------------------------------


def test_keras_1_on_tensorflow_shows_its_backend_and_on_theano_the_user_says_it() -> None:
    shown = irconv.read(case_of("keras1.2.2-tensorflow-sequences-h5").file)
    assert shown.source.facts[0].evidence == "variable names end in ':0', as only TensorFlow's do"
    path = case_of("keras1.2.2-theano-sequences-h5").file
    text = rejection(lambda: irconv.read(path), MissingFact)
    assert text.endswith("stored turned by 180 degrees. Give --backend tensorflow or --backend theano.")


def edited_config(case: KindOfFile, path: Path, old: str, new: str, count: int = -1) -> Path:
    path.write_bytes(case.file.read_bytes())
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        text = text.decode() if isinstance(text, bytes) else text
        assert old in text
        file.attrs["model_config"] = text.replace(old, new, count)
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (
            "merges",
            '"mode": "sum"',
            '"mode": "own"',
            "layer sum (Merge): expected a mode of ave, concat, cos, dot, max, mul, sum",
        ),
        ("images_tf", '"mode": 0', '"mode": 2', "or 1, each sample's own, got mode 2"),
        ("images_tf", '"border_mode": "same"', '"border_mode": "full"', "pads with border_mode='full'"),
        ("transposed_tf", "[2, 7, 5, 6]", "[2, 8, 5, 6]", "layer plain (Deconvolution2D): "),
    ],
)
def test_what_keras_2_cannot_say_of_keras_1_is_refused(
    name: str, old: str, new: str, reason: str, tmp_path: Path
) -> None:
    case = case_of(f"keras1.2.2-tensorflow-{name}-h5")
    path = edited_config(case, tmp_path / "m.h5", old, new)
    assert reason in rejection(lambda: irconv.read(path, case.options), Refused)


def test_padding_without_an_order_of_axes_asks_for_one(tmp_path: Path) -> None:
    case = case_of("keras1.2.2-tensorflow-images_th-h5")
    path = edited_config(case, tmp_path / "m.h5", '"dim_ordering": "th"', '"dim_ordering": "tf"', 1)
    text = rejection(lambda: irconv.read(path), MissingFact)
    assert text.endswith("which do not write theirs. Give --dim-ordering th or --dim-ordering tf.")
    got = irconv.run(irconv.read(case.file, ReadOptions(dim_ordering="th")), case.arrays("x"))
    assert error(list(got.values()), case.arrays("y")) < LIMIT


def test_an_archive_whose_weights_lie_where_a_user_block_of_hdf5_would_end_is_an_archive(tmp_path: Path) -> None:
    case, path = case_of("keras3.15-counters-keras"), tmp_path / "m.keras"
    with zipfile.ZipFile(case.file) as archive, zipfile.ZipFile(path, "w") as other:
        config = archive.read("config.json")
        start = next(2**n for n in range(9, 20) if 2**n > len(config) + 200)
        between = 30 + len("config.json") + 30 + len("model.weights.h5")
        other.writestr("config.json", config + b" " * (start - between - len(config)))
        other.writestr("model.weights.h5", archive.read("model.weights.h5"))
        other.writestr("metadata.json", archive.read("metadata.json"))
    assert path.read_bytes()[start : start + 4] == b"\x89HDF"
    assert irconv.read(path).graph is not None
