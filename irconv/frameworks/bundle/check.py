"""The digests of a bundle's files."""

from __future__ import annotations

import hashlib

from irconv.containers.files import SourceFile
from irconv.errors import BundleInvalid, Problems
from irconv.frameworks.bundle.digests import DIGESTS, listed
from irconv.frameworks.bundle.read import Files

_BLOCK = 2**20


def digest_problems(files: Files) -> Problems:
    """Every file that is missing, changed, or not in ``SHA256SUMS``."""
    problems = Problems()
    digests = listed(files.text(DIGESTS), str(files.path), problems)
    for name, digest in digests.items():
        file = files.open(name)
        if file is None:
            problems.add(f"{files.path}: {name}", "is listed in SHA256SUMS, but missing", kind=BundleInvalid)
        elif (got := _digest(file)) != digest:
            problems.add(f"{files.path}: {name}", f"expected SHA-256 {digest}, got {got}", kind=BundleInvalid)
    for name in files.names():
        if name not in digests and name != DIGESTS:
            problems.add(f"{files.path}: {name}", "is not in SHA256SUMS", kind=BundleInvalid)
    return problems


def _digest(file: SourceFile) -> str:
    digest, block = hashlib.sha256(), bytearray(_BLOCK)
    for offset in range(0, file.size, _BLOCK):
        part = memoryview(block)[: min(_BLOCK, file.size - offset)]
        file.read_into(part, offset)
        digest.update(part)
    return digest.hexdigest()
