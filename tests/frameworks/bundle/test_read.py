"""Reading bundles: by content, and damage named with its place."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.errors import BundleInvalid, DamagedFile
from irconv.ir.manifest import FORMAT
from tests.helpers import contents, edited, golden, read_case, rejection, sealed

CASE = golden("tf2.15-flatten_dense")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    return tmp_path / "m.irconv"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: {**data, "color": "red"}, "does not fit the format: color: Extra inputs are not permitted."),
        (
            lambda data: {key: value for key, value in data.items() if key != "graph"},
            "does not fit the format: graph: Field required.",
        ),
        (
            lambda data: {**data, "layers": {**data["layers"], "odd": {"type": "Wobble"}}},
            "does not fit the format: layers.odd: Value error, unknown layer type 'Wobble'.",
        ),
        (lambda data: {**data, "tensors": {}}, "and the weights differ: "),
        (
            lambda data: {**data, "format": "one"},
            "expected a manifest with a format such as '1.3', got 'one'.",
        ),
        (lambda data: [data], "expected a manifest with a format such as '1.3', got None."),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], Any], reason: str, folder: Path
) -> None:
    edited(folder / "manifest.json", change)
    if reason.startswith("and the weights"):
        edited(folder / "manifest.json", lambda data: {**data, "tensors": {"extra": any_record()}})
    sealed(folder)
    text = rejection(lambda: irconv.read(folder), BundleInvalid)
    assert text.startswith(f"{folder}: manifest.json: {reason}")


def any_record() -> dict[str, Any]:
    """The record of some tensor."""
    manifest = read_case(CASE).manifest().model_dump(mode="json")
    found: dict[str, Any] = next(iter(manifest["tensors"].values()))
    return found


@pytest.mark.parametrize("text", ["", "{", "nope", "[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(text)
    sealed(folder)
    reason = rejection(lambda: irconv.read(folder), BundleInvalid)
    assert reason.startswith(f"{folder}: manifest.json: expected JSON, got ")


def test_a_manifest_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b'{"format": "\xff"}')
    sealed(folder)
    reason = rejection(lambda: irconv.read(folder), BundleInvalid)
    assert reason.startswith(f"{folder}: manifest.json: expected text, got 'utf-8' codec")


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    missing = "is listed in SHA256SUMS, but missing. Fetch the bundle again; --no-verify reads it as it is."
    assert rejection(lambda: irconv.read(folder), BundleInvalid) == f"{folder}: weights.safetensors: {missing}"
    sealed(folder)
    reason = rejection(lambda: irconv.read(folder), BundleInvalid)
    assert reason.startswith(f"{folder}: weights.safetensors.index.json: expected this file, which is missing")


def test_truncated_weights_are_refused_by_name(folder: Path) -> None:
    whole = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(whole[:-1])
    assert f"{folder}: weights.safetensors: expected " in rejection(lambda: irconv.read(folder), DamagedFile)
    unverified = irconv.ReadOptions(digests=False)
    assert f"{folder / 'weights.safetensors'}: " in rejection(lambda: irconv.read(folder, unverified), DamagedFile)


def test_a_bundle_may_have_any_name(folder: Path) -> None:
    shutil.move(folder, folder.parent / "renamed")
    assert irconv.read(folder.parent / "renamed").manifest().graph == read_case(CASE).graph


def test_a_zip_made_by_others_is_refused_and_read_after_it_is_unpacked(folder: Path) -> None:
    path = folder.parent / "n.irconv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"m/{file.name}")
    remedy = "Fetch the archive again; one that was packed by another program is read after it is unpacked."
    (found,) = {str(problem) for problem in irconv.check(path)}
    assert rejection(lambda: irconv.read(path), DamagedFile) == found
    assert found == f"{path}: is not laid out as irconv packs a bundle. {remedy}"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder.parent / "out")
    assert irconv.check(folder.parent / "out" / "m") == []
    unverified = irconv.ReadOptions(digests=False)
    assert irconv.read(path, unverified).manifest().layers == irconv.read(folder).manifest().layers


def test_a_zip_and_a_folder_are_the_same_bundle(folder: Path) -> None:
    irconv.write(read_case(CASE), folder.parent / "m.irconv.zip")
    assert irconv.read(folder).manifest() == irconv.read(folder.parent / "m.irconv.zip").manifest()


def test_reading_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    irconv.read(folder)
    irconv.check(folder)
    assert contents(folder) == before
    assert json.loads(before["m.irconv/manifest.json"])["format"] == FORMAT
