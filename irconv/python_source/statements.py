"""Long statements over several lines, as the formatters of today put them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WIDTH = 100
_TURNS = re.compile(r" for \w+ in range\(\d+\)$")
"""The end of a comprehension."""
_OPEN, _CLOSE = "([{", ")]}"


def wrapped(line: str, indent: int) -> list[str]:
    """A statement within the width where its last brackets can be opened: the arguments on one line, else one on each,
    as always where they end in a comma and a space.

    >>> wrapped("x = f(" + "a" * 60 + ", " + "b" * 40 + ")", 4)[0]
    'x = f('
    """
    target, equals, value = line.partition(" = ")
    if equals and len(line) + indent > _WIDTH and _in_brackets(line, len(target), value, indent):
        return [f"{target} = (", f"    {value}", ")"]
    if equals and len(line) + indent > _WIDTH and _opening(line) + indent >= _WIDTH and len(terms := _terms(value)) > 1:
        return [f"{target} = (", *(f"    {piece}" for term in terms for piece in wrapped(term, indent + 4)), ")"]
    spread = any(f", {bracket}" in line for bracket in ")]")
    if line.startswith("return ") and len(line) + indent > _WIDTH and len(_arguments(line[7:])) > 1:
        return ["return (", *(f"    {part}," for part in _arguments(line[7:])), ")"]
    if (len(line) + indent <= _WIDTH and not spread) or not line.endswith(tuple(_CLOSE)):
        return [line]
    start = _opening(line)
    inside = line[start + 1 : -1]
    parts = _arguments(inside)
    if not inside or start < 0:
        return [line]
    if len(inside) + indent + 4 <= _WIDTH and line[-1] == ")" and not spread:
        return [line[: start + 1], f"    {inside}", line[-1]]
    if len(parts) == 1 and line[-1] == "]" and (line[start - 1].isalnum() or line[start - 1] in "_)]"):
        return [line[: start + 1], f"    {inside}", line[-1]]  # a comma would make a tuple of an index
    if len(parts) == 1 and (turns := _TURNS.search(inside)):
        return [
            line[: start + 1],
            *(f"    {piece}" for piece in wrapped(inside[: turns.start()], indent + 4)),
            f"    {turns[0].strip()}",
            line[-1],
        ]
    body = [piece for part in parts for piece in _with_comma(_argument(part, indent + 4))]
    return [line[: start + 1], *(f"    {piece}" for piece in body), line[-1]]


def signature(name: str, arguments: Sequence[str], returns: str) -> list[str]:
    """The head of a method, one argument on a line where it is too long for one."""
    line = f"def {name}({', '.join(arguments)}) -> {returns}:"
    if len(line) + 4 > _WIDTH and len(returns) > _WIDTH // 2:
        return signature(name, arguments, "tuple[Tensor, ...]")
    if len(line) + 4 <= _WIDTH:
        return [line]
    together = f"    {', '.join(arguments)}"
    inside = [together] if len(together) + 4 <= _WIDTH else [f"    {argument}," for argument in arguments]
    return [f"def {name}(", *inside, f") -> {returns}:"]


def _in_brackets(line: str, target: int, value: str, indent: int) -> bool:
    """Whether the value of an assignment goes into brackets as a whole: it has none of its own to open in the width."""
    opened = _opening(line) if line.endswith(tuple(_CLOSE)) else target
    return len(value) + indent + 4 <= _WIDTH and (opened <= target or opened + 1 + indent > _WIDTH)


def _argument(part: str, indent: int) -> list[str]:
    """An argument; a long sum has each term on a line."""
    terms = _terms(part)
    return wrapped(part, indent) if len(part) + indent < _WIDTH or len(terms) == 1 else terms


def _terms(text: str) -> list[str]:
    """What is added and subtracted, each with its sign."""
    signs = [
        place for place, letter in _at_top(text) if letter in "+-" and text[place - 1 : place + 2] == f" {letter} "
    ]
    return [text[start:end].strip() for start, end in zip([0, *signs], [*signs, len(text)], strict=True)]


def _at_top(text: str) -> list[tuple[int, str]]:
    """The letters outside strings and brackets."""
    depth, found = 0, list[tuple[int, str]]()
    for place, letter in _outside_strings(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if not depth and letter not in _CLOSE:
            found.append((place, letter))
    return found


def _with_comma(lines: Sequence[str]) -> list[str]:
    return [*lines[:-1], f"{lines[-1]},"]


def _opening(line: str) -> int:
    """The place of the bracket that the last character closes."""
    stack: list[int] = []
    for place, letter in _outside_strings(line):
        if letter in _OPEN:
            stack.append(place)
        elif letter in _CLOSE:
            start = stack.pop()
            if place == len(line) - 1:
                return start
    return -1


def _arguments(text: str) -> list[str]:
    """The parts between the commas outside brackets."""
    parts, start = list[str](), 0
    for place, letter in _at_top(text):
        if letter == ",":
            parts.append(text[start:place].strip())
            start = place + 1
    return [part for part in [*parts, text[start:].strip()] if part]


def _outside_strings(text: str) -> list[tuple[int, str]]:
    """The letters that are not part of a string, with their places."""
    found, inside, escaped = list[tuple[int, str]](), False, False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif inside and letter == "\\":
            escaped = True
        elif letter == '"':
            inside = not inside
        elif not inside:
            found.append((place, letter))
    return found
