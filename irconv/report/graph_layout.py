"""Where the boxes and lines of a graph go on a page: layers of boxes from top to bottom (Sugiyama's method), computed
by the library ``fast-sugiyama``, which draws as Graphviz' dot does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from irconv.data_classes import dataclass
from irconv.errors import MissingFact

BOX = (168.0, 40.0)
"""Width and height of a box, in pixels."""
_SPACE = 192.0
_LEVEL = 84.0
_MARGIN = 12.0
_POSITIONS = tuple[tuple[object, tuple[float, float]], ...]

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """Middles of boxes by number, and the points of each line from the box it leaves to the one it enters."""

    boxes: Mapping[int, Point]
    lines: Sequence[tuple[tuple[int, int], tuple[Point, ...]]]
    width: float
    height: float


def laid_out(count: int, edges: Iterable[tuple[int, int]]) -> Drawing:
    """Boxes 0 to `count` - 1 and the lines between them; parts that do not hang together stand side by side.

    Raises `MissingFact` where the library is missing.
    """
    try:
        from fast_sugiyama import from_edges
    except ImportError:
        what = "the graph is drawn with the library fast-sugiyama, which is not installed"
        raise MissingFact("--html", what, "pip install 'irconv[html]' (Python 3.11 or newer).") from None
    wanted = list(dict.fromkeys(edges))
    parts = from_edges(wanted, vertex_spacing=_SPACE, dummy_vertices=True, dummy_size=0.25) if wanted else []
    left = _MARGIN + BOX[0] / 2
    points: dict[object, Point] = {}
    segments: list[tuple[object, object]] = []
    bottom = 0.0
    for part, (positions, _, _, ends) in enumerate(parts):
        points |= {_key(node, count, part): place for node, place in _placed(positions, left).items()}
        segments += [(_key(a, count, part), _key(b, count, part)) for a, b in ends or ()]
        inside = [points[_key(node, count, part)] for node, _ in positions]
        left = max(x for x, _ in inside) + _SPACE
        bottom = max(bottom, *(y for _, y in inside))
    for number in range(count):
        if number not in points:  # a box that no line meets
            points[number] = (left, _MARGIN + BOX[1] / 2)
            left += _SPACE
    boxes = {number: points[number] for number in range(count)}
    return Drawing(boxes, _lines(boxes, points, segments), left - _SPACE + BOX[0] / 2 + _MARGIN, bottom + BOX[1])


def _key(node: object, count: int, part: int) -> object:
    """The number of a box; bends of lines are numbered in each part anew."""
    return node if isinstance(node, int) and node < count else (part, node)


def _placed(positions: Iterable[tuple[object, Point]], left: float) -> dict[object, Point]:
    """Pixels for the library's places, the first level on top."""
    places = dict(positions)
    lowest = min(x for x, _ in places.values())
    levels = {y: level for level, y in enumerate(sorted({y for _, y in places.values()}, reverse=True))}
    top = _MARGIN + BOX[1] / 2
    return {node: (x - lowest + left, levels[y] * _LEVEL + top) for node, (x, y) in places.items()}


def _lines(
    boxes: Mapping[int, Point], points: Mapping[object, Point], segments: Sequence[tuple[object, object]]
) -> list[tuple[tuple[int, int], tuple[Point, ...]]]:
    """The segments joined at their bends."""
    after = {a: b for a, b in segments if a not in boxes}
    lines = []
    for start, node in segments:
        if not isinstance(start, int) or start not in boxes:
            continue
        path, end = [start, node], node
        while end not in boxes:
            end = after[end]
            path.append(end)
        assert isinstance(end, int), "boxes are numbers"
        (x, y), (last_x, last_y) = points[start], points[end]
        bends = [points[bend] for bend in path[1:-1]]
        lines.append(((start, end), ((x, y + BOX[1] / 2), *bends, (last_x, last_y - BOX[1] / 2))))
    return lines
