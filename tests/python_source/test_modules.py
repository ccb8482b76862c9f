"""What a written file uses is seen in its tree."""

from __future__ import annotations

import pytest

from irconv.errors import Refused
from irconv.python_source.modules import checked, names_read
from irconv.python_source.sizes import size_code
from tests.helpers import rejection


def test_text_that_looks_like_a_call_is_no_call() -> None:
    assert names_read('x = load("pad(1)")  # pad(2)') == {"x", "load"}


@pytest.mark.parametrize("text", ["(" * 300 + ")" * 300, "x = " + " + ".join("1" * 20_000)])
def test_what_is_too_deep_for_python_is_refused(text: str) -> None:
    message = rejection(lambda: checked(text), Refused)
    assert message == "model: is nested deeper than a Python source can be. Write another format, such as .onnx."


def test_what_is_no_python_is_no_ones_fault_but_ours() -> None:
    with pytest.raises(SyntaxError):
        checked("x = (")


def test_a_size_that_is_more_than_arithmetic_gets_into_no_code() -> None:
    assert size_code("2*((H + 1)//2) + 3", lambda symbol: f"size_{symbol}") == "2 * ((size_H + 1) // 2) + 3"
    with pytest.raises(ValueError, match="is not a dimension"):
        size_code("open('x') + 1", str)
