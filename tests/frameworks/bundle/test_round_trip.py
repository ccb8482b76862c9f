"""A bundle written and read back is the same bundle, and the same bytes when it is written again."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.ir.bundle import Bundle
from tests.helpers import GOLDEN, Case, contents, datasets, name_of, read_case


def arrays(bundle: Bundle) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {key: (t.data.dtype, t.data.shape, t.data.numpy().tobytes()) for key, t in bundle.tensors.items()}


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
@pytest.mark.parametrize("name", ["m.irconv", "m.irconv.zip"])
def test_a_bundle_read_back_has_the_same_manifest_and_weights(case: Case, name: str, tmp_path: Path) -> None:
    bundle, path = read_case(case), tmp_path / name
    irconv.write(bundle, path)
    back = irconv.read(path)
    assert back.source.files[0].sha256 != ""
    undigested = back.source.files[0].model_copy(update={"sha256": ""})
    assert back.source.model_copy(update={"files": (undigested,)}) == bundle.source
    assert back.manifest().model_copy(update={"source": bundle.source}) == bundle.manifest()
    assert arrays(back) == arrays(bundle)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
@pytest.mark.parametrize("name", ["m.irconv", "m.irconv.zip"])
def test_a_written_bundle_is_found_sound(case: Case, name: str, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / name)
    assert irconv.check(tmp_path / name) == []


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
@pytest.mark.parametrize("suffix", [".irconv", ".irconv.zip", ".onnx", ".py", ".safetensors"])
def test_writing_twice_gives_the_same_bytes(case: Case, suffix: str, tmp_path: Path) -> None:
    written = []
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        irconv.convert(case.model, tmp_path / place / f"m{suffix}")
        written.append(contents(tmp_path / place))
    first, second = ({Path(*Path(name).parts[1:]): data for name, data in files.items()} for files in written)
    assert first == second


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_a_bundle_read_back_and_written_again_is_the_same_bytes(case: Case, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / "first.irconv")
    irconv.convert(tmp_path / "first.irconv", tmp_path / "second.irconv")
    first, second = (contents(tmp_path / f"{name}.irconv") for name in ("first", "second"))
    assert [data for _, data in sorted(first.items())] == [data for _, data in sorted(second.items())]


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
@pytest.mark.parametrize("name", ["m.irconv", "m.irconv.zip"])
def test_the_sources_own_tensors_come_out_of_an_archive_bit_for_bit(case: Case, name: str, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / name)
    bundle = irconv.read(tmp_path / name)
    wanted = datasets(case.model, "model_weights")
    got = {key: lazy.numpy() for key, lazy in bundle.source_tensors().items()}
    assert sorted(got) == sorted(wanted)
    for key, array in wanted.items():
        assert (got[key].dtype, got[key].shape, got[key].tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_nothing_of_the_file_is_missing_but_what_the_manifest_lists(case: Case, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / "m.irconv")
    bundle = irconv.read(tmp_path / "m.irconv")
    left_out = {omitted.name: omitted.reason for omitted in bundle.omitted}
    everything = set(datasets(case.model))
    optimizer = {name for name in everything if name.startswith("optimizer_weights/")}
    assert left_out == dict.fromkeys(optimizer, "optimizer state")
    assert set(bundle.source_tensors()) == everything - optimizer
    assert bool(optimizer) == (case.kind == "sequential_compiled")


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_every_runtime_format_made_from_the_archive_is_the_one_made_from_the_file(case: Case, tmp_path: Path) -> None:
    irconv.convert(case.model, tmp_path / "m.irconv")
    for suffix in (".onnx", ".py", ".safetensors"):
        for source, place in ((case.model, "direct"), (tmp_path / "m.irconv", "archived")):
            folder = tmp_path / f"{place}{suffix}"
            folder.mkdir()
            irconv.convert(source, folder / f"m{suffix}")
        direct, archived = (contents(tmp_path / f"{place}{suffix}") for place in ("direct", "archived"))
        assert list(direct.values()) == list(archived.values())
