"""The comparison of two models, from two bundles to a report."""

from __future__ import annotations

from collections.abc import Callable

from irconv.comparison.digests import Digests
from irconv.comparison.graphs import bodies, wired
from irconv.comparison.model import Folds, LayerDiff, Report, SideFacts, Status, TensorDiff
from irconv.comparison.modules import summarised
from irconv.comparison.numbers import Tolerance
from irconv.comparison.pairing import Paired, UnitPair, paired
from irconv.comparison.sides import Operand, Side, side
from irconv.comparison.structure import alone, layer_diffs, matched
from irconv.comparison.tensors import Comparer, OperandPair, loose_operands, operand_pairs
from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.options import DiffOptions

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Comparison:
    """The report, and what it takes to look closer at tensors that differ."""

    report: Report
    operands: dict[tuple[str, str], tuple[Operand, Operand]]
    """The operands that were compared, in one layout, by their names on both sides."""
    ignored: frozenset[str] = frozenset()
    """The statuses that do not count."""

    @property
    def same(self) -> bool:
        """Whether nothing differs that counts."""
        return not self.report.differing(self.ignored)


def compare(
    a: Bundle, b: Bundle, names: tuple[str, str], options: DiffOptions | None = None, progress: Progress | None = None
) -> Comparison:
    """Compare two models. Reads each tensor once, and those that differ twice."""
    options = options or DiffOptions()
    left, right = side(names[0], a), side(names[1], b)
    digests = Digests()
    found = paired(left, right, digests)
    comparer = Comparer(Tolerance(options.rtol, options.atol), {**left.counters, **right.counters})
    found, folds = _settled(left, right, found, comparer)
    tensors = _tensors(found, comparer, folds, progress)
    layers = _layers(left, right, found, folds)
    report = Report(
        a=_facts(left),
        b=_facts(right),
        tensors=tuple(tensors),
        layers=tuple(layers),
        modules=summarised(tensors, layers),
        notes=tuple(_notes(left, right)),
    )
    return Comparison(report, comparer.operands, frozenset(options.ignore))


def _settled(left: Side, right: Side, paired: Paired, comparer: Comparer) -> tuple[Paired, Folds]:
    """What is said of tensors without a counterpart: that the other framework keeps them in other pieces, or that a
    side has merged them. The pairs come back without renamings that are the other framework's own."""
    loose = loose_operands(paired, comparer.ignored)
    if not any(loose) and not any(pair.renamed for pair in paired.pairs):
        return paired, Folds()
    from irconv.comparison.folds.find import found  # these take a while to import
    from irconv.comparison.ports import port

    settled = Folds()
    if (other := port(left, right)) is not None:
        paired = other.without_renamings(paired)
        misfits = [o for p in paired.pairs for o in operand_pairs(p) if o.a and o.b and not o.fits]
        either = ([*loose[0], *(o.a for o in misfits if o.a)], [*loose[1], *(o.b for o in misfits if o.b)])
        settled = other.settled(either, comparer)
        loose = (
            [operand for operand in loose[0] if operand.key not in settled.taken_a],
            [operand for operand in loose[1] if operand.key not in settled.taken_b],
        )
    if any(loose):
        settled = settled.and_then(found(left, right, paired, loose, comparer.tolerance.rtol))
    return paired, settled


def _tensors(found: Paired, comparer: Comparer, folds: Folds, progress: Progress | None) -> list[TensorDiff]:
    """Every tensor, those of paired units first; what is folded has been compared already."""
    work: list[tuple[UnitPair | None, OperandPair]] = [(p, o) for p in found.pairs for o in operand_pairs(p)]
    work += [(None, OperandPair(o, None)) for unit in found.only_a for o in unit.operands.values()]
    work += [(None, OperandPair(None, o)) for unit in found.only_b for o in unit.operands.values()]
    work = [(pair, operands) for pair, operands in work if not _taken(operands, folds)]
    total = sum(_nbytes(operands) for _, operands in work)
    done, seen, entries = 0, set(), list(folds.entries)
    for pair, operands in work:
        key = (operands.a.key if operands.a else None, operands.b.key if operands.b else None)
        if key not in seen:
            seen.add(key)
            entries.append(_entry(pair, operands, comparer))
        done += _nbytes(operands)
        if progress:
            progress(done, total)
    return _in_order(entries, found)


def _taken(operands: OperandPair, folds: Folds) -> bool:
    a, b = operands.a, operands.b
    return (a is not None and a.key in folds.taken_a) or (b is not None and b.key in folds.taken_b)


def _in_order(entries: list[TensorDiff], found: Paired) -> list[TensorDiff]:
    """The entries in the order of the first side's layers; what it lacks stands where the second side has it."""
    places = {unit.name: unit.place for unit in found.only_b}
    places |= {pair.b.name: pair.a.place for pair in found.pairs}
    places_a = {unit.name: unit.place for unit in found.only_a} | {pair.a.name: pair.a.place for pair in found.pairs}

    def place(entry: TensorDiff) -> int:
        if entry.a is not None:
            return places_a.get(entry.a.unit, len(places_a))
        return places.get(entry.b.unit, len(places_a)) if entry.b is not None else 0

    return sorted(entries, key=place)


def _entry(pair: UnitPair | None, operands: OperandPair, comparer: Comparer) -> TensorDiff:
    a, b = operands.a, operands.b
    if a is not None and b is not None:
        assert pair is not None, "two tensors are of two units that are one"
        return comparer.compare(a, b, pair.how, pair.renamed)
    if a is not None:
        return comparer.alone(a, "a", pair.b if pair else None)
    assert b is not None, "a tensor is on one side at least"
    return comparer.alone(b, "b", pair.a if pair else None)


def _nbytes(operands: OperandPair) -> int:
    return sum(o.data.nbytes for o in (operands.a, operands.b) if o is not None)


def _layers(left: Side, right: Side, found: Paired, folds: Folds) -> list[LayerDiff]:
    if left.has_graph and right.has_graph:
        graphs = wired(left, folds.layers), wired(right, folds.layers)
        return layer_diffs(matched(*graphs, found), found, folds.layers)
    diffs = []
    for pair in found.pairs:
        called = pair.a.called or pair.b.called
        renamed = found.retitled(pair.a, pair.b) if called else pair.renamed
        status: tuple[Status, ...] = ("renamed",) if renamed else ("uncompared",)
        types = (pair.a.type, pair.b.type)
        diffs.append(LayerDiff(status, pair.a.title, pair.b.title, types, pair.how))
    inner = bodies(left) | bodies(right)
    for units, which, other in ((found.only_a, "a", right), (found.only_b, "b", left)):
        for unit in units:
            entry = alone(unit, which, folds.layers, inner)
            if unit.operands and unit.name in folds.settled:
                entry = LayerDiff(("uncompared",), entry.a, entry.b, entry.types)
            if not unit.operands and not other.has_graph:
                entry = LayerDiff(("uncompared",), entry.a, entry.b, entry.types)
            diffs.append(entry)
    return diffs


def _facts(one: Side) -> SideFacts:
    source, bundle = one.bundle.source, one.bundle
    return SideFacts(
        path=one.path,
        framework=source.framework,
        version=source.version,
        graph=one.has_graph,
        tensors=len(bundle.tensors),
        layers=len(one.units),
    )


def _notes(left: Side, right: Side) -> list[str]:
    notes = []
    for one in (left, right):
        if not one.has_graph:
            notes.append(f"{one.path} has no graph: settings and connections are not compared")
    return notes
