"""The check: both sides on the same inputs, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from math import isfinite

from irconv.data_classes import dataclass
from irconv.errors import IrconvError, MissingFact, Problems
from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.layout import Array, turned
from irconv.verification.compare import difference, power, spread, tolerance
from irconv.verification.domains import Domain, domains
from irconv.verification.given import Inputs
from irconv.verification.inputs import ATTEMPTS, Feed, given_feed, nudged, random_feeds
from irconv.verification.layers import Layers, parted
from irconv.verification.pairing import paired_values
from irconv.verification.process import Processes, SideFailed
from irconv.verification.report import Output, Ran, Report
from irconv.verification.sides import Given, Side, opened, refuse_weights
from irconv.verification.slots import Order, Slot, orders, paired
from irconv.verification.trace import traced

_DEPENDS = 1e-3
"""An output that varies less than this over all inputs hardly depends on them."""
_EXACT = "biu"
_LEAST = ("bfloat16", "float16", "float32", "float64")


@dataclass(frozen=True)
class Request:
    """What the user asks of a check."""

    inputs: Inputs | None = None
    """Arrays by name or in order; None for random ones."""
    seeds: int = 3
    tolerance: float | None = None
    """Relative to the largest value; None for that of the element type."""
    layers: bool = False
    """Whether to compare what both sides make on the way."""


@dataclass(frozen=True)
class Run:
    """One set of inputs in the axes of each side, and what each made of it."""

    feed: Feed
    taken: list[Array]
    """The inputs as the second side took them."""
    predicted: Sequence[Array]
    got: list[Array]


@dataclass(frozen=True)
class Found:
    """The outputs of the second side against the first's."""

    outputs: list[Output]
    structure: list[str]
    runs: list[Run]

    @property
    def error(self) -> float:
        """The largest difference, relative."""
        return max((output.difference.relative for output in self.outputs), default=float("inf"))

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.structure and all(output.agrees for output in self.outputs)


def check(a: Given, b: Given, request: Request, processes: Processes) -> Report:
    """Run both sides and compare what they predict.

    Raises `MissingFact` where a side cannot be run, or where its inputs are not known.
    """
    return compared(*both(a, b, processes), request, processes)


def both(a: Given, b: Given, processes: Processes) -> tuple[Side, Side]:
    """Both sides loaded, at the same time. Raises `MissingFact` for both together."""
    refuse_weights(a, b)
    problems, sides = Problems(), []
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(opened, given, processes, slot) for slot, given in enumerate((a, b))]
        for future in waiting:
            with problems.collect():
                sides.append(future.result())
    problems.raise_any()
    return sides[0], sides[1]


def compared(a: Side, b: Side, request: Request, processes: Processes) -> Report:
    """See `check`. A side whose framework is of another generation than wrote its file is taken at its word where both
    agree; where they do not, and irconv reads another function, it is irconv's reading that is compared."""
    found = ran_both(a, b, request)
    sides, notes = [a, b], [*a.notes, *b.notes]
    for slot, side in enumerate((a, b)):
        if not found.agrees and side.stands_in and (read := _read_instead(side, found, slot, processes)) is not None:
            sides[slot] = read
            written = side.given.bundle.source.version if side.given.bundle is not None else ""
            what = f"{side.runtime} runs it as another function than irconv reads; Keras {written} wrote it"
            notes.append(f"{side.given.name}: {what}, and was not asked")
    if sides != [a, b]:
        a, b = sides
        found = ran_both(a, b, request)
    notes += [*_independence(a, b), *_dependence(found)]
    layers = _layers(a, b, found, processes) if request.layers else None
    notes += layers.notes if layers is not None else ()
    return Report(_ran(a), _ran(b), tuple(found.outputs), tuple(dict.fromkeys(notes)), tuple(found.structure), layers)


