"""A model as one HTML page that needs nothing else: its graph drawn, and every layer with its settings and weights."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from irconv.comparison.statistics import Statistics, statistics
from irconv.containers.outputs import whole_output
from irconv.ir.bundle import STATE, Bundle, Tensor
from irconv.ir.layers.base import StoredOperand
from irconv.layout import Array, turned
from irconv.report.graph_layout import BOX, Drawing, laid_out
from irconv.report.inspect import fact_text, number, port_text, totals_text
from irconv.report.page import dim, document, drawing, figure, named, steps, text
from irconv.report.png import signed_map
from irconv.report.settings import value
from irconv.report.summary import Row, rows, shape_text, totals

_MOST_PICTURES = 300
_BINS = 61
_FILTERS, _CHANNELS = 12, 8
"""Filters and channels of a convolution that are shown as pictures."""
_CELLS = 96
_NAME, _TYPE = 21, 18
_SEPARATOR = re.compile(r"[./]+")
"""Letters of a name and of a type that a box holds."""
_TOOLS = (
    '<form class="tools"><input type="search" id="words" placeholder="Part of a name or type" '
    'aria-label="Part of a name or type"><span id="found" class="dim" role="status"></span>'
    '<button type="button" id="unfold">Open or close all</button></form>'
)


def write_page(bundle: Bundle, path: Path, force: bool = False) -> None:
    """Write the page; it appears whole or not at all. Raises `OutputFailed` where it exists, and `MissingFact` where
    the library that draws graphs is missing."""
    with whole_output(force, sources=[*bundle.opened]) as output:
        output.path(path).write_text(page(bundle), encoding="utf-8")


def page(bundle: Bundle) -> str:
    """The page's text."""
    files = ", ".join(file.name for file in bundle.source.files) or "a model"
    return document(files, "model_page", _body(bundle, files))


def _body(bundle: Bundle, files: str) -> Iterator[str]:
    source = bundle.source
    made_by = " ".join(part for part in (source.framework, source.version) if part)
    yield f"<h1>{named(files)} {dim(f'from {made_by}')}</h1>"
    found = rows(bundle) if bundle.graph else ()
    said = [*totals_text(totals(bundle, found), bundle.graph is not None)]
    if bundle.graph:
        said += [f"input {port_text(port)}" for port in bundle.graph.inputs]
        said += [f"output {port_text(port)}" for port in bundle.graph.outputs]
    said += [fact_text(fact, 200) for fact in source.facts]
    yield f'<ul class="said">{"".join(f"<li>{text(line)}</li>" for line in said)}</ul>{_TOOLS}'
    if bundle.graph:
        yield '<div class="panes"><section class="graph" tabindex="0" aria-label="The graph">'
        yield _graph(bundle, found)
        yield '</section><section class="layers" aria-label="Layers"><h2>Layers</h2>'
        drawn = _Pictures()
        for place, row in enumerate(found):
            yield from _layer(bundle, row, place, drawn)
        yield "</section></div>"
    else:
        yield from _groups(bundle)
    if bundle.state:
        yield "<h2>State of the optimizer</h2><ul>"
        kept = ((key.removeprefix(STATE), tensor.record) for key, tensor in bundle.state.items())
        yield from (f"<li>{named(name)} {dim(f'{shape_text(r.shape)} {r.dtype}')}</li>" for name, r in kept)
        yield "</ul>"
    if bundle.omitted:
        yield "<h2>Left out</h2><ul>"
        yield from (f"<li>{named(one.name)} {dim(one.reason)}</li>" for one in bundle.omitted)
        yield "</ul>"


# the graph ----------------------------------------------------------------------------------------------------------


