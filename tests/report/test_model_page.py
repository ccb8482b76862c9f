"""The page of a model: one file, whatever the names in it, with the graph drawn and every layer in it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.errors import MissingFact, OutputFailed
from irconv.report import graph_layout, model_page
from irconv.report.model_page import page, write_page
from tests.helpers import ROOT, lenet, rejection

LENET = lenet("tf2.15-lenet5-h5").model
PROGRAM = ROOT / "fixtures" / "torch-programs" / "torch213-shuffle" / "model.pt2"
drawn = pytest.mark.skipif(sys.version_info < (3, 11), reason="fast-sugiyama needs Python 3.11")


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def seen(text: str) -> Seen:
    parser = Seen()
    parser.feed(text)
    return parser


@drawn
@pytest.mark.parametrize("path", [LENET, PROGRAM], ids=lambda path: path.parent.name)
def test_every_layer_is_drawn_and_leads_to_what_is_said_of_it(path: Path) -> None:
    bundle = irconv.read(path)
    assert bundle.graph is not None
    text = page(bundle)
    tags = seen(text).tags
    sections = [found["id"] for tag, found in tags if tag == "details"]
    links = [found["href"] for tag, found in tags if tag == "a"]
    assert sections == [f"layer-{place}" for place in range(len(bundle.graph.nodes))]
    assert links == [f"#{one}" for one in sections]
    assert text.count('<path class="line"') == len(
        {(maker, node.layer) for node in bundle.graph.nodes for maker in node.inputs.values()}
    ) + len(bundle.graph.outputs)


@drawn
def test_the_page_needs_nothing_from_elsewhere_and_runs_its_own_script_alone() -> None:
    text = page(irconv.read(LENET))
    assert "default-src 'none'" in text
    loaded = [found for _, found in seen(text).tags for name in ("src", "href") if found.get(name)]
    assert all(str(found.get("src") or found.get("href")).startswith(("#", "data:image/png")) for found in loaded)


@drawn
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\x1b[31m\u202e"])
def test_names_are_text(name: str) -> None:
    bundle = irconv.read(LENET)
    assert bundle.graph is not None
    node, *rest = bundle.graph.nodes
    port = bundle.graph.inputs[0].model_copy(update={"name": name})
    nodes = (node.model_copy(update={"layer": name}), *rest)
    graph = bundle.graph.model_copy(update={"nodes": nodes, "inputs": (port,)})
    text = page(replace(bundle, layers={**bundle.layers, name: bundle.layers[node.layer]}, graph=graph))
    tags = [tag for tag, _ in seen(text).tags]
    assert tags.count("script") == 1
    assert not any("onerror" in found for _, found in seen(text).tags)
    assert all(line.isprintable() for line in text.split("\n"))


@drawn
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("conv2d_1.activation", "conv2d_1.activation"),
        ("transformer_layer_0/self_attention/softmax", "softmax"),
        ("encoder.layers.0.linear1", "layers.0.linear1"),
        ("./a" + "b" * 40, "a" + "b" * 9 + "\N{HORIZONTAL ELLIPSIS}" + "b" * 10),
        ("." * 30, ""),
    ],
)
def test_a_box_shows_as_much_of_a_name_as_there_is_room_for(name: str, shown: str) -> None:
    assert model_page._fitting(name) == shown


def test_boxes_do_not_overlap_and_lines_go_down() -> None:
    edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (1, 4), (5, 6)]
    made = graph_layout.laid_out(8, edges)
    places = list(made.boxes.values())
    width, height = graph_layout.BOX
    for number, (x, y) in enumerate(places):
        assert 0 < x < made.width
        assert 0 < y < made.height
        assert all(abs(x - a) >= width or abs(y - b) >= height for a, b in places[number + 1 :])
    assert sorted(ends for ends, _ in made.lines) == sorted(edges)
    assert all(points[0][1] < points[-1][1] for _, points in made.lines)


def test_without_the_library_that_draws_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    text = rejection(lambda: graph_layout.laid_out(2, [(0, 1)]), MissingFact)
    assert text.startswith(
        "--html: the graph is drawn with the library fast-sugiyama, which is not installed. pip install"
    )


@drawn
def test_a_page_appears_whole_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    write_page(irconv.read(LENET), tmp_path / "m.html")
    assert re.search(r"</html>\s*$", (tmp_path / "m.html").read_text(encoding="utf-8"))
    assert "exists already" in rejection(lambda: write_page(irconv.read(LENET), tmp_path / "m.html"), OutputFailed)


def test_weights_without_a_graph_have_a_page_of_groups() -> None:
    text = page(irconv.read(lenet("keras2.2.4-lenet4-weights-h5").model))
    assert text.count("<details") == 4
