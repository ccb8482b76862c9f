"""A comparison as one HTML page that needs nothing else: the tree of modules, and pictures of what differs.

Every name comes from a foreign file: all of it goes through `text`, and the page's policy allows its own script alone.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from irconv.comparison.compare import Comparison
from irconv.comparison.model import LayerDiff, Module, SideFacts, TensorDiff
from irconv.comparison.modules import unit_of
from irconv.comparison.names import module_paths
from irconv.comparison.pictures import Pictures, pictures
from irconv.containers.outputs import whole_output
from irconv.data_classes import dataclass
from irconv.report.diff import SAID, counted, number, shapes, values, verdict
from irconv.report.page import dim, document, drawing, figure, named, steps, text
from irconv.report.png import heat_map

_MOST_PICTURES = 400
_ARROW = "\N{RIGHTWARDS ARROW}"
_TOOLS = (
    '<form class="tools"><input type="search" id="words" placeholder="Part of a name" aria-label="Part of a name">'
    '<label><input type="checkbox" id="same"> what is equal, too</label>'
    '<button type="button" id="unfold">Open or close all</button></form>'
)


def write_page(compared: Comparison, path: Path, force: bool = False) -> None:
    """Write the page; it appears whole or not at all. Raises `OutputFailed` where it exists."""
    sources = [Path(side.path) for side in (compared.report.a, compared.report.b) if Path(side.path).exists()]
    with whole_output(force, sources=sources) as output:
        output.path(path).write_text(page(compared), encoding="utf-8")


def page(compared: Comparison) -> str:
    """The page's text."""
    report = compared.report
    title = " and ".join(Path(side.path).name for side in (report.a, report.b))
    return document(title, "diff_page", _body(compared))


def _body(compared: Comparison) -> Iterator[str]:
    report = compared.report
    drawn = _chosen(report.tensors)
    sides = "".join(_side(label, facts) for label, facts in (("A", report.a), ("B", report.b)))
    yield f'<h1>Two models compared</h1><dl class="sides">{sides}</dl>'
    yield f'<p class="verdict">{text(verdict(report, compared.ignored))}</p>'
    yield _counts(report.tensors, report.layers)
    for note in report.notes:
        yield f'<p class="note dim">{text(note)}</p>'
    yield f"{_TOOLS}<h2>Modules</h2>"
    yield from _tree(compared, drawn)
    yield from _layers([layer for layer in report.layers if layer.differs])
    if without := sum(map(_drawable, report.tensors)) - len(drawn):
        yield f'<p class="dim">Pictures of the {len(drawn)} tensors that differ most; {without} have none.</p>'


def _chip(word: str, said: str = "") -> str:
    return f'<span class="chip {text(word)}">{text(said or word)}</span>'


def _item(name: str, same: bool) -> str:
    """What the search looks at."""
    return f'data-name="{text(name.lower())}" data-same="{int(same)}"'


def _side(label: str, facts: SideFacts) -> str:
    made_by = " ".join(part for part in (facts.framework, facts.version) if part)
    units = counted(facts.layers, "layer" if facts.graph else "group")
    counts = f"{counted(facts.tensors, 'tensor')}, {units}{'' if facts.graph else ', no graph'}"
    return f"<dt>{label}</dt><dd>{named(facts.path)} {dim(f'{made_by}, {counts}')}</dd>"


def _counts(tensors: Sequence[TensorDiff], layers: Sequence[LayerDiff]) -> str:
    chips = []
    for what, entries in (("tensor", tensors), ("layer", layers)):
        counts: Counter[str] = Counter(status for entry in entries for status in entry.status)
        chips += [
            _chip(status, f"{counted(count, what)} {SAID.get(status, status)}") for status, count in counts.items()
        ]
    return f'<div class="chips">{"".join(chips)}</div>'


# the tree ---------------------------------------------------------------------------------------------------------


@dataclass
class _Branch:
    module: Module
    below: list[_Branch] = field(default_factory=list)
    tensors: list[TensorDiff] = field(default_factory=list)
    layers: list[LayerDiff] = field(default_factory=list)


def _tree(compared: Comparison, drawn: Mapping[int, TensorDiff]) -> Iterator[str]:
    report = compared.report
    branches = {module.path: _Branch(module) for module in report.modules}
    for path, branch in branches.items():
        if path:
            branches[path[:-1]].below.append(branch)
    names = [entry.name for entry in report.layers] + [unit_of(entry) for entry in report.tensors]
    paths = module_paths(dict.fromkeys(names))
    for entry in report.tensors:
        branches[paths[unit_of(entry)]].tensors.append(entry)
    for layer in report.layers:
        branches[paths[layer.name]].layers.append(layer)
    for branch in branches[()].below if () in branches else []:
        yield from _branch(branch, compared, drawn, 1)


def _branch(branch: _Branch, compared: Comparison, drawn: Mapping[int, TensorDiff], depth: int) -> Iterator[str]:
    module = branch.module
    while len(branch.below) == 1 and not branch.tensors and not branch.layers:
        branch = branch.below[0]
    opened = " open" if depth == 1 and module.verdict not in ("frozen", "renamed", "folded") else ""
    name = "/".join(branch.module.path[depth - 1 :])
    weights = int(module.elements > 0 and module.tensors.keys() != {"ignored"})
    yield f'<details class="module" data-weights="{weights}"{opened}><summary>{named(name)}{_summary(module)}</summary>'
    alone = not branch.tensors  # a layer without tensors is shown; one with tensors shows these
    yield from (_layer(layer) for layer in branch.layers if layer.differs or alone)
    for entry in branch.tensors:
        yield from _tensor(entry, compared, drawn)
    for below in branch.below:
        yield from _branch(below, compared, drawn, len(branch.module.path) + 1)
    yield "</details>"


