"""Functions and modules that emitted files bring along, where PyTorch has none: the text of each, by its name."""

from __future__ import annotations

import ast
from functools import cache

from irconv.frameworks.torch.helpers import indexing, modules, recurrent, selection, signals, training, windows
from irconv.python_source.modules import names_in

_TEXTS = (indexing.TEXT, selection.TEXT, windows.TEXT, signals.TEXT, recurrent.TEXT, modules.TEXT, training.TEXT)


@cache
def helpers() -> dict[str, str]:
    """The text of each by name, in the order in which they stand in a file."""
    return {name: text for name, (text, _) in _parsed().items()}


@cache
def _parsed() -> dict[str, tuple[str, frozenset[str]]]:
    """The text of each, and the names that it reads."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for text in _TEXTS:
        lines = text.splitlines()
        for node in ast.parse(text).body:
            assert isinstance(node, ast.FunctionDef | ast.ClassDef)
            found[node.name] = "\n".join(lines[node.lineno - 1 : node.end_lineno]), names_in(node)
    return found


def used_by(read: frozenset[str]) -> list[str]:
    """The names of the helpers that are among the names some code reads, and those that these use."""
    known, wanted = read_by(), set[str]()
    waiting = [read]
    while waiting:
        fresh = (waiting.pop() & known.keys()) - wanted
        wanted |= fresh
        waiting += [known[name] for name in fresh]
    return [name for name in known if name in wanted]


def read_by() -> dict[str, frozenset[str]]:
    """The names that each reads."""
    return {name: read for name, (_, read) in _parsed().items()}
