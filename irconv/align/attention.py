"""Projections of attention in files without a graph: told by their names, beside each other, and cut apart if fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from irconv.align.names import attention_word, parent
from irconv.align.network import MATRIX, Part, Unit


def tagged(units: Sequence[Unit], whole: bool = False) -> list[Unit]:
    """The units with ``q k v o`` where a scope has all of query, key and value (or the three in one) among its names.

    The three in one, ``qkv``, become three units, in this order, each with a third of the rows, unless they are to stay
    `whole`. An order by heads (``query_key_value``) is not taken for it.
    """
    words: dict[str, dict[str, list[int]]] = {}
    for index, unit in enumerate(units):
        if unit.family == MATRIX:
            word = unit.tag or attention_word(unit.name)
            words.setdefault(_scope(unit.name), {}).setdefault(word, []).append(index)
    tags: dict[int, str] = {}
    for found in words.values():
        single = {word: indices[0] for word, indices in found.items() if word and len(indices) == 1}
        if {"q", "k", "v"} <= single.keys():
            tags |= {single[word]: word for word in ("q", "k", "v", "o") if word in single}
        elif {"qkv", "o"} <= single.keys():
            tags |= {single["qkv"]: "qkv", single["o"]: "o"}
    made: list[Unit] = []
    for index, unit in enumerate(units):
        tag = tags.get(index, unit.tag)
        made += cut_in_three(unit) if tag == "qkv" and unit.core[0] % 3 == 0 and not whole else [replace(unit, tag=tag)]
    return made


def cut_in_three(unit: Unit) -> list[Unit]:
    """Query, key and value of a unit that has the rows of all three, one after the other."""
    return cut(unit, "qkv")


def attention_tags(unit: Unit, count: int) -> Sequence[str]:
    """What the equal pieces of a unit are in attention by its name; empty words where that says nothing."""
    return "qkv" if count == 3 and "qkv" in (unit.tag, attention_word(unit.name)) else [""] * count


def cut(unit: Unit, tags: Sequence[str]) -> list[Unit]:
    """The equal pieces of a unit's rows, one for each tag, which may be empty."""
    found, count = [], len(tags)
    for index, tag in enumerate(tags):
        parts = {
            role: Part(part.name, (part.shape[0] // count, *part.shape[1:]), part.steps, (index, count))
            for role, part in unit.parts.items()
        }
        found.append(replace(unit, name=f"{unit.name}.{tag or index}", parts=parts, tag=tag))
    return found


def _scope(name: str) -> str:
    scope, last = parent(name)
    return _scope(scope) if last == "0" and scope else scope
