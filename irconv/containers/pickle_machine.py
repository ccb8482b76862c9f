"""The opcodes of pickle, protocols 0 to 5, over a stack of plain values. Imports nothing that a file names."""

from __future__ import annotations

import codecs
import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.containers.pickle_builders import BUILDERS, RECONSTRUCTORS, checked_key
from irconv.containers.pickle_joblib import WRAPPERS
from irconv.containers.pickle_stream import Stream
from irconv.containers.pickle_values import Draft, Global, Instance, OrderedItems, Rules, StreamDraft
from irconv.errors import Refused

_MAX_OPCODES = 100_000_000
_FREE, _TIMES = 2**20, 16
"""Elements that calls may copy, or objects take: so many, and so many for every byte that was read."""
_OBJECT, _SET = 16, 40  # as many elements of a list take as much memory
_LONGEST_NUMBER = 4096
_TEXT = 1 << 16
"""A Python 2 string longer than this is data, such as an array's, and stays bytes."""


class Machine:
    """Runs one pickle, the next of a stream.

    An opcode makes no more than its bytes say, but for calls, which copy what they are given: these have a budget.
    """

    def __init__(self, stream: Stream, rules: Rules, where: str) -> None:
        self.stream, self.take, self.line = stream, stream.take, stream.line
        self.rules, self.where = rules, where
        self.spent, self.start = 0, stream.position
        self.builders = {**BUILDERS, **WRAPPERS, **rules.builders}
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._drafts: dict[int, list[int]] = {}
        """Identity of an unfinished value -> the places of the memo that hold it."""

    def run(self) -> Any:
        """The value. Raises `Refused` for a name that the rules do not allow, and Python's errors for damage."""
        stream, operations = self.stream, _BY_NUMBER
        for _ in range(_MAX_OPCODES):
            at = stream.at
            if at == len(stream.buffer):
                stream.fill(1)
                at = stream.at
            stream.at = at + 1
            operation = operations[stream.buffer[at]]
            if operation is None:
                if (opcode := stream.buffer[at : at + 1]) == b".":
                    return self.stack.pop()
                raise ValueError(f"opcode {opcode!r} is not known")
            operation(self)
        raise ValueError(f"more than {_MAX_OPCODES} opcodes")

    def spend(self, *values: Any, cost: int = _OBJECT) -> None:
        """Charge for an object, and for the copies of what has a length. Raises `Refused` where that is too much."""
        self.spent += cost + sum(len(value) for value in values if hasattr(type(value), "__len__"))
        if self.spent > _FREE + _TIMES * (self.stream.position - self.start):
            what = "the pickle asks for more than its size allows: it copies what it holds over and over"
            raise Refused(self.where, what, "A pickle of weights has no need of that.")

    def number_line(self) -> bytes:
        """The digits of a number on a line of its own."""
        line = self.line()
        if len(line) > _LONGEST_NUMBER:
            raise ValueError(f"a number of {len(line)} digits")
        return line

    def text_number(self) -> int:
        """A number on a line of its own."""
        return int(self.number_line())

    def marked(self) -> list[Any]:
        """Everything since the last mark."""
        found = self.stack
        self.stack = self.below.pop()
        return found

    def remember(self, place: int) -> None:
        """Keep the top of the stack in the memo."""
        value = self.memo[place] = self.stack[-1]
        if isinstance(value, Draft):
            self._drafts.setdefault(id(value), []).append(place)

    def replace_top(self, value: Any) -> None:
        """Put the finished value where the unfinished one was."""
        for place in self._drafts.pop(id(self.stack[-1]), []):
            self.memo[place] = value
        self.stack[-1] = value

    def mention(self, module: str, name: str) -> None:
        """Push the name of a class or function. Raises `Refused` where nothing may be made of it."""
        # Protocols 0 to 2 spell modules as Python 2 does: __builtin__, copy_reg, commands for subprocess.
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        found = Global(module.replace("numpy._core", "numpy.core"), name)
        dotted, rules = found.dotted, self.rules
        known = dotted in self.builders or dotted in RECONSTRUCTORS or rules.classes(dotted) or rules.calls(dotted)
        if not (known or rules.mentions(dotted) or _is_number_type(found)):
            raise Refused(self.where, f"the pickle names {dotted}, which is not on the list of plain data", _REMEDY)
        self.stack.append(found)

    def call(self, function: Any, arguments: Any) -> Any:
        """What a call stands for. Raises `Refused` where the function is not on the list."""
        if not isinstance(arguments, tuple):
            raise ValueError("expected a tuple of arguments")
        if not isinstance(function, Global):
            raise Refused(self.where, f"the pickle calls a {type(function).__name__}, which is never done", _REMEDY)
        self.spend(*arguments)
        dotted = function.dotted
        if dotted in RECONSTRUCTORS:
            if not isinstance(arguments[0], Global):
                raise ValueError("expected a class to make an object of")
            if (base := arguments[0].dotted) in self.builders:
                return self.builders[base](*arguments[1:][-1:] if len(arguments) == 3 else arguments[1:])
            if not self.rules.classes(base):
                raise Refused(self.where, f"the pickle makes an object of {base}", _REMEDY)
            return RECONSTRUCTORS[dotted](*arguments)
        if dotted in self.builders:
            return self.builders[dotted](*arguments)
        if self.rules.calls(dotted):
            return Instance(function, arguments)
        raise Refused(self.where, f"the pickle calls {dotted}, which is not on the list of plain data", _REMEDY)

    def new_object(self, cls: Any, arguments: Any, named: Any = None) -> Any:
        """An object of a class that was not called. Raises `Refused` where the class is not on the list."""
        cls = _within_class(cls)
        if not isinstance(cls, Global) or not isinstance(arguments, tuple):
            raise ValueError("expected a class and its arguments")
        self.spend(*arguments)
        if cls.dotted in self.builders:
            return self.builders[cls.dotted](*arguments)
        if not self.rules.classes(cls.dotted):
            raise Refused(self.where, f"the pickle makes an object of {cls.dotted}", _REMEDY)
        return Instance(cls, (*arguments, named) if named else arguments)

    def persistent(self, identity: Any) -> Any:
        """What a reference to data outside the pickle stands for."""
        if self.rules.persistent is None:
            raise Refused(self.where, "the pickle refers to data outside itself, which this file does not have")
        return self.rules.persistent(identity)


_REMEDY = "A pickle may run any program that it names, so irconv makes nothing of names it does not know."


def _within_class(cls: Any) -> Any:
    """The name of a class that is an attribute of another, which protocol 2 spells as a call of ``getattr``."""
    if isinstance(cls, Instance) and cls.cls.dotted == "builtins.getattr" and len(cls.arguments) == 2:
        outer, name = cls.arguments
        if isinstance(outer, Global) and isinstance(name, str):
            return Global(outer.module, f"{outer.name}.{name}")
    return cls


def _is_number_type(found: Global) -> bool:
    """Whether it is the type of numpy's numbers, such as ``numpy.float32``, as an argument of ``numpy.dtype``."""
    kind = getattr(np, found.name, None) if found.module == "numpy" else None
    return isinstance(kind, type) and issubclass(kind, np.generic)


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
        machine.replace_top(target.read(state, machine.take, following.run))
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

_BY_NUMBER = [_OPERATIONS.get(bytes([number])) for number in range(256)]
