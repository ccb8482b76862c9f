"""The plain data that pickles make by calling: containers of the standard library, and numpy's arrays and scalars."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

from irconv.containers.pickle_values import Draft, Global, Instance, OrderedItems
from irconv.layout import Array

_KINDS = "biufcSU"
_SMALL_KEY = 32


def checked_key(key: Any) -> Any:
    """A key of a dict or a member of a set. Raises `ValueError` for what takes too long to hash.

    A tuple that holds another one twice, and so on a hundred levels deep, is small in the file and endless to hash.
    """
    waiting, count = [key], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            count += len(item)
            waiting += item
        if count > _SMALL_KEY:
            raise ValueError(f"a key of more than {_SMALL_KEY} parts")
    return key


def _ordered(pairs: Iterable[Any] = ()) -> OrderedItems:
    found = OrderedItems()
    for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
        found[checked_key(key)] = value
    return found


def _default_dict(_factory: object = None, pairs: Iterable[Any] = ()) -> OrderedItems:
    return _ordered(pairs)


def _set(members: Iterable[Any] = ()) -> set[Any]:
    return {checked_key(member) for member in members}


def _frozen_set(members: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(checked_key(member) for member in members)


def _list(members: Iterable[Any] = (), _longest: object = None) -> list[Any]:
    return list(members)


def _bytes(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes in the protocols of Python 2. Raises `ValueError` for another encoding than latin1."""
    if encoding not in ("latin1", "latin-1", "iso-8859-1", "iso8859-1"):
        raise ValueError(f"expected text in latin1, got {encoding!r}")
    return text.encode("latin1")


def _byte_array(content: Any = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(content, int):
        raise ValueError("expected the bytes of a bytearray, got a length")
    return bytearray(_bytes(content, encoding) if isinstance(content, str) else content)


def _reconstructor(cls: Global, base: Global, state: Any) -> Instance:
    """Protocol 0 and 1: an object of a class, perhaps with the value of a built-in base class."""
    if base == Global("builtins", "object"):
        return Instance(cls)
    return Instance(cls, (state,))


class _DtypeDraft(Draft):
    def __init__(self, name: str, *_: Any) -> None:
        self.dtype = _plain_dtype(name)

    def build(self, state: tuple[Any, ...]) -> np.dtype[Any]:
        """State: version, byte order, then subarray, names, fields, item size, alignment and flags."""
        _, order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("expected numbers or text, got an array type with parts")
        return self.dtype.newbyteorder(order)


class _ArrayDraft(Draft):
    def build(self, state: tuple[Any, ...]) -> Array:
        """State: version (left out by old numpy), shape, element type, whether in Fortran order, the data."""
        shape, dtype, fortran, data = state[-4:]
        return array_of(data, finished(dtype), shape, "F" if fortran else "C")


def finished(dtype: Any) -> Any:
    """An element type, also where its state was never set."""
    return dtype.dtype if isinstance(dtype, _DtypeDraft) else dtype


def _plain_dtype(name: Any) -> np.dtype[Any]:
    if isinstance(name, Global):
        name = name.name
    name = name.decode("latin1") if isinstance(name, bytes) else name
    if name in ("O8", "O4", "O", "object"):
        return np.dtype(object)
    dtype = np.dtype(str(name)) if isinstance(name, str) and "," not in name else None
    if dtype is None or dtype.kind not in _KINDS:
        raise ValueError(f"expected an element type of numbers or text, got {str(name)[:40]!r}")
    return dtype


def array_of(data: Any, dtype: np.dtype[Any], shape: Any, order: Any) -> Array:
    """An array of its bytes, or of the objects in it. Raises `ValueError` where they are not as many as it needs."""
    check(dtype, shape)
    if dtype.kind == "O":
        return _objects(data, shape, order)
    data = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(data, bytes | bytearray | memoryview) or len(data) != prod(shape) * dtype.itemsize:
        raise ValueError(f"expected {prod(shape) * dtype.itemsize} bytes for an array of shape {tuple(shape)}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def check(dtype: Any, shape: Any) -> None:
    """Raise `ValueError` for what is no element type or no shape."""
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple | list):
        raise ValueError("expected an array's element type and shape")
    if not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
        raise ValueError(f"expected an array's shape, got {str(shape)[:80]}")


def _objects(data: Any, shape: Any, order: Any) -> Array:
    if not isinstance(data, list) or len(data) != prod(shape):
        raise ValueError(f"expected {prod(shape)} objects in an array of shape {tuple(shape)}")
    array = np.empty(len(data), object)
    for index, item in enumerate(data):
        array[index] = item
    return array.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, data: Any = b"") -> Any:
    return array_of(data, finished(dtype), (), "C")[()]


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> Array:
    return array_of(buffer, finished(dtype), shape, order)


def _empty_array(*_: Any) -> _ArrayDraft:
    return _ArrayDraft()


BUILDERS: dict[str, Callable[..., Any]] = {
    "builtins.set": _set,
    "builtins.frozenset": _frozen_set,
    "builtins.bytearray": _byte_array,
    "builtins.bytes": lambda content=b"": bytes(content) if not isinstance(content, int | str) else b"",
    "builtins.list": _list,
    "builtins.tuple": lambda members=(): tuple(members),
    "builtins.dict": _ordered,
    "builtins.complex": complex,
    "builtins.slice": slice,
    "builtins.range": range,
    "builtins.object": lambda: Instance(Global("builtins", "object")),
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _default_dict,
    "collections.Counter": _ordered,
    "collections.deque": _list,
    "_codecs.encode": _bytes,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": _DtypeDraft,
    "numpy.ndarray": _empty_array,
}
"""Dotted name -> what makes the plain data; ``numpy._core`` is spelt ``numpy.core``, ``__builtin__`` ``builtins``."""

RECONSTRUCTOR = "copyreg._reconstructor"
RECONSTRUCTORS: dict[str, Callable[..., Any]] = {
    RECONSTRUCTOR: _reconstructor,
    "copyreg.__newobj__": lambda cls, *arguments: Instance(cls, arguments),
}
"""The functions that make an object of the class that is their first argument."""
