"""Identifiers made of foreign names: valid, apart from one another, and never one that means something else there."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Collection, Mapping

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Words:
    """The identifiers of one kind of file: those that are `taken` there keep their meaning."""

    taken: frozenset[str]
    ascii: bool = False
    """Whether letters are ASCII alone, as in Python 2."""

    def identifier(self, name: str) -> str:
        """A name as an identifier, letters as Python itself reads them (NFKC). Two leading underscores become one:
        inside a class, Python gives names with two another meaning.

        >>> words = Words(frozenset({"load"}))
        >>> words.identifier("block1/conv-3"), words.identifier("3x3"), words.identifier("__init__")
        ('block1_conv_3', '_3x3', '_init__')
        >>> words.identifier("class"), words.identifier("load")
        ('class_', 'load_')
        """
        letters = unicodedata.normalize("NFKC", name)
        word = "".join(letter if self._may_follow(letter) else "_" for letter in letters)
        if not word.isidentifier():  # empty, or begins with a digit or an accent
            word = f"_{word}"
        if word.startswith("__"):
            word = f"_{word.lstrip('_')}"
        while keyword.iskeyword(word) or word in self.taken:
            word = f"{word}_"
        return word

    def identifiers(self, wanted: Mapping[str, str], taken: Collection[str] = ()) -> dict[str, str]:
        """An identifier for each key, made of the name it wants; no two the same, and none of those taken."""
        found: dict[str, str] = {}
        used = set(taken)
        numbers: dict[str, int] = {}
        for key, name in wanted.items():
            base = word = self.identifier(name)
            while word in used or word in self.taken:
                numbers[base] = numbers.get(base, 1) + 1
                word = f"{base}_{numbers[base]}"
            used.add(word)
            found[key] = word
        return found

    def _may_follow(self, letter: str) -> bool:
        return f"_{letter}".isidentifier() and (letter.isascii() or not self.ascii)


def importable(stem: str) -> bool:
    """Whether ``import stem`` finds a file of that name: Python reads the name in NFKC."""
    return stem.isidentifier() and not keyword.iskeyword(stem) and unicodedata.normalize("NFKC", stem) == stem
