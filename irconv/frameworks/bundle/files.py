"""The files of a bundle in its folder or zip, proved when they are read: small ones whole, weights block by block."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath

from irconv.containers import zip_plain
from irconv.containers.files import SourceFile
from irconv.containers.verified import Digests, VerifiedFile
from irconv.containers.zip import Member
from irconv.containers.zip import members as stored_members
from irconv.data_classes import dataclass
from irconv.errors import BundleInvalid, DamagedFile, Problems
from irconv.frameworks.bundle.digests import BLOCKS, REMEDY, SUMS, Blocks, blocks_of, is_weights, sums_of

_MOST_TEXT = 2**30
_SLIPS = 4


@dataclass(frozen=True)
class Files:
    """The files of a bundle, wherever they lie."""

    path: Path
    members: Mapping[str, Member] | None
    """None for a folder."""
    sums: Mapping[str, str] | None = None
    """The digests by name; None where nothing is to be proved."""
    blocks: Blocks | None = None
    """The digests of the weights' blocks; None for a bundle that has none, and where nothing is to be proved."""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    """The small files, already proved."""

    def names(self) -> list[str]:
        """The names of all files."""
        return sorted(self.members) if self.members is not None else sorted(p.name for p in self.path.iterdir())

    def raw(self, name: str) -> SourceFile | None:
        """A file as it is, or None where there is none of this name."""
        if self.members is not None:
            member = self.members.get(name)
            return SourceFile(self.path, member.offset, member.size) if member else None
        path = self.path / name
        return SourceFile(path) if path.is_file() else None

    def open(self, name: str) -> SourceFile | None:
        """A file of weights, whose blocks are proved as they are read; None where there is none of this name.

        Raises `BundleInvalid` for one that has no digest, or another size than it is to have.
        """
        file = self.raw(name)
        if file is None or self.sums is None:
            return file
        digests = self.digests(name, file.size)
        where = f"{self.path}: {name}"
        if self.members is None:
            return VerifiedFile(self.path / name, digests, where, remedy=REMEDY)
        return VerifiedFile(self.path, digests, where, self.members[name].offset, file.size, REMEDY)

    def digests(self, name: str, size: int) -> Digests:
        """What the bytes of a file of weights are to be. Raises `BundleInvalid` where that is not said."""
        where = f"{self.path}: {name}"
        if self.sums is None or name not in self.sums:
            raise BundleInvalid(where, f"is not in {SUMS}", REMEDY)
        crc = self.members[name].crc if self.members is not None else None
        if self.blocks is None:  # format 1.0: one digest of all of it
            return Digests(max(size, 1), (self.sums[name],) if size else (), self.sums[name], crc)
        if name not in self.blocks.files:
            raise BundleInvalid(where, f"is not in {BLOCKS}", REMEDY)
        said = self.blocks.files[name]
        problems = Problems()
        if size != said.size:
            problems.add(where, f"expected {said.size} bytes, got {size}", REMEDY, DamagedFile)
        if said.sha256 != self.sums[name]:
            what = f"says that {name} has SHA-256 {self.sums[name]}, but {BLOCKS} says {said.sha256}"
            problems.add(f"{self.path}: {SUMS}", what, REMEDY, BundleInvalid)
        if crc is not None and said.crc32 != f"{crc:08x}":
            what = f"expected the CRC {said.crc32} that {BLOCKS} says, but the archive says {crc:08x}"
            problems.add(where, what, REMEDY, BundleInvalid)
        problems.raise_any()
        return Digests(self.blocks.block_size, said.blocks, said.sha256)

    def text(self, name: str) -> str:
        """A small file as text. Raises `BundleInvalid` where it is missing, not in the list of digests, or no UTF-8."""
        content = self.texts.get(name)
        if content is None:
            if self.sums is not None and self.raw(name) is not None:
                raise BundleInvalid(f"{self.path}: {name}", f"is not in {SUMS}", REMEDY)
            content = _content(self, name)
        return _decoded(content, f"{self.path}: {name}")


