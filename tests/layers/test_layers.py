"""Every layer type against the framework that has it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from irconv.ir.layers import MODULES
from tests.layers.harness import Case, check

FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "cases").glob("*.py") if path.stem != "__init__")
CASES: list[Case] = [case for family in FAMILIES for case in import_module(f"tests.layers.cases.{family}").CASES]
#: Types that mean nothing outside their own framework, or are not results of a layer.
WITHOUT_CASES = {"Opaque"}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.layer.type}: {case.name}" for case in CASES])
def test_a_layer_agrees_with_the_framework_that_has_it(case: Case) -> None:
    outcome = check(case)
    assert outcome.error <= case.tolerance


def test_every_layer_type_has_a_case() -> None:
    missing = set(MODULES) - {case.layer.type for case in CASES} - WITHOUT_CASES
    assert not missing, f"no case for {', '.join(sorted(missing))}"