def ran_both(a: Side, b: Side, request: Request) -> Found:
    """What both sides make of the same inputs. Raises `MissingFact` where these differ in number, or fit neither."""
    places = paired(a.inputs, b.inputs) if a.inputs and b.inputs else list(range(len(a.inputs or b.inputs)))
    if places is None:
        what = f"takes {_names(a.inputs)} and {b.given.name} takes {_names(b.inputs)}"
        raise MissingFact(a.given.name, f"expected as many inputs on both sides, but it {what}")
    feeds, predicted = _predictions(a, b, places, request)
    return _against(a, b, places, feeds, predicted, _allowed(a, feeds[0], predicted[0], request))


def _allowed(a: Side, feed: Feed, predicted: Sequence[Array], request: Request) -> list[float]:
    """How far apart each output may be."""
    if request.tolerance is not None:
        return [request.tolerance] * len(predicted)
    precision = precision_of(a, predicted)
    nudge, amplified = nudged(feed, precision), [0.0] * len(predicted)
    if nudge is not None:
        with suppress(SideFailed):
            again = a.loaded.run(nudge.arrays)
            amplified = [difference(x, y).relative for x, y in zip(predicted, again, strict=True)]
    return [
        0.0 if array.dtype.kind in _EXACT else tolerance(precision, change if isfinite(change) else 0.0)
        for array, change in zip(predicted, amplified, strict=True)
    ]


def _read_instead(side: Side, found: Found, slot: int, processes: Processes) -> Side | None:
    """The side as irconv reads it, where that is another function than its framework runs."""
    try:
        read = opened(side.given, processes, slot, own=False)
    except IrconvError:
        return None
    run = found.runs[0]
    given, made = (run.feed.arrays, run.predicted) if slot == 0 else (run.taken, run.got)
    slots = zip(given, side.inputs, read.inputs, strict=True)
    arrays = [turned(array, orders(array.shape, own.axes, other)[0]) for array, own, other in slots]
    apart = 0.0
    for wanted, got, own, other in zip(made, _run(read, arrays), side.outputs, read.outputs, strict=True):
        apart = max(apart, difference(wanted, turned_output(wanted, got, own.axes, other.axes)[0]).relative)
    return read if apart > max(output.tolerance for output in found.outputs) else None


def _layers(a: Side, b: Side, found: Found, processes: Processes) -> Layers:
    """What both sides make on the way from the inputs on which they are furthest apart."""
    allowed = max(output.tolerance for output in found.outputs)
    worst = max(found.outputs, key=lambda one: one.difference.relative).feed
    run = next(run for run in found.runs if run.feed.name == worst)
    mine, note = traced(a, processes, 0, run.feed.arrays, run.predicted, allowed)
    other, second = traced(b, processes, 1, run.taken, run.got, allowed)
    pairs = {} if found.agrees else paired_values(a.given.bundle, b.given.bundle)
    layers = parted(mine, other, allowed, found.agrees, pairs)
    return replace(layers, notes=tuple(text for text in (note, second) if text))


def _ran(side: Side) -> Ran:
    return Ran(side.given.name, side.runtime, side.own)


def _names(slots: Sequence[Slot]) -> str:
    return f"{len(slots)} ({', '.join(slot.name for slot in slots)})"


# inputs -----------------------------------------------------------------------------------------------------------


def _predictions(a: Side, b: Side, places: Sequence[int], request: Request) -> tuple[list[Feed], list[list[Array]]]:
    """The inputs, and what the first side makes of each."""
    slots = [_completed(a, b, places, number) for number in range(len(places))]
    known = _domains(a, b, places, slots)
    if request.inputs is not None:
        feeds = [given_feed(slots, request.inputs, known)]
        return feeds, [_run(a, feeds[0].arrays)]
    variable = any(not isinstance(size, int) for slot in slots for size in slot.shape or ())
    first: MissingFact | None = None
    for attempt in range(len(ATTEMPTS) if variable else 1):
        feeds = random_feeds(slots, known, request.seeds, attempt)
        try:
            return feeds, [_run(a, feed.arrays) for feed in feeds]
        except MissingFact as error:
            first = first or error
    assert first is not None, "there is at least one attempt"
    raise first


