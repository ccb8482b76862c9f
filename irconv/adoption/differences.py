"""Settings by which the target computes another function than the source, whatever its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from irconv.adoption.result import Difference
from irconv.align import Alignment, Edge, Network, Node, Unit
from irconv.align.matching import window_of
from irconv.align.network import Window

_NO_FUNCTION = frozenset(
    ("momentum", "padding_index", "masked_output", "fully_masked", "order", "axes", "output_padding", "output_size")
)
"""Settings that only training looks at, or only masks; or that one side spells by others."""
_OF_WINDOWS = ("kernel", "stride", "padding", "dilation", "ceil_mode")
_OF_ATTENTION = ("heads", "scale", "softcap", "causal")
_SPELT_APART = {"clip", "relu6", "hardtanh", "silu", "swish", "hardsigmoid", "hardswish"}
"""Activations that one framework has a word for and another writes by others."""
_ARITHMETIC = {
    **dict.fromkeys(("add", "sub", "subtract", "radd", "iadd"), "sum"),
    **dict.fromkeys(("mul", "div", "truediv", "rmul", "multiply", "divide"), "product"),
}
_TURNS = ("permute", "transpose", "movedim", "swapaxes", "moveaxis")


def differences(alignment: Alignment) -> Iterator[Difference]:
    """What both sides know of layers that are one, and of what is between them, and that differs."""
    for match in alignment.matches:
        yield from _of_units(alignment, alignment.target.units[match.target], alignment.source.units[match.source])
    for index in alignment.left:
        if prepares_input(alignment.source, index):
            unit = alignment.source.units[index]
            yield Difference("its input", unit.name, "preparation", f"normalised by {unit.name}", "as it is given")
    for t, s in sorted(alignment.nodes.items()):
        yield from _of_nodes(alignment, alignment.target.nodes[t], alignment.source.nodes[s])


def prepares_input(network: Network, index: int) -> bool:
    """Whether a unit normalises an input of the network by the mean and variance of data, before any layer."""
    return network.units[index].kind == "Standardization" and index in network.uses and not network.before[index]


def _of_units(alignment: Alignment, target: Unit, source: Unit) -> Iterator[Difference]:
    """The settings of a layer; those of windows and attention are seen in the graph where both sides have one."""
    elsewhere = {*_OF_WINDOWS, *_OF_ATTENTION} if alignment.nodes else set[str]()
    if source.tag in ("k", "v"):  # query, key and value have one set
        elsewhere |= {*_OF_ATTENTION}
    for name in sorted(source.settings.keys() & target.settings.keys() - _NO_FUNCTION - elsewhere):
        wanted, got = source.settings[name], target.settings[name]
        if name == "padding" and (isinstance(wanted, str) or isinstance(got, str)):
            continue  # a rule says no numbers without the size of the input
        if not _same(_in_pairs(name, wanted), _in_pairs(name, got)):
            yield Difference(target.name, source.name, name, _words(wanted), _words(got))


def _of_nodes(alignment: Alignment, target: Node, source: Node) -> Iterator[Difference]:
    mine, other = _called(alignment.target, target), _called(alignment.source, source)
    turned = any(_turns(edge) for node in (target, source) for edge in node.inputs)
    for name in sorted(source.settings.keys() & target.settings.keys() - _NO_FUNCTION):
        if not (name == "axis" and turned):
            yield from _compared(mine, other, name, source.settings[name], target.settings[name])
    for edge in target.inputs:
        partner = alignment.nodes.get(edge.source)
        same = [there for there in source.inputs if there.source == partner and there.port == edge.port]
        if len(same) != 1:
            continue
        here, there = _windows(edge, target), _windows(same[0], source)
        yield from _of_windows(mine, other, *_without_matrices(alignment, target, here, source, there))
        yield from _of_steps(mine, other, edge, same[0])
        for setting, words in (("activations before it", _activations), ("arithmetic before it", _arithmetic)):
            if words is _arithmetic and (_scores(alignment.source, same[0]) or _scores(alignment.target, edge)):
                continue  # the scale is among the settings
            wanted, got = words(same[0]), words(edge)
            if wanted != got and not (set(wanted) | set(got)) & _SPELT_APART:
                yield Difference(mine, other, setting, ", ".join(wanted) or "nothing", ", ".join(got) or "nothing")


def _of_steps(mine: str, other: str, target: Edge, source: Edge) -> Iterator[Difference]:
    """The settings of activations and resizes where both sides have the same ones, and by what whole axes become one
    number."""
    means = [[step.kind for step in edge.steps if step.kind in ("mean", "max")] for edge in (source, target)]
    if all(means) and means[0] != means[1]:
        yield Difference(mine, other, "what is taken of whole axes before it", ", ".join(means[0]), ", ".join(means[1]))
    sides = [[step for step in edge.steps if step.kind not in ("mean", "max")] for edge in (source, target)]
    if [step.kind for step in sides[0]] != [step.kind for step in sides[1]]:
        return
    turned = _turns(target) or _turns(source)
    for there, here in zip(*sides, strict=True):
        for name in sorted(there.settings.keys() & here.settings.keys()):
            if not (name == "axis" and turned):
                place = f"{here.kind} before it: {name}"
                yield from _compared(mine, other, place, there.settings[name], here.settings[name])


def _compared(mine: str, other: str, setting: str, wanted: object, got: object) -> Iterator[Difference]:
    if not _same(wanted, got):
        yield Difference(mine, other, setting, _words(wanted), _words(got))


def _turns(edge: Edge) -> bool:
    """Whether the axes of a value change on the way, so that their numbers do not compare."""
    return any(step.lower().startswith(_TURNS) for step in edge.exact)


def _activations(edge: Edge) -> list[str]:
    return list(edge.trail)


def _arithmetic(edge: Edge) -> list[str]:
    """The sums and products with numbers on the way; their order is that of the code."""
    words = [step.split(" ", 1)[0].lower() for step in edge.exact]
    return sorted(_ARITHMETIC[word] for word in words if word in _ARITHMETIC)


def _called(network: Network, node: Node) -> str:
    """A node by its layer, or by the first layer that it stands behind."""
    if node.unit is not None:
        return network.units[node.unit].name
    if node.label in ("input", "output"):
        return node.exact
    word, before = "attention" if node.value.endswith("/scores") else node.label, node
    while before.unit is None and before.inputs:
        before = network.nodes[before.inputs[0].source]
    return f"{word} ({node.value})" if before.unit is None else f"{word} behind {network.units[before.unit].name}"


def _windows(edge: Edge, node: Node) -> list[Window]:
    """The windows on the way and the node's own; zeros put around a value before one are its padding."""
    found: list[Window] = []
    for window in (*edge.windows, *([node.window] if node.window else [])):
        before = found[-1] if found else None
        before = before if before is not None and before.kind == "pad" else None
        rules = isinstance(window.padding, str) or (before is not None and isinstance(before.padding, str))
        if before is None or rules or window.kind == "convtranspose":
            found.append(window)
            continue
        pairs = zip(before.padding, window.padding, strict=False)
        found[-1] = replace(window, padding=tuple((a[0] + b[0], a[1] + b[1]) for a, b in pairs))  # type: ignore[operator]
    return found


