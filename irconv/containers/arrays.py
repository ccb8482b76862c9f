"""The .npy and .npz files of `irconv run`; nothing pickled is ever read."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from irconv.containers.names import file_names
from irconv.containers.outputs import check_free, whole_output
from irconv.errors import DamagedFile, MissingFact, NoSuchFile, UnknownFormat
from irconv.layout import Array


def read_inputs(inputs: Sequence[str]) -> dict[str, Array] | list[Array]:
    """Arrays by name where every input is given as ``NAME=FILE``, in order where none is.

    Raises `MissingFact` where only some have names, and `DamagedFile` for what is no ``.npy`` of numbers.
    """
    named = [text.split("=", 1) for text in inputs if "=" in text]
    if named and len(named) != len(inputs):
        raise MissingFact("--input", "expected a name for every input or for none", "Give NAME=X.npy for each.")
    if named:
        return {name: _read(Path(path)) for name, path in named}
    return [_read(Path(path)) for path in inputs]


def input_paths(inputs: Sequence[str]) -> list[Path]:
    """The files among the words that `read_inputs` takes."""
    return [Path(text.split("=", 1)[-1]) for text in inputs]


def check_output(path: Path, force: bool, sources: Sequence[Path] = ()) -> None:
    """Raise `UnknownFormat` or `OutputFailed` where outputs could not be written, before anything runs."""
    if path.suffix.lower() not in (".npy", ".npz"):
        raise UnknownFormat(str(path), "expected a name that ends in .npy or .npz")
    check_free(path, force, sources)


def write_outputs(path: Path, results: Mapping[str, Array], force: bool, sources: Sequence[Path] = ()) -> None:
    """Write one array as ``.npy``, or any number by name as ``.npz``; names that no file can have are escaped there
    (`irconv.containers.names`)."""
    if path.suffix.lower() == ".npy" and len(results) != 1:
        raise MissingFact(str(path), f"the model has {len(results)} outputs: {', '.join(results)}", "Give a .npz.")
    with whole_output(force, sources=sources) as output, output.path(path).open("xb") as file:
        if path.suffix.lower() == ".npy":
            np.save(file, next(iter(results.values())), allow_pickle=False)
        else:
            _write_npz(file, results)


def _write_npz(file: BinaryIO, results: Mapping[str, Array]) -> None:
    """What `numpy.savez` writes, which takes no array called ``file``."""
    names = file_names(results, ".npy")
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in results.items():
            with archive.open(zipfile.ZipInfo(names[name]), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _read(path: Path) -> Array:
    try:
        found = np.load(path, allow_pickle=False, mmap_mode="r")
    except FileNotFoundError as error:
        raise NoSuchFile(str(path), "there is no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise DamagedFile(str(path), f"expected a .npy file of numbers, got {error}") from error
    if not isinstance(found, np.ndarray):
        raise DamagedFile(str(path), "expected a .npy file with one array")
    return found
