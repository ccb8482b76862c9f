"""Digests of a bundle's files, in a folder and in a zip."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.frameworks.bundle.check import digest_problems
from tests.helpers import golden, read_case


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
