"""Errors carry all of their reasons, and say where, what and what to do."""

from __future__ import annotations

import pytest

import irconv
from irconv import errors
from irconv.errors import DamagedFile, IrconvError, MissingFact, Problem, Problems, Refused

KINDS = [getattr(errors, name) for name in errors.__all__ if name not in ("IrconvError", "Problem", "Problems")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_an_irconv_error(kind: type[IrconvError]) -> None:
    error = kind("layer a", "expected x, got y", "Do z.")
    assert isinstance(error, irconv.IrconvError)
    assert str(error) == "layer a: expected x, got y. Do z."
    assert error.problems == (Problem("layer a", "expected x, got y", "Do z."),)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_drawn_in_the_module(kind: type[IrconvError]) -> None:
    assert f"── {kind.__name__} " in (errors.__doc__ or "")


def test_a_problem_without_a_remedy_is_one_sentence() -> None:
    assert str(Problem("a", "expected x")) == "a: expected x."


def test_several_problems_are_one_error_with_a_line_each() -> None:
    problems = Problems()
    problems.add("a", "expected x", "Do y.")
    with problems.collect():
        raise Refused("b", "expected z")
    with pytest.raises(Refused) as raised:
        problems.raise_any()
    assert str(raised.value) == "a: expected x. Do y.\nb: expected z."


def test_a_problem_noted_twice_is_told_once() -> None:
    problems = Problems()
    problems.add("a", "expected x")
    problems.add("a", "expected x")
    assert problems.all() == (Problem("a", "expected x"),)


def test_problems_of_one_kind_are_raised_as_that_kind() -> None:
    problems = Problems()
    problems.add("a", "b", kind=MissingFact)
    problems.add("c", "d", kind=MissingFact)
    with pytest.raises(MissingFact):
        problems.raise_any()


def test_problems_of_several_kinds_are_raised_as_a_refusal() -> None:
    problems = Problems()
    problems.add("a", "b", kind=MissingFact)
    problems.add("c", "d", kind=DamagedFile)
    with pytest.raises(Refused, match="a: b"):
        problems.raise_any()


def test_other_exceptions_are_not_collected() -> None:
    problems = Problems()
    with pytest.raises(ZeroDivisionError), problems.collect():
        _ = 1 / 0
    assert not problems


def test_without_problems_nothing_is_raised() -> None:
    problems = Problems()
    problems.raise_any()
    assert (bool(problems), problems.all()) == (False, ())
