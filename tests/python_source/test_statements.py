"""Long statements are broken where a formatter breaks them, and mean the same."""

from __future__ import annotations

import ast

import pytest

from irconv.python_source.statements import signature, wrapped

_NAMES = [f"argument_{i}" for i in range(9)]


@pytest.mark.parametrize(
    "line",
    [
        f"x = call({', '.join(_NAMES[:5])})",
        f"x = call({', '.join(_NAMES)})",
        f"x = call(({', '.join(_NAMES)}), [{', '.join(_NAMES)}], 3)",
        f'x = call("{"quoted, (" * 9}", {_NAMES[0]}, text="\\"{"),(" * 9}")',
        f"x, y = {_NAMES[0]}[:, ({', '.join(_NAMES)})]",
        f"return {' + '.join(_NAMES)}",
    ],
)
def test_a_broken_statement_is_the_same_statement(line: str) -> None:
    lines = wrapped(line, 8)
    assert ast.dump(ast.parse("\n".join(lines).replace("return", "x ="))) == ast.dump(
        ast.parse(line.replace("return", "x ="))
    )
    assert len(lines) > 1 or not line.endswith((")", "]")) or len(line) <= 92


def test_a_short_statement_stays_on_its_line() -> None:
    assert wrapped("x = call(a, b)", 8) == ["x = call(a, b)"]


def test_a_long_head_of_a_method_has_its_arguments_below() -> None:
    given = ["self", *(f"{name}: Tensor" for name in _NAMES)]
    lines = signature("forward", given, "Tensor")
    assert lines[0] == "def forward("
    assert lines[2] == "    argument_0: Tensor,"
    assert lines[-1] == ") -> Tensor:"
