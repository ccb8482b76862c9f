"""Everything in a bundle that is not as it was written, and where."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from difflib import SequenceMatcher
from pathlib import Path

from irconv.containers import safetensors
from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.verified import VerifiedFile
from irconv.errors import BundleInvalid, DamagedFile, IrconvError, Problems
from irconv.frameworks.bundle.digests import MANIFEST, README, REMEDY, SUMS, is_weights
from irconv.frameworks.bundle.files import Files, bundle_files, proved
from irconv.frameworks.bundle.readme import readme
from irconv.ir.bundle import Bundle

_BLOCK = 2**20
_FEW = 5
_LINE = 400


def digest_problems(path: Path) -> Problems:
    """Every file that is missing, changed, or not in ``SHA256SUMS``.

    Of weights every block that is changed, with the tensors that lie there; of a zip every header that irconv writes
    otherwise.

    Raises `BundleInvalid` and `DamagedFile` where nothing can be checked at all.
    """
    files, problems = proved(path)
    assert files.sums is not None, "it is proved"
    for name in sorted(files.sums):
        if is_weights(name):
            with problems.collect():
                _check_weights(files, name, problems)
    for name in files.names():
        if name not in files.sums and name != SUMS:
            problems.add(f"{path}: {name}", f"is not in {SUMS}", kind=BundleInvalid)
    return problems


def located(path: Path, bundle: Bundle) -> Problems:
    """The lines in which the README of a bundle and its manifest say something else: one of them was changed there.

    Both are made of the same, so that each is a copy of what the other says of layers, settings and names.
    """
    problems, files = Problems(), bundle_files(path, verify=False)
    try:
        found = files.text(README).split("\n")
    except IrconvError:  # which is noted already
        return problems
    wanted = readme(bundle).split("\n")
    matcher = SequenceMatcher(None, wanted, found, autojunk=False)
    apart = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    for _, first, last, start, stop in apart[:_FEW]:
        said, instead = " / ".join(wanted[first:last])[:_LINE], " / ".join(found[start:stop])[:_LINE]
        what = f"{MANIFEST} says {said!r}, and {README} says {instead!r}"
        problems.add(f"{path}: {README}, line {start + 1}", what, REMEDY, BundleInvalid)
    return problems


def _check_weights(files: Files, name: str, problems: Problems) -> None:
    file = files.open(name)
    if file is None:
        return  # which is noted already
    assert isinstance(file, VerifiedFile), "it is proved"
    assert files.sums is not None, "it is proved"
    found = file.problems(_describer(files.raw(name)))
    for where, what in found:
        problems.add(where, what, REMEDY, DamagedFile)
    if not found and files.blocks is not None and (got := _digest(files.raw(name))) != files.sums[name]:
        problems.add(f"{files.path}: {name}", f"expected SHA-256 {files.sums[name]}, got {got}", REMEDY, BundleInvalid)


def _describer(file: SourceFile | None) -> Callable[[int, int], str]:
    """Says which tensors lie between two bytes of a file of weights."""
    assert file is not None, "it has been opened before"
    places: list[tuple[str, int, int]] = []
    with suppress(IrconvError):  # a header that is damaged lies in one of the blocks
        for name, data in safetensors.read(file)[0].items():
            if isinstance(data.source, FileBytes):
                places.append((name, data.source.offset, data.nbytes))

    def describe(start: int, stop: int) -> str:
        names = [name for name, offset, nbytes in places if offset < stop and offset + nbytes > start]
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        return f"; there lie {', '.join(names[:_FEW])}{more}" if names else ""

    return describe


def _digest(file: SourceFile | None) -> str:
    assert file is not None, "it has been opened before"
    digest, block = hashlib.sha256(), bytearray(_BLOCK)
    for offset in range(0, file.size, _BLOCK):
        part = memoryview(block)[: min(_BLOCK, file.size - offset)]
        file.read_into(part, offset)
        digest.update(part)
    return digest.hexdigest()