def _graph(bundle: Bundle, found: Sequence[Row]) -> str:
    """The drawing: a box for each use of a layer, a link to what is said of it, and shapes where lines begin."""
    graph = bundle.graph
    assert graph is not None, "weights alone have no graph"
    makers = {port.value: place for place, port in enumerate(graph.inputs, len(found))}
    makers |= {value: place for place, node in enumerate(graph.nodes) for value in node.outputs.values()}
    edges = [(makers[value], place) for place, node in enumerate(graph.nodes) for value in node.inputs.values()]
    first = len(found) + len(graph.inputs)
    edges += [(makers[port.value], place) for place, port in enumerate(graph.outputs, first)]
    made = laid_out(first + len(graph.outputs), edges)
    labels = {place: shape_text(row.results[0].shape) for place, row in enumerate(found) if row.results}
    labels |= {place: shape_text(port.shape) for place, port in enumerate(graph.inputs, len(found))}
    parts = [_line(points) for _, points in made.lines]
    parts += [_layer_box(made, place, row) for place, row in enumerate(found)]
    parts += [_port_box(made, place, port.name, "input") for place, port in enumerate(graph.inputs, len(found))]
    parts += [_port_box(made, place, port.name, "output") for place, port in enumerate(graph.outputs, first)]
    left = {start for (start, _), _ in made.lines}
    parts += [_label(made, place, label) for place, label in labels.items() if place in left]
    size = f'width="{made.width:.0f}" height="{made.height:.0f}" viewBox="0 0 {made.width:.0f} {made.height:.0f}"'
    return f'<svg class="net" {size} role="group" aria-label="The graph of the model">{"".join(parts)}</svg>'


def _line(points: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for next_x, next_y in rest:
        half = (y + next_y) / 2
        path += f"C{x:.1f} {half:.1f} {next_x:.1f} {half:.1f} {next_x:.1f} {next_y:.1f}"
        x, y = next_x, next_y
    return f'<path class="line" d="{path}"/>'


def _layer_box(made: Drawing, place: int, row: Row) -> str:
    title = f"{row.layer}: {row.type}"
    words = f"{row.layer} {row.type}".lower()
    inside = _box(made, place, _fitting(row.layer), _shortened(row.type, _TYPE), "weights" if row.weights else "")
    return f'<a href="#layer-{place}" data-words="{text(words)}"><title>{text(title)}</title>{inside}</a>'


def _port_box(made: Drawing, place: int, name: str, kind: str) -> str:
    return f"<g><title>{kind} {text(name)}</title>{_box(made, place, _shortened(name, _NAME), kind, 'port')}</g>"


def _box(made: Drawing, place: int, name: str, kind: str, look: str) -> str:
    x, y = made.boxes[place]
    width, height = BOX
    corner = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}"'
    frame = f'<rect class="{look}" {corner} width="{width:.0f}" height="{height:.0f}" rx="6"/>'
    upper = f'<text x="{x:.1f}" y="{y - 4:.1f}">{text(kind)}</text>'
    return f'{frame}{upper}<text class="second" x="{x:.1f}" y="{y + 12:.1f}">{text(name)}</text>'


def _label(made: Drawing, place: int, label: str) -> str:
    x, y = made.boxes[place]
    return f'<text class="shape" x="{x + 5:.1f}" y="{y + BOX[1] / 2 + 13:.1f}">{text(_shortened(label, 24))}</text>'


def _fitting(name: str) -> str:
    """A name with as many of the modules that it lies in as there is room for."""
    while len(name) > _NAME and (end := _SEPARATOR.search(name, 1)):
        name = name[end.end() :]
    return _shortened(name, _NAME)


def _shortened(name: str, most: int) -> str:
    """A name in so many letters, its beginning and its end."""
    if len(name) <= most:
        return name
    end = most // 2
    return f"{name[: most - end - 1]}\N{HORIZONTAL ELLIPSIS}{name[-end:]}"


# layers -------------------------------------------------------------------------------------------------------------


