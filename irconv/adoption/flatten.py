"""Matrices behind a Flatten: their columns follow the order in which the values of an image were laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from irconv.align import Alignment, Network, Part, Unit
from irconv.align.axes import CHANNELS, Atom, Axes, whole
from irconv.align.matching import window_of
from irconv.align.network import KERNEL, MATRIX, NORM
from irconv.errors import MissingFact, Problems, Refused
from irconv.ir.manifest import LayoutStep

_SAY = "Say the sizes with --flatten."
_TURNS = ("permute", "transpose", "movedim", "swapaxes", "moveaxis")


def parse(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """``fc1=7x7x16`` for each: a layer of either side, and height, width and channels of what was flattened."""
    found = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        numbers = sizes.lower().split("x")
        if not equals or not name or len(numbers) < 2 or not all(n.isdigit() and int(n) > 0 for n in numbers):
            remedy = "Give LAYER=HEIGHTxWIDTHxCHANNELS, such as fc1=7x7x16."
            raise MissingFact(f"--flatten {text}", "expected a layer and the sizes of what was flattened", remedy)
        found[name] = tuple(map(int, numbers))
    return found


def turned(alignment: Alignment, sizes: Mapping[str, tuple[int, ...]], problems: Problems) -> dict[int, Unit]:
    """Unit of the target -> the unit of the source with the columns of its kernel in the order of channels first.

    Weights alone of a framework that has its channels last do not say the sizes: where a matrix of theirs takes what
    was an image, `sizes` must. Graphs say it themselves (`irconv.passes.flatten_fold`), and what they leave turned on
    one side alone is refused.
    """
    found: dict[int, Unit] = {}
    used: set[str] = set()
    for match in alignment.matches:
        source, target = alignment.source.units[match.source], alignment.target.units[match.target]
        if source.family != MATRIX:
            continue
        asked = next((name for name in sizes if name in (source.name, target.name)), None)
        if asked is not None:
            used.add(asked)
            with problems.collect():
                found[match.target] = _turned(source, sizes[asked], asked)
            continue
        with problems.collect():
            step = _step(alignment, match.source, match.target)
            if step is not None:
                found[match.target] = _with(source, step)
    for name in sizes.keys() - used:
        known = ", ".join(u.name for u in alignment.source.units if u.family == MATRIX)
        problems.add(f"--flatten {name}", "no matrix that is placed has this name", f"The source has {known}.")
    return found


def _turned(unit: Unit, sizes: tuple[int, ...], name: str) -> Unit:
    kernel = unit.parts["kernel"]
    if prod(sizes) != kernel.shape[1]:
        got = "x".join(map(str, sizes))
        raise Refused(f"--flatten {name}={got}", f"expected sizes that multiply to {kernel.shape[1]}")
    words = [f"s{i}" for i in range(len(sizes) - 1)]
    spatial = " ".join(words)
    step = LayoutStep(
        source=f"out ({spatial} c)",
        target=f"out (c {spatial})",
        orders={},
        sizes=dict(zip((*words, "c"), sizes, strict=True)),
    )
    return _with(unit, step)


def _with(unit: Unit, step: LayoutStep) -> Unit:
    kernel = unit.parts["kernel"]
    part = Part(kernel.name, kernel.shape, (*kernel.steps, step), kernel.piece)
    return replace(unit, parts={**unit.parts, "kernel": part})


def _step(alignment: Alignment, s: int, t: int) -> LayoutStep | None:
    """From the source's order of columns to the target's, where it is not the same. Raises where that is not known."""
    taken, wanted = _columns(alignment.source, s), _columns(alignment.target, t)
    if taken is None or wanted is None:
        _refuse_unsaid(alignment, s, t, taken or wanted)
        return None
    if {atom.label for atom in taken} != {atom.label for atom in wanted}:
        taken, wanted = _in_one(taken), _in_one(wanted)
    if taken == wanted:
        return None
    if sorted(map(_key, taken)) != sorted(map(_key, wanted)):
        what = f"its columns run through {_words(wanted)}, but those of {alignment.source.units[s].name} through "
        raise Refused(f"target {alignment.target.units[t].name}", what + _words(taken), _SAY)
    names = {_key(atom): f"a{number}" for number, atom in enumerate(taken)}
    source, target = (" ".join(names[_key(atom)] for atom in atoms) for atoms in (taken, wanted))
    sizes = {names[_key(atom)]: int(atom.size) for atom in taken}
    return LayoutStep(source=f"out ({source})", target=f"out ({target})", orders={}, sizes=sizes)


def _key(atom: Atom) -> tuple[str, int, int]:
    return atom.label, int(atom.size), atom.stride


def _words(atoms: Sequence[Atom]) -> str:
    return " x ".join(f"{atom.size}{' channels' if atom.label == CHANNELS else ''}" for atom in atoms)


def _in_one(atoms: Sequence[Atom]) -> list[Atom]:
    """The places of an image as one run, where they stand together in their order."""
    places = [number for number, atom in enumerate(atoms) if atom.label != CHANNELS]
    labels = [atoms[number].label for number in places]
    if not places or labels != sorted(labels) or places != list(range(places[0], places[-1] + 1)):
        return list(atoms)
    whole = Atom("s", prod(int(atoms[number].size) for number in places))
    return [*atoms[: places[0]], whole, *atoms[places[-1] + 1 :]]


def _columns(network: Network, unit: int) -> list[Atom] | None:
    """What the columns of a matrix run through, where all its uses say the same."""
    edges = [edge for node in network.uses.get(unit, ()) for edge in network.nodes[node].inputs[:1]]
    window = window_of(network.units[unit])
    found = [_taken(edge.axes, window) for edge in edges if edge.axes is not None]
    if not found or len(found) < len(edges) or any(one != found[0] for one in found):
        return None
    sizes = [atom.size for atom in found[0] if isinstance(atom.size, int)]
    whole = len(sizes) == len(found[0]) and prod(sizes) == network.units[unit].core[1]
    return found[0] if whole else None


def _taken(axes: Axes, window: int | None) -> list[Atom]:
    """What a matrix takes as one row: the last axis; of a convolution that is one, the channels and all its window."""
    if window is None:
        return axes.last
    return whole([atom for axis in (axes.axes[1:2] if window == 1 else axes.axes[1:]) for atom in axis])


def _refuse_unsaid(alignment: Alignment, s: int, t: int, known: Sequence[Atom] | None) -> None:
    """Refuse what one side alone says nothing about; `known` is the order of the columns on the other."""
    source, target = alignment.source, alignment.target
    last = [side for side in (source, target) if side.channels_last and not side.has_graph]
    places_first = bool(known) and known[0].label != CHANNELS == known[-1].label  # type: ignore[index]
    if len(last) == 1 and not places_first:
        channels = _flattened(alignment, s, t)
        if channels:
            name, features = source.units[s].name, source.units[s].core[1]
            what = f"takes {features} values of an image with {channels} channels, in an order that weights do not say"
            raise MissingFact(f"layer {name}", what, f"Say the sizes: --flatten {name}=HEIGHTxWIDTHx{channels}.")
    elif not last and known and len({atom.label for atom in known}) > 1 and source.has_graph != target.has_graph:
        if _turns(source, s) or _turns(target, t):
            what = (
                "one side turns the axes of what it flattens, and the other's weights alone do not say whether it does"
            )
            raise MissingFact(f"target {target.units[t].name}", what, "Both sides must have a graph.")
    elif source.has_graph and target.has_graph and _is_turned(source, s) != _is_turned(target, t):
        what = "one side turns the axes of an image before it is flattened, the other does not"
        raise Refused(f"target {target.units[t].name}", what, _SAY)


def _turns(network: Network, unit: int) -> bool:
    """Whether axes are turned right before a unit."""
    edges = [edge for node in network.uses.get(unit, ()) for edge in network.nodes[node].inputs]
    return any(step.lower().startswith(_TURNS) for edge in edges for step in edge.exact)


def _flattened(alignment: Alignment, s: int, t: int) -> int:
    """The channels of the image that a matrix takes flattened; 0 where it takes none."""
    for network, unit in ((alignment.target, t), (alignment.source, s)):
        if network.has_graph:
            channels = _channels(network, unit)
            features = network.units[unit].core[1]
            return channels if channels and channels != features and features % channels == 0 else 0
    features, units = alignment.source.units[s].core[1], alignment.source.units
    widths = {unit.core[0] for unit in units if unit.family in (MATRIX, KERNEL) and unit.core}
    last = [unit.core[0] for unit in units if unit.family == KERNEL]
    fitting = [width for width in last if features % width == 0 and features != width]
    return 0 if features in widths or not fitting else max(fitting)


def _channels(network: Network, unit: int) -> int:
    """The width of the convolution or norm whose value a unit takes; 0 where it takes another's."""
    for node in network.uses.get(unit, ()):
        for edge in network.nodes[node].inputs:
            giver = network.nodes[edge.source].unit
            if giver is None:
                continue
            found = network.units[giver]
            if found.family == KERNEL:
                return _width(found)
            if found.family == NORM and _channels(network, giver):
                return found.core[0]
    return 0


def _width(unit: Unit) -> int:
    """The channels that a convolution makes; of one whose kernel is computed its bias says it, or nothing does."""
    if len(unit.core) > 1:
        return unit.core[1 if unit.kind == "ConvTranspose" else 0]
    bias = unit.parts.get("bias")
    return bias.shape[0] if bias is not None and bias.shape else 0


def _is_turned(network: Network, unit: int) -> bool:
    """Whether axes are turned between an image and the matrix that takes all of it."""
    channels = _channels(network, unit)
    if not channels or channels == network.units[unit].core[1]:
        return False
    return _turns(network, unit)
