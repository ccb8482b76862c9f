"""Bundles prove themselves when they are used: any changed byte is refused, and `check` says where it is."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import verified
from irconv.errors import BundleInvalid, DamagedFile, IrconvError, UnusedOption
from irconv.frameworks import writers
from irconv.frameworks.bundle import write
from tests.frameworks.bundle.run_flips import changed, missed
from tests.helpers import GOLDEN_ERROR, ROOT, contents, edited, error, golden, read_case, rejection, sealed

CASE = golden("tf2.15-dense_2d")
OLD = ROOT / "fixtures" / "bundles"
FILES = ["README.md", "SHA256SUMS", "manifest.json", "weights.blocks.json", "weights.safetensors"]
REMEDY = "Fetch the bundle again; --no-verify reads it as it is."
UNVERIFIED = irconv.ReadOptions(digests=False)


@pytest.fixture(
    params=[
        *("m.irconv", "m.irconv.zip", "1.0-dense_2d.irconv", "1.0-dense_2d.irconv.zip"),
        *("1.1-dense_2d.irconv", "1.1-dense_2d.irconv.zip"),
        *("1.2-dense_2d.irconv", "1.2-dense_2d.irconv.zip"),
    ]
)
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    if path.name[0] == "m":
        irconv.write(read_case(CASE), path)
    elif path.suffix == ".zip":
        shutil.copy(OLD / path.name, path)
    else:
        shutil.copytree(OLD / path.name, path)
    return path


def test_a_bundle_of_any_format_is_sound_and_predicts_what_the_framework_did(bundle: Path) -> None:
    assert irconv.check(bundle) == []
    assert error(list(irconv.run(bundle, CASE.inputs, runtime="numpy").values()), CASE.outputs) < GOLDEN_ERROR


def test_check_finds_any_changed_byte_and_names_its_file(bundle: Path) -> None:
    missed = []
    for name, place in changed(bundle, 61):
        found = [str(problem) for problem in irconv.check(bundle)]
        if not found or not any(name in text for text in found):
            missed.append((name, place, found))
    assert missed == []


def test_reading_refuses_any_changed_byte_before_anything_is_made_of_it(bundle: Path, tmp_path: Path) -> None:
    taken = []
    for name, place in changed(bundle, 97):
        try:
            irconv.convert(bundle, tmp_path / "m.safetensors")
        except IrconvError:
            assert not (tmp_path / "m.safetensors").exists()
            continue
        taken.append((name, place))
        (tmp_path / "m.safetensors").unlink()
    assert taken == []


@pytest.mark.parametrize("name", ["m.irconv", "m.irconv.zip"])
def test_check_convert_and_run_find_a_changed_byte_and_check_says_where(name: str, tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / name)
    (tmp_path / "out").mkdir()
    tried = list(missed(tmp_path / name, tmp_path / "out", 211))
    assert len(tried) > 100
    assert [entry for entry in tried if not entry[3]] == []


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    (tmp_path / "m.irconv" / name).unlink()
    reason = (
        "expected this file, which is missing." if name == "SHA256SUMS" else "is listed in SHA256SUMS, but missing."
    )
    if name == "manifest.json":
        with pytest.raises(IrconvError):
            irconv.read(tmp_path / "m.irconv")
        return
    assert f"{tmp_path / 'm.irconv'}: {name}: {reason}" in rejection(
        lambda: irconv.read(tmp_path / "m.irconv"), BundleInvalid
    )


def test_a_changed_digest_is_told_from_a_changed_file(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    sums = tmp_path / "m.irconv" / "SHA256SUMS"
    lines = sums.read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [name for name in FILES if name != "SHA256SUMS"]
    for line in lines:
        digest, name = line.split("  ")
        other = ("1" if digest[5] == "0" else "0").join((digest[:5], digest[6:]))
        sums.write_text("\n".join(lines).replace(digest, other) + "\n")
        (found,) = irconv.check(tmp_path / "m.irconv")
        said = f"says that {name} has SHA-256 {other}, but weights.blocks.json says {digest}"
        what = said if name == "weights.safetensors" else f"expected SHA-256 {digest} for {name}, got {other}"
        assert str(found) == f"{tmp_path / 'm.irconv'}: SHA256SUMS: {what}. {REMEDY}"
        assert str(found) in rejection(lambda: irconv.read(tmp_path / "m.irconv"), BundleInvalid)


def test_the_block_that_is_damaged_and_its_tensors_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "BLOCK", 4096)
    case = golden("tf2.15-flatten_dense")
    irconv.write(read_case(case), tmp_path / "m.irconv")
    weights = tmp_path / "m.irconv" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[5000] ^= 1
    weights.write_bytes(bytes(data))
    (found,) = irconv.check(tmp_path / "m.irconv")
    assert found.where == f"{tmp_path / 'm.irconv'}: weights.safetensors"
    assert found.what.startswith("bytes 4096 to 8192 are not those that were written: expected SHA-256 ")
    assert found.what.endswith("; there lie dense.kernel")
    bundle = irconv.read(tmp_path / "m.irconv")  # reading touches the header alone
    assert bundle.tensors["conv2d.kernel"].data.numpy().any()
    assert "bytes 4096 to 8192" in rejection(bundle.tensors["dense.kernel"].data.numpy, DamagedFile)


def test_shards_are_proved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SHARD_BYTES", 100)
    for name in ("m.irconv", "m.irconv.zip"):
        irconv.write(read_case(CASE), tmp_path / name)
        assert irconv.check(tmp_path / name) == []
        assert error(list(irconv.run(tmp_path / name, CASE.inputs).values()), CASE.outputs) < GOLDEN_ERROR
    shards = sorted((tmp_path / "m.irconv").glob("weights-*.safetensors"))
    assert len(shards) > 1
    shards[-1].write_bytes(shards[-1].read_bytes()[:-1] + b"?")
    assert f"{shards[-1].name}: bytes 0 to" in str(irconv.check(tmp_path / "m.irconv")[0])
    (tmp_path / "m.irconv" / "weights.safetensors").write_bytes(b"")  # one file would be read before the shards
    text = rejection(lambda: irconv.read(tmp_path / "m.irconv"), BundleInvalid)
    assert text == f"{tmp_path / 'm.irconv'}: weights.safetensors: is not in SHA256SUMS. {REMEDY}"


def test_a_bundle_of_today_needs_the_digests_of_its_blocks(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    blocks = tmp_path / "m.irconv" / "weights.blocks.json"
    text = blocks.read_text()
    blocks.unlink()
    sealed(tmp_path / "m.irconv")
    reason = f"{blocks.parent}: weights.blocks.json: expected this file, which is missing. {REMEDY}"
    assert rejection(lambda: irconv.read(blocks.parent), BundleInvalid) == reason
    assert [str(problem) for problem in irconv.check(blocks.parent)] == [reason]
    for wrong, why in (("{", "expected JSON, got "), ('{"block_size": 1}', "does not fit the format: ")):
        blocks.write_text(wrong)
        sealed(blocks.parent)
        said = rejection(lambda: irconv.read(blocks.parent), BundleInvalid)
        assert said.startswith(f"{blocks.parent}: weights.blocks.json: {why}")
    blocks.write_text(text)
    edited(blocks, lambda data: {**data, "files": {}})
    sealed(blocks.parent)
    said = rejection(lambda: irconv.read(blocks.parent), BundleInvalid)
    assert said == f"{blocks.parent}: weights.safetensors: is not in weights.blocks.json. {REMEDY}"


def test_the_crc_of_the_weights_in_a_zip_is_known_without_reading_them(tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "m.irconv.zip")
    irconv.write(read_case(CASE), tmp_path / "m.irconv")
    with zipfile.ZipFile(tmp_path / "m.irconv.zip") as archive:
        info = archive.getinfo("m.irconv/weights.safetensors")
        said = json.loads(archive.read("m.irconv/weights.blocks.json"))["files"]["weights.safetensors"]
    assert said["crc32"] == f"{info.CRC:08x}"
    plain = json.loads((tmp_path / "m.irconv" / "weights.blocks.json").read_text())["files"]["weights.safetensors"]
    assert plain == {**said, "crc32": None}


@pytest.mark.parametrize("target", ["n.irconv", "n.irconv.zip"])
def test_no_verify_reads_a_damaged_bundle_and_what_is_made_says_so(target: str, bundle: Path, tmp_path: Path) -> None:
    if bundle.is_dir():
        weights = bundle / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    irconv.convert(bundle, tmp_path / target, UNVERIFIED)
    facts = irconv.read(tmp_path / target).source.facts
    wanted = ("verified", "no", "--no-verify was given")
    assert [(f.name, f.value, f.evidence) for f in facts].count(wanted) == 1
    irconv.convert(tmp_path / target, tmp_path / "again.irconv", UNVERIFIED)
    assert irconv.read(tmp_path / "again.irconv").source.facts == facts
    assert irconv.check(tmp_path / target) == []


def test_no_verify_has_no_effect_on_other_files_and_is_refused() -> None:
    text = rejection(lambda: irconv.read(CASE.model, UNVERIFIED), UnusedOption)
    assert text.startswith("--no-verify: has no effect: what is read as keras has no use for it.")


def test_a_partial_read_costs_what_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "BLOCK", 4096)
    irconv.write(read_case(golden("tf2.15-flatten_dense")), tmp_path / "m.irconv")
    hashed: list[int] = []
    prove = verified.VerifiedFile._prove

    def counting(self: verified.VerifiedFile, block: int, content: memoryview | None = None) -> None:
        hashed.append(block)
        prove(self, block, content)

    monkeypatch.setattr(verified.VerifiedFile, "_prove", counting)
    bundle = irconv.read(tmp_path / "m.irconv")
    assert set(hashed) == {0}
    assert np.isfinite(bundle.tensors["dense.bias"].data.numpy()).all()
    assert set(hashed) == {0, 2}


@pytest.mark.parametrize("suffix", [w.suffixes[0] for w in writers() if w.name not in ("irconv", "tensorflow")])
def test_no_verify_is_recorded_in_whatever_is_made_and_nothing_is_without_it(suffix: str, tmp_path: Path) -> None:
    irconv.write(read_case(CASE), tmp_path / "given.irconv")
    for options, folder in ((UNVERIFIED, tmp_path / "unverified"), (None, tmp_path / "verified")):
        folder.mkdir()
        irconv.convert(tmp_path / "given.irconv", folder / f"m{suffix}", options)
        made = b"".join(contents(folder).values())
        assert (b"source_verified" in made) == (options is not None)
