"""Matrices behind a Flatten: their columns follow the order in which the values of an image were laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from irconv.align import Alignment, Network, Part, Unit
from irconv.align.network import KERNEL, MATRIX, NORM
from irconv.errors import MissingFact, Problems, Refused
from irconv.ir.manifest import LayoutStep

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
            _refuse_unsaid(alignment, match.source, match.target)
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
    part = Part(kernel.name, kernel.shape, (*kernel.steps, step), kernel.piece)
    return replace(unit, parts={**unit.parts, "kernel": part})


def _refuse_unsaid(alignment: Alignment, s: int, t: int) -> None:
    source, target = alignment.source, alignment.target
    last = [side for side in (source, target) if side.channels_last and not side.has_graph]
    if len(last) == 1:
        channels = _flattened(alignment, s, t)
        if channels:
            name, features = source.units[s].name, source.units[s].core[1]
            what = f"takes {features} values of an image with {channels} channels, in an order that weights do not say"
            raise MissingFact(f"layer {name}", what, f"Say the sizes: --flatten {name}=HEIGHTxWIDTHx{channels}.")
    elif source.has_graph and target.has_graph and _is_turned(source, s) != _is_turned(target, t):
        what = "one side turns the axes of an image before it is flattened, the other does not"
        raise Refused(f"target {target.units[t].name}", what, "Say the sizes with --flatten.")


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
    edges = [edge for node in network.uses[unit] for edge in network.nodes[node].inputs]
    return any(step.lower().startswith(_TURNS) for edge in edges for step in edge.exact)