def _run(side: Side, arrays: Sequence[Array]) -> list[Array]:
    try:
        return side.loaded.run(arrays)
    except SideFailed as error:
        shapes = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        what = f"{side.runtime} could not run it on {shapes}: {error}"
        raise MissingFact(side.given.name, what, "Give inputs that it takes with --input.") from error


def _completed(a: Side, b: Side, places: Sequence[int], number: int) -> Slot:
    """An input of the first side, with what only the second says of it."""
    other = b.inputs[places.index(number)] if b.inputs else None
    if not a.inputs:
        assert other is not None, "one of the sides has inputs"
        return other
    slot = a.inputs[number]
    if other is None:
        return slot
    shape = slot.shape
    if shape is None or (len(shape) == len(other.shape or ()) and not any(isinstance(s, int) for s in shape[1:])):
        back = orders([1] * len(other.shape or ()), other.axes, Slot("", None, "", slot.axes))
        known = tuple((other.shape or ())[axis] for axis in back[0]) if other.shape is not None else None
        shape = known if slot.axes or shape is None else shape
    return replace(slot, shape=shape, dtype=slot.dtype or other.dtype)


def _domains(a: Side, b: Side, places: Sequence[int], slots: Sequence[Slot]) -> dict[str, Domain]:
    """What each input may hold, as far as either side's graph tells."""
    found: dict[str, Domain] = {}
    for side, order in ((b, [places.index(n) for n in range(len(places))]), (a, list(range(len(places))))):
        bundle = side.given.bundle
        if bundle is None or bundle.graph is None or len(bundle.graph.inputs) != len(slots):
            continue
        known = list(domains(bundle).values())
        for slot, place in zip(slots, order, strict=True):
            before, here = found.get(slot.name), known[place]
            bounds = [one.bound for one in (before, here) if one is not None and one.bound is not None]
            found[slot.name] = replace(here, bound=min(bounds, default=None))
    return found


def precision_of(side: Side, outputs: Sequence[Array]) -> str:
    """The floating type of the least precision that a side calculates in."""
    bundle = side.given.bundle
    kinds = {side.loaded.precision} if side.loaded.precision else set()
    if not kinds and bundle is not None and bundle.graph is not None:
        kinds = _kinds(bundle)
    kinds = kinds or {str(array.dtype) for array in outputs}
    return next((kind for kind in _LEAST if kind in kinds), "float32")


def _kinds(bundle: Bundle) -> set[str]:
    try:
        return {found.dtype for found in infer_types(bundle).values()}
    except IrconvError:
        return set()


# outputs ----------------------------------------------------------------------------------------------------------


def _against(
    a: Side,
    b: Side,
    places: Sequence[int],
    feeds: Sequence[Feed],
    predicted: Sequence[Sequence[Array]],
    allowed: Sequence[float],
) -> Found:
    """The outputs of the second side against the first's; where the shapes leave open which axes the second side
    takes, those under which it agrees."""
    best: Found | None = None
    choices = _choices(a, b, places, feeds[0])
    for choice in choices:
        try:
            found = _outputs(a, b, places, choice, feeds, predicted, allowed)
        except MissingFact:
            if choice is choices[-1] and best is None:
                raise
            continue
        if best is None or found.error < best.error:
            best = found
        if best.agrees:
            break
    assert best is not None, "the last choice returns or raises"
    return best


