"""HDF5 files that end where one of their structures does: each is damaged, and never read for less than it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from irconv.containers import hdf5, hdf5_kind
from irconv.errors import DamagedFile
from tests.fuzz.seeds import FIXTURES, made

SOURCES = ("keras2.2.4-theano-conv_valid", "tf2.15-residual", "keras3.15-rescaling", "packed")
MARKS = (b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"FRHP", b"BTHD", b"FADB", b"OCHK", b"FSHD")


def outcome(path: Path) -> str:
    """What reading all of a file comes to; any other exception than irconv's is raised."""
    if not hdf5_kind.recognises(path):
        return "not recognised"
    try:
        for _, tensor in hdf5.read(path).walk():
            tensor.numpy()
    except DamagedFile as error:
        return "damaged" if str(path) in str(error) else f"names no file: {error}"
    return "read"


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_cut_short_at_the_end_of_each_structure_is_damaged(source: str, tmp_path: Path) -> None:
    whole = made() / "packed" / "packed.h5" if source == "packed" else FIXTURES / "keras" / source / "model.h5"
    content, path = whole.read_bytes(), tmp_path / "x.h5"
    places = sorted({content.find(mark, 64) + more for mark in MARKS for more in (0, 4, 24)} - {-1, 3, 23})
    for place in [1, 8, 9, 48, 96, *places, len(content) - 1]:
        path.write_bytes(content[:place])
        assert outcome(path) in ("damaged", "not recognised"), place
