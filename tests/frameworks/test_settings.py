"""A setting that changes what a layer computes changes each file that the layer is written into, or is refused.

For each layer type and each of its settings the cases are varied: other values of the setting, of other cases or near
its own. What is written for both, and what the numpy runtime computes of both, is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

import irconv
from irconv.errors import IrconvError
from irconv.execute import execute
from irconv.frameworks.onnx.table import TABLE
from irconv.ir.layers import MODULES
from irconv.ir.layers.base import Layer
from irconv.ir.layers.recurrent_base import UNDROPPED
from irconv.options import WriteOptions
from irconv.rows import Attribute, Only
from tests.layers.harness import Case, bundle_of
from tests.layers.test_layers import CASES, WITHOUT_CASES

RECURRENT = ("RNN", "GRU", "LSTM", "ConvLSTM", "LayerNormLSTM", "LayerNormRNN", "NASRNN")
WRITERS = ("m.onnx", "m.py", "m.keras", "m.pb", "m.theano")
#: Settings that inference does not use, and those whose words are names of sizes.
SILENT = {
    **{("Dropout", name): "acts in training alone" for name in ("rate", "noise", "shared")},
    ("GaussianNoise", "deviation"): "acts in training alone",
    **{("Augmentation", name): "acts in training alone" for name in ("kind", "details", "image")},
    **{(kind, name): "acts in training alone" for kind in RECURRENT for name in UNDROPPED},
    ("BatchNorm", "momentum"): "moves statistics in training",
    ("Embedding", "padding_index"): "keeps training from changing a row",
    ("LocallyConnected", "padding"): "the kernel has its positions, so that only other words for the same padding fit",
}
_MOST_CASES, _MOST_VALUES = 6, 3


def candidates(layer: Layer, name: str) -> list[Any]:
    """Other values of a setting: words that its type allows, those of other cases, and neighbours of a number."""
    now = getattr(layer, name)
    field = type(layer).model_fields[name].annotation
    found = [word for word in get_args(field) if isinstance(word, str | bool | int)]
    found += [getattr(case.layer, name) for case in CASES if type(case.layer) is type(layer)]
    if isinstance(now, bool):
        found.append(not now)
    elif isinstance(now, int):
        found += [now + 1, now - 1]
    elif isinstance(now, float):
        found += [now * 1.5 + 0.125, now * 0.5]
    elif isinstance(now, tuple) and now and all(type(part) is int for part in now):
        found += [tuple(part + 1 for part in now), now[::-1]]
    return [value for at, value in enumerate(found) if value != now and value not in found[:at]]


def variants(case: Case) -> Iterator[tuple[str, Case]]:
    """The case with one setting changed, for each that can be."""
    layer = case.layer
    for name in layer.settings():
        made = 0
        for value in candidates(layer, name):
            try:
                other = type(layer).model_validate({**dict(layer), name: value})
                bundle_of(replace(case, layer=other))
            except (ValidationError, ValueError, TypeError, KeyError, IndexError):
                continue
            yield name, replace(case, layer=other)
            made += 1
            if made == _MOST_VALUES:
                break


def computed(case: Case) -> dict[str, np.ndarray] | None:
    """What numpy makes of a case; None where it cannot."""
    try:
        with np.errstate(all="ignore"):
            return execute(bundle_of(case), {f"in.{slot}": array for slot, array in case.inputs.items()}, "numpy")
    except Exception:  # noqa: BLE001  (a variant may mean nothing: onnx's evaluator then raises whatever it likes)
        return None


def written(case: Case, folder: Path, name: str) -> bytes | None:
    """All that a writer makes of a case; None where it refuses it."""
    try:
        irconv.write(bundle_of(case), folder / name, WriteOptions(force=True, io="source"))
    except IrconvError:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"".join(path.read_bytes() for path in files)
    for path in files:
        path.unlink()
    return content


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether both are the same numbers, of the same shapes and types."""
    return first.keys() == second.keys() and all(
        a.shape == second[key].shape
        and a.dtype == second[key].dtype
        and np.array_equal(a, second[key], equal_nan=a.dtype.kind in "fc")
        for key, a in first.items()
    )


