"""The containers of ``torch.save``: zips (since 1.4), the older row of pickles, and plain pickles of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from irconv.containers import compressed
from irconv.containers.files import BytesFile, SourceFile
from irconv.containers.pickle import Stream, unpickle, unpickle_bytes
from irconv.containers.zip import SIGNATURE as ZIP_SIGNATURE
from irconv.containers.zip import Archive, archive
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile, IrconvError, Refused
from irconv.frameworks.torch.files import HEAD, MAGIC, TAR_MAGIC, is_legacy
from irconv.frameworks.torch.pickles import Storages, item_bytes
from irconv.frameworks.torch.pickles_views import Storage

_PROTOCOL = 1001
_MAX_PICKLE = 1 << 31


@dataclass(frozen=True)
class Saved:
    """What one file holds: the pickled value, tensors in it still unread."""

    path: Path
    value: Any
    sources: dict[str, str] = field(default_factory=dict)
    """Dotted name of a class -> its source text, where the file has it."""


def read(path: Path) -> Saved:
    """The pickled value of a file. Raises `DamagedFile`, and `Refused` naming what is no plain data."""
    head = compressed.head(path, HEAD)
    if head[:4] == ZIP_SIGNATURE:
        return read_archive(path, archive(path))
    if head[257:262] == TAR_MAGIC:
        what = "is a tar archive of PyTorch 0.1, which irconv does not read"
        raise Refused(str(path), what, "Load it with PyTorch 0.4 to 2.x and save it again.")
    where = str(path)
    if is_legacy(head):
        return _read_legacy(path, compressed.opened(path), where)
    storages = Storages(where)
    rules = storages.rules()
    rules = replace(rules, builders={**rules.builders, **_nested(where)})
    return Saved(path, unpickle(Stream(compressed.opened(path)), where, rules), storages.sources)


def read_archive(path: Path, archive: Archive) -> Saved:
    """The pickled value of a zip of ``torch.save``, which may be a part of the file."""
    names = sorted((name for name in archive.members if name.rpartition("/")[2] == "data.pkl"), key=len)
    root = str(PurePosixPath(names[0]).parent) if names else ""
    root = "" if root == "." else f"{root}/"
    _refuse_programs(path, archive, root, bool(names))
    order = b"little"
    if f"{root}byteorder" in archive.members:
        order = archive.content(f"{root}byteorder", 16)
    if order not in (b"little", b"big"):
        raise DamagedFile(f"{path}: {root}byteorder", f"expected little or big, got {order!r}")
    storages = Storages(str(path))

    def find(key: str, nbytes: int) -> Storage:
        # PyTorch 1.4 names storages after their address in memory, in another folder.
        name = next((n for n in (f"{root}data/{key}", f"{root}tensors/{key}") if n in archive.members), None)
        if name is None:
            raise DamagedFile(str(path), f"expected the storage {root}data/{key}, which is missing")
        if (size := archive.members[name].size) != nbytes:
            raise DamagedFile(f"{path}: {name}", f"expected {nbytes} bytes for the tensors in it, got {size}")
        return Storage(nbytes, archive.open(name), 0, order == b"big")

    storages.find = find
    content = archive.text(names[0], _MAX_PICKLE)
    return Saved(path, unpickle_bytes(content, f"{path}: {names[0]}", storages.rules()), storages.sources)


def _refuse_programs(path: Path, archive: Archive, root: str, has_pickle: bool) -> None:
    """Refuse the archives that hold programs: TorchScript and torch.export."""
    names = [name.removeprefix(root) for name in archive.members]
    other = [PurePosixPath(name).name for name in archive.members]
    if "archive_format" in other or any(name.endswith("models/model.json") for name in archive.members):
        raise Refused(str(path), "is a program of torch.export, which irconv does not read", _SAVE_STATE)
    scripted = "constants.pkl" in names or any(name.startswith("code/") for name in names) or "model.json" in other
    if scripted:
        raise Refused(str(path), "is a TorchScript program, which irconv does not read", _SAVE_STATE)
    if not has_pickle:
        raise DamagedFile(str(path), "expected a member data.pkl, which is missing")


_SAVE_STATE = "Save the state dict, or the module exported to ONNX."


def _read_legacy(path: Path, file: SourceFile | bytes, where: str) -> Saved:
    """Five pickles (a magic number, the protocol, the system, the value, the keys of the storages), then for each key
    the number of its elements and their bytes."""
    storages = Storages(where)
    stream = Stream(file)
    rules = storages.rules()
    magic, protocol = unpickle(stream, where), unpickle(stream, where)
    if magic != MAGIC or protocol != _PROTOCOL:
        raise DamagedFile(where, f"expected PyTorch's protocol {_PROTOCOL}, got {str(protocol)[:40]}")
    system = unpickle(stream, where, rules)
    value = unpickle(stream, where, rules)
    keys = unpickle(stream, where, rules)
    if not isinstance(system, dict) or not isinstance(keys, list):
        raise DamagedFile(where, "expected the system's properties and the keys of the storages")
    big = not system.get("little_endian", True)
    source = file if isinstance(file, SourceFile) else BytesFile(file, where)
    position = stream.position
    for key in keys:
        storage = storages.known.get(str(key))
        if storage is None:
            raise DamagedFile(where, f"lists a storage {str(key)[:40]} that no tensor has")
        position = _place(storage, source, position, big, f"{where}: storage {key}")
    missing = [key for key, storage in storages.known.items() if storage.file is None]
    if missing:
        raise DamagedFile(where, f"expected the data of storage {missing[0][:40]}, which is missing")
    return Saved(path, value, storages.sources)


def _place(storage: Storage, file: SourceFile, position: int, big: bool, where: str) -> int:
    """Note where a storage's bytes lie; returns where the next one begins."""
    header = bytearray(8)
    if position + 8 > file.size:
        raise DamagedFile(where, "the file ends before it", "The file is truncated; fetch it again.")
    file.read_into(memoryview(header), position)
    count = int.from_bytes(header, "big" if big else "little", signed=True)
    nbytes = count * item_bytes(storage.dtype)
    if nbytes != storage.nbytes:
        raise DamagedFile(where, f"expected {storage.nbytes} bytes for the tensors in it, got {nbytes}")
    if position + 8 + nbytes > file.size:
        what = f"expected {nbytes} bytes at {position + 8}, but the file ends at {file.size}"
        raise DamagedFile(where, what, "The file is truncated; fetch it again.")
    storage.file, storage.offset, storage.big_endian = file, position + 8, big
    return position + 8 + nbytes


def _nested(where: str) -> dict[str, Callable[..., Any]]:
    """In a plain pickle each storage is a whole file of ``torch.save`` in itself."""

    def storage(content: Any) -> Any:
        if not isinstance(content, bytes | bytearray):
            raise ValueError("expected the bytes of a storage")
        try:
            return _read_legacy(Path(where), bytes(content), f"{where}: a storage").value
        except MALFORMED as error:
            if isinstance(error, IrconvError):
                raise
            raise ValueError(f"a storage: {error}") from error

    return {"torch.storage._load_from_bytes": storage}
