"""Layers and connections: which layer is which where names do not say it, and what differs between two that are one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from irconv.comparison.graphs import IDLE, Wired, bodies
from irconv.comparison.model import LayerDiff, Status
from irconv.comparison.pairing import How, Paired, UnitPair
from irconv.comparison.settings import differing
from irconv.comparison.sides import Unit
from irconv.data_classes import dataclass
from irconv.ir.graph import Node
from irconv.ir.shapes import Shape

_COMMUTE = frozenset({"Add", "Mul", "Maximum", "Minimum", "Mean", "And", "Or", "Equal"})
"""Types whose inputs may stand in any order."""


@dataclass
class Matched:
    """The nodes of two graphs that are the same, found from the layers that are."""

    a: Wired
    b: Wired
    nodes: dict[int, Node] = field(default_factory=dict)
    """The number of a node of the first graph -> the node of the second."""
    taken: set[int] = field(default_factory=set)
    """The numbers of the second graph's nodes that are."""
    layers: dict[str, str] = field(default_factory=dict)
    hows: dict[str, How] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """The layers of the second graph that are one of the first."""

    def put(self, left: Node, right: Node, how: How) -> bool:
        """Note that two nodes are the same; False where either is taken, or is another layer's use."""
        if not self.free(left, right):
            return False
        if self.layers.get(left.layer, right.layer) != right.layer:
            return False
        if left.layer not in self.layers and right.layer in self.used:
            return False
        self.nodes[self.a.number(left)] = right
        self.taken.add(self.b.number(right))
        if left.layer not in self.layers:
            self.name(left.layer, right.layer, how)
        return True

    def name(self, left: str, right: str, how: How) -> None:
        """Note that two layers are the same."""
        self.layers[left], self.hows[left] = right, how
        self.used.add(right)

    def free(self, left: Node, right: Node) -> bool:
        """Whether neither node is matched yet."""
        return self.a.number(left) not in self.nodes and self.b.number(right) not in self.taken


def matched(a: Wired, b: Wired, paired: Paired) -> Matched:
    """The nodes of both graphs, matched: uses of paired layers, then their neighbours of the same type, then what
    stands alone between the same neighbours."""
    found = Matched(a, b)
    uses_a, uses_b = _uses(a), _uses(b)
    for pair in paired.pairs:
        found.name(pair.a.name, pair.b.name, pair.how)
        for left, right in zip(uses_a.get(pair.a.name, []), uses_b.get(pair.b.name, []), strict=False):
            found.put(left, right, pair.how)
    for alike in (True, False):
        waiting = [(a.nodes[i], right) for i, right in found.nodes.items()]
        numbers = {number: value for value, number in b.inputs.items()}
        for value, number in a.inputs.items():
            if number in numbers:
                waiting += _takers(found, value, numbers[number], alike)
        while waiting:
            left, right = waiting.pop()
            for value, other in _results(left, right):
                waiting += _takers(found, value, other, alike)
            waiting += _makers(found, left, right)
    return found


def _uses(wired: Wired) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in wired.nodes:
        found.setdefault(node.layer, []).append(node)
    return found


def _takers(found: Matched, left: str, right: str, alike: bool) -> list[tuple[Node, Node]]:
    """The nodes that take two values that are the same, matched in their order."""
    takers_a = [(n, s) for n, s in found.a.takers.get(left, []) if found.a.number(n) not in found.nodes]
    takers_b = [(n, s) for n, s in found.b.takers.get(right, []) if found.b.number(n) not in found.taken]
    if len(takers_a) != len(takers_b):
        return []
    new = []
    for (node_a, slot_a), (node_b, slot_b) in zip(takers_a, takers_b, strict=True):
        fits = _alike(found, node_a, node_b) if alike else len(takers_a) == 1
        if slot_a == slot_b and fits and found.put(node_a, node_b, "order"):
            new.append((node_a, node_b))
    return new


def _makers(found: Matched, left: Node, right: Node) -> list[tuple[Node, Node]]:
    """The nodes that make what two nodes that are the same take, matched where their types agree."""
    new = []
    for slot, value in left.inputs.items():
        maker_a = found.a.maker(value)
        maker_b = found.b.maker(right.inputs[slot]) if slot in right.inputs else None
        if maker_a is None or maker_b is None or not _alike(found, maker_a, maker_b):
            continue
        if found.put(maker_a, maker_b, "order"):
            new.append((maker_a, maker_b))
    return new


