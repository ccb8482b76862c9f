"""Golden cases: a file that a real framework wrote, what was put in, and what it gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from irconv.layout import Array
from irconv.options import ReadOptions

FIXTURES = Path(__file__).parent.parent / "fixtures"


@dataclass(frozen=True)
class GoldenFile:
    """One file of a case."""

    path: Path
    record: Any

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def expected(self) -> str:
        """``right``, ``refuse`` or ``right-or-refuse``."""
        return str(self.record.get("expect") or "right")

    @property
    def options(self) -> ReadOptions:
        """What a user would add to the command line."""
        flags = self.record.get("flags") or []
        return ReadOptions(fix=tuple(flags[i + 1] for i, flag in enumerate(flags) if flag == "--fix"))

    def arrays(self, ports: str) -> list[Array]:
        """The recorded ``inputs`` or ``outputs``, in order."""
        return [np.load(self.path.parent / port["file"]) for port in self.record[ports]]

    def error(self) -> float:
        """The largest difference from the recorded outputs, relative to the largest of each."""
        found = irconv.run(irconv.read(self.path, self.options), self.arrays("inputs"))
        errors = []
        for want, got in zip(self.arrays("outputs"), found.values(), strict=True):
            assert got.shape == want.shape
            scale = max(float(np.abs(want.astype(np.float64)).max(initial=0.0)), 1e-9)
            errors.append(float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max(initial=0.0)) / scale)
        return max(errors)


def golden_files(folder: str, pattern: str) -> list[GoldenFile]:
    """Every file of a folder of cases."""
    records = sorted((FIXTURES / folder).glob("*/case.json"))
    return [
        GoldenFile(path, json.loads(record.read_text(encoding="utf-8")))
        for record in records
        for path in sorted(record.parent.glob(pattern))
    ]
