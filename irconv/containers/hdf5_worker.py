"""The HDF5 library in a process of its own, which may crash, hang or run out of memory: damaged files make it do so.

Run as a script, with the parent's ``sys.path`` as its argument, it imports h5py and nothing of irconv, so it starts
fast; the command itself is forked (`irconv.containers.own_process`), which is faster still.
Each request is a line of JSON on stdin; each answer, on stdout, is the length (8 bytes, little-endian) of a JSON text,
the text, and as many raw bytes as it says under "data". An answer is {"error": text} where the library gave up. A file
inside another one has no path: the answer {"read": [offset, count]} then asks for its bytes, which follow on stdin.

Limits of memory and of processor time are set anew before each request, where the platform has them; Windows has not,
and there the parent's limit of time is all that holds.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, BinaryIO

MOST_DEPTH = 64
MOST_OBJECTS = 2**20
FREE_OBJECTS, BYTES_OF_OBJECT = 1000, 64
"""Names in groups that any file may have; a larger one has one more for every so many bytes, which a name takes."""
MOST_ATTRIBUTE_BYTES = 2**26
_BLOCK, _MOST_BLOCKS = 2**18, 256
"""Bytes that are asked for at once, and how many such blocks are kept: the library goes to and fro between what it says
of a dataset and of its group."""
_KINDS = {1: "SoftLink", 64: "ExternalLink"}


class _Asked(io.RawIOBase):
    """A file of which the parent has the bytes."""

    def __init__(self, size: int, out: BinaryIO) -> None:
        self._size, self._out, self._position = size, out, 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; where to is counted from the start, from here or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes."""
        view = memoryview(buffer).cast("B")
        count = left = max(0, min(len(view), self._size - self._position))
        while left:
            number, skipped = divmod(self._position, _BLOCK)
            part = memoryview(self._block(number))[skipped : skipped + left]
            view[count - left : count - left + len(part)] = part
            self._position += len(part)
            left -= len(part)
        return count

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) == _MOST_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            start = number * _BLOCK
            count = min(_BLOCK, self._size - start)
            _write(self._out, {"read": [start, count]}, b"")
            self._blocks[number] = sys.stdin.buffer.read(count)
        return self._blocks[number]


