"""The safetensors format: eight bytes of header length, a JSON header, then raw little-endian arrays.

Written in tiles from lazy tensors, which the safetensors library cannot do; read strictly: every offset is checked
against the file, and overlaps, holes and duplicate keys are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from irconv.containers.files import FileBytes, OutputFile, Progress, SourceFile, write_tensors
from irconv.errors import DamagedFile, Problems
from irconv.ir.dtypes import FROM_SAFETENSORS, SAFETENSORS_CODES, item_size
from irconv.ir.tensors import LazyTensor

_MAX_HEADER = 100_000_000  # the limit of the safetensors library itself


def write(
    path: Path,
    tensors: Mapping[str, LazyTensor],
    metadata: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    share: int = 1,
) -> None:
    """Write tensors in the given order, streaming; the header is padded so that data starts at a multiple of 8. So many
    files `share` the memory that writing may take.

    Raises `Refused` as `refuse_others` does.
    """
    refuse_others(tensors, path.name)
    head, offsets = framed(tensors, metadata)
    file = OutputFile(path)
    try:
        file.write_bytes(head, 0)
        write_tensors(file, list(zip(tensors.values(), offsets, strict=True)), progress, share)
    finally:
        file.close()


def refuse_others(tensors: Mapping[str, LazyTensor], where: str) -> None:
    """Raise `Refused` naming the tensors of element types that the format lacks."""
    problems = Problems()
    for name, tensor in tensors.items():
        if tensor.dtype not in SAFETENSORS_CODES:
            what = f"holds {tensor.dtype} numbers, for which safetensors has no code"
            problems.add(f"{where}: tensor {name}", what, "Write another format, such as .pt or .irconv.")
    problems.raise_any()


def framed(tensors: Mapping[str, LazyTensor], metadata: Mapping[str, str] | None) -> tuple[bytes, list[int]]:
    """The bytes in front of the arrays, and the offset of each in the file."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end, starts = 0, []
    for name, tensor in tensors.items():
        starts.append(end)
        end += tensor.nbytes
        code, place = SAFETENSORS_CODES[tensor.dtype], [starts[-1], end]
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": place}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, [8 + len(text) + start for start in starts]


def read(file: SourceFile) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """The tensors of a file, lazily and in file order, and its metadata.

    Raises `DamagedFile` where the header contradicts itself or the file.
    """
    path = file.path
    start, header = _read_header(file)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DamagedFile(str(path), "expected __metadata__ to map text to text")
    tensors: dict[str, tuple[int, int, LazyTensor]] = {}
    for name, entry in header.items():
        tensors[name] = _tensor(file, f"{path}: tensor {name!r}", start, entry)
    end = 0
    for begin, stop, _ in sorted((begin, stop, name) for name, (begin, stop, _) in tensors.items()):
        if begin != end:
            raise DamagedFile(
                str(path), f"expected tensor data to continue at {end}, got {begin}: a hole or an overlap"
            )
        end = stop
    if start + end != file.size:
        raise DamagedFile(
            str(path), f"expected {start + end} bytes, got {file.size}", "The file is truncated or padded."
        )
    return {name: tensor for name, (_, _, tensor) in tensors.items()}, metadata


def _read_header(file: SourceFile) -> tuple[int, dict[str, Any]]:
    where = str(file.path)
    if file.size < 8:
        raise DamagedFile(where, f"expected a safetensors header, got a file of {file.size} bytes")
    prefix = bytearray(8)
    file.read_into(memoryview(prefix), 0)
    length = int.from_bytes(prefix, "little")
    if length > min(file.size - 8, _MAX_HEADER):
        what = f"expected a header of at most {min(file.size - 8, _MAX_HEADER)} bytes, got {length}"
        raise DamagedFile(where, what, "The file is truncated or damaged; fetch it again.")
    text = bytearray(length)
    file.read_into(memoryview(text), 8)
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DamagedFile(where, f"expected a JSON header, got {error}") from error
    except KeyError as error:
        raise DamagedFile(where, f"the header names {error} twice") from error
    if not isinstance(header, dict):
        raise DamagedFile(where, "expected the header to be a JSON object")
    return 8 + length, header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise KeyError(key)
        found[key] = value
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _tensor(file: SourceFile, where: str, start: int, entry: Any) -> tuple[int, int, LazyTensor]:
    match entry:
        case {"dtype": str(code), "shape": list(shape), "data_offsets": [begin, end]} if len(entry) == 3:
            if not all(map(_is_count, [*shape, begin, end])):
                raise DamagedFile(where, f"expected whole numbers, got shape {shape} at {[begin, end]}")
        case _:
            raise DamagedFile(where, f"expected dtype, shape and data_offsets, got {str(entry)[:200]}")
    if code not in FROM_SAFETENSORS:
        raise DamagedFile(where, f"expected one of {', '.join(FROM_SAFETENSORS)}, got dtype {code!r}")
    dtype = FROM_SAFETENSORS[code]
    if end - begin != prod(shape) * item_size(dtype):
        raise DamagedFile(
            where, f"expected {prod(shape) * item_size(dtype)} bytes for {code} {shape}, got {end - begin}"
        )
    if start + end > file.size:
        what = f"expected {end - begin} bytes at offset {start + begin}, but the file ends at {file.size}"
        raise DamagedFile(where, what)
    return begin, end, LazyTensor(FileBytes(file, start + begin, dtype, tuple(shape)))
