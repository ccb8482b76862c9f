"""The pickle of a state dict, opcode by opcode, as ``torch.load(weights_only=True)`` accepts it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from irconv.errors import Refused

_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
_UNTYPED = {
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
}
"""Element types newer than typed storages: bytes, and the type with the tensor (PyTorch 2.1 and later)."""

_MARK, _STOP = b"(", b"."
_TRUE, _FALSE = b"\x88", b"\x89"


def state_dict_pickle(tensors: Mapping[str, tuple[str, str, tuple[int, ...]]]) -> bytes:
    """Name -> (key of its storage, element type, shape), as an OrderedDict of contiguous tensors."""
    parts = [b"\x80\x02", _name("collections", "OrderedDict"), b")R"]
    for name, (key, dtype, shape) in tensors.items():
        parts += [_text(name), _tensor(name, key, dtype, shape), b"s"]
    return b"".join([*parts, _STOP])


def _tensor(name: str, key: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    count = prod(shape)
    if dtype in _STORAGES:
        function, kind, elements = "_rebuild_tensor_v2", _name("torch", _STORAGES[dtype]), count
    elif dtype in _UNTYPED:
        function, kind, elements = (
            "_rebuild_tensor_v3",
            _name("torch.storage", "UntypedStorage"),
            count * _UNTYPED[dtype],
        )
    else:
        raise Refused(f"tensor {name}", f"PyTorch has no element type {dtype}")
    storage = b"".join([_MARK, _text("storage"), kind, _text(key), _text("cpu"), _number(elements), b"tQ"])
    strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    hooks = _name("collections", "OrderedDict") + b")R"
    parts = [_name("torch._utils", function), _MARK, storage, _number(0), _numbers(shape), _numbers(strides)]
    parts += [_FALSE, hooks]
    if dtype in _UNTYPED:
        parts.append(_name("torch", dtype))
    return b"".join([*parts, b"tR"])


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + len(raw).to_bytes(4, "little") + raw


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return b"".join([_MARK, *map(_number, numbers), b"t"])


def _number(number: int) -> bytes:
    if number < 1 << 31:
        return b"J" + number.to_bytes(4, "little")
    return b"\x8a\x08" + number.to_bytes(8, "little")