def _summary(module: Module) -> str:
    said = _chip(module.verdict)
    if module.elements:
        share = min(100.0, 100 * module.changed / module.elements)
        said += (
            f'<span class="bar" title="{share:.3g} % of its numbers differ">'
            f'<i class="{text(module.verdict)}" style="width:{share:.4g}%"></i></span>'
        )
    said += dim(", ".join(f"{count} {status}" for status, count in module.tensors.items()))
    return said + (dim(f"relative L2 {number(module.relative_l2)}") if module.relative_l2 else "")


def _layer(layer: LayerDiff) -> str:
    name, kind = _layer_name(layer), dim(layer.types[0] or layer.types[1] or "layer")
    notes = "".join(f'<p class="note">{text(line)}</p>' for line in _said(layer))
    heading = f"<header>{named(name)}{kind}{''.join(map(_chip, layer.status))}</header>"
    plain = "" if layer.differs else " plain"
    return f'<div class="tensor{plain}" {_item(name, not layer.differs)}>{heading}{notes}</div>'


def _layer_name(layer: LayerDiff) -> str:
    return layer.name if "renamed" not in layer.status else f"{layer.a} {_ARROW} {layer.b}"


def _said(layer: LayerDiff) -> list[str]:
    return [f"{key}: {value}" for key, value in values(layer).items()] + [*layer.inputs, *layer.notes]


def _layers(layers: Sequence[LayerDiff]) -> Iterator[str]:
    if not layers:
        return
    yield "<h2>Layers</h2><table><thead><tr><th>layer<th>type<th>status<th>what differs</tr></thead><tbody>"
    for layer in layers:
        name = _layer_name(layer)
        types = f" {_ARROW} ".join(dict.fromkeys(kind for kind in layer.types if kind))
        said = "<br>".join(map(text, _said(layer)))
        cells = (named(name), text(types), "".join(map(_chip, layer.status)), said)
        yield f"<tr {_item(name, False)}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table>"


# tensors ----------------------------------------------------------------------------------------------------------


def _drawable(entry: TensorDiff) -> bool:
    return entry.distance is not None and entry.distance.changed > 0


def _chosen(tensors: Sequence[TensorDiff]) -> dict[int, TensorDiff]:
    """The tensors that get pictures: those that differ, the most different ones where there are many."""
    found = [entry for entry in tensors if _drawable(entry)]
    found.sort(key=lambda entry: -((entry.distance and entry.distance.relative_l2) or 0.0))
    return {id(entry): entry for entry in found[:_MOST_PICTURES]}


def _tensor(entry: TensorDiff, compared: Comparison, drawn: Mapping[int, TensorDiff]) -> Iterator[str]:
    name = f" {_ARROW} ".join(entry.renaming) if entry.renaming else entry.name
    plain = "" if entry.differs else " plain"
    heading = f"{named(name)}{dim(shapes(entry))}{''.join(map(_chip, entry.status))}"
    yield f'<div class="tensor{plain}" {_item(name, not entry.differs)}><header>{heading}</header>'
    for note in _notes(entry):
        yield f'<p class="note">{text(note)}</p>'
    if _drawable(entry):
        yield _facts(entry)
    if id(entry) in drawn and entry.a and entry.b:
        made = pictures(*compared.operands[entry.a.name, entry.b.name])
        if made is not None:
            yield _pictures(made)
    yield "</div>"


def _notes(entry: TensorDiff) -> list[str]:
    notes = list(entry.notes)
    if entry.fold is not None:
        facts = ", ".join(f"{key} {value}" for key, value in entry.fold.facts.items())
        said = f"{entry.fold.kind} folded into {entry.fold.into}, residual {number(entry.fold.residual)}"
        notes.append(f"{said}; {facts}" if facts else said)
    return notes


def _facts(entry: TensorDiff) -> str:
    distance = entry.distance
    assert distance is not None, "it is asked of what differs alone"
    said = {
        "differ": f"{distance.changed:,} of {distance.elements:,}",
        "max abs": number(distance.max_abs),
        "relative L2": number(distance.relative_l2),
        "cosine": "" if distance.cosine is None else f"{distance.cosine:.9g}",
        "ULP": "" if distance.max_ulp is None else f"{distance.max_ulp:,}",
        "most at": f"{list(distance.at)}: {distance.values[0]:.9g} {_ARROW} {distance.values[1]:.9g}",
        "not finite": f"{distance.not_finite[0]} in A, {distance.not_finite[1]} in B"
        if any(distance.not_finite)
        else "",
    }
    rows = "".join(f"<div><dt>{key}</dt><dd>{text(value)}</dd></div>" for key, value in said.items() if value)
    return f'<dl class="facts">{rows}</dl>'


def _pictures(made: Pictures) -> str:
    data = base64.b64encode(heat_map(made.heat)).decode()
    down, across = made.axes
    where = f"{down} down, {across} across" if down else across
    gap, darkest = number(made.difference.high), number(float(made.heat.max()))
    numbers = drawing(
        "Numbers of both sides", steps(made.a.counts, "of-a") + steps(made.b.counts, "of-b"), len(made.a.counts)
    )
    gaps = drawing("Differences", steps(made.difference.counts, "gap"), len(made.difference.counts))
    heat = f'<img alt="Where the difference lies" src="data:image/png;base64,{data}">'
    figures = (
        figure(numbers, number(made.a.low), "A", "B", "log counts", number(made.a.high)),
        figure(gaps, f"-{gap}", "B - A, log counts", gap),
        figure(heat, f"mean |B - A|, {where}", f"darkest {darkest}"),
    )
    return f'<div class="pictures">{"".join(figures)}</div>'