class _Pictures:
    """Counts what has been drawn; a tensor is drawn once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def wants(self, key: str) -> bool:
        """Whether the tensor is still to be drawn."""
        if key in self.seen or len(self.seen) >= _MOST_PICTURES:
            return False
        self.seen.add(key)
        return True


def _layer(bundle: Bundle, row: Row, place: int, drawn: _Pictures) -> Iterator[str]:
    layer = bundle.layers[row.layer]
    results = ", ".join(shape_text(result.shape) for result in row.results)
    counted = f"{row.parameters + row.others:,} parameters" if row.parameters or row.others else ""
    heading = f"{named(row.layer)}<b>{text(row.type)}</b>{dim(results)}{dim(counted) if counted else ''}"
    words = f"{row.layer} {row.type}".lower()
    yield f'<details class="layer" id="layer-{place}" data-words="{text(words)}"><summary>{heading}</summary>'
    facts = {name: value(what) for name, what in layer.settings().items()}
    facts |= {"from": ", ".join(row.sources), "multiply-adds": number(row.multiply_adds) if row.multiply_adds else ""}
    if layer.origin is not None:
        facts["source"] = f"{layer.origin.framework}'s {layer.origin.type} {layer.origin.name}"
    yield _facts(facts)
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand):
            yield from _tensor(role, operand.tensor, bundle.tensors[operand.tensor], drawn)
        else:
            yield f'<p class="note">{text(role)}: {text(operand.literal)} {dim("written out")}</p>'
    yield "</details>"


def _facts(facts: Mapping[str, str]) -> str:
    inside = "".join(f"<div><dt>{text(name)}</dt><dd>{text(what)}</dd></div>" for name, what in facts.items() if what)
    return f'<dl class="facts">{inside}</dl>'


def _tensor(role: str, key: str, tensor: Tensor, drawn: _Pictures) -> Iterator[str]:
    record = tensor.record
    heading = f"<b>{text(role)}</b> {named(key)} {dim(f'{record.dtype} {shape_text(record.shape)} {record.letters}')}"
    yield f'<div class="tensor"><header>{heading}</header>'
    if record.source is not None:
        axes = f" {record.source.axes}" if record.source.axes else ""
        yield f'<p class="note dim">{text(f"{record.source.name}: {shape_text(record.source.shape)}{axes}")}</p>'
    if drawn.wants(key):
        yield from _drawn(tensor)
    yield "</div>"


def _drawn(tensor: Tensor) -> Iterator[str]:
    found = statistics(tensor.data, _BINS)
    yield _facts(_said(found))
    pictures = []
    if found.low < found.high:
        made = drawing("How often which numbers occur", steps(found.counts, "gap"), len(found.counts))
        pictures.append(figure(made, f"{found.low:.4g}", "log counts", f"{found.high:.4g}"))
        grid, caption = _grid(tensor)
        if grid is not None:
            data = base64.b64encode(signed_map(grid)).decode()
            picture = f'<img alt="{text(caption)}" src="data:image/png;base64,{data}">'
            pictures.append(figure(picture, caption, "blue below 0, red above"))
    if pictures:
        yield f'<div class="pictures">{"".join(pictures)}</div>'


def _said(found: Statistics) -> dict[str, str]:
    if not found.counts:
        return {"numbers": f"{found.elements:,}, none finite" if found.elements else "none"}
    said = {"min": found.low, "max": found.high, "mean": found.mean, "deviation": found.deviation}
    rest = {"zero": f"{found.zeros:,}" if found.zeros else "", "not finite": str(found.not_finite or "")}
    return {name: f"{what:.5g}" for name, what in said.items()} | rest


def _grid(tensor: Tensor) -> tuple[Array | None, str]:
    """What a picture shows of a tensor: the first filters of a convolution, else rows and columns, evenly chosen."""
    shape = tensor.record.shape
    if len(shape) < 2 or 0 in shape:
        return None, ""
    if tensor.data.nbytes > 64 * 2**20:
        return None, ""
    array = np.real(tensor.data.numpy()).astype(np.float64)
    if len(shape) == 4 and max(shape[2:]) > 1:
        part = array[:_FILTERS, :_CHANNELS]
        gaps = np.full((part.shape[0], part.shape[1], part.shape[2] + 1, part.shape[3] + 1), np.nan)
        gaps[:, :, :-1, :-1] = part
        tall = turned(gaps, (1, 2, 0, 3)).reshape(part.shape[1] * gaps.shape[2], part.shape[0] * gaps.shape[3])
        return tall[:-1, :-1], f"outputs 0 to {part.shape[0] - 1} across, inputs 0 to {part.shape[1] - 1} down"
    flat = array.reshape(shape[0], -1)
    chosen = [np.unique(np.linspace(0, n - 1, min(n, _CELLS)).astype(int)) for n in flat.shape]
    return flat[
        np.ix_(*chosen)
    ], f"{len(chosen[0])} of {flat.shape[0]} rows, {len(chosen[1])} of {flat.shape[1]} columns"


def _groups(bundle: Bundle) -> Iterator[str]:
    """Weights without a graph."""
    drawn = _Pictures()
    yield '<section class="layers"><h2>Groups</h2>'
    for group in bundle.groups:
        heading = f"{named(group.name)}<b>{text(group.type or 'unknown')}</b>{dim(group.evidence)}"
        yield f'<details class="layer" data-words="{text(group.name.lower())}"><summary>{heading}</summary>'
        for name, key in group.tensors.items():
            yield from _tensor(name, key, bundle.tensors[key], drawn)
        yield "</details>"
    yield "</section>"
