"""The opcodes of pickle, protocols 0 to 5, as what they do to a machine."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from irconv.containers.pickle_builders import checked_key
from irconv.containers.pickle_machine import Machine
from irconv.containers.pickle_values import Draft, Instance, OrderedItems, StreamDraft

_SET = 40
"""As many elements of a list take as much memory."""
_TEXT = 1 << 16
"""A Python 2 string longer than this is data, such as an array's, and stays bytes."""


def _text(raw: bytes) -> str | bytes:
    """A Python 2 string: text in latin1, as numpy and PyTorch expect, or data where it is long."""
    return raw if len(raw) > _TEXT else raw.decode("latin1")


def _quoted(machine: Machine) -> None:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("expected a quoted string")
    machine.stack.append(_text(codecs.escape_decode(line[1:-1])[0]))


def _integer_line(machine: Machine) -> None:
    line = machine.number_line()
    machine.stack.append({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))


def _long_line(machine: Machine) -> None:
    machine.stack.append(int(machine.number_line().rstrip(b"L")))


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if isinstance(target, StreamDraft):
        machine.spend()
        following = Machine(machine.stream, machine.rules, machine.where)
        machine.replace_top(target.read(state, machine.take, partial(following.run, BY_NUMBER)))
    elif isinstance(target, Draft):
        machine.spend(*(state if isinstance(state, tuple) else ()))
        machine.replace_top(target.build(state))
    elif isinstance(target, Instance | OrderedItems):
        target.state = state
    else:
        raise ValueError(f"a state for a {type(target).__name__}")


def _put_items(machine: Machine, pairs: list[Any]) -> None:
    if len(pairs) % 2:
        raise ValueError("a key without a value")
    target = machine.stack[-1]
    target = target.items if isinstance(target, Instance) else target
    if not isinstance(target, dict):
        raise ValueError(f"items for a {type(target).__name__}")
    for index in range(0, len(pairs), 2):
        target[checked_key(pairs[index])] = pairs[index + 1]


def _append(machine: Machine, members: list[Any]) -> None:
    target = machine.stack[-1]
    target = target.elements if isinstance(target, Instance) else target
    if not isinstance(target, list):
        raise ValueError(f"members for a {type(target).__name__}")
    target += members


def _add(machine: Machine) -> None:
    members, target = machine.marked(), machine.stack[-1]
    if not isinstance(target, set):
        raise ValueError(f"members for a {type(target).__name__}")
    target.update(map(checked_key, members))


def _mark(machine: Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.marked()


def _pop_mark(machine: Machine) -> None:
    machine.marked()


def _skip(count: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.take(count)

    return operation


def _tuple(machine: Machine, count: int) -> None:
    if len(machine.stack) < count:
        raise ValueError("an empty stack")
    members = tuple(machine.stack[len(machine.stack) - count :])
    del machine.stack[len(machine.stack) - count :]
    machine.stack.append(members)


def _dict(machine: Machine) -> None:
    pairs = machine.marked()
    machine.stack.append({})
    _put_items(machine, pairs)


def _global_lines(machine: Machine) -> None:
    machine.mention(machine.line().decode(), machine.line().decode())


def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("expected the name of a class or function")
    machine.mention(module, name)


def _reduce(machine: Machine) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.call(function, arguments))


def _new(machine: Machine) -> None:
    arguments, cls = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.new_object(cls, arguments))


def _new_named(machine: Machine) -> None:
    named, arguments, cls = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.new_object(cls, arguments, named))


def _old_object(machine: Machine) -> None:
    cls, *arguments = machine.marked()
    machine.stack.append(_old_made(machine, cls, tuple(arguments)))


def _old_instance(machine: Machine) -> None:
    module, name = machine.line().decode(), machine.line().decode()
    arguments = tuple(machine.marked())
    machine.mention(module, name)
    machine.stack.append(_old_made(machine, machine.stack.pop(), arguments))


def _old_made(machine: Machine, cls: Any, arguments: tuple[Any, ...]) -> Any:
    """Protocol 0: an object of a class where there are no arguments, else a call."""
    return machine.call(cls, arguments) if arguments else machine.new_object(cls, arguments)


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        value = make(machine)  # which may bring back the stack below a mark
        machine.stack.append(value)

    return operation


def _empty_set(machine: Machine) -> set[Any]:
    machine.spend(cost=_SET)
    return set()


def _sized(size: int, make: Callable[[bytes], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(make(machine.take(int.from_bytes(machine.take(size), "little"))))


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def _number(size: int, signed: bool = False) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(int.from_bytes(machine.take(size), "little", signed=signed))


def _fetch(size: int) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(machine.memo[int.from_bytes(machine.take(size), "little")])


def _keep(size: int) -> Callable[[Machine], None]:
    return lambda machine: machine.remember(int.from_bytes(machine.take(size), "little"))


def _unicode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _signed(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


_OPERATIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": _skip(1),
    b"\x95": _skip(8),  # the length of a frame: a hint for readers of streams
    b"(": _mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": lambda m: m.stack.append(m.stack[-1]),
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"I": _integer_line,
    b"L": _long_line,
    b"J": _number(4, signed=True),
    b"K": _number(1),
    b"M": _number(2),
    b"\x8a": _sized(1, _signed),
    b"\x8b": _sized(4, _signed),
    b"F": _push(lambda m: float(m.line())),
    b"G": _push(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"S": _quoted,
    b"T": _sized(4, _text),
    b"U": _sized(1, _text),
    b"C": _sized(1, bytes),
    b"B": _sized(4, bytes),
    b"\x8e": _sized(8, bytes),
    b"\x96": _sized(8, bytearray),
    b"V": _push(lambda m: m.line().decode("raw-unicode-escape")),
    b"X": _sized(4, _unicode),
    b"\x8c": _sized(1, _unicode),
    b"\x8d": _sized(8, _unicode),
    b")": _constant(()),
    b"t": _push(lambda m: tuple(m.marked())),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"]": lambda m: m.stack.append([]),
    b"l": _push(lambda m: m.marked()),
    b"a": lambda m: _append(m, [m.stack.pop()]),
    b"e": lambda m: _append(m, m.marked()),
    b"}": lambda m: m.stack.append({}),
    b"d": _dict,
    b"s": lambda m: _put_items(m, [m.stack.pop(-2), m.stack.pop()]),
    b"u": lambda m: _put_items(m, m.marked()),
    b"\x8f": _push(_empty_set),
    b"\x90": _add,
    b"\x91": _push(lambda m: frozenset(map(checked_key, m.marked()))),
    b"g": lambda m: m.stack.append(m.memo[m.text_number()]),
    b"h": _fetch(1),
    b"j": _fetch(4),
    b"p": lambda m: m.remember(m.text_number()),
    b"q": _keep(1),
    b"r": _keep(4),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"c": _global_lines,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _new,
    b"\x92": _new_named,
    b"o": _old_object,
    b"i": _old_instance,
    b"b": _build,
    b"P": _push(lambda m: m.persistent(m.line().decode("ascii"))),
    b"Q": _push(lambda m: m.persistent(m.stack.pop())),
}
"""Every opcode but STOP, the extension registry's (which names by number) and those for buffers outside the file."""

BY_NUMBER = [_OPERATIONS.get(bytes([number])) for number in range(256)]
"""The same by their numbers."""
