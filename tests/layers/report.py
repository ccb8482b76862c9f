"""Writes docs/checked.md: every layer type with its ONNX meaning, and how far it is from the framework that has it.

``python -m tests.layers.report`` runs every case, so it takes a few minutes; a test fails when a type or a case is
missing from the page.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from irconv.ir.layers import MODULES
from tests.layers.harness import Case, Outcome, check
from tests.layers.test_layers import CASES, WITHOUT_CASES

PAGE = Path(__file__).parents[2] / "docs" / "checked.md"

_HEAD = """# What every layer type was checked against

<!-- Made by `make checked`, which runs every case; edit `tests/layers/cases/`. -->

Each type as ONNX, in onnxruntime with its optimiser off and on and in numpy alone, against the result of the framework
named. The error is the largest difference over the largest wanted value, the worst of all cases and runtimes.

| type | cases | checked against | error | opset | as ONNX |
| --- | --- | --- | --- | --- | --- |
"""


def counts() -> dict[str, int]:
    """How many cases each type has."""
    return {name: sum(case.layer.type == name for case in CASES) for name in MODULES if name not in WITHOUT_CASES}


def row(name: str, cases: list[Case], outcomes: list[Outcome]) -> str:
    """One line of the table; ops are those of the case that needs the fewest."""
    against = "; ".join(dict.fromkeys(case.against for case in cases))
    error = max(outcome.error for outcome in outcomes)
    opset = max(outcome.opset for outcome in outcomes)
    ops = ", ".join(min((outcome.ops for outcome in outcomes), key=len)) or "an initializer"
    return f"| {name} | {len(cases)} | {against} | {f'{error:.0e}' if error else '0'} | {opset} | {ops} |"


def main() -> None:
    warnings.simplefilter("ignore")
    rows = []
    for name in counts():
        cases = [case for case in CASES if case.layer.type == name]
        rows.append(row(name, cases, [check(case) for case in cases]))
    PAGE.write_text(_HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