def _results(left: Node, right: Node) -> Iterator[tuple[str, str]]:
    """The values that two nodes that are the same make, those of one slot together."""
    for slot, value in left.outputs.items():
        if slot in right.outputs:
            yield value, right.outputs[slot]
        elif len(left.outputs) == len(right.outputs) == 1:
            yield value, next(iter(right.outputs.values()))


def _alike(found: Matched, a: Node, b: Node) -> bool:
    return found.a.kind(a) == found.b.kind(b)


def layer_diffs(found: Matched, paired: Paired, folded: Mapping[str, str]) -> list[LayerDiff]:
    """Every layer of both graphs with what differs; `folded` names those that the other side has merged, and says
    where."""
    diffs: list[LayerDiff] = []
    units_a, units_b = found.a.side.units, found.b.side.units
    renamed = {pair.a.name: pair.renamed for pair in paired.pairs}
    differ = paired.differ
    uses_a = _uses(found.a)
    for name, other in found.layers.items():
        if name in units_a and other in units_b:
            a, b = units_a[name], units_b[other]
            pair = UnitPair(a, b, found.hows[name], renamed[name] if name in renamed else differ(a, b))
            diffs.append(_pair(found, pair, uses_a.get(name, []), _renamed(found, pair, paired)))
    inner = bodies(found.a.side) | bodies(found.b.side)
    diffs += [alone(u, "a", folded, inner) for u in units_a.values() if u.name not in found.layers]
    diffs += [alone(u, "b", folded, inner) for u in units_b.values() if u.name not in found.used]
    return diffs


def _pair(found: Matched, pair: UnitPair, uses: Sequence[Node], renamed: bool) -> LayerDiff:
    a, b = pair.a.layer, pair.b.layer
    assert a is not None, "the first side has a graph"
    assert b is not None, "the second side has a graph"
    node_a = next((n for n in uses if found.a.number(n) in found.nodes), None)
    settings, notes = {}, []
    if node_a is None:
        settings = differing(a, b, ({}, {}))
    else:
        node_b = found.nodes[found.a.number(node_a)]
        if not (found.a.kind(node_a) == found.b.kind(node_b) == "Reshape" and _same_result(found, node_a, node_b)):
            settings = differing(a, b, (_shapes(found.a, node_a), _shapes(found.b, node_b)))
    inputs = tuple(dict.fromkeys(text for node in uses for text in _rewired(found, node)))
    status: tuple[Status, ...] = ("renamed",) if renamed else ()
    if settings or inputs:
        status = (*status, "changed")
    missing = [n for n in uses if found.a.number(n) not in found.nodes]
    if missing and uses:
        notes.append(f"used {len(uses)} times, of which {len(missing)} only on the first side")
        status = (*status, "changed") if "changed" not in status else status
    return LayerDiff(
        status or ("equal",), pair.a.title, pair.b.title, (a.type, b.type), pair.how, settings, inputs, tuple(notes)
    )


def _renamed(found: Matched, pair: UnitPair, paired: Paired) -> bool:
    """Whether a layer has another name on the second side, its own or that of its weights."""
    if pair.a.called or pair.b.called:
        return paired.retitled(pair.a, pair.b)
    return pair.renamed and _named(found, pair)


def _named(found: Matched, pair: UnitPair) -> bool:
    """Whether a name is the user's: that of a layer with weights, or of any that two files of one framework list."""
    if pair.a.operands and pair.b.operands:
        return True
    origins = [unit.layer.origin if unit.layer is not None else None for unit in (pair.a, pair.b)]
    listed = all(origin is not None and origin.split_from is None for origin in origins)
    return listed and found.a.side.dialect == found.b.side.dialect


def _same_result(found: Matched, a: Node, b: Node) -> bool:
    left, right = found.a.result_shape(a), found.b.result_shape(b)
    if left is None or right is None:
        return False
    return len(left) == len(right) and all(
        x == y or isinstance(x, str) or isinstance(y, str) for x, y in zip(left, right, strict=True)
    )


