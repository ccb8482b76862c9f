"""What the user says of the placement: a map in JSON, written by ``--plan`` for editing, and renames.

::

    {"irconv": "map/1",
     "rename": [["^bert\\\\.", "model."]],
     "map": {"features.0": "block1_conv1", "head": null}}

`map` has a layer (or a parameter) of the target and what it is in the source, or null for what stays as it is;
`rename` has regular expressions that turn names of the source into those of the target. What else a plan holds is for
the reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from irconv.adoption.weights import unit_of
from irconv.align import Alignment, Network
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Problems

FORMAT = "map/1"
_MOST = 2**26
_NOTES = {"open", "missing", "left"}
"""What a plan says for its reader."""


@dataclass(frozen=True)
class Told:
    """What the user said of the placement, in names."""

    pairs: Mapping[str, str | None] = field(default_factory=dict)
    """Layer or parameter of the target -> of the source; None for what stays as it is."""
    renames: tuple[tuple[str, str], ...] = ()
    """Regular expressions and what they are replaced by."""
    where: str = "--map"


@dataclass(frozen=True)
class Fixed:
    """The same in the numbers of units."""

    pairs: Mapping[int, int] = field(default_factory=dict)
    apart: frozenset[int] = frozenset()
    """Units of the target that stay as they are."""


def read(path: Path | None, renames: Sequence[str]) -> Told:
    """A map file and the renames of the command line, as ``REGEX=NAME``. Raises `MissingFact` for what is none."""
    pairs: dict[str, str | None] = {}
    rules = [_rule(text) for text in renames]
    if path is not None:
        document = _document(path)
        pairs = document.get("map", {})
        rules = [*_rules(document, str(path)), *rules]
        if not isinstance(pairs, dict) or not all(isinstance(v, str | None) for v in pairs.values()):
            raise MissingFact(f"{path}: map", "expected names of the target with names of the source, or null")
    return Told(pairs, tuple(rules), str(path or "--map"))


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise MissingFact(str(path), f"expected a map in JSON, got {str(error)[:200]}") from error
    if not isinstance(document, dict) or document.get("irconv") != FORMAT:
        raise MissingFact(str(path), f'expected a map, which begins with "irconv": "{FORMAT}"')
    if unknown := document.keys() - {"irconv", "rename", "map", *_NOTES}:
        raise MissingFact(f"{path}: {', '.join(sorted(unknown))}", "expected rename and map, and nothing else")
    return document


def _rules(document: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    rules = document.get("rename", [])
    fits = isinstance(rules, list) and all(
        isinstance(rule, list) and len(rule) == 2 and all(isinstance(text, str) for text in rule) for rule in rules
    )
    if not fits:
        raise MissingFact(f"{where}: rename", "expected a list of pairs, each a regular expression and a replacement")
    return [_compiled(pattern, name, f"{where}: rename {pattern}") for pattern, name in rules]


def _rule(text: str) -> tuple[str, str]:
    pattern, equals, name = text.rpartition("=")
    if not equals or not pattern:
        raise MissingFact(f"--rename {text}", "expected REGEX=NAME", r"For example ^bert\.=model.")
    return _compiled(pattern, name, f"--rename {text}")


def _compiled(pattern: str, name: str, where: str) -> tuple[str, str]:
    try:
        re.sub(pattern, name, "")
        re.compile(pattern)
    except (re.error, IndexError) as error:
        raise MissingFact(where, f"expected a regular expression and its replacement: {error}") from error
    return pattern, name


def renamed(name: str, renames: Sequence[tuple[str, str]]) -> str:
    """A name after all rules, in order."""
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name


def fixed(told: Told, source: Network, target: Network) -> Fixed:
    """The units that are told. Raises `MissingFact` for names that neither side has, and rules that match nothing."""
    problems = Problems()
    pairs = _by_renames(told, source, target, problems)
    apart: set[int] = set()
    for wanted, given in told.pairs.items():
        t = _known(target, wanted, f"{told.where}: {wanted}", "target", problems)
        if given is None:
            apart |= {t} if t is not None else set()
            pairs.pop(t if t is not None else -1, None)
            continue
        s = _known(source, given, f"{told.where}: {given}", "source", problems)
        if t is not None and s is not None:
            _same_role(source, target, s, t, given, wanted, told.where, problems)
            pairs[t] = s
    doubled = {s for s in pairs.values() if list(pairs.values()).count(s) > 1}
    for s in doubled:
        names = ", ".join(target.units[t].name for t, other in pairs.items() if other == s)
        problems.add(f"{told.where}: {source.units[s].name}", f"is told to be several: {names}", kind=MissingFact)
    problems.raise_any()
    return Fixed(pairs, frozenset(apart))


def _by_renames(told: Told, source: Network, target: Network, problems: Problems) -> dict[int, int]:
    """The units of which a name, or one of a parameter, is one of the target's after all rules."""
    found: dict[int, int] = {}
    changed: set[str] = set()
    for s, unit in enumerate(source.units if told.renames else ()):
        for name in (unit.name, *(part.name for part in unit.parts.values())):
            changed |= {pattern for pattern, _ in told.renames if re.search(pattern, name)}
            t = unit_of(target, renamed(name, told.renames))
            if t is not None:
                found[t] = s
                break
    for pattern, _ in told.renames:
        if pattern not in changed:
            problems.add(f"rename {pattern}", "matches no name of the source", kind=MissingFact)
    return found


def _known(network: Network, name: str, where: str, side: str, problems: Problems) -> int | None:
    found = unit_of(network, name)
    if found is None:
        names = [n for unit in network.units for n in (unit.name, *(part.name for part in unit.parts.values()))]
        near = get_close_matches(name, names, 3)
        remedy = f"Nearest are {', '.join(near)}." if near else ""
        problems.add(where, f"the {side} has nothing of this name", remedy, MissingFact)
    return found


def _same_role(
    source: Network, target: Network, s: int, t: int, given: str, wanted: str, where: str, problems: Problems
) -> None:
    """Refuse a pair of parameters of which one is, say, a bias and the other a kernel."""
    roles = [
        next((role for role, part in network.units[unit].parts.items() if part.name == name), None)
        for network, unit, name in ((source, s, given), (target, t, wanted))
    ]
    if None not in roles and roles[0] != roles[1]:
        what = f"is a {roles[1]}, but {given} is a {roles[0]}"
        problems.add(f"{where}: {wanted}", what, "Name the layers instead.", MissingFact)


def plan(alignment: Alignment) -> str:
    """What an alignment decided, as a map to be edited, with what it left open beside it."""
    s_names = [unit.name for unit in alignment.source.units]
    t_names = [unit.name for unit in alignment.target.units]
    document = {
        "irconv": FORMAT,
        "rename": [],
        "map": {t_names[match.target]: s_names[match.source] for match in alignment.matches},
        "open": [
            {
                "target": [t_names[unit] for unit in choice.target],
                "could be": [s_names[unit] for unit in choice.source],
                "why": choice.why,
            }
            for choice in alignment.open
        ],
        "missing": [t_names[unit] for unit in alignment.missing],
        "left": [s_names[unit] for unit in alignment.left],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