def answer(request: dict[str, Any], out: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """What a request asks for, and raw data."""
    import h5py

    inside = "path" not in request
    source = _Asked(request["size"], out) if inside else request["path"]
    with h5py.File(source, "r") as file:
        if "dataset" in request:
            array = file[request["dataset"]][()]
            array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            return {"dtype": array.dtype.str, "shape": list(array.shape)}, array.tobytes()
        most = min(MOST_OBJECTS, FREE_OBJECTS + request["size"] // BYTES_OF_OBJECT)
        return {"root": _Walk(most).group(file.id, frozenset())}, b""


class _Walk:
    """Collects the structure of a file, counting what it has seen. It asks the library by identifiers, as h5py's own
    objects cost four times as much each, and a file may have a hundred thousand."""

    def __init__(self, most: int) -> None:
        self.most, self.objects = most, 0
        self.attribute_bytes = 0

    def group(self, group: Any, above: frozenset[Any]) -> dict[str, Any]:
        """A group as {"attributes", "members": {name: member}}, each member with a "kind"."""
        import h5py

        here = h5py.h5o.get_info(group)
        address = (here.fileno, here.addr)
        if address in above:
            return {"kind": "damaged", "what": "expected a tree of groups, got one that holds itself"}
        if len(above) > MOST_DEPTH:
            return {"kind": "damaged", "what": f"expected groups nested at most {MOST_DEPTH} deep"}
        members: dict[str, Any] = {}
        found: dict[str, Any] = {"kind": "group", "members": members}
        self.attributes(group, found)
        for raw in group:
            self.objects += 1
            if self.objects > self.most:
                what = f"expected at most {self.most} groups and datasets in a file of its size"
                return {"kind": "damaged", "what": what}
            members[raw.decode("utf-8", "surrogateescape")] = self.member(group, raw, above | {address})
        return found

    def member(self, group: Any, raw: bytes, above: frozenset[Any]) -> dict[str, Any]:
        """What a name in a group stands for; links are never followed."""
        import h5py

        link = group.links.get_info(raw)
        if link.type == h5py.h5l.TYPE_SOFT:
            target = group.links.get_val(raw)
            return {"kind": "link", "type": "SoftLink", "target": target.decode("utf-8", "replace")}
        if link.type != h5py.h5l.TYPE_HARD:
            return {"kind": "link", "type": _KINDS.get(link.type, f"link of type {link.type}")}
        item = h5py.h5o.open(group, raw)
        if isinstance(item, h5py.h5g.GroupID):
            return self.group(item, above)
        return _dataset(item) if isinstance(item, h5py.h5d.DatasetID) else {"kind": "type"}

    def attributes(self, group: Any, found: dict[str, Any]) -> None:
        """Attributes as plain data; None for those of a kind that no JSON text holds."""
        import h5py

        values: dict[str, Any] = {}
        attributes = h5py.Group(group).attrs if h5py.h5a.get_num_attrs(group) else {}
        for key in attributes:
            opened = h5py.h5a.open(group, key.encode("utf-8", "surrogateescape"))
            size = opened.get_space().get_simple_extent_npoints() * opened.get_type().get_size()
            self.attribute_bytes += size + len(key)
            if self.attribute_bytes > MOST_ATTRIBUTE_BYTES:
                found["kind"] = "damaged"
                found["what"] = f"expected at most {MOST_ATTRIBUTE_BYTES} bytes of attributes in a file"
                return
            values[key] = _plain(attributes[key])
        found["attributes"] = values


_LONGEST_TYPE = 64


def _dataset(item: Any) -> dict[str, Any]:
    """Where a dataset's elements are, and what they are as far as that is a plain number."""
    import h5py

    plist = item.get_create_plist()
    layout = plist.get_layout()
    outside = plist.get_external_count() > 0 or layout == h5py.h5d.VIRTUAL
    found: dict[str, Any] = {"kind": "dataset", "outside": outside, "dtype": None}
    try:
        dtype = item.dtype
    except TypeError as error:  # numbers of a size that numpy lacks
        return {**found, "holds": str(error), "shape": None}
    filters = [plist.get_filter(index) for index in range(plist.get_nfilters())]
    missing = [f"{code} {name.decode('utf-8', 'replace')}".strip() for code, _, _, name in filters if not _has(code)]
    empty = item.get_space().get_simple_extent_type() == h5py.h5s.NULL
    plain = dtype.kind in "biuf" and not dtype.subdtype
    return {
        **found,
        "holds": "" if plain and not empty else str(dtype),
        "dtype": dtype.str if plain else None,
        "bfloat16": dtype.itemsize == 2 and dtype.kind in "Vu" and _said_type(item) == "bfloat16",
        "shape": None if empty else list(item.shape),
        "offset": None if layout == h5py.h5d.CHUNKED else item.get_offset(),
        "stored": item.get_storage_size(),
        "filters": missing,
    }


def _said_type(item: Any) -> str:
    """The element type that Keras says beside elements that HDF5 has no type for."""
    import h5py

    try:
        if not h5py.h5a.exists(item, b"dtype") or h5py.h5a.open(item, b"dtype").get_storage_size() > _LONGEST_TYPE:
            return ""
        said = h5py.AttributeManager(h5py.Dataset(item)).get("dtype")
    except (OSError, TypeError, ValueError):
        return ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _has(code: int) -> bool:
    """Whether the library has a filter itself: plug-ins are code that a file would have run."""
    import h5py

    return bool(h5py.h5z.filter_avail(code))


def _plain(value: Any) -> Any:
    """A value as JSON has it, bytes as {"bytes": text}; None for what it has not, such as references."""
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        value = value.tolist()
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | bool) else None


def _limit(memory: int, seconds: int) -> None:
    """Let this process take so much more memory and processor time than it has now."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except OSError:  # macOS has no such file, and does not keep to limits of address space either
        return
    _soft(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)


def _soft(kind: int, limit: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _reply(request: dict[str, Any], out: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """The answer to a request, whatever happens."""
    try:
        _limit(request["memory"], request["seconds"])
        return answer(request, out)
    except MemoryError:
        return {"error": f"it takes more than {request['memory']} bytes of memory"}, b""
    except Exception as error:  # noqa: BLE001 the library raises all kinds, and the parent names them
        return {"error": str(error) or type(error).__name__}, b""


def serve() -> None:
    """Answer until stdin ends."""
    import h5py  # noqa: F401 before any limit: loading it takes address space

    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what a library prints must not be taken for an answer
        while line := sys.stdin.buffer.readline():
            _write(out, *_reply(json.loads(line), out))


def _write(out: BinaryIO, text: dict[str, Any], data: bytes) -> None:
    encoded = json.dumps({**text, "data": len(data)}).encode()
    out.write(len(encoded).to_bytes(8, "little") + encoded)
    out.write(data)
    out.flush()


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    serve()