def bundle_files(path: Path, verify: bool = True) -> Files:
    """The files of a bundle's folder or zip; in a zip they may lie in one folder of any name.

    Raises `BundleInvalid` and `DamagedFile`, all reasons at once, where the small ones or the zip are not as they were
    written; without `verify` only where they are missing.
    """
    if not verify:
        return Files(path, None if path.is_dir() else _named(path, stored_members(path)))
    files, problems = proved(path)
    problems.raise_any()
    return files


def proved(path: Path) -> tuple[Files, Problems]:
    """The files, and what is wrong with the small ones and the zip.

    Raises `BundleInvalid` and `DamagedFile` where there is nothing to be proved with.
    """
    problems = Problems()
    members: Mapping[str, Member] | None = None
    if not path.is_dir():
        found, problems = zip_plain.examine(path)
        members = _named(path, found)
    files = Files(path, members)
    sums = sums_of(_decoded(_content(files, SUMS), f"{path}: {SUMS}"), str(path), problems)
    texts: dict[str, bytes] = {}
    damaged: set[str] = set()
    for name in [SUMS, *sums]:
        if is_weights(name):
            if files.raw(name) is None:
                _missing(path, name, problems)
            continue
        with problems.collect():
            if files.raw(name) is None:
                _missing(path, name, problems)
                continue
            texts[name] = _content(files, name)
            if not _compare(files, name, texts[name], sums.get(name), problems):
                damaged.add(name)
    blocks = None
    with problems.collect():
        if BLOCKS in texts and BLOCKS not in damaged:
            blocks = blocks_of(_decoded(texts[BLOCKS], f"{path}: {BLOCKS}"), str(path))
    return Files(path, members, sums, blocks, texts), problems


def _missing(path: Path, name: str, problems: Problems) -> None:
    problems.add(f"{path}: {name}", f"is listed in {SUMS}, but missing", REMEDY, BundleInvalid)


def _compare(files: Files, name: str, content: bytes, expected: str | None, problems: Problems) -> bool:
    """Note where a small file is not what its digest, or the archive's CRC, says, and whether it is the digest that is.

    Returns whether the file itself is as it was.
    """
    where, got = f"{files.path}: {name}", hashlib.sha256(content).hexdigest()
    crc = files.members[name].crc if files.members is not None else None
    if crc is not None and zlib.crc32(content) != crc:
        problems.add(where, f"expected the CRC {crc:08x} that the archive says, got {zlib.crc32(content):08x}", REMEDY)
    if expected is None or got == expected:
        return True
    near = sum(a != b for a, b in zip(got, expected, strict=True)) <= _SLIPS  # no other file's digest is so near
    if near:
        problems.add(
            f"{files.path}: {SUMS}", f"expected SHA-256 {got} for {name}, got {expected}", REMEDY, BundleInvalid
        )
    else:
        problems.add(where, f"expected SHA-256 {expected}, got {got}", REMEDY, BundleInvalid)
    return near


def _content(files: Files, name: str) -> bytes:
    file = files.raw(name)
    if file is None:
        raise BundleInvalid(f"{files.path}: {name}", "expected this file, which is missing")
    if file.size > _MOST_TEXT:
        raise BundleInvalid(f"{files.path}: {name}", f"expected at most {_MOST_TEXT} bytes, got {file.size}")
    content = bytearray(file.size)
    file.read_into(memoryview(content), 0)
    return bytes(content)


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BundleInvalid(where, f"expected text, got {error}") from error


def _named(path: Path, found: Mapping[str, Member]) -> dict[str, Member]:
    """The members by their names in the one folder that they lie in."""
    folders = {PurePosixPath(name).parent for name in found}
    if len(folders) > 1:
        listed = ", ".join(sorted(map(str, folders)))
        raise BundleInvalid(str(path), f"expected one folder in the archive, got {listed}")
    return {PurePosixPath(name).name: member for name, member in found.items()}
