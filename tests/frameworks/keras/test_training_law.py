"""What training alone does is written or told, by every writer, for every layer class of Keras 3 and each setting.

Golden files are given a regulariser, a constraint and a dropout wherever a class takes one, each with a number of its
own: the number must come up in what is written or in what is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any
from zipfile import ZipFile

import h5py
import pytest

import irconv
from irconv.errors import IrconvError
from irconv.frameworks.keras import training, training_alone
from irconv.frameworks.keras.dialect import KERAS_3
from irconv.options import WriteOptions
from tests.helpers import GOLDEN, Case

WRITERS = ("m.onnx", "m.py", "m.pb", "m.keras", "m.h5")
_MODULES = {
    "_regularizer": ("keras.regularizers", "L2", "l2"),
    "_constraint": ("keras.constraints", "MaxNorm", "max_value"),
}
_FILES = [case for case in GOLDEN if case.name.startswith("keras3.15-") and case.model.suffix == ".h5"]


def layers_in(entry: Any) -> Iterator[dict[str, Any]]:
    """Every entry of a layer, wrapped ones and those of models in the model too."""
    if isinstance(entry, dict):
        if isinstance(entry.get("config"), dict) and str(entry.get("module", "")).startswith("keras.layers"):
            yield entry
        for value in entry.values():
            yield from layers_in(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from layers_in(value)


def kinds(case: Case) -> frozenset[str]:
    with h5py.File(case.model) as file:
        return frozenset(entry["class_name"] for entry in layers_in(json.loads(file.attrs["model_config"])))


def one_of_each() -> list[Case]:
    """The fewest files, the first of each class."""
    found: list[Case] = []
    seen = set[str]()
    for case in _FILES:
        if new := kinds(case) - seen:
            seen |= new
            found.append(case)
    return found


def planted(case: Case, path: Path) -> dict[str, str]:
    """Write the file with settings of training wherever they may stand; their numbers, and what each is of."""
    numbers: dict[str, str] = {}
    copyfile(case.model, path)
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
    for entry in layers_in(config):
        kind, settings = entry["class_name"], entry["config"]
        for name in sorted({*(KERAS_3.arguments(kind) or ()), "activity_regularizer"} & settings.keys()):
            number = f"0.1{len(numbers):03}1"
            for ending, (module, cls, word) in _MODULES.items():
                if name.endswith(ending):
                    inner = {"class_name": cls, "config": {word: float(number)}, "registered_name": None}
                    settings[name] = {"module": module, **inner}
                    numbers[number] = f"{settings['name']}: {kind}.{name}"
            if name in ("dropout", "recurrent_dropout"):
                settings[name] = float(number)
                numbers[number] = f"{settings['name']}: {kind}.{name}"
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
    return numbers


def text_of(folder: Path) -> str:
    """All that was written, as text."""
    found = ""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".keras":
            with ZipFile(path) as archive:
                found += archive.read("config.json").decode()
        elif path.suffix == ".h5":
            with h5py.File(path) as file:
                found += file.attrs["model_config"]
        elif path.is_file():
            found += path.read_bytes().decode("latin-1")
    return found


def neither(case: Case, folder: Path) -> list[str]:
    """The settings that a writer neither writes nor tells."""
    source = folder / "planted.h5"
    numbers = planted(case, source)
    bundle, found, refused = irconv.read(source), list[str](), list[str]()
    for name in WRITERS:
        into = folder / name.rpartition(".")[2]
        into.mkdir()
        try:
            told = irconv.write(bundle, into / name, WriteOptions()).told
        except IrconvError as error:
            refused.append(f"{name} is refused: {error.problems[0]}")
            continue
        said = text_of(into) + " ".join(fact.value for fact in told)
        left = (what for number, what in numbers.items() if number not in said)
        found += [f"{name}: {what} is neither written nor told" for what in left]
    print("\n".join(refused))
    assert len(refused) < len(WRITERS), refused
    return found


@pytest.mark.parametrize("case", one_of_each(), ids=lambda case: case.name)
def test_every_setting_of_training_is_written_or_told(case: Case, tmp_path: Path) -> None:
    assert neither(case, tmp_path) == []


def test_a_planted_setting_that_a_writer_drops_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in _FILES if "Dense" in kinds(case))
    monkeypatch.setattr(training_alone, "regularised", lambda config, depth=0: iter(()))
    found = neither(case, tmp_path)
    assert any(line.startswith("m.onnx: ") and "kernel_regularizer is neither" in line for line in found)
    assert not any(line.startswith("m.keras: ") for line in found)


def test_a_planted_setting_that_keras_itself_loses_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in _FILES if "Dense" in kinds(case))
    monkeypatch.setattr(training, "_OBJECTS", ("_initializer", "_constraint"))
    monkeypatch.setattr("irconv.frameworks.keras.write.left_out", lambda *_: ())
    assert any("m.keras: " in line and "kernel_regularizer is neither" in line for line in neither(case, tmp_path))