def _choices(a: Side, b: Side, places: Sequence[int], feed: Feed) -> list[list[Order]]:
    """For each way in which the second side may take its inputs, the permutation of each of them."""
    options = []
    for number, place in enumerate(places):
        slot = b.inputs[number] if b.inputs else None
        array, axes = feed.arrays[place], a.inputs[place].axes if a.inputs else ""
        found = orders(array.shape, axes, slot)
        if not found:
            wanted = slot.shape if slot is not None else ()
            what = f"{slot.name if slot else number}: expected shape {wanted}, got {array.shape}"
            raise MissingFact(f"{b.given.name}: input {what} of {a.given.name}", "no order of the axes makes it that")
        options.append(found)
    return [[one[min(i, len(one) - 1)] for one in options] for i in range(max(map(len, options), default=1))]


def _outputs(
    a: Side,
    b: Side,
    places: Sequence[int],
    choice: Sequence[Order],
    feeds: Sequence[Feed],
    predicted: Sequence[Sequence[Array]],
    allowed: Sequence[float],
) -> Found:
    outputs: list[Output] = []
    structure: list[str] = []
    runs: list[Run] = []
    for feed, wanted in zip(feeds, predicted, strict=True):
        arrays = [turned(feed.arrays[place], order) for place, order in zip(places, choice, strict=True)]
        taken = _cast(arrays, b.inputs)
        got = _run(b, taken)
        runs.append(Run(feed, taken, wanted, got))
        names = [_named(side.outputs, found) for side, found in ((a, wanted), (b, got))]
        if len(wanted) != len(got):
            structure.append(f"{a.given.name} has outputs {names[0]}, {b.given.name} has {names[1]}")
        slots = [[Slot(name, None, "", "") for name in listed] for listed in names]
        match = paired(slots[1], slots[0]) or list(range(min(len(wanted), len(got))))
        for number, place in enumerate(match):
            axes = [_axes(side.outputs, n) for side, n in ((a, number), (b, place))]
            array, order = turned_output(wanted[number], got[place], axes[0], axes[1])
            apart = difference(wanted[number], array)
            outputs.append(Output(names[0][number], names[1][place], feed.name, apart, allowed[number], order))
    return Found(outputs, list(dict.fromkeys(structure)), runs)


def _cast(arrays: Sequence[Array], slots: Sequence[Slot]) -> list[Array]:
    """Integers and numbers in the element types that a side takes."""
    if not slots:
        return list(arrays)
    return [
        array.astype(slot.dtype) if slot.dtype and slot.dtype != "bfloat16" else array
        for array, slot in zip(arrays, slots, strict=True)
    ]


def _named(slots: Sequence[Slot], found: Sequence[Array]) -> list[str]:
    return [slot.name for slot in slots] if len(slots) == len(found) else [f"output {i}" for i in range(len(found))]


def _axes(slots: Sequence[Slot], number: int) -> str:
    return slots[number].axes if number < len(slots) else ""


def turned_output(wanted: Array, got: Array, axes: str, other: str) -> tuple[Array, Order]:
    """The second side's output in the axes of the first: by the letters, else by the shape, else by the numbers."""
    found = orders(got.shape, other, Slot("", wanted.shape, "", axes))
    if not found:
        return got, tuple(range(got.ndim))
    turns = [(turned(got, order), order) for order in found]
    return min(turns, key=lambda turn: difference(wanted, turn[0]).relative)


# warnings ---------------------------------------------------------------------------------------------------------


def _independence(a: Side, b: Side) -> list[str]:
    if a.own or b.own:
        return []
    what = "both sides ran as irconv has read them, so that a mistake in its reading of both would not show"
    return [f"{a.given.name} and {b.given.name}: {what}"]


def _dependence(found: Found) -> list[str]:
    notes = []
    for output in found.outputs[: len(found.outputs) // len(found.runs)]:
        number = found.outputs.index(output)
        varies = spread([run.predicted[number] for run in found.runs])
        if varies < max(_DEPENDS, 10 * output.tolerance):
            what = f"hardly depends on the input (it varies by {power(varies)} of its largest value)"
            notes.append(f"output {output.name}: {what}, so that agreement says little")
    return notes
