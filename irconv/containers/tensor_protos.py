"""``TensorProto`` messages as lazy tensors: raw content, or a row of numbers whose last stands for all that follow."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from irconv.containers.budget import unpacked
from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.tensor_types import element_type, shape_of, type_name
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile
from irconv.ir.dtypes import item_size, numpy_dtype
from irconv.ir.tensors import LazyTensor, take_box
from irconv.layout import Array, Box

_MOST_BYTES = 1 << 31
"""What protocol buffers can hold; a tensor of one repeated number may claim any size."""


@dataclass(frozen=True)
class StringTensor:
    """A constant of strings."""

    shape: tuple[int, ...]
    values: tuple[bytes, ...]


@dataclass(frozen=True)
class OtherTensor:
    """A constant of a type that no bundle can hold, such as ``resource``."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Repeated:
    """A source in which one number fills what a shorter row of numbers leaves."""

    given: Array
    shape: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """Logical element type."""
        return self.given.dtype.name

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        if len(self.given) == 1:
            return np.full([stop - start for start, stop in box], self.given[0])
        whole = np.empty(prod(self.shape), self.given.dtype)
        whole[: len(self.given)] = self.given
        whole[len(self.given) :] = self.given[-1]
        return take_box(whole.reshape(atoms), box)


def tensor(message: Any, where: str, file: SourceFile | None = None) -> LazyTensor | StringTensor | OtherTensor:
    """The tensor in a ``TensorProto``; `file` is where content lies that was left out of the message.

    Raises `DamagedFile` for a content that does not fit the shape.
    """
    shape = shape_of(message.tensor_shape, where)
    name, dtype = type_name(message.dtype), element_type(message.dtype)
    if name == "string":
        return StringTensor(shape, _strings(message, prod(shape), where))
    if dtype is None:
        return OtherTensor(name, shape)
    nbytes = prod(shape) * item_size(dtype)
    if message.left_out_size and file is not None:
        if message.left_out_size != nbytes:
            raise DamagedFile(where, f"expected {nbytes} bytes for {dtype} {shape}, got {message.left_out_size}")
        return LazyTensor(FileBytes(file, message.left_out_offset, dtype, shape))
    if nbytes > _MOST_BYTES:
        raise DamagedFile(where, f"claims {nbytes} bytes for {dtype} {shape}, more than a message can hold")
    if message.tensor_content:
        if len(message.tensor_content) != nbytes:
            raise DamagedFile(where, f"expected {nbytes} bytes for {dtype} {shape}, got {len(message.tensor_content)}")
        return LazyTensor.of(np.frombuffer(message.tensor_content, numpy_dtype(dtype)).reshape(shape))
    try:
        numbers = _NUMBERS[dtype](message)
    except (ValueError, OverflowError) as error:
        raise DamagedFile(where, f"expected numbers of {dtype}: {error}") from error
    return _of_numbers(numbers, dtype, shape, where)


def _of_numbers(numbers: Array, dtype: str, shape: tuple[int, ...], where: str) -> LazyTensor:
    count = prod(shape)
    if len(numbers) > count:
        raise DamagedFile(where, f"expected {count} numbers for {dtype} {shape}, got {len(numbers)}")
    given = numbers if len(numbers) else np.zeros(1, numbers.dtype)  # without any they are all zero
    if len(numbers) == count:
        return LazyTensor.of(numbers.reshape(shape))
    if count * numbers.itemsize > unpacked(numbers.nbytes):
        raise DamagedFile(where, f"claims {count} numbers and has {len(numbers)}, fewer than irconv repeats")
    return LazyTensor(_Repeated(given, shape))


def _strings(message: Any, count: int, where: str) -> tuple[bytes, ...]:
    values = tuple(message.string_val)
    if len(values) > count or (len(values) > 1 and len(values) != count) or 64 * count > unpacked(0):
        raise DamagedFile(where, f"expected {count} strings, got {len(values)}")
    return values if len(values) == count else (values or (b"",)) * count


def _from(field: str, dtype: str) -> Callable[[Any], Array]:
    def read(message: Any) -> Array:
        values = getattr(message, field)
        if field == "half_val":  # the bits of each number
            return np.array(values, np.int64).astype(np.uint16).view(numpy_dtype(dtype))
        return np.array(values, np.int64 if field == "int_val" else None).astype(numpy_dtype(dtype))

    return read


def _complex(field: str, dtype: str, part: str) -> Callable[[Any], Array]:
    return lambda message: np.array(getattr(message, field), part).view(numpy_dtype(dtype))


def _float8(dtype: str) -> Callable[[Any], Array]:
    return lambda message: np.frombuffer(message.float8_val, numpy_dtype(dtype))


_NUMBERS: dict[str, Callable[[Any], Array]] = {
    "float32": _from("float_val", "float32"),
    "float64": _from("double_val", "float64"),
    "float16": _from("half_val", "float16"),
    "bfloat16": _from("half_val", "bfloat16"),
    "int64": _from("int64_val", "int64"),
    "bool": _from("bool_val", "bool"),
    "uint32": _from("uint32_val", "uint32"),
    "uint64": _from("uint64_val", "uint64"),
    "complex64": _complex("scomplex_val", "complex64", "float32"),
    "complex128": _complex("dcomplex_val", "complex128", "float64"),
    **{name: _from("int_val", name) for name in ("int8", "int16", "int32", "uint8", "uint16")},
    **{name: _float8(name) for name in ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz")},
}
"""Element type -> the numbers that stand in a message one by one."""
