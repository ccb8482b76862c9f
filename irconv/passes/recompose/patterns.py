"""Patterns of layers as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, TypeAlias

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Var:
    """Any value; the same name is the same value."""

    name: str


@dataclass(frozen=True)
class Number:
    """A constant of one element: a certain number, or any, to be known by name."""

    value: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Weights:
    """A constant of any shape, to be known by name."""

    name: str


@dataclass(frozen=True)
class Op:
    """A layer of a type whose inputs match in order, or in any order where the type commutes."""

    type: str
    inputs: tuple[Pattern, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """To know the node by."""


@dataclass(frozen=True)
class Either:
    """Any of several patterns, tried in their order."""

    patterns: tuple[Pattern, ...]


Pattern: TypeAlias = "Var | Number | Weights | Op | Either"
COMMUTATIVE = frozenset(("Add", "Mul", "Maximum", "Minimum"))


def op(type: str, *inputs: Pattern, name: str = "", **settings: Any) -> Op:
    """A layer in a pattern."""
    return Op(type, inputs, settings, name)


def roots_of(pattern: Pattern) -> Iterator[str]:
    """The types of the last layers that a pattern may have."""
    if isinstance(pattern, Op):
        yield pattern.type
    for part in pattern.patterns if isinstance(pattern, Either) else ():
        yield from roots_of(part)
