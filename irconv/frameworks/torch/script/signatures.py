"""What the overloads that irconv reads take, in PyTorch's order, as TorchScript's calls name few of their arguments.

A line of ``overloads.txt`` is an overload, how many results it has (``*``: a list), and its arguments, each with its
kind: ``T`` tensor, ``i`` ``f`` ``n`` ``b`` ``s`` numbers and text, ``d`` element type, ``o`` anything else, ``[]`` a
list of them; ``*`` where it is given by name. They are PyTorch's own schemas, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Argument:
    """One argument of an overload."""

    name: str
    kind: str
    by_name: bool


@dataclass(frozen=True)
class Signature:
    """An overload."""

    op: str
    """Such as ``add.Tensor``."""
    results: int | None
    """None for a list of them."""
    arguments: tuple[Argument, ...]


def _parsed() -> dict[str, list[Signature]]:
    found: dict[str, list[Signature]] = {}
    text = Path(__file__).with_name("overloads.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        op, results, *arguments = line.split()
        named = [(argument.lstrip("*").split(":"), argument.startswith("*")) for argument in arguments]
        parts = tuple(Argument(name, kind, by_name) for (name, kind), by_name in named)
        made = Signature(op, None if results == "*" else int(results), parts)
        found.setdefault(op.partition(".")[0], []).append(made)
    return found


SIGNATURES: Mapping[str, list[Signature]] = _parsed()
"""Function -> its overloads."""
