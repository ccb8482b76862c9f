"""Whatever a value holds, its literal is one literal, and means the value."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.python_source.literals import docstring, literal, quoted

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates, too


@given(ANY_TEXT, st.booleans())
def test_a_string_is_one_literal_in_one_line_and_means_itself(text: str, portable: bool) -> None:
    written = quoted(text, portable)
    assert ast.literal_eval(written) == text
    assert written.splitlines() == [written]
    assert all(letter.isprintable() for letter in written)
    assert written.isascii() or not portable


@given(st.lists(ANY_TEXT, min_size=1))
def test_a_docstring_is_one_literal_whatever_it_says(lines: list[str]) -> None:
    written = "\n".join(docstring(*lines))
    (statement,) = ast.parse(written).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert len(written.splitlines()) == len(lines) + (len(lines) > 1)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.bool_(True), "True"),
        (float("nan"), 'float("nan")'),
        ((), "()"),
        ((1,), "(1,)"),
        ([None, (1, "a")], '[None, (1, "a")]'),
        ({"a": (1, None)}, '{"a": (1, None)}'),
    ],
)
def test_settings_are_written_as_python_has_them(value: Any, written: str) -> None:
    assert literal(value) == written


def test_what_is_no_literal_is_never_guessed() -> None:
    with pytest.raises(TypeError, match="no Python literal is known for a set"):
        literal({1})