def dropped(kind: str, folder: Path) -> list[str]:
    """The settings of a type that a writer leaves out although they change the numbers; and those that no variant
    shows in ONNX, which the numpy runtime executes itself."""
    found: list[str] = []
    shown, tried = set[str](), set[str]()
    cases = [case for case in CASES if case.layer.type == kind and case.numpy_runtime]
    for case in cases[:: -(-len(cases) // _MOST_CASES)] if cases else []:
        texts = {name: written(case, folder, name) for name in WRITERS}
        numbers = computed(case)
        for setting, other in variants(case):
            tried.add(setting)
            onnx = written(other, folder, "m.onnx")
            if onnx is None or onnx != texts["m.onnx"]:
                shown.add(setting)
            values = computed(other)
            if numbers is None or values is None or same(numbers, values):
                continue
            for name in WRITERS[1:]:
                if texts[name] is not None and written(other, folder, name) == texts[name]:
                    now = getattr(case.layer, setting), getattr(other.layer, setting)
                    found.append(f"{name}: {kind}.{setting}: {now[0]!r} and {now[1]!r} are written alike ({case.name})")
    for case in cases:  # what only some cases show, such as where a mask's output goes
        for setting, other in variants(case) if tried - shown else ():
            if setting not in shown and written(other, folder, "m.onnx") != written(case, folder, "m.onnx"):
                shown.add(setting)
    found += [f"m.onnx: {kind}.{setting}: no value of it shows" for setting in sorted(tried - shown)]
    return found


@pytest.mark.parametrize("kind", sorted(set(MODULES) - WITHOUT_CASES))
def test_no_setting_that_counts_is_left_out_of_a_file(kind: str, tmp_path: Path) -> None:
    found = [one for one in dropped(kind, tmp_path) if not any(f": {t}.{s}:" in one for t, s in SILENT)]
    assert found == [], "a row is missing in a table, or a lowering drops it"


@pytest.mark.parametrize("kind", ["Dropout", "GaussianNoise", "Augmentation", *RECURRENT])
def test_a_setting_of_training_changes_the_file_or_is_told(kind: str, tmp_path: Path) -> None:
    """In each writer: the file with it differs, or it is among what is told to be lost (but a plain Dropout)."""
    found: list[str] = []
    for case in [case for case in CASES if case.layer.type == kind][:3]:
        for setting, other in variants(case):
            if (kind, setting) not in SILENT or (kind, setting) == ("Augmentation", "image"):
                continue
            for name in WRITERS:
                now, then = told(case, tmp_path, name), told(other, tmp_path, name)
                plain = kind == "Dropout" and setting == "rate" and then[1] == ()
                if now[0] is not None and now == then and not (plain and name in ("m.onnx", "m.pb", "m.theano")):
                    found.append(f"{name}: {kind}.{setting} is neither written nor told ({case.name})")
    assert found == [], "a row is missing in a table, or `Writer.trains` names what is not written"


def told(case: Case, folder: Path, name: str) -> tuple[bytes | None, tuple[str, ...]]:
    """What a writer makes of a case, and what it tells."""
    try:
        facts = irconv.write(bundle_of(case), folder / name, WriteOptions(force=True, io="source")).told
    except IrconvError:
        return None, ()
    return written(case, folder, name), tuple(fact.value for fact in facts)


def test_a_planted_setting_that_is_dropped_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = next(codec for codec in TABLE.codecs if codec.layer.__name__ == "LeakyRelu")
    kept = tuple(row for row in codec.rows if not (isinstance(row, Attribute) and row.field in ("", "slope")))

    class Dropped(Only):
        def encode(self, draft: Any, native: Any) -> None:
            draft.fields.pop(self.field)

    monkeypatch.setattr(codec, "rows", (*kept, Dropped("slope", 0.01)))
    (first, *_) = dropped("LeakyRelu", tmp_path)
    assert first == "m.onnx: LeakyRelu.slope: no value of it shows"


@pytest.mark.parametrize("name", ["m.py", "m.keras"])
def test_the_momentum_of_statistics_is_written_where_the_target_has_one(name: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.layer.type == "BatchNorm")
    texts = [
        written(replace(case, layer=case.layer.model_copy(update={"momentum": momentum})), tmp_path, name)
        for momentum in (0.9, 0.75)
    ]
    assert None not in texts
    assert texts[0] != texts[1]
