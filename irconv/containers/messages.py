"""Protocol buffer messages from a ``.proto`` file beside this one, through the protobuf runtime.

They live in a descriptor pool of their own, because TensorFlow's messages of the same names may be loaded beside them.
The file is read when the first message is asked for; so that nothing has to be generated, it keeps to what `_parse`
knows: proto3, one file, messages and enums, nested or not, ``repeated``, ``map``, ``oneof``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

from irconv.errors import DamagedFile

_HERE = Path(__file__).parent
_TOKEN = re.compile(r"//[^\n]*|\"[^\"]*\"|[\w.]+|[{}=;<>,]")
_SCALARS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("double", "float", "int32", "int64", "uint32", "uint64", "fixed32", "bool", "string", "bytes")
}
_REPEATED, _ONE = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED, descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL


def message(file: str, name: str) -> Any:
    """A new empty message, such as ``GraphDef`` of ``tensorflow``."""
    return _class(file, name)()


def parse(file: str, name: str, content: bytes, where: str) -> Any:
    """The message in some bytes. Raises `DamagedFile` where they are no such message."""
    try:
        return _class(file, name).FromString(content)
    except DecodeError as error:
        raise DamagedFile(where, f"expected a {name} of {file}, got bytes that are none: {error}") from error


def parse_text(file: str, name: str, content: bytes, where: str) -> Any:
    """The message in its text form; fields that the ``.proto`` lacks are passed over.

    Raises `DamagedFile` where it is no such message.
    """
    found = message(file, name)
    try:
        text = content.decode()
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # an escape that is none, which C++ refuses
            return text_format.Parse(text, found, allow_unknown_field=True, descriptor_pool=_pool(file))
    except (text_format.ParseError, ValueError, RecursionError, DeprecationWarning) as error:
        raise DamagedFile(where, f"expected a {name} of {file} as text: {str(error)[:200]}") from error


def enum(file: str, name: str) -> dict[int, str]:
    """Number -> name of an enumeration, such as ``DataType`` of ``tensorflow``."""
    found = _pool(file).FindEnumTypeByName(f"{file}.{name}")
    return {number: value.name for number, value in found.values_by_number.items()}


@cache
def _class(file: str, name: str) -> Any:
    return message_factory.GetMessageClass(_pool(file).FindMessageTypeByName(f"{file}.{name}"))


@cache
def _pool(file: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_parse((_HERE / f"{file}.proto").read_text(encoding="utf-8")).SerializeToString())
    return pool


def _parse(text: str) -> Any:
    """The descriptor of a ``.proto`` file."""
    tokens = [token for token in _TOKEN.findall(text) if not token.startswith("//")]
    package = tokens[tokens.index("package") + 1]
    file = descriptor_pb2.FileDescriptorProto(name=f"irconv/{package}.proto", package=package, syntax="proto3")
    rest = iter(tokens)
    for token in rest:
        if token == "message":
            _message(file.message_type.add(name=next(rest)), rest)
        elif token == "enum":
            _enum(file.enum_type.add(name=next(rest)), rest)
    _resolve(file.message_type, f".{package}", _names(file, f".{package}"))
    return file


def _message(target: Any, rest: Iterator[str]) -> None:
    """The body of a message up to its closing brace."""
    inside = False
    for token in rest:
        if token == "}":
            if not inside:
                return
            inside = False
        elif token == "message":
            _message(target.nested_type.add(name=next(rest)), rest)
        elif token == "enum":
            _enum(target.enum_type.add(name=next(rest)), rest)
        elif token == "oneof":
            target.oneof_decl.add(name=next(rest))
            inside = True
            next(rest)
        elif token != "{":
            field = _field(target, token, rest)
            if inside:
                field.oneof_index = len(target.oneof_decl) - 1


def _field(target: Any, token: str, rest: Iterator[str]) -> Any:
    if token == "map":
        _, key, _, value, _, name = (next(rest) for _ in range(6))
        entry = target.nested_type.add(name=f"{''.join(map(str.capitalize, name.split('_')))}Entry")
        entry.options.map_entry = True
        for number, (local, kind) in enumerate((("key", key), ("value", value)), 1):
            _typed(entry.field.add(name=local, number=number, label=_ONE), kind)
        field = target.field.add(name=name, label=_REPEATED)
        _typed(field, entry.name)
    else:
        repeated = token == "repeated"
        kind = next(rest) if repeated else token
        field = target.field.add(name=next(rest), label=_REPEATED if repeated else _ONE)
        _typed(field, kind)
    next(rest)  # the equals sign
    field.number = int(next(rest))
    next(rest)  # the semicolon
    return field


def _typed(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type_name = kind


def _enum(target: Any, rest: Iterator[str]) -> None:
    next(rest)
    for name in rest:
        if name == "}":
            return
        next(rest)
        target.value.add(name=name, number=int(next(rest)))
        next(rest)


def _names(scope: Any, prefix: str) -> dict[str, bool]:
    """Full name of every type -> whether it is an enumeration."""
    found = {f"{prefix}.{inner.name}": True for inner in scope.enum_type}
    for inner in scope.message_type if hasattr(scope, "message_type") else scope.nested_type:
        found |= {f"{prefix}.{inner.name}": False, **_names(inner, f"{prefix}.{inner.name}")}
    return found


def _resolve(found: Any, prefix: str, names: dict[str, bool]) -> None:
    """Give every field whose type is a message or an enumeration its full name, looked up from the inside out."""
    for inner in found:
        here = f"{prefix}.{inner.name}"
        for field in inner.field:
            if field.type_name:
                scopes = here.split(".")
                at = (".".join([*scopes[:end], field.type_name]) for end in range(len(scopes), 0, -1))
                field.type_name = next(name for name in at if name in names)
                field.type = 14 if names[field.type_name] else 11
        _resolve(inner.nested_type, here, names)
