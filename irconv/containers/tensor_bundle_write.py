"""Writes TensorFlow's V2 checkpoints: tensors streamed into one shard, then the index that names them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any

from irconv.containers import messages
from irconv.containers.checked import checksum_of
from irconv.containers.files import OutputFile, Progress, SourceFile, write_tensors
from irconv.containers.outputs import Output
from irconv.containers.sstable import checksum, masked, table
from irconv.containers.tensor_bundle import Strings
from irconv.containers.tensor_strings import written_strings
from irconv.containers.tensor_types import type_number
from irconv.ir.tensors import LazyTensor


def write(
    output: Output,
    prefix: Path,
    tensors: Mapping[str, LazyTensor],
    strings: Mapping[str, Strings] | None = None,
    types: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    marks: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write ``PREFIX.data-00000-of-00001``, ``PREFIX.index`` and ``checkpoint``; the index, which readers open, appears
    last. `marks` are written as comments.

    `types` gives the type of TensorFlow where it says more than the elements' (``qint8``). Checksums are taken from
    what was written, so that no tensor is held whole. Returns the files, data first.
    """
    data, index = Path(f"{prefix}.data-00000-of-00001"), Path(f"{prefix}.index")
    state = prefix.with_name("checkpoint")
    said = "".join(f"# {mark}: {value}\n" for mark, value in (marks or {}).items())
    output.path(state).write_bytes(state_text(prefix.name) + said.encode())
    entries = _data(output.path(data), tensors, strings or {}, types or {}, progress)
    output.path(index).write_bytes(_index(entries))
    return [data, index, state]


def write_pair(prefix: Path, tensors: Mapping[str, LazyTensor], progress: Progress | None = None) -> None:
    """Write ``PREFIX.data-00000-of-00001`` and ``PREFIX.index`` as they stand in a SavedModel."""
    entries = _data(Path(f"{prefix}.data-00000-of-00001"), tensors, {}, {}, progress)
    Path(f"{prefix}.index").write_bytes(_index(entries))


def _index(entries: Mapping[str, bytes]) -> bytes:
    return table(iter([(b"", _header()), *sorted((name.encode(), entry) for name, entry in entries.items())]))


def state_text(name: str) -> bytes:
    """The file that says which checkpoint of a folder is the newest: a name beside it, so that the folder may move."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'model_checkpoint_path: "{quoted}"\nall_model_checkpoint_paths: "{quoted}"\n'.encode()


def _data(
    path: Path,
    tensors: Mapping[str, LazyTensor],
    strings: Mapping[str, Strings],
    types: Mapping[str, str],
    progress: Progress | None,
) -> dict[str, bytes]:
    """Write the shard; returns the entry of each tensor."""
    file = OutputFile(path)
    offset = 0
    placed: list[tuple[LazyTensor, int]] = []
    entries: dict[str, Any] = {}
    try:
        for name in sorted({*tensors, *strings}, key=str.encode):
            if name in tensors:
                tensor = tensors[name]
                entries[name] = _entry(types.get(name, tensor.dtype), tensor.shape, offset, tensor.nbytes)
                placed.append((tensor, offset))
            else:
                content, crc = written_strings(strings[name].values)
                entries[name] = _entry("string", strings[name].shape, offset, len(content))
                entries[name].crc32c = masked(crc)
                file.write_bytes(content, offset)
            offset += entries[name].size
        write_tensors(file, placed, progress)
        written = SourceFile(path)
        numbers = [name for name in entries if name in tensors]

        def crc_of(name: str) -> int:
            return checksum_of(written, entries[name].offset, entries[name].size, checksum)

        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as pool:
            for name, crc in zip(numbers, pool.map(crc_of, numbers), strict=True):
                entries[name].crc32c = masked(crc)
    finally:
        file.close()
    return {name: entry.SerializeToString(deterministic=True) for name, entry in entries.items()}


def _entry(dtype: str, shape: tuple[int, ...], offset: int, size: int) -> Any:
    entry = messages.message("tensorflow", "BundleEntryProto")
    entry.dtype, entry.offset, entry.size = type_number(dtype), offset, size
    entry.shape.SetInParent()
    for length in shape:
        entry.shape.dim.add(size=length)
    return entry


def _header() -> bytes:
    header = messages.message("tensorflow", "BundleHeaderProto")
    header.num_shards, header.version.producer = 1, 1
    content: bytes = header.SerializeToString(deterministic=True)
    return content
