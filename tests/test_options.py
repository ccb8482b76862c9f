"""Options act or are refused, and one that overrides what the file says is told: in the output and in the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.errors import MissingFact, Refused, UnusedOption
from irconv.options import ReadOptions
from tests.helpers import ROOT, golden, lenet, rejection

TORCH = ROOT / "fixtures" / "torch"
KERAS = lenet("keras2.3.1-lenet4-h5").model
FILES = ROOT / "fixtures" / "keras_files"
EDITS: dict[str, Any] = {"until": ("a",), "replace": ("a=identity",), "plugins": (Path("p.py"),)}
EDIT_FLAGS = "--until a\n--replace a=identity\n--plugin p.py"


def refused(path: Path, **asked: Any) -> str:
    return rejection(lambda: irconv.read(path, ReadOptions(**asked)), UnusedOption)


def each(flags: str, reason: str) -> str:
    return "\n".join(f"{flag}: has no effect: {reason}" for flag in flags.splitlines())


def test_layers_are_not_edited_in_weights_without_layers() -> None:
    path = FILES / "keras1.2.2-theano-nested-weights-h5" / "weights.h5"
    reason = "the file holds weights without layers. Give the model's JSON with --arch, too."
    assert refused(path, backend="theano", **EDITS) == each(EDIT_FLAGS, reason)


def test_layers_are_not_edited_in_bare_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", W=np.ones((2, 3)))
    reason = "arrays without an architecture have no layers. Give --arch, too."
    assert refused(tmp_path / "w.npz", **EDITS) == each(EDIT_FLAGS, reason)


def test_safetensors_have_no_use_for_what_pickles_need(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.ones(3, np.float32)}, tmp_path / "m.safetensors")
    asked = {"key": "a", "ema": True, "input_shape": ("N,1",), "module_map": ("A=Flatten",)}
    flags = f"{EDIT_FLAGS}\n--key a\n--ema\n--input-shape N,1\n--module-map A=Flatten"
    reason = "safetensors hold tensors by name and nothing else. Leave it out."
    assert refused(tmp_path / "m.safetensors", **asked, **EDITS) == each(flags, reason)


def test_a_state_dict_has_no_use_for_what_modules_need() -> None:
    flags = f"{EDIT_FLAGS}\n--input-shape N,1\n--module-map A=Flatten"
    reason = "the file holds tensors by name, and no module with an order of its parts. Leave it out."
    asked = {"key": "generator", "input_shape": ("N,1",), "module_map": ("A=Flatten",)}
    assert refused(TORCH / "pair.pt", **asked, **EDITS) == each(flags, reason)


def test_the_averaged_copy_is_refused_where_there_is_none_or_a_key_says_which() -> None:
    text = rejection(lambda: irconv.read(TORCH / "parts.pt", ReadOptions(ema=True)), MissingFact)
    assert text == f"{TORCH / 'parts.pt'}: --ema: expected an averaged copy of the weights, but the file holds none."
    assert refused(TORCH / "pair.pt", ema=True, key="generator") == (
        "--ema: has no effect: --key says which weights are read. Leave it out."
    )


def test_a_class_that_the_module_lacks_is_not_mapped() -> None:
    options = ReadOptions(input_shape=("N,1,11,8",), module_map=("Nosuch=Flatten", "Other=ReLU"))
    text = rejection(lambda: irconv.read(TORCH / "torch14-zip-module.pt", options), MissingFact)
    assert text == (
        "--module-map Nosuch=Flatten: the module has no part of this class.\n"
        "--module-map Other=ReLU: the module has no part of this class."
    )


def test_edits_act_on_a_module_of_pytorch() -> None:
    options = ReadOptions(input_shape=("N,1,11,8",), until=("nosuch",))
    text = rejection(lambda: irconv.read(TORCH / "torch213-module.pt", options), MissingFact)
    assert text == "--until nosuch: expected the name of a layer, but the model has none of this name."


def test_a_plugin_for_another_framework_is_refused() -> None:
    plugin = ROOT / "examples" / "scale_plugin.py"
    options = ReadOptions(input_shape=("N,1,11,8",), plugins=(plugin,))
    text = rejection(lambda: irconv.read(TORCH / "torch213-module.pt", options), MissingFact)
    assert text == f"--plugin {plugin}: expected codecs for pytorch, as the model is PyTorch's, got keras."


def test_the_order_of_axes_is_stated_for_keras_1_alone() -> None:
    assert refused(KERAS, dim_ordering="th") == (
        "--dim-ordering th: has no effect: layers of Keras 2 say their data_format. Leave it out."
    )
    weights = FILES / "keras2.2.4-nested-weights-h5" / "weights.h5"
    assert refused(weights, dim_ordering="th") == (
        "--dim-ordering th: has no effect: only Keras 1 keeps kernels in several orders. Leave it out."
    )
    old = FILES / "keras1.2.2-theano-nested-weights-h5" / "weights.h5"
    facts = irconv.read(old, ReadOptions(backend="theano", dim_ordering="th")).source.facts
    assert ("dim_ordering", "th", "given by the user") in {(f.name, f.value, f.evidence) for f in facts}


@pytest.mark.parametrize("name", ["keras3.15-compiled-h5", "keras3.15-compiled-keras"])
def test_a_backend_that_this_keras_never_had_is_refused(name: str) -> None:
    (file,) = (FILES / name).glob("model.*")
    text = rejection(lambda: irconv.read(file, ReadOptions(backend="theano")), Refused)
    assert text == "--backend theano: expected a backend that Keras 3.15.1 has. Leave it out."


def overridden(path: Path, *flags: str, folder: Path) -> tuple[str, list[dict[str, str]]]:
    """What a conversion says on stderr of what was overridden, and what the manifest keeps of it."""
    done = CliRunner().invoke(main, ["convert", str(path), str(folder / "m.irconv"), "--force", *flags])
    assert done.exit_code == 0, done.stderr
    said = "".join(f"{line}\n" for line in done.stderr.splitlines() if "given by the user" in line)
    facts = json.loads((folder / "m.irconv" / "manifest.json").read_text())["source"]["facts"]
    return said, [fact for fact in facts if "against" in fact["evidence"]]


def test_a_backend_against_the_files_own_is_told(tmp_path: Path) -> None:
    said, kept = overridden(KERAS, "--backend", "theano", folder=tmp_path)
    evidence = "given by the user, against tensorflow: the file's attribute 'backend'"
    assert said == f"backend: theano ({evidence})\n"
    assert kept == [{"name": "backend", "value": "theano", "evidence": evidence}]


def test_a_backend_that_the_file_states_too_is_not_told(tmp_path: Path) -> None:
    assert overridden(KERAS, "--backend", "tensorflow", folder=tmp_path) == ("", [])


def test_a_framework_against_what_the_file_shows_is_told(tmp_path: Path) -> None:
    said, kept = overridden(KERAS, "--from", "theano", folder=tmp_path)
    assert said == "format: theano (given by the user, against keras, as it has the attribute model_config)\n"
    assert [fact["name"] for fact in kept] == ["format"]
    assert overridden(KERAS, "--from", "keras", folder=tmp_path) == ("", [])


def test_an_order_of_axes_against_the_layers_is_told(tmp_path: Path) -> None:
    path = FILES / "keras1.2.2-tensorflow-images_tf-h5" / "model.h5"
    said, _ = overridden(path, "--backend", "tensorflow", "--dim-ordering", "th", "--until", "pad", folder=tmp_path)
    assert said == "dim_ordering: th (given by the user, against tf of the layers)\n"


def test_an_architecture_against_the_folders_own_is_told(tmp_path: Path) -> None:
    case = ROOT / "fixtures" / "theano"
    folder = next(path.parent for path in sorted(case.rglob("arch.json")) if list(path.parent.glob("*.npz")))
    shutil.copytree(folder, tmp_path / "arrays", ignore=shutil.ignore_patterns("x_*", "y_*", "case.json"))
    shutil.copyfile(folder / "arch.json", tmp_path / "mine.json")
    said, kept = overridden(tmp_path / "arrays", "--arch", str(tmp_path / "mine.json"), folder=tmp_path)
    assert said == "architecture: mine.json (given by the user, against arch.json in the folder)\n"
    assert len(kept) == 1


def test_what_was_overridden_stays_with_the_bundle(tmp_path: Path) -> None:
    overridden(KERAS, "--backend", "theano", folder=tmp_path)
    done = CliRunner().invoke(main, ["convert", str(tmp_path / "m.irconv"), str(tmp_path / "m.onnx"), "--json"])
    assert [fact["name"] for fact in json.loads(done.stdout)["told"]] == ["backend"]


@pytest.mark.parametrize("flag", ["--backend", "--arch", "--key", "--to", "--opset", "--signature"])
def test_an_option_of_one_value_is_not_given_twice(flag: str, tmp_path: Path) -> None:
    value = {"--backend": "theano", "--opset": "18", "--arch": str(KERAS)}.get(flag, "onnx")
    command = ["convert", str(KERAS), str(tmp_path / "m.onnx"), flag, value, flag, value]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert f"Error: {flag} is given more than once, and holds one value." in done.stderr


def test_each_of_several_layers_to_read_until_gives_an_output() -> None:
    case = golden("tf2.15-flatten_dense")
    bundle = irconv.read(case.model, ReadOptions(until=("flatten", "dense")))
    assert bundle.graph is not None
    assert [port.name for port in bundle.graph.outputs] == ["flatten", "dense"]
    text = rejection(lambda: irconv.read(case.model, ReadOptions(until=("dense", "a", "b"))), MissingFact)
    assert [line.split(":")[0] for line in text.splitlines()] == ["--until a", "--until b"]
