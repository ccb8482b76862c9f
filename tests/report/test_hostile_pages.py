"""A law: whatever a model's names and descriptions say, its pages have the same elements and attributes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from irconv.ir.manifest import Fact, Meta, SourceFile, SourceRecord
from tests.helpers import Builder, numbers

HOSTILE = (
    "<script>boom()</script>",
    '"><img src=x onerror="boom()">',
    "'><svg onload=boom()>",
    "</script><script>boom()</script>",
    "</title></style><script>boom()</script>",
    "javascript:boom()",
    "--><!--<script>boom()</script>",
    ']]><iframe srcdoc="<script>parent.boom()</script>">',
    "&lt;script&gt;boom()&lt;/script&gt;",
    "`${boom()}`",
    'x" onclick="boom()" autofocus onfocus="boom()',
    "a\x00<\x00script>\u2028\u202e",
)


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and the values that a browser may follow or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.followed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.followed += [value or "" for name, value in attrs if name in ("href", "src", "srcdoc", "action", "style")]


def bundle(word: str, factor: float) -> irconv.Bundle:
    """A model in which everything that can be called something is called so."""
    builder = Builder(**{f"in {word}": ("N", 6)}).add(
        f"a {word}", Linear(), f"in {word}", kernel=numbers(7, 6) * factor
    )
    builder.add(f"r/{word}/b", Relu(), f"a {word}")
    made = builder.add(f"c {word}", Linear(), f"r/{word}/b", kernel=numbers(5, 7) + factor).build()
    facts, files = (Fact(name=word, value=word, evidence=word),), (SourceFile(name=word, size=1, sha256=word),)
    source = SourceRecord(framework=word, version=word, files=files, facts=facts)
    said = dict.fromkeys(("title", "description", "author", "licence", "url", "preprocessing"), word)
    return replace(made, source=source, meta=Meta(**said, labels=(word,)))


def of_a_model(word: str, folder: Path) -> str:
    irconv.write(bundle(word, 1), folder / "m.irconv")
    return written(folder, "inspect", "m.irconv")


def of_a_comparison(word: str, folder: Path) -> str:
    irconv.write(bundle(word, 1), folder / "m.irconv")
    irconv.write(bundle(word, 2), folder / "n.irconv")
    return written(folder, "diff", "m.irconv", "n.irconv")


def written(folder: Path, command: str, *files: str) -> str:
    words = [command, *(str(folder / file) for file in files), "--html", str(folder / "page.html")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == int(command == "diff"), result.output
    return (folder / "page.html").read_text(encoding="utf-8")


PAGES: list[Callable[[str, Path], str]] = [of_a_model, of_a_comparison]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="fast-sugiyama needs Python 3.11")
@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_makes_no_element_and_no_attribute(
    page: Callable[[str, Path], str], word: str, tmp_path: Path
) -> None:
    plain = "".join(letter if letter in "/ " else "q" for letter in word)
    for folder in ("hostile", "plain"):
        (tmp_path / folder).mkdir()
    text = page(word, tmp_path / "hostile")
    hostile, innocent = Elements(text), Elements(page(plain, tmp_path / "plain"))
    assert hostile.found == innocent.found
    assert all(value.startswith(("#", "data:image/png;base64,")) or "boom" not in value for value in hostile.followed)
    assert [tag for tag, _ in hostile.found].count("script") == 1
    assert all(line.isprintable() for line in text.split("\n"))
