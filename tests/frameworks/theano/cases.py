"""The golden cases that real Theano made."""

from __future__ import annotations

from functools import cache

import irconv
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions
from tests.helpers import ROOT, Case

FOLDER = ROOT / "fixtures" / "theano"
CASES = tuple(Case(path.parent) for path in sorted(FOLDER.glob("*/case.json")))


def case(name: str) -> Case:
    """One case by its folder's name."""
    return next(found for found in CASES if found.folder.name == name)


def name_of(value: object) -> str:
    """The identity of a parametrised test."""
    return value.folder.name if isinstance(value, Case) else str(value)


@cache
def read(found: Case) -> Bundle:
    """The bundle of a case, read once with its architecture."""
    return irconv.read(found.model, ReadOptions(arch=found.folder / "arch.json"))
