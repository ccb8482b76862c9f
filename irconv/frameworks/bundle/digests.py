"""``SHA256SUMS``: the digests of the files of a bundle, and by it which folders are bundles that irconv wrote."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from irconv.errors import MALFORMED, BundleInvalid, Problems

DIGESTS = "SHA256SUMS"
MANIFEST = "manifest.json"
README = "README.md"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")
_WEIGHTS = re.compile(r"weights(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")
_MOST_TEXT = 1 << 24
_HEAD = 200


def listed(text: str, where: str, problems: Problems) -> dict[str, str]:
    """Name -> digest in hexadecimal. What is no such line is noted."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            problems.add(f"{where}: {DIGESTS}", f"expected digest and name, got {line[:80]!r}", kind=BundleInvalid)
        else:
            found[match[2]] = match[1]
    return found


def own_files(folder: Path) -> Collection[str] | None:
    """The files of a bundle's folder as its list of digests names them; None for another folder."""
    problems = Problems()
    try:
        if (folder / DIGESTS).stat().st_size > _MOST_TEXT:
            return None
        names = listed((folder / DIGESTS).read_text(encoding="utf-8"), str(folder), problems).keys()
        with (folder / MANIFEST).open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, *MALFORMED):
        return None
    foreign = [name for name in names if name not in (MANIFEST, README) and not _WEIGHTS.fullmatch(name)]
    begins = re.match(rb'\{\s*"format":\s*"\d+\.\d+"', head)
    return None if problems or foreign or MANIFEST not in names or begins is None else {*names, DIGESTS}