def _shapes(wired: Wired, node: Node) -> dict[str, Shape]:
    known = {slot: wired.types[value].shape for slot, value in node.inputs.items() if value in wired.types}
    return known | {r: t.shape for r, t in wired.side.bundle.operand_types(wired.layer(node)).items()}


def _rewired(found: Matched, node: Node) -> list[str]:
    """What a node takes from elsewhere than its namesake; neighbours that only one side has say so themselves."""
    other = found.nodes.get(found.a.number(node))
    if other is None:
        return []
    wanted = {slot: _place(found.a, value) for slot, value in _taken(found.a, node).items()}
    got = {slot: _place(found.b, value) for slot, value in _taken(found.b, other).items()}
    stored = _operands(found.a, node) & _operands(found.b, other)  # what is compared as a tensor
    wanted, got = ({s: p for s, p in side.items() if s not in stored} for side in (wanted, got))
    moved = {slot: _across(found, place) for slot, place in wanted.items()}
    if found.a.layer(node).type in _COMMUTE:
        left, right = sorted(map(str, moved.values())), sorted(map(str, got.values()))
        if left == right or None in moved.values() or not _all_known(found, got):
            return []
        return [f"takes {_words(found.a, wanted)}, and {_words(found.b, got)} on the second side"]
    texts = []
    for slot in dict.fromkeys((*wanted, *got)):
        if slot not in wanted or slot not in got:
            texts.append(f"takes {slot} on {'the first' if slot in wanted else 'the second'} side alone")
        elif moved[slot] is not None and _known(found, got[slot]) and moved[slot] != got[slot]:
            first, second = _said(found.a, wanted[slot]), _said(found.b, got[slot])
            texts.append(f"takes {first}, and {second} on the second side")
    return texts


def _taken(wired: Wired, node: Node) -> dict[str, str]:
    """The inputs of a node but for those that constants and casts hold for it."""
    return {s: v for s, v in node.inputs.items() if wired.source(v) in wired.makers or wired.source(v) in wired.inputs}


def _operands(wired: Wired, node: Node) -> set[str]:
    """The roles of a node's layer that are tensors, stored or computed."""
    layer = wired.layer(node)
    return {*layer.operands} | {slot for slot in node.inputs if slot in layer.PARAMETERS}


_Place = tuple[str, int, str]
"""(kind, number, slot) of what makes a value: an input of the graph, or a node."""


def _place(wired: Wired, value: str) -> _Place:
    value = wired.source(value)
    if value in wired.inputs:
        return ("input", wired.inputs[value], "")
    node, slot = wired.makers[value]
    return ("node", wired.number(node), slot if len(node.outputs) > 1 else "")


def _across(found: Matched, place: _Place) -> _Place | None:
    """The same place on the other side; None where it has none."""
    kind, number, slot = place
    if kind == "input":
        return place
    other = found.nodes.get(number)
    return None if other is None else ("node", found.b.number(other), slot if len(other.outputs) > 1 else "")


def _known(found: Matched, place: _Place) -> bool:
    return place[0] == "input" or place[1] in found.taken


def _all_known(found: Matched, places: Mapping[str, _Place]) -> bool:
    return all(_known(found, place) for place in places.values())


def _said(wired: Wired, place: _Place) -> str:
    kind, number, slot = place
    if kind == "input":
        graph = wired.side.bundle.graph
        return f"the input {graph.inputs[number].name}" if graph else "an input"
    return f"{slot} of {wired.nodes[number].layer}" if slot else wired.nodes[number].layer


def _words(wired: Wired, places: Mapping[str, _Place]) -> str:
    return " and ".join(_said(wired, place) for place in places.values())


def alone(unit: Unit, side: str, folded: Mapping[str, str], inner: set[str]) -> LayerDiff:
    """A layer of one side (``a`` or ``b``); `inner` are those in bodies of loops."""
    a, b = (unit.name, None) if side == "a" else (None, unit.name)
    types = (unit.type, None) if side == "a" else (None, unit.type)
    if unit.name in folded:
        return LayerDiff(("folded",), a, b, types, notes=(folded[unit.name],))
    if unit.type in IDLE:
        return LayerDiff(("ignored",), a, b, types, notes=("passes its input on at inference",))
    notes = ("in the body of a loop",) if unit.name in inner else ()
    return LayerDiff(("missing" if side == "a" else "added",), a, b, types, notes=notes)
