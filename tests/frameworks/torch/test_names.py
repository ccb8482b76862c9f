"""Names of layers become names of Python and of a state dict."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.frameworks.torch.names import identifier, identifiers


@given(st.text(max_size=20))
def test_any_name_becomes_an_identifier(name: str) -> None:
    word = identifier(name)
    assert word.isidentifier()
    assert not keyword.iskeyword(word)


@given(st.lists(st.text(max_size=5), unique=True))
def test_no_two_names_become_the_same_identifier(names: list[str]) -> None:
    found = identifiers(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize(
    "name", ["forward", "training", "load", "torch", "nn", "F", "parameters", "class", "state_dict"]
)
def test_names_that_would_hide_something_are_changed(name: str) -> None:
    assert identifier(name) == f"{name}_"


def test_every_attribute_of_a_module_is_taken() -> None:
    from torch import nn

    public = [name for name in dir(nn.Module()) if not name.startswith("_")]
    assert [name for name in public if identifier(name) == name] == []


def test_the_first_keeps_its_name() -> None:
    assert identifiers(["a/b", "a_b", "a-b"]) == {"a/b": "a_b", "a_b": "a_b_2", "a-b": "a_b_3"}
