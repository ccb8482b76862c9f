"""Whose a file is, who writes one, and what they are asked for that they do not do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from irconv.containers import first_bytes
from irconv.errors import MissingFact, NoSuchFile, Problem, UnknownFormat, UnusedOption
from irconv.frameworks import OF_EVERY_READER, OF_EVERY_WRITER, Reader, Writer, readers, writers
from irconv.ir.bundle import Bundle
from irconv.log import told
from irconv.options import ReadOptions, WriteOptions, flag, given, unused

_FETCHED = ("http", "https", "ftp", "s3", "gs", "hf")
"""Schemes of addresses; a path joins what stands behind them with one slash."""


def path_of(given: object, name: str) -> Path:
    """An argument that is a path. Raises `MissingFact` for anything else."""
    if isinstance(given, str | os.PathLike):
        return Path(given)
    what = f"expected a path, got an object of {type(given).__name__}"
    remedy = "Write it to a file first, which irconv.write does." if isinstance(given, Bundle) else ""
    raise MissingFact(name, what, remedy)


def existing(path: Path) -> Path:
    """The path, or a file of the checkpoint that is called so. Raises `UnknownFormat` where there is neither."""
    if not path.exists():
        from irconv.containers.checkpoint_files import standing_for

        path = standing_for(path)
    must_exist(path)
    return path


def must_exist(path: Path) -> None:
    if not path.exists():
        scheme, _, address = path.as_posix().partition(":/")
        if scheme.lower() in _FETCHED and not address.startswith("/"):
            said = f"{scheme}://{address}"
            raise NoSuchFile(said, "is an address, and irconv reads files", "Fetch it first, and give the file.")
        raise NoSuchFile(str(path), "there is no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise UnknownFormat(str(path), "expected a file or a folder, got a device, FIFO or socket")


def reader_of(path: Path, name: str | None) -> Reader:
    if name is not None:
        found = next((reader for reader in readers() if reader.name == name), None)
        if found is None:
            raise UnknownFormat(f"--from {name}", f"expected one of {', '.join(r.name for r in readers())}")
        return found
    for unmarked in (False, True):
        claims = {r.name: (r, why) for r in readers() if r.unmarked is unmarked and (why := r.recognises(path))}
        if len(claims) > 1:
            said = "; ".join(f"{name}, as it {why}" for name, (_, why) in claims.items())
            remedy = f"Give {' or '.join(f'--from {name}' for name in claims)}."
            raise UnknownFormat(str(path), f"expected one reader to claim it, got {said}", remedy)
        if claims:
            found, why = next(iter(claims.values()))
            told("%s: is for the reader %s, as it %s", path, found.name, why)
            return found
    seems, remedy = first_bytes.described(path)
    if seems:
        raise UnknownFormat(str(path), "no reader recognises its content", f"It {seems}. {remedy}".rstrip())
    known = "; ".join(reader.description for reader in readers())
    raise UnknownFormat(str(path), "no reader recognises its content", f"irconv reads: {known}.")


def writer_of(path: Path, name: str | None) -> Writer:
    if name is not None:
        found = next((writer for writer in writers() if writer.name == name), None)
        if found is None:
            raise UnknownFormat(f"--to {name}", f"expected one of {', '.join(w.name for w in writers())}")
        return found
    found = next((writer for writer in writers() if path.name.lower().endswith(writer.suffixes)), None)
    if found is None:
        suffixes = ", ".join(suffix for writer in writers() for suffix in writer.suffixes)
        raise UnknownFormat(str(path), f"expected a name that ends in one of {suffixes}", "Or give --to FORMAT.")
    return found


def beyond_reader(reader: Reader, options: ReadOptions) -> list[Problem]:
    """What the user asks of a reader that does not do it."""
    names = given(options).keys() - {*OF_EVERY_READER, *reader.options}
    return unused(options, names, f"what is read as {reader.name} has no use for it", _honoured(reader.options))


def beyond_writer(writer: Writer, options: WriteOptions) -> list[Problem]:
    """What the user asks of a writer that does not do it."""
    names = given(options).keys() - {*OF_EVERY_WRITER, *writer.options}
    return unused(options, names, f"what is written as {writer.name} has no use for it", _honoured(writer.options))


def _honoured(names: Sequence[str]) -> str:
    return f"Leave it out; what has an effect here: {', '.join(map(flag, names))}." if names else ""


def refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise UnusedOption(problems)
