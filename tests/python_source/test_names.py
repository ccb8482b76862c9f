"""Any name becomes an identifier, and no two the same."""

from __future__ import annotations

import keyword
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.python_source.names import Words, importable

NAMES = st.text(max_size=20)
WORDS = Words(frozenset({"load", "torch", "torch_"}))
ASCII = Words(frozenset({"print"}), ascii=True)


@given(NAMES)
def test_any_name_becomes_an_identifier(name: str) -> None:
    for words in (WORDS, ASCII):
        word = words.identifier(name)
        assert word.isidentifier()
        assert not keyword.iskeyword(word)
        assert unicodedata.normalize("NFKC", word) == word
        assert not word.startswith("__")
    assert word.isascii()


@given(st.lists(NAMES, unique=True))
def test_no_two_names_become_the_same_identifier(names: list[str]) -> None:
    found = WORDS.identifiers({name: name for name in names}, {"a", "b_2"})
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert not set(found.values()) & {"a", "b_2", "load", "torch", "torch_"}


@pytest.mark.parametrize("name", ["load", "class", "None", "True"])
def test_names_that_mean_something_are_changed(name: str) -> None:
    assert WORDS.identifier(name) == f"{name}_"


def test_a_name_is_changed_until_it_is_free() -> None:
    assert WORDS.identifier("torch") == "torch__"
    assert WORDS.identifier("\N{MATHEMATICAL BOLD SMALL L}oad") == "load_"


@pytest.mark.parametrize(("name", "word"), [("Größe", "Größe"), ("層", "層"), ("é 1", "é_1"), ("", "_"), ("1", "_1")])
def test_letters_of_any_script_are_kept(name: str, word: str) -> None:
    assert WORDS.identifier(name) == word


def test_python_2_takes_ascii_alone() -> None:
    assert [ASCII.identifier(name) for name in ("Größe", "層", "print")] == ["Gr__e", "_", "print_"]


def test_the_first_keeps_its_name() -> None:
    wanted = {name: name for name in ("a/b", "a_b", "a-b")}
    assert WORDS.identifiers(wanted) == {"a/b": "a_b", "a_b": "a_b_2", "a-b": "a_b_3"}


def test_ten_thousand_names_that_collide_take_no_time() -> None:
    assert len(set(WORDS.identifiers({str(i): "-" for i in range(10_000)}).values())) == 10_000


@pytest.mark.parametrize(
    ("stem", "good"), [("m", True), ("model.v2", False), ("class", False), ("\N{LATIN SMALL LIGATURE FI}le", False)]
)
def test_import_finds_files_by_their_name_in_nfkc(stem: str, good: bool) -> None:
    assert importable(stem) == good
