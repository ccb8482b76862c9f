"""Settings by which the target computes another function than the source, whatever its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from irconv.adoption.result import Difference
from irconv.align import Alignment, Edge, Network, Node
from irconv.align.network import Window

_COMPARED = ("groups", "epsilon")
_SPELT_APART = {"clip", "relu6", "hardtanh", "silu", "swish", "hardsigmoid", "hardswish"}
"""Activations that one framework has a word for and another writes by others."""
_ARITHMETIC = {
    **dict.fromkeys(("add", "sub", "subtract", "radd", "iadd"), "sum"),
    **dict.fromkeys(("mul", "div", "truediv", "rmul", "multiply", "divide"), "product"),
}
_OF_WINDOWS = ("kernel", "stride", "padding", "dilation", "ceil_mode")


def differences(alignment: Alignment) -> Iterator[Difference]:
    """What both sides know of layers that are one, and of pools and paddings between them, and that differs."""
    for match in alignment.matches:
        source, target = alignment.source.units[match.source], alignment.target.units[match.target]
        for name in _COMPARED:
            if name in source.settings and name in target.settings:
                wanted, got = source.settings[name], target.settings[name]
                if not _same(wanted, got):
                    yield Difference(target.name, source.name, name, str(wanted), str(got))
        if "stride" in source.settings and not alignment.nodes:
            yield from _unconnected(alignment, match.target, match.source)
    for index in alignment.left:
        if prepares_input(alignment.source, index):
            unit = alignment.source.units[index]
            yield Difference("its input", unit.name, "preparation", f"normalised by {unit.name}", "as it is given")
    for t, s in sorted(alignment.nodes.items()):
        yield from _of_nodes(alignment, alignment.target.nodes[t], alignment.source.nodes[s])


def prepares_input(network: Network, index: int) -> bool:
    """Whether a unit normalises an input of the network by the mean and variance of data, before any layer."""
    return network.units[index].kind == "Standardization" and index in network.uses and not network.before[index]


def _unconnected(alignment: Alignment, t: int, s: int) -> Iterator[Difference]:
    """Strides and dilations where one side has no graph."""
    source, target = alignment.source.units[s], alignment.target.units[t]
    for name in ("stride", "dilation"):
        if name in target.settings and not _same(source.settings[name], target.settings[name]):
            wanted, got = str(source.settings[name]), str(target.settings[name])
            yield Difference(target.name, source.name, name, wanted, got)


def _of_nodes(alignment: Alignment, target: Node, source: Node) -> Iterator[Difference]:
    mine, other = _called(alignment.target.units, target), _called(alignment.source.units, source)
    for edge in target.inputs:
        partner = alignment.nodes.get(edge.source)
        same = [there for there in source.inputs if there.source == partner and there.port == edge.port]
        if len(same) != 1:
            continue
        yield from _of_windows(mine, other, _windows(edge, target), _windows(same[0], source))
        for setting, words in (("activations before it", _activations), ("arithmetic before it", _arithmetic)):
            wanted, got = words(same[0]), words(edge)
            if wanted != got and not (set(wanted) | set(got)) & _SPELT_APART:
                yield Difference(mine, other, setting, ", ".join(wanted) or "nothing", ", ".join(got) or "nothing")


def _activations(edge: Edge) -> list[str]:
    return list(edge.trail)


def _arithmetic(edge: Edge) -> list[str]:
    """The sums and products with numbers on the way; their order is that of the code."""
    words = [step.split(" ", 1)[0].lower() for step in edge.exact]
    return sorted(_ARITHMETIC[word] for word in words if word in _ARITHMETIC)


def _called(units: Sequence[object], node: Node) -> str:
    if node.unit is not None:
        return str(getattr(units[node.unit], "name", ""))
    return node.exact if node.label in ("input", "output") else f"{node.label} ({node.value})"


def _windows(edge: Edge, node: Node) -> list[Window]:
    """The windows on the way and the node's own; zeros put around a value before one are its padding."""
    found: list[Window] = []
    for window in (*edge.windows, *([node.window] if node.window else [])):
        before = found[-1] if found else None
        before = before if before is not None and before.kind == "pad" else None
        if before is None or isinstance(window.padding, str) or isinstance(before.padding, str):
            found.append(window)
            continue
        pairs = zip(before.padding, window.padding, strict=False)
        found[-1] = replace(window, padding=tuple((a[0] + b[0], a[1] + b[1]) for a, b in pairs))
    return found


def _of_windows(mine: str, other: str, target: Sequence[Window], source: Sequence[Window]) -> Iterator[Difference]:
    if [window.kind for window in target] != [window.kind for window in source]:
        wanted, got = (", ".join(window.kind for window in side) or "nothing" for side in (source, target))
        yield Difference(mine, other, "what is in front of it", wanted, got)
        return
    for window, there in zip(target, source, strict=True):
        place = "" if window.kind == "conv" else f"{window.kind} before it: "
        for name in _OF_WINDOWS:
            wanted, got = getattr(there, name), getattr(window, name)
            if wanted != got:
                yield Difference(mine, other, f"{place}{name}", str(wanted), str(got))
        padded = any(pair != (0, 0) for pair in window.padding) and window.kind == "averagepool"
        if padded and there.counts_padding != window.counts_padding:
            wanted, got = str(there.counts_padding), str(window.counts_padding)
            yield Difference(mine, other, f"{place}counts its padding", wanted, got)


def _same(wanted: object, got: object) -> bool:
    if isinstance(wanted, tuple | list) and isinstance(got, tuple | list):
        return tuple(wanted) == tuple(got)
    if isinstance(wanted, float) and isinstance(got, float):
        return abs(wanted - got) <= 1e-6 * abs(wanted)
    return wanted == got