def _without_matrices(
    alignment: Alignment, target: Node, here: list[Window], source: Node, there: list[Window]
) -> tuple[list[Window], list[Window]]:
    """The windows without that of a convolution which the other side has as a matrix."""
    sides = ((alignment.target, target, here), (alignment.source, source, there))
    found = [windows[:-1] if _is_matrix(network, node) else windows for network, node, windows in sides]
    bare = [not windows or not windows[-1].kind.startswith("conv") for windows in (here, there)]
    return (found[0], found[1]) if any(bare) else (here, there)


def _is_matrix(network: Network, node: Node) -> bool:
    """Whether a use of a convolution is that of a matrix: without padding, and at every place of what it takes."""
    window = node.window
    size = window_of(network.units[node.unit]) if node.unit is not None else None
    if window is None or size is None or any(pad != (0, 0) for pad in window.padding):
        return False
    return size > 1 or set(window.stride) == {1}


def _scores(network: Network, edge: Edge) -> bool:
    """Whether a value is what attention makes of queries and keys, in one op with its scale and its mask."""
    return network.nodes[edge.source].value.endswith("/scores")


def _of_windows(mine: str, other: str, target: Sequence[Window], source: Sequence[Window]) -> Iterator[Difference]:
    if [window.kind for window in target] != [window.kind for window in source]:
        wanted, got = (", ".join(window.kind for window in side) or "nothing" for side in (source, target))
        yield Difference(mine, other, "what is in front of it", wanted, got)
        return
    for window, there in zip(target, source, strict=True):
        place = "" if window.kind.startswith("conv") else f"{window.kind} before it: "
        for name in _OF_WINDOWS:
            wanted, got = getattr(there, name), getattr(window, name)
            if wanted != got:
                yield Difference(mine, other, f"{place}{name}", str(wanted), str(got))
        padded = any(pair != (0, 0) for pair in window.padding) and window.kind == "averagepool"
        if padded and there.counts_padding != window.counts_padding:
            wanted, got = str(there.counts_padding), str(window.counts_padding)
            yield Difference(mine, other, f"{place}counts its padding", wanted, got)


def _in_pairs(name: str, value: object) -> object:
    """A padding as what is before and after each axis, where it is one number for both."""
    if name == "padding" and isinstance(value, tuple | list):
        return tuple((size, size) if isinstance(size, int) else tuple(size) for size in value)
    return value


def _same(wanted: object, got: object) -> bool:
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        return wanted.keys() == got.keys() and all(_same(wanted[key], got[key]) for key in wanted)
    if isinstance(wanted, tuple | list) and isinstance(got, tuple | list):
        return len(wanted) == len(got) and all(_same(a, b) for a, b in zip(wanted, got, strict=True))
    numbers = isinstance(wanted, int | float) and isinstance(got, int | float)
    if numbers and not isinstance(wanted, bool) and not isinstance(got, bool):
        return wanted == got or abs(float(wanted) - float(got)) <= 1e-6 * abs(float(wanted))  # type: ignore[arg-type]
    return wanted == got


def _words(value: object) -> str:
    """A value for people: an activation by its name and settings."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping) and "type" in value:
        settings = ", ".join(f"{key}={_words(number)}" for key, number in value.items() if key != "type")
        return f"{value['type']}({settings})" if settings else str(value["type"])
    return str(value)
