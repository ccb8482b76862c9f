"""Which tensors code that is being followed may still read: those that a variable holds which later statements name, in
any of the calls that are under way, and those that the expression at hand has so far."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.torch.aten.spelling import Tensor


@dataclass
class Liveness:
    """Where the calls that are under way stand."""

    frames: list[tuple[Mapping[str, Any], Sequence[ast.stmt], int]] = field(default_factory=list)
    """Variables, the statements of a block, and which of them is at hand."""
    pending: list[Any] = field(default_factory=list)
    """What parts of expressions have given, until the whole has."""
    _names: dict[int, frozenset[str]] = field(default_factory=dict)
    """What a statement names, by its identity."""

    @contextmanager
    def at(self, scope: Mapping[str, Any], statements: Sequence[ast.stmt], place: int) -> Iterator[None]:
        """While a statement is followed."""
        start = len(self.pending)
        self.frames.append((scope, statements, place))
        try:
            yield
        finally:
            self.frames.pop()
            del self.pending[start:]

    def is_read_later(self, name: str) -> bool:
        """Whether a tensor may be read from here on."""
        if any(_holds(value, name) for value in self.pending):
            return True
        for scope, statements, place in self.frames:
            holding = {variable for variable, value in scope.items() if _holds(value, name)}
            if holding and any(not holding.isdisjoint(self._named(statement)) for statement in statements[place:]):
                return True
        return False

    def _named(self, statement: ast.stmt) -> frozenset[str]:
        key = id(statement)
        if key not in self._names:
            self._names[key] = frozenset(part.id for part in ast.walk(statement) if isinstance(part, ast.Name))
        return self._names[key]


def _holds(value: Any, name: str) -> bool:
    if isinstance(value, Tensor):
        return value.name == name
    if isinstance(value, dict):
        return any(_holds(item, name) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds(item, name) for item in value)
