"""Long statements over several lines, as the formatters of today put them."""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH = 100
_OPEN, _CLOSE = "([{", ")]}"


def wrapped(line: str, indent: int) -> list[str]:
    """A statement within the width where its last brackets can be opened: the arguments on one line, else one on each,
    as always where they end in a comma and a space.

    >>> wrapped("x = f(" + "a" * 60 + ", " + "b" * 40 + ")", 4)[0]
    'x = f('
    """
    spread = any(f", {bracket}" in line for bracket in ")]")
    if (len(line) + indent <= _WIDTH and not spread) or not line.endswith(tuple(_CLOSE)):
        return [line]
    start = _opening(line)
    inside = line[start + 1 : -1]
    parts = _arguments(inside)
    if not inside or start < 0:
        return [line]
    if len(inside) + indent + 4 <= _WIDTH and line[-1] == ")" and not spread:
        return [line[: start + 1], f"    {inside}", line[-1]]
    body = [piece for part in parts for piece in _with_comma(wrapped(part, indent + 4))]
    return [line[: start + 1], *(f"    {piece}" for piece in body), line[-1]]


def signature(name: str, arguments: Sequence[str], returns: str) -> list[str]:
    """The head of a method, one argument on a line where it is too long for one."""
    line = f"def {name}({', '.join(arguments)}) -> {returns}:"
    if len(line) + 4 <= _WIDTH:
        return [line]
    if len(returns) > _WIDTH // 2:
        returns = "tuple[Tensor, ...]"
    together = f"    {', '.join(arguments)}"
    inside = [together] if len(together) + 4 <= _WIDTH else [f"    {argument}," for argument in arguments]
    return [f"def {name}(", *inside, f") -> {returns}:"]


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
    depth, parts, start = 0, list[str](), 0
    for place, letter in _outside_strings(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and not depth:
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
