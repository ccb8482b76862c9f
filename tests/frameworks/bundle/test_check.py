"""Digests of a bundle's files, in a folder and in a zip."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.frameworks.bundle.check import digest_problems
from tests.helpers import golden, lenet, read_case


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in digest_problems(path).all()]


@pytest.fixture(params=["m.irconv", "m.irconv.zip"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / request.param)
    return tmp_path / str(request.param)


def test_a_sound_bundle_has_no_problems(bundle: Path) -> None:
    assert problems(bundle) == []


def test_a_changed_byte_of_the_weights_is_found(bundle: Path) -> None:
    file = bundle / "weights.safetensors" if bundle.is_dir() else bundle
    data = bytearray(file.read_bytes())
    place = data.index(b'{"dense.kernel"') + 2000 if b'{"dense.kernel"' in data else len(data) // 2
    place = min(place, data.index(b"PK\x01\x02") - 40) if not bundle.is_dir() else len(data) - 1
    data[place] ^= 1
    file.write_bytes(bytes(data))
    (found,) = problems(bundle)
    assert found.startswith(f"{bundle}: weights.safetensors: bytes 0 to ")
    assert " are not those that were written: expected SHA-256 " in found
    assert "; there lie dense.kernel, dense.bias, " in found


@pytest.mark.parametrize("line", ["", "x", "0" * 64, f"{'0' * 64} one-space", f"{'0' * 64}  ../outside"])
def test_a_line_that_is_no_digest_is_named(line: str, tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / "m.irconv")
    with (tmp_path / "m.irconv" / "SHA256SUMS").open("a") as sums:
        sums.write(f"{line}\n")
    assert problems(tmp_path / "m.irconv") == [
        f"{tmp_path / 'm.irconv'}: SHA256SUMS: expected digest and name, got {line!r}. "
        "Fetch the bundle again; --no-verify reads it as it is."
    ]


def test_a_missing_list_of_digests_is_named(tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / "m.irconv")
    (tmp_path / "m.irconv" / "SHA256SUMS").unlink()
    (found,) = irconv.check(tmp_path / "m.irconv")
    assert str(found) == f"{tmp_path / 'm.irconv'}: SHA256SUMS: expected this file, which is missing."


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_a_changed_setting_is_found_and_said_to_be_where_it_is(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / ("m.irconv.zip" if zipped else "m.irconv")
    irconv.write(read_case(lenet("tf2.15-lenet5-h5")), path)
    text = (path if zipped else path / "manifest.json").read_bytes()
    setting, other = b'"count_padding": false', b'"count_padding": true '
    assert text.count(setting) == 2
    (path if zipped else path / "manifest.json").write_bytes(text.replace(setting, other, 1))
    said = [str(problem) for problem in irconv.check(path)]
    assert any("manifest.json: expected " in line for line in said)
    (line,) = [line for line in said if "README.md, line " in line and "| average_pooling2d |" in line]
    assert line.count("count_padding=") == 2


def test_a_changed_byte_of_the_readme_is_found_with_its_line(tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / "m.irconv")
    file = tmp_path / "m.irconv" / "README.md"
    lines = file.read_text().split("\n")
    place = next(number for number, line in enumerate(lines) if "kernel 5 x 7" in line)
    lines[place] = lines[place].replace("5 x 7", "5 x 8")
    file.write_text("\n".join(lines))
    said = [str(problem) for problem in irconv.check(tmp_path / "m.irconv")]
    assert any("README.md: expected SHA-256 " in line for line in said)
    assert any(f"README.md, line {place + 1}: manifest.json says" in line and "5 x 8" in line for line in said)
