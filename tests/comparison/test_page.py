"""The HTML page: it needs nothing else, shows what differs, and foreign names stay text."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from irconv.comparison.pictures import pictures
from irconv.errors import OutputFailed
from irconv.ir.bundle import Bundle
from irconv.report.diff_page import page, write_page
from irconv.report.png import heat_map
from tests.comparison.pairs import compared, network, next_number, with_layer, with_tensor
from tests.helpers import ROOT, numbers, rejection

EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"


class Elements(HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def changed(name: str = "fc2") -> Bundle:
    return with_tensor(network(names={"fc2": name}), f"{name}.kernel", lambda w: w + np.float32(0.01))


def test_the_page_asks_for_nothing_outside_itself() -> None:
    text = page(compared(network(), changed()))
    elements = Elements(text).found
    assert [tag for tag, _ in elements if tag in ("link", "iframe", "object", "form") and tag != "form"] == []
    sources = [value for _, attrs in elements for key, value in attrs.items() if key in ("src", "href") and value]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert "url(" not in text
    (policy,) = (attrs["content"] for _, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-")


def test_foreign_names_are_text_and_never_markup() -> None:
    first, second = network(names={"fc2": EVIL}), changed(EVIL)
    second = with_layer(second, "norm", epsilon=0.5)
    report = compared(first, second)
    text = page(replace(report, report=replace(report.report, a=replace(report.report.a, path=EVIL))))
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 1
    assert not any(key.startswith("on") for _, attrs in elements.found for key in attrs)
    assert [attrs for tag, attrs in elements.found if tag == "img" and attrs.get("src") == "x"] == []
    assert not any(character in text for character in "\x1b\u202e")
    assert any("<img src=x onerror=alert(1)>" in shown for shown in elements.texts)


def test_the_page_names_every_tensor_with_its_numbers_and_pictures() -> None:
    text = page(compared(network(), with_layer(changed(), "norm", epsilon=0.5)))
    shown = " ".join(Elements(text).texts)
    assert all(f"{name}.kernel" in shown for name in ("conv", "after", "fc1", "fc2"))
    assert "epsilon: 0.001 -> 0.5" in shown
    assert "121 of 121" in shown
    assert text.count("<svg") == 2
    assert text.count("<img") == 1


def test_a_page_that_exists_is_not_replaced_unasked(tmp_path: Path) -> None:
    found, path = compared(network(), changed()), tmp_path / "page.html"
    write_page(found, path)
    before = path.read_bytes()
    assert "page.html" in rejection(lambda: write_page(found, path), OutputFailed)
    write_page(found, path, force=True)
    assert path.read_bytes() == before


def test_pictures_count_every_number_and_show_where_the_difference_lies() -> None:
    second = with_tensor(network(), "after.kernel", lambda w: next_number(w, 0) + np.eye(5, 5)[:, :, None, None] * 0.5)
    found = compared(network(), second)
    made = pictures(*found.operands["after.kernel", "after.kernel"])
    assert made is not None
    assert sum(made.a.counts) == sum(made.b.counts) == sum(made.difference.counts) == 225
    assert made.heat.shape == (5, 5)
    assert np.allclose(made.heat, np.eye(5) * 0.5, atol=1e-6)
    assert made.difference.high == pytest.approx(0.5, rel=1e-5)


def test_numbers_that_are_not_finite_are_left_out_of_pictures() -> None:
    def planted(w: np.ndarray) -> np.ndarray:
        w.flat[:2] = [np.nan, np.inf]
        return w

    found = compared(network(), with_tensor(changed(), "fc2.kernel", planted))
    made = pictures(*found.operands["fc2.kernel", "fc2.kernel"])
    assert made is not None
    assert (sum(made.a.counts), sum(made.b.counts), sum(made.difference.counts)) == (121, 119, 119)
    assert np.isfinite(made.heat).all()
    assert "2 in B" in page(found)


def test_a_heat_map_is_a_png_of_one_byte_a_cell() -> None:
    data = heat_map(np.abs(numbers(3, 4)))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    (body,) = re.findall(rb"IDAT(.*)....\x00\x00\x00\x00IEND", data, re.DOTALL)
    lines = zlib.decompress(body)
    assert len(lines) == 3 * (1 + 4)
    assert max(lines) == 255


def test_the_bar_of_a_replaced_part_is_full() -> None:
    second = with_tensor(network(), "fc2.kernel", lambda w: w[:, :-1])
    text = page(compared(network(), second))
    bars = [attrs for tag, attrs in Elements(text).found if tag == "i"]
    assert {"class": "replaced", "style": "width:100%"} not in bars  # its bias is the same
    third = with_tensor(second, "fc2.bias", lambda w: w[:-1])
    bars = [attrs for tag, attrs in Elements(page(compared(network(), third))).found if tag == "i"]
    assert {"class": "replaced", "style": "width:100%"} in bars


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_stands_out_from_what_is_behind_it(scheme: str) -> None:
    style = (ROOT / "irconv" / "report" / "page.css").read_text(encoding="utf-8")
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--(\w+): #(\w{6})", light if scheme == "light" else rest))

    def brightness(colour: str) -> float:  # of WCAG 2
        parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for name in colours.keys() - {"back", "panel", "line"}:
        for behind in ("back", "panel"):
            low, high = sorted(brightness(colours[key]) for key in (name, behind))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, name, behind)
