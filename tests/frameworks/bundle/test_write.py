"""Writing bundles: the files, their digests, and shards above a size."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

import irconv
from irconv.frameworks.bundle import write
from tests.helpers import GOLDEN_ERROR, contents, error, golden, lenet, read_case

CASE = golden("tf2.15-residual")


def test_a_bundle_is_five_files(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    names = ["README.md", "SHA256SUMS", "manifest.json", "weights.blocks.json", "weights.safetensors"]
    assert sorted(p.name for p in (tmp_path / "m.irconv").iterdir()) == names


def test_the_digests_are_those_of_the_files_and_sha256sum_takes_them(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    folder = tmp_path / "m.irconv"
    files = contents(folder)
    listed = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert listed == {
        Path(name).name: hashlib.sha256(data).hexdigest() for name, data in files.items() if "SHA256" not in name
    }
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count(": OK")) == (0, 4)


def test_the_manifest_has_the_digest_of_the_file_it_was_read_from(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    (file,) = json.loads((tmp_path / "m.irconv" / "manifest.json").read_text())["source"]["files"]
    assert file == {
        "name": "model.h5",
        "size": CASE.model.stat().st_size,
        "sha256": hashlib.sha256(CASE.model.read_bytes()).hexdigest(),
    }


def test_nothing_in_a_bundle_names_a_place_of_this_machine(tmp_path: Path) -> None:
    irconv.convert(CASE.model, tmp_path / "m.irconv")
    written = b"".join(contents(tmp_path / "m.irconv").values())
    assert str(CASE.folder.parent).encode() not in written
    assert str(tmp_path).encode() not in written


def test_large_weights_become_shards_that_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SHARD_BYTES", 500)
    for name in ("m.irconv", "m.irconv.zip"):
        irconv.write(read_case(CASE), tmp_path / name)
        assert irconv.check(tmp_path / name) == []
        got = irconv.run(irconv.read(tmp_path / name), CASE.inputs, runtime="numpy")
        assert error(list(got.values()), CASE.outputs) < GOLDEN_ERROR
    names = sorted(p.name for p in (tmp_path / "m.irconv").iterdir())
    assert "weights.safetensors" not in names
    assert "weights.safetensors.index.json" in names
    assert sum(name.endswith(".safetensors") for name in names) > 2


def test_the_readme_says_in_words_what_the_bundle_is(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    text = (tmp_path / "m.irconv" / "README.md").read_text()
    assert text.startswith("# A neural network, from `model.h5` (keras 2.15.0)\n")
    assert "| input | input_1 | float32 | N x 3 x 17 x 14 | NCHW |" in text
    assert "| conv2d | Conv | " in text
    assert "sha256sum -c SHA256SUMS" in text


def test_the_readme_of_weights_alone_lists_the_groups(tmp_path: Path) -> None:
    irconv.write(read_case(lenet("keras2.2.4-lenet4-weights-h5")), tmp_path / "m.irconv")
    text = (tmp_path / "m.irconv" / "README.md").read_text()
    assert "no graph: the file held weights alone." in text
    assert "| conv2d_1 | unknown | " in text
