"""Where a foreign name ends up on a disk or in an HDF5 file: below its folder, apart from all others, and readable."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import h5py
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irconv.containers.names import dataset_names, file_names

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates, too
CLOSE = st.text("aA/.%0~N U_\\:é\0", max_size=6)  # names that get into one another's way
NAMES = st.lists(
    ANY | CLOSE | st.sampled_from(["NUL", "con.x", "COM1", "..", ".", "", "/", "a.h5/b", "a", "A"]), unique=True
)

_LETTER = re.compile("[A-Za-z0-9 _.+=,@()\\[\\]#%~-]")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(\.|$)")


@given(NAMES, st.sampled_from(["", ".h5"]))
@example(["~0", "%7E0", "%", "%25"], "")
@example(["ab", "Ab", "aB", "AB/c", "ab/C"], ".h5")
@example(["a" * 300, "a" * 301, "a/" * 300 + "b", "b/" * 300], ".h5")
def test_every_name_becomes_a_path_that_every_file_system_takes_and_tells_apart(names: list[str], suffix: str) -> None:
    found = file_names(names, suffix)
    assert list(found) == names
    folded = [path.casefold() for path in found.values()]
    assert len(set(folded)) == len(names)
    folders = {str(folder) for path in folded for folder in PurePosixPath(path).parents}
    assert not folders & set(folded)
    spelt = {str(folder) for path in found.values() for folder in PurePosixPath(path).parents}
    assert len(spelt) == len({folder.casefold() for folder in spelt})
    for name, path in found.items():
        assert len(path) <= 184
        for part in path.split("/"):
            assert all(map(_LETTER.match, part))
            assert part
            assert part[0] not in ". -"
            assert part[-1] not in ". "
            assert not part.startswith("__")
            assert not _DEVICE.match(part)
        assert not PurePosixPath(path).is_absolute()
        assert not PureWindowsPath(path).drive
        if not path.startswith("~"):
            assert unquote(path.removesuffix(suffix), errors="surrogatepass") == name


@pytest.mark.parametrize("name", ["W", "conv1.kernel", "block/1/W", "a b", "layer-3_b (1)", "_w"])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert file_names([name], ".h5") == {name: f"{name}.h5"}
    assert dataset_names([name]) == {name: name}


def test_folders_that_some_systems_take_for_one_are_told_apart() -> None:
    assert file_names(["A/x", "a/y"], ".h5") == {"A/x": "%41/x.h5", "a/y": "a/y.h5"}


def test_a_file_is_no_folder_of_another() -> None:
    assert file_names(["a", "a.h5/b"], ".h5") == {"a": "a.h5", "a.h5/b": "a.h5%2Fb.h5"}
    assert dataset_names(["a", "a/b"]) == {"a": "a", "a/b": "a%2Fb"}


@given(NAMES)
@example(["%00", "\0", "%2500", "~0", "%7E0"])
def test_every_name_becomes_a_dataset_of_its_own(names: list[str]) -> None:
    found = dataset_names(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    for name, path in found.items():
        assert path == name or path.startswith("~") or unquote(path, errors="surrogatepass") == name


@given(names=NAMES)
def test_hdf5_holds_them_all(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.mktemp("h5") / "m.h5"
    found = dataset_names(names)
    with h5py.File(path, "w") as file:
        for number, name in enumerate(found.values()):
            file[name] = number
        assert [int(file[name][()]) for name in found.values()] == list(range(len(names)))


def test_a_long_name_keeps_its_end() -> None:
    (path,) = file_names(["x" * 500 + "/kernel"]).values()
    assert re.fullmatch("~[0-9a-f]{32}x+_kernel", path)
