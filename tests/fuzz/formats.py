"""Changes inside a container, whose lengths, checksums and digests are right again afterwards."""

from __future__ import annotations

import io
import pickletools
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import irconv
from irconv.containers import sstable, zip_plain
from irconv.containers.files import sha256
from irconv.containers.sstable import Table, table
from irconv.containers.varints import varint
from irconv.containers.verified import digests
from irconv.frameworks.bundle.digests import BLOCKS, SUMS, blocks_text, is_weights, sums_text
from tests.fuzz.changes import ODD, Random, of_bytes, of_json, of_numbers, of_text

Change = Callable[[bytes, Random], bytes]
_RAW = 0.2
"""How often bytes are changed without regard to what they are."""


def changed(name: str, content: bytes, random: Random) -> bytes:
    """The content of a file with something changed, within its structure for the most part."""
    if random.random() < _RAW:
        return of_bytes(content, random)
    try:
        return _kind(name, content)(content, random)
    except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError, zlib.error, irconv.IrconvError):
        return of_bytes(content, random)  # it was changed before, and is no longer what it was


def _kind(name: str, content: bytes) -> Change:
    if content[:2] == b"PK":
        return of_zip
    if b"\x89HDF\r\n\x1a\n" in content[:520]:
        return of_hdf5
    if content[:6] == b"\x93NUMPY":
        return of_npy
    if (content[:1] == b"\x80" and content[1:2] <= b"\x05") or name.endswith((".pkl", "data.pkl")):
        return of_pickle
    if content[:1] in (b"{", b"["):
        return lambda data, random: of_json(data.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")
    if content[8:9] == b"{":
        return of_safetensors
    if content[-8:] == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb":
        return of_sstable
    if name.endswith((".onnx", ".pb", ".meta")):
        return of_protobuf
    if name.endswith(("SHA256SUMS", ".pbtxt", ".md", ".txt", ".py")):
        return lambda data, random: of_text(data.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")
    return of_numbers


def of_zip(content: bytes, random: Random) -> bytes:
    """An archive with one member changed, left out, doubled or renamed; its CRCs are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source:
            members = [(info, source.read(info)) for info in source.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, zlib.error):
        return of_bytes(content, random)
    if not members:
        return of_bytes(content, random)
    kinds = (".json", ".pkl", ".h5", ".npy", ".py")
    plain = [i for i, (info, _) in enumerate(members) if info.filename.endswith(kinds)]
    choice = plain if plain and random.random() < 0.7 else range(len(members))
    place = int(random.choice(list(choice)))
    info, data = members[place]
    kind = random.choice(5, p=[0.84, 0.05, 0.03, 0.04, 0.04])
    if kind == 0:
        members[place] = info, changed(info.filename, data, random)
    elif kind == 1:
        del members[place]
    elif kind == 2:
        members.append((info, data))
    elif kind == 3:
        members[place] = zipfile.ZipInfo(f"{info.filename}x", info.date_time), data
    else:
        info.compress_type = zipfile.ZIP_DEFLATED
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for info, data in members:
            entry = zipfile.ZipInfo(info.filename, info.date_time)
            entry.compress_type = info.compress_type if info.compress_type in (0, 8) else 0
            if data is not None and entry.filename not in archive.namelist():
                archive.writestr(entry, data)
    return made.getvalue()


def of_hdf5(content: bytes, random: Random) -> bytes:
    """A file with an attribute, a dataset or a name changed by the library itself."""
    with tempfile.TemporaryDirectory(prefix="irconv-fuzz-") as folder:
        path = Path(folder) / "m.h5"
        path.write_bytes(content)
        try:
            with h5py.File(path, "r+") as file:
                for _ in range(int(random.integers(1, 3))):
                    _change_hdf5(file, random)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError):
            return of_bytes(content, random)
        return path.read_bytes()


def _change_hdf5(file: h5py.File, random: Random) -> None:
    items: list[Any] = [file]
    file.visititems(lambda _, item: items.append(item))
    with_attributes = [item for item in items if len(item.attrs)]
    datasets = [item for item in items if isinstance(item, h5py.Dataset) and item.shape is not None]
    kind = random.choice(4, p=[0.6, 0.2, 0.1, 0.1])
    if kind == 0 and with_attributes:
        item = file if file.attrs and random.random() < 0.7 else _one(with_attributes, random)
        _change_attribute(item, _one(list(item.attrs), random), random)
    elif kind == 1 and datasets:
        data = _one(datasets, random)
        array = data[()]
        if random.random() < 0.7 and array.size and array.dtype.kind == "f":
            data[...] = np.roll(array, int(random.integers(1, 5)))
            return
        name, parent = data.name, data.parent
        del parent[name]
        shape = [*array.shape[1:], *array.shape[:1]] if random.random() < 0.5 else [*array.shape, 1]
        parent[name] = array.reshape(shape).astype(_one(["f4", "f8", "i4", "f2", "u1"], random))
    elif kind == 2 and len(items) > 1:
        item = _one(items[1:], random)
        item.parent.move(item.name, f"{item.name}_1")
    elif len(items) > 1:
        item = _one(items[1:], random)
        del item.parent[item.name]


def _change_attribute(item: Any, name: str, random: Random) -> None:
    value = item.attrs[name]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if isinstance(text, str):
        new = of_json(text, random) if text[:1] in ("{", "[") else of_text(text, random)
        item.attrs[name] = new.encode("utf-8", "replace")
    elif isinstance(value, np.ndarray) and value.size and random.random() < 0.7:
        item.attrs[name] = np.roll(value, 1) if random.random() < 0.5 else value[:-1]
    elif random.random() < 0.5:
        del item.attrs[name]
    else:
        item.attrs[name] = int(random.integers(-5, 5))


def _one(values: Sequence[Any], random: Random) -> Any:
    return values[int(random.integers(len(values)))]


def of_npy(content: bytes, random: Random) -> bytes:
    """The numbers of an array, or its header."""
    size = int.from_bytes(content[8:10], "little")
    head, body = content[10 : 10 + size], content[10 + size :]
    if random.random() < 0.5:
        return content[: 10 + size] + of_numbers(body, random)
    text = of_text(head.decode("latin-1"), random).encode("latin-1", "replace")
    return content[:8] + min(len(text), 65535).to_bytes(2, "little") + text[:65535] + body


def of_safetensors(content: bytes, random: Random) -> bytes:
    """The header, or the numbers."""
    (size,) = struct.unpack("<Q", content[:8])
    head, body = content[8 : 8 + size], content[8 + size :]
    if random.random() < 0.4:
        return content[: 8 + size] + of_numbers(body, random)
    text = of_json(head.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + body


def of_pickle(content: bytes, random: Random) -> bytes:
    """Opcodes left out, doubled, exchanged or given the argument of another of their kind."""
    parts: list[tuple[str, bytes]] = []
    rest = io.BytesIO(content)
    try:  # several may stand one after the other
        while rest.tell() < len(content):
            begin = rest.tell()
            ops = list(pickletools.genops(rest))
            places = [begin + (place or 0) - (ops[0][2] or 0) for _, _, place in ops] + [rest.tell()]
            parts += [
                (op.name, content[here:there])
                for (op, _, _), here, there in zip(ops, places[:-1], places[1:], strict=True)
            ]
    except Exception:  # noqa: BLE001 what follows is no pickle, or one that was damaged
        parts.append(("rest", content[sum(len(part) for _, part in parts) :]))
    for _ in range(int(random.integers(1, 3))):
        here = int(random.integers(len(parts)))
        alike = [i for i, part in enumerate(parts) if part[0] == parts[here][0]]
        there = int(random.choice(alike)) if random.random() < 0.6 else int(random.integers(len(parts)))
        kind = random.choice(4, p=[0.55, 0.15, 0.15, 0.15])
        if kind == 0:
            parts[here] = parts[there]
        elif kind == 1:
            del parts[here]
        elif kind == 2:
            parts.insert(here, parts[there])
        else:
            parts[here] = parts[here][0], of_bytes(parts[here][1], random)[:100_000]
        if not parts:
            return b""
    return b"".join(part for _, part in parts)


def of_sstable(content: bytes, random: Random) -> bytes:
    """A table with some values changed, whose blocks say the right checksums."""
    with tempfile.TemporaryDirectory(prefix="irconv-fuzz-") as folder:
        path = Path(folder) / "t"
        path.write_bytes(content)
        entries = dict(Table(path).items())
    keys = sorted(entries)
    for _ in range(int(random.integers(1, 3))):
        key = keys[int(random.integers(len(keys)))]
        kind = random.choice(4, p=[0.6, 0.2, 0.1, 0.1])
        if kind == 0:
            entries[key] = of_protobuf(entries[key], random)
        elif kind == 1:
            entries[key] = entries[keys[int(random.integers(len(keys)))]]
        elif kind == 2:
            entries.pop(key, None)
        else:
            entries[of_bytes(key + b" " * 16, random)[:200]] = entries[key]
        keys = sorted(entries)
        if not keys:
            break
    return packed_table(entries) if entries and random.random() < 0.2 else table(iter(sorted(entries.items())))


def packed_table(entries: Mapping[bytes, bytes]) -> bytes:
    """A table of one block that is compressed, as TensorFlow's first version wrote them."""
    plain = bytearray()
    sstable._put(plain, sorted(entries.items()), 16)
    block = snappy(bytes(plain[:-5])) + b"\x01"
    made = bytearray(block + sstable.masked(sstable.checksum(block)).to_bytes(4, "little"))
    index = [(max(entries) + b"x", varint(0) + varint(len(block) - 1))]
    footer = sstable._put(made, [], 16) + sstable._put(made, index, 1)
    return bytes(made) + footer.ljust(sstable.FOOTER - len(sstable._MAGIC), b"\0") + sstable._MAGIC


def snappy(content: bytes) -> bytes:
    """Bytes compressed: eight that stood before are a copy, the others literals."""
    made, waiting, seen, place = bytearray(varint(len(content))), bytearray(), dict[bytes, int](), 0
    while place < len(content):
        part = content[place : place + 8]
        before = seen.get(part, -1)
        seen.setdefault(part, place)
        copied = len(part) == 8 and before >= 0 and place - before < 2**16
        if not copied:
            waiting += part[:1]
        if waiting and (copied or len(waiting) == 60 or place == len(content) - 1):
            made += bytes([len(waiting) - 1 << 2]) + waiting
            waiting.clear()
        if copied:
            made += bytes([7 << 2 | 2]) + (place - before).to_bytes(2, "little")
        place += 8 if copied else 1
    return bytes(made + (bytes([len(waiting) - 1 << 2]) + waiting if waiting else b""))


Fields = list[tuple[int, int, Any]]
"""Of a message: number, wire type, and a number, bytes or fields."""


def of_protobuf(content: bytes, random: Random) -> bytes:
    """A message with some fields, at any depth, changed, left out, doubled or exchanged; lengths are right."""
    fields = _fields(content, 0)
    if not fields:
        return of_bytes(content, random)
    for _ in range(int(random.choice([1, 1, 2, 3]))):
        every: list[tuple[Fields, int]] = []
        _collect(fields, every)
        if not every:
            break
        message, place = every[int(random.integers(len(every)))]
        number, wire, value = message[place]
        alike = [m[i] for m, i in every if m[i][:2] == (number, wire)]
        kind = random.choice(5, p=[0.35, 0.3, 0.15, 0.1, 0.1])
        if kind == 0:
            message[place] = number, wire, _other(value, wire, random)
        elif kind == 1:
            message[place] = number, wire, deepcopy(alike[int(random.integers(len(alike)))][2])
        elif kind == 2:
            del message[place]
        elif kind == 3:
            message.insert(place, (number, wire, deepcopy(value)))
        else:
            other = int(random.integers(len(message)))
            message[place], message[other] = message[other], message[place]
    return _written(fields)


def _other(value: Any, wire: int, random: Random) -> Any:
    if wire == 0:
        numbers = [number % 2**64 for number in ODD if isinstance(number, int)]
        return int(random.choice(np.array([*numbers, value + 1, max(value - 1, 0), value * 2], object))) % 2**64
    if isinstance(value, list):
        return value[::-1] if random.random() < 0.5 else value[: len(value) // 2]
    if wire == 2 and value and value.isascii() and random.random() < 0.7:
        return of_text(value.decode(), random).encode("utf-8", "surrogatepass")
    return of_numbers(value, random) if wire == 2 and random.random() < 0.7 else bytes(value)[::-1]


def _collect(fields: Fields, into: list[tuple[Fields, int]]) -> None:
    for place, (_, _, value) in enumerate(fields):
        into.append((fields, place))
        if isinstance(value, list):
            _collect(value, into)


def _fields(data: bytes, depth: int) -> Fields | None:
    """The fields of a message; None where the bytes are none."""
    found: Fields = []
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        number, wire = key >> 3, key & 7
        if key < 0 or not 0 < number < 2**29 or wire not in (0, 1, 2, 5):
            return None
        if wire == 0:
            value: Any
            value, place = _number(data, place)
            if value < 0:
                return None
        else:
            size, place = {1: (8, place), 5: (4, place)}.get(wire) or _number(data, place)
            if size < 0 or place + size > len(data):
                return None
            value = data[place : place + size]
            place += size
            if wire == 2 and depth < 24 and 1 < size < 2**18:
                inner = None if value.isalnum() else _fields(value, depth + 1)
                value = inner or value
        found.append((number, wire, value))
    return found


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A varint and where it ends; -1 where it does not."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            return -1, place
        value |= (data[place] & 0x7F) << shift
        place += 1
        if not data[place - 1] & 0x80:
            return value % 2**64, place
    return -1, place


def _written(fields: Fields) -> bytes:
    parts = []
    for number, wire, value in fields:
        parts.append(varint(number << 3 | wire))
        if wire == 0:
            parts.append(varint(value))
            continue
        content = _written(value) if isinstance(value, list) else value
        parts += [varint(len(content))] * (wire == 2) + [content]
    return b"".join(parts)


def sealed(folder: Path, packed: Path | None = None) -> None:
    """Write the digests of a bundle's folder anew, as for somebody who changes a bundle and means it; or pack it."""
    weights = [path for path in folder.iterdir() if is_weights(path.name)]
    proofs = {path.name: (path.stat().st_size, digests(path, packed is not None)) for path in weights}
    if proofs:
        (folder / BLOCKS).write_text(blocks_text(proofs), encoding="utf-8")
    files = [path for path in folder.iterdir() if path.is_file() and path.name != SUMS]
    (folder / SUMS).write_text(sums_text({path.name: sha256(path) for path in files}), encoding="utf-8")
    if packed is not None:
        members = {f"m.irconv/{path.name}": path for path in [*files, folder / SUMS]}
        crcs = {f"m.irconv/{name}": proof.crc for name, (_, proof) in proofs.items() if proof.crc is not None}
        zip_plain.pack(members, packed, crcs)
