"""A bundle written and read back is the same bundle, and the same bytes when it is written again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

import irconv
from irconv.ir.bundle import Bundle
from tests.helpers import ONE_OF_EACH, Case, contents, datasets, name_of, read_case


@dataclass(frozen=True)
class Archive:
    """A golden case written as a bundle."""

    case: Case
    path: Path

    @cached_property
    def bundle(self) -> Bundle:
        return irconv.read(self.path)


@pytest.fixture(
    scope="module",
    params=[(case, suffix) for case in ONE_OF_EACH for suffix in (".irconv", ".irconv.zip")],
    ids=lambda pair: f"{pair[0].name}{pair[1]}",
)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    case, suffix = request.param
    path = tmp_path_factory.mktemp("archive") / f"m{suffix}"
    irconv.write(read_case(case), path)
    return Archive(case, path)


def arrays(bundle: Bundle) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {key: (t.data.dtype, t.data.shape, t.data.numpy().tobytes()) for key, t in bundle.tensors.items()}


def test_a_bundle_read_back_has_the_same_manifest_and_weights(archive: Archive) -> None:
    bundle, back = read_case(archive.case), archive.bundle
    assert back.source.files[0].sha256 != ""
    undigested = back.source.files[0].model_copy(update={"sha256": ""})
    assert back.source.model_copy(update={"files": (undigested,)}) == bundle.source
    assert back.manifest().model_copy(update={"source": bundle.source}) == bundle.manifest()
    assert arrays(back) == arrays(bundle)


def test_a_written_bundle_is_found_sound(archive: Archive) -> None:
    assert irconv.check(archive.path) == []


def test_the_sources_own_tensors_come_out_of_an_archive_bit_for_bit(archive: Archive) -> None:
    left_out = {omitted.name for omitted in archive.bundle.omitted}
    wanted = {k: v for k, v in datasets(archive.case.model, "model_weights").items() if k not in left_out}
    got = {key: lazy.numpy() for key, lazy in archive.bundle.source_tensors().items()}
    assert sorted(got) == sorted(wanted)
    for key, array in wanted.items():
        assert (got[key].dtype, got[key].shape, got[key].tobytes()) == (array.dtype, array.shape, array.tobytes())


#: What inference does not use: the end of a dataset's name -> why it is left out.
LEFT_OUT = {
    "/count:0": "the number of samples that adapt() has seen",
    "/count": "the number of samples that adapt() has seen",
    "/vector_u:0": "the vector by which training estimates the norm of the kernel",
    "/vector_u": "the vector by which training estimates the norm of the kernel",
}


def test_nothing_of_the_file_is_missing_but_what_the_manifest_lists(archive: Archive) -> None:
    left_out = {omitted.name: omitted.reason for omitted in archive.bundle.omitted}
    everything = set(datasets(archive.case.model))
    reasons = {name: why for name in everything for end, why in LEFT_OUT.items() if name.endswith(end)}
    optimizer = {name for name in everything if name.startswith("optimizer_weights/")}
    assert left_out == reasons | dict.fromkeys(optimizer, "optimizer state")
    assert set(archive.bundle.source_tensors()) == everything - set(left_out)
    assert bool(optimizer) == (archive.case.kind == "sequential_compiled")


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
@pytest.mark.parametrize("suffix", [".irconv", ".irconv.zip", ".onnx", ".py", ".safetensors"])
def test_writing_twice_and_writing_out_of_an_archive_give_the_same_bytes(
    case: Case, suffix: str, tmp_path: Path
) -> None:
    irconv.write(read_case(case), tmp_path / "given.irconv")
    written = []
    for place, bundle in enumerate((read_case(case), read_case(case), irconv.read(tmp_path / "given.irconv"))):
        folder = tmp_path / str(place)
        folder.mkdir()
        irconv.write(bundle, folder / f"m{suffix}")
        written.append([data for _, data in sorted(contents(folder).items())])
    assert written[0] == written[1] == written[2]
    assert all(written[0])
