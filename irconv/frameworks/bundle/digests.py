"""What proves the files of a bundle: ``SHA256SUMS`` all of them, ``weights.blocks.json`` each part of the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from irconv.containers.verified import Digests
from irconv.errors import MALFORMED, BundleInvalid, Problems
from irconv.ir.layers.base import Record

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
README = "README.md"
BLOCKS = "weights.blocks.json"
PROBE = "probe.safetensors"
REMEDY = "Fetch the bundle again; --no-verify reads it as it is."
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")
_WEIGHTS = re.compile(r"weights(-\d{5}-of-\d{5})?\.safetensors")
_INDEX = "weights.safetensors.index.json"
_MOST_TEXT = 1 << 24
_HEAD = 200

Hexadecimal = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class WeightsFile(Record):
    """A file of weights: what its bytes are to be."""

    size: int
    sha256: Hexadecimal
    crc32: Annotated[str, Field(pattern="^[0-9a-f]{8}$")] | None
    """As the header in a zip says it; null in a folder."""
    blocks: tuple[Hexadecimal, ...]
    """SHA-256 of each block in order, the last of what remains."""


class Blocks(Record):
    """The content of ``weights.blocks.json``."""

    block_size: Annotated[int, Field(ge=4096)]
    files: dict[str, WeightsFile]


def blocks_schema() -> dict[str, Any]:
    """The JSON Schema of ``weights.blocks.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Blocks.model_json_schema(mode="serialization")


def blocks_text(files: Mapping[str, tuple[int, Digests]]) -> str:
    """The text of ``weights.blocks.json`` for files with their sizes, one digest to a line."""
    (block,) = {digests.block for _, digests in files.values()}
    described = {
        name: WeightsFile(
            size=size,
            sha256=digests.whole,
            crc32=None if digests.crc is None else f"{digests.crc:08x}",
            blocks=digests.blocks,
        )
        for name, (size, digests) in files.items()
    }
    return json.dumps(Blocks(block_size=block, files=described).model_dump(mode="json"), indent=1) + "\n"


def blocks_of(text: str, where: str) -> Blocks:
    """The content of ``weights.blocks.json``. Raises `BundleInvalid`."""
    try:
        return Blocks.model_validate(json.loads(text))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BundleInvalid(f"{where}: {BLOCKS}", f"does not fit the format: {'; '.join(problems[:10])}") from error
    except (ValueError, RecursionError) as error:
        raise BundleInvalid(f"{where}: {BLOCKS}", f"expected JSON, got {error}") from error


def sums_text(digests: Mapping[str, str]) -> str:
    """The text of ``SHA256SUMS``, which ``sha256sum -c`` takes."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def sums_of(text: str, where: str, problems: Problems) -> dict[str, str]:
    """Name -> digest in hexadecimal. What is no such line, or names a file twice, is noted."""
    found: dict[str, str] = {}
    for line in text.split("\n")[: None if text and text[-1] != "\n" else -1]:
        match = _LINE.fullmatch(line)
        if match is None:
            problems.add(f"{where}: {SUMS}", f"expected digest and name, got {line[:80]!r}", REMEDY, BundleInvalid)
        elif match[2] in found:
            problems.add(f"{where}: {SUMS}", f"lists {match[2]} twice", REMEDY, BundleInvalid)
        else:
            found[match[2]] = match[1]
    return found


def is_weights(name: str) -> bool:
    """Whether a file holds weights, which are proved block by block."""
    return _WEIGHTS.fullmatch(name) is not None


def own_files(folder: Path) -> Collection[str] | None:
    """The files of a bundle's folder as its list of digests names them; None for another folder."""
    problems = Problems()
    try:
        if (folder / SUMS).stat().st_size > _MOST_TEXT:
            return None
        names = sums_of((folder / SUMS).read_text(encoding="utf-8"), str(folder), problems).keys()
        with (folder / MANIFEST).open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, *MALFORMED):
        return None
    foreign = [name for name in names if name not in (MANIFEST, README, BLOCKS, PROBE, _INDEX) and not is_weights(name)]
    begins = re.match(rb'\{\s*"format":\s*"\d+\.\d+"', head)
    return None if problems or foreign or MANIFEST not in names or begins is None else {*names, SUMS}
