"""Names of layers become names of Python and of a state dict."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.frameworks.torch.names import identifier, identifiers

NAMES = st.text(st.characters(codec="ascii"), max_size=20)


@given(NAMES)
def test_any_name_becomes_an_identifier(name: str) -> None:
    word = identifier(name)
    assert word.isidentifier()
    assert not keyword.iskeyword(word)


@given(st.lists(NAMES, unique=True))
def test_no_two_names_become_the_same_identifier(names: list[str]) -> None:
    found = identifiers({name: name for name in names})
    assert list(found) == names
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize(
    "name", ["forward", "training", "load", "torch", "nn", "F", "parameters", "class", "state_dict"]
)
def test_names_that_would_hide_something_are_changed(name: str) -> None:
    assert identifier(name) == f"{name}_"


@pytest.mark.parametrize(("name", "word"), [("Größe", "Größe"), ("層", "層"), ("é 1", "é_1"), ("", "_"), ("1", "_1")])
def test_letters_of_any_script_are_kept(name: str, word: str) -> None:
    assert identifier(name) == word


def test_the_first_keeps_its_name() -> None:
    assert identifiers({name: name for name in ("a/b", "a_b", "a-b")}) == {"a/b": "a_b", "a_b": "a_b_2", "a-b": "a_b_3"}
