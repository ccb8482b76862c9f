"""The readers and writers: who claims a file and why, and which options they honour."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv import api, frameworks
from irconv.errors import UnknownFormat, UnusedOption
from irconv.frameworks import OF_EVERY_READER, OF_EVERY_WRITER, readers, writers
from irconv.options import ReadOptions, WriteOptions, flag, given
from tests.helpers import ROOT, golden, lenet, rejection

H5 = golden("tf2.15-flatten_dense").model
SAMPLES = {
    "keras": [H5, ROOT / "fixtures/keras_foreign/keras3.15-subclassed-weights_h5/model.weights.h5"],
    "torch": [ROOT / "fixtures/torch/averaged.pt"],
}
#: A value for every option that is not its default.
ASKED: dict[str, Any] = {
    "source_format": "x",
    "backend": "theano",
    "dim_ordering": "th",
    "arch": Path("a.json"),
    "submodel": "a",
    "recompose": False,
    "digests": False,
    "until": ("a",),
    "replace": ("a=identity",),
    "plugins": (Path("p.py"),),
    "key": "a",
    "ema": True,
    "keep_optimizer": True,
    "keep_opaque": True,
    "opaque_shape": ("a=N,1",),
    "input_shape": ("N,1",),
    "module_map": ("A=Flatten",),
    "module": "a.py:A",
    "inputs": ("a",),
    "outputs": ("b",),
    "signature": "s",
    "tags": ("t",),
    "fix": ("a=1",),
    "target_format": "x",
    "io": "source",
    "force": True,
    "merge": True,
    "fold_bn": True,
    "shard_size": "1GB",
    "resume": True,
    "dtype": "f16",
    "opset": 19,
    "dry_run": True,
    "target_version": "2.3",
    "probe": True,
    "probe_input": ("x.npy",),
    "probe_output": ("y.npy",),
    "meta": ("author=a",),
}


def arrays(path: Path, **members: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in members.items():
            file[name.replace("__", "/")] = value
    return path


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in SAMPLES.items() for path in paths], ids=lambda x: str(x)[-20:]
)
def test_a_file_is_claimed_by_its_own_reader_alone_which_says_why(name: str, path: Path) -> None:
    claims = {reader.name: reader.recognises(path) for reader in readers() if not reader.unmarked}
    assert {claimed for claimed, why in claims.items() if why} == {name}
    assert claims[name].split()[0] in ("has", "is", "begins", "keeps")


@pytest.mark.parametrize(
    "members",
    [
        {"vars__0": 1.0, "vars__weight": 2.0},  # a model's own way to save itself
        {"conv__vars__0": np.ones((2, 3)), "conv__vars__1": 1.0, "a__b__vars__0": 1.0},
        {"layers__dense__vars__0": np.ones((2, 3)), "optimizer__vars__0": 1.0},
    ],
)
def test_groups_called_vars_with_numbered_arrays_are_keras(members: dict[str, Any], tmp_path: Path) -> None:
    path = arrays(tmp_path / "w.h5", **members)
    claims = [reader.name for reader in readers() if not reader.unmarked and reader.recognises(path)]
    assert claims == (["keras"] if "vars__weight" not in members else [])


@pytest.mark.parametrize("members", [{"vars__W": 1.0}, {"conv__vars__0": 1.0, "fc__W": 1.0}, {"conv__0": 1.0}])
def test_other_arrays_in_hdf5_are_bare(members: dict[str, Any], tmp_path: Path) -> None:
    bundle = irconv.read(arrays(tmp_path / "w.h5", **members))
    assert bundle.source.framework == "theano"


def test_two_readers_that_claim_a_file_are_an_error_that_names_both_and_why(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "model.weights.h5", "m/data.pkl"):
            archive.writestr(name, b"{}")
    assert rejection(lambda: irconv.read(path), UnknownFormat) == (
        f"{path}: expected one reader to claim it, got keras, as it is a zip with config.json and model.weights.h5; "
        "torch, as it is a zip with m/data.pkl. Give --from keras or --from torch."
    )


def test_bare_arrays_are_asked_for_only_where_no_framework_claims_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def listening(name: str, recognises: Callable[[Path], str]) -> Callable[[Any, Path], str]:
        return lambda _, path: asked.append(name) or recognises(path)  # type: ignore[func-returns-value]

    for reader in readers():
        named = type("Listening", (type(reader),), {"recognises": listening(reader.name, reader.recognises)})
        made = named(**{field.name: getattr(reader, field.name) for field in fields(reader)})
        monkeypatch.setattr(
            frameworks, "READERS", tuple(made if r.name == reader.name else r for r in frameworks.READERS)
        )
    irconv.read(H5)
    assert "theano" not in asked
    assert {"irconv", "keras", "torch"} <= set(asked)


def test_declared_options_are_fields_that_the_api_does_not_see_to_itself() -> None:
    reading, writing = {f.name for f in fields(ReadOptions)}, {f.name for f in fields(WriteOptions)}
    for reader in readers():
        assert set(reader.options) <= reading - set(OF_EVERY_READER), reader.name
    for writer in writers():
        assert set(writer.options) <= writing - set(OF_EVERY_WRITER), writer.name


def test_every_option_has_a_value_in_these_tests() -> None:
    assert set(ASKED) == {f.name for kind in (ReadOptions, WriteOptions) for f in fields(kind)}
    assert all(given(kind(**{f.name: ASKED[f.name]})) for kind in (ReadOptions, WriteOptions) for f in fields(kind))


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_what_a_reader_does_not_honour_is_refused_all_at_once_before_reading(reader: frameworks.Reader) -> None:
    names = [f.name for f in fields(ReadOptions) if f.name not in (*OF_EVERY_READER, *reader.options)]
    options = replace(ReadOptions(source_format=reader.name), **{name: ASKED[name] for name in names})
    lines = rejection(lambda: irconv.read(ROOT / "README.md", options), UnusedOption).splitlines()
    assert [line.split()[0].rstrip(":") for line in lines] == [flag(name) for name in names]
    assert all(f": has no effect: what is read as {reader.name} has no use for it. " in line for line in lines)


@pytest.mark.parametrize("writer", writers(), ids=lambda writer: writer.name)
def test_what_a_writer_does_not_honour_is_refused_before_the_source_is_read(
    writer: frameworks.Writer, tmp_path: Path
) -> None:
    names = [f.name for f in fields(WriteOptions) if f.name not in (*OF_EVERY_WRITER, *writer.options)]
    options = replace(WriteOptions(target_format=writer.name), **{name: ASKED[name] for name in names})
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"\x89HDF\r\n\x1a\n")

    def convert() -> Any:
        return api.convert(broken, tmp_path / "m", ReadOptions(source_format="keras", key="a"), options)

    lines = rejection(convert, UnusedOption).splitlines()
    assert [line.split()[0].rstrip(":") for line in lines] == ["--key", *(flag(name) for name in names)]


def test_an_option_is_said_as_it_was_given() -> None:
    options = ReadOptions(module_map=("A=Flatten", "B=ReLU"), key="state", ema=True)
    lines = rejection(lambda: irconv.read(H5, options), UnusedOption).splitlines()
    honoured = (
        "--backend, --dim-ordering, --arch, --submodel, --input-shape, --keep-optimizer, --keep-opaque, "
        "--opaque-shape, --until, --replace, --plugin"
    )
    reason = (
        f"has no effect: what is read as keras has no use for it. Leave it out; what has an effect here: {honoured}."
    )
    said = ["--key state", "--ema", "--module-map A=Flatten --module-map B=ReLU"]
    assert lines == [f"{option}: {reason}" for option in said]


def test_lenets_are_claimed_by_one_reader() -> None:
    for name in ("keras2.3.1-lenet4-h5", "tf2.15-lenet4-h5"):
        assert [r.name for r in readers() if not r.unmarked and r.recognises(lenet(name).model)] == ["keras"]


#: What every reader and writer leaves to others: where their options are asked for.
SHARED = [ROOT / "irconv" / name for name in ("edits.py", "preparing.py", "translate/opaque.py")]
SHARED += sorted((ROOT / "irconv" / "pipeline").glob("*.py"))


@pytest.mark.parametrize("one", [*readers(), *writers()], ids=lambda one: f"{type(one).__name__} {one.name}")
def test_what_is_declared_is_asked_for_in_the_code(one: frameworks.Reader | frameworks.Writer) -> None:
    folder = ROOT.joinpath(*one.module.split(".")[:3])
    code = "\n".join(path.read_text() for path in (*SHARED, *sorted(folder.rglob("*.py"))))
    dropped = [name for name in one.options if not re.search(rf"\b(options|writing)\.{name}\b", code)]
    assert not dropped, (
        f"{one.name} declares {', '.join(dropped)} in irconv/frameworks/__init__.py, but nothing in {folder.name}/ "
        "asks for it: honour it, or take it from the line, so that it is refused"
    )
