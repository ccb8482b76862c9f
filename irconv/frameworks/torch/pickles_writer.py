"""The pickle of a state dict, opcode by opcode, as ``torch.load(weights_only=True)`` accepts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from struct import pack
from typing import Any, TypeAlias

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


Described: TypeAlias = Mapping[str, tuple[str, str, tuple[int, ...]]]
"""Name -> (key of its storage, element type, shape)."""


def state_dict_pickle(tensors: Described) -> bytes:
    """An OrderedDict of contiguous tensors."""
    return b"".join([b"\x80\x02", _ordered(tensors), _STOP])


def checkpoint_pickle(tensors: Described, weights: Sequence[Any], beside: Sequence[Any], others: Described) -> bytes:
    """The state dict below the keys `weights`, and beside it values of plain data, each as (its keys, the value).

    In these ``{"tensor": name}`` is one of `others`, and ``{"dict": pairs}``, ``{"list": ...}``, ``{"tuple": ...}`` are
    what they are called.
    """
    whole: dict[Any, Any] = {}
    for keys, value in [(weights, _ordered(tensors)), *((keys, _value(item, others)) for keys, item in beside)]:
        inner = whole
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
    return b"".join([b"\x80\x02", _nested(whole), _STOP])


def _ordered(tensors: Described) -> bytes:
    parts = [_name("collections", "OrderedDict"), b")R"]
    for name, (key, dtype, shape) in tensors.items():
        parts += [_text(name), _tensor(name, key, dtype, shape), b"s"]
    return b"".join(parts)


def _nested(whole: Mapping[Any, Any]) -> bytes:
    """Dictionaries of values that are opcodes already."""
    parts = [b"}"]
    for key, value in whole.items():
        parts += [_value(key, {}), value if isinstance(value, bytes) else _nested(value), b"s"]
    return b"".join(parts)


def _value(value: Any, others: Described) -> bytes:
    """Plain data. Raises `Refused` for any other."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind == "tensor" and inner in others:
            return _tensor(inner, *others[inner])
        if kind == "dict":
            pairs = [b"".join([_value(key, others), _value(part, others), b"s"]) for key, part in inner]
            return b"".join([b"}", *pairs])
        if kind == "list":
            return b"".join([b"]", *(_value(part, others) + b"a" for part in inner)])
        if kind == "tuple":
            return b"".join([_MARK, *(_value(part, others) for part in inner), b"t"])
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int):
        raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + len(raw).to_bytes(1, "little") + raw
    if isinstance(value, float):
        return b"G" + pack(">d", value)
    if isinstance(value, str):
        return _text(value)
    raise Refused("optimizer", f"expected plain data, got {value!r}")


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
