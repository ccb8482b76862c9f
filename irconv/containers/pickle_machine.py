"""Runs pickles over a stack of plain values. Imports nothing that a file names."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irconv.containers.pickle_builders import BUILDERS, RECONSTRUCTORS
from irconv.containers.pickle_joblib import WRAPPERS
from irconv.containers.pickle_stream import Stream
from irconv.containers.pickle_values import Draft, Global, Instance, Rules
from irconv.errors import Refused

_MAX_OPCODES = 100_000_000
_FREE, _TIMES = 2**20, 16
"""Elements that calls may copy, or objects take: so many, and so many for every byte that was read."""
_OBJECT = 16  # as many elements of a list take as much memory
_LONGEST_NUMBER = 4096


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

    def run(self, operations: Sequence[Callable[[Machine], None] | None]) -> Any:
        """The value; `operations` by the number of their opcode. Raises `Refused` for a name that the rules do not
        allow, and Python's errors for damage."""
        stream = self.stream
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
