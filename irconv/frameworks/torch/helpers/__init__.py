"""Functions and modules that emitted files bring along, where PyTorch has none: the text of each, by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache

from irconv.frameworks.torch.helpers import indexing, modules, recurrent, signals, windows

_TEXTS = (indexing.TEXT, windows.TEXT, signals.TEXT, recurrent.TEXT, modules.TEXT)


@cache
def helpers() -> dict[str, str]:
    """The text of each by name, in the order in which they stand in a file."""
    found: dict[str, str] = {}
    for text in _TEXTS:
        lines = text.splitlines()
        for node in ast.parse(text).body:
            assert isinstance(node, ast.FunctionDef | ast.ClassDef)
            found[node.name] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return found


def used_by(lines: Iterable[str]) -> list[str]:
    """The names of the helpers that some lines of code call, directly or through one another."""
    known, wanted = helpers(), set[str]()
    waiting = ["\n".join(lines)]
    while waiting:
        text = waiting.pop()
        called = set(re.findall(r"(?<![\w.])(\w+)\(", text))
        called |= set(re.findall(r"^class \w+\((\w+)\)", text, re.MULTILINE))
        fresh = (called & set(known)) - wanted
        wanted |= fresh
        waiting += [known[name] for name in fresh]
    return [name for name in known if name in wanted]
