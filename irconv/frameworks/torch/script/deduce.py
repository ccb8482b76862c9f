"""The shapes of inputs that a script does not say, as far as its code and weights do: it is read with every rank.

A rank at which a layer does not take its input, or at which the code raises an error of its own, is none. Where several
are left, the module works on all of them: the largest is the one with a batch (PyTorch's layers take a value without
one, too), but for a module to which the rank is all the same, which has the smallest with a batch and something in it.
Channels and features are the ones that the weights have. What is found is told as an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from irconv.errors import MALFORMED, IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.convolution import Conv
from irconv.ir.manifest import Fact, assumed_fact
from irconv.ir.shapes import Dimension, Shape

Attempt = Callable[[Sequence[Port]], Bundle]

_BATCH = "N"
_AXES = ("N", "N C", "N T C", "N C H W", "N C D H W", "N A B C D E")
_FREE = len(_AXES)
"""A module that takes a value of this rank takes any."""
_MOST = 64
_INDICES = {"Embedding": "x", "EmbeddingBag": "x", "Gather": "indices", "OneHot": "x"}


def deduced(
    ports: Sequence[Port], unknown: Sequence[str], channels: Sequence[int], steps: Sequence[int], attempt: Attempt
) -> tuple[list[Port], list[Fact]] | None:
    """The inputs with the shapes of those that are `unknown`; None where no rank fits, or several numbers of channels.

    `attempt` reads the module with inputs of given shapes, and raises where it does not take them; `channels` are the
    numbers that an input may have of them, and `steps` those of steps, where the code asks for a number.
    """
    for tried in _kinds(ports, unknown):
        ranks = _ranks(tried, unknown, attempt)
        if ranks is not None:
            found = _typed(_shaped(tried, dict(zip(unknown, ranks, strict=True))), unknown, channels, attempt)
            break
    else:
        found = _weighted(ports, unknown, channels, attempt) or _stepped(ports, unknown, channels, steps, attempt)
    if found is None:
        return None
    said = "takes this rank and these channels" if len(unknown) == 1 else "takes these ranks and channels together"
    why = f"the module {said}; the file does not say it, and --input-shape says another"
    facts = [
        assumed_fact(f"shape of {port.name}", ",".join(map(str, port.shape)) + f":{port.dtype}", why)
        for port in found
        if port.name in unknown
    ]
    return found, facts


def _kinds(ports: Sequence[Port], unknown: Sequence[str]) -> Iterator[list[Port]]:
    """The inputs as numbers, then as whole numbers."""
    yield list(ports)
    yield [port.model_copy(update={"dtype": "int64"}) if port.name in unknown else port for port in ports]


def _weighted(
    ports: Sequence[Port], unknown: Sequence[str], channels: Sequence[int], attempt: Attempt
) -> list[Port] | None:
    """For one input whose code works with one number of channels alone."""
    if len(unknown) != 1:
        return None
    found = []
    for rank in (4, 3, 2, 5):
        for count in channels:
            shape = ("N", count, *_AXES[rank - 1].split()[2:]) if rank != 3 else ("N", "T", count)
            tried = [p.model_copy(update={"shape": shape}) if p.name in unknown else p for p in ports]
            if _succeeds(tried, attempt):
                found.append(tried)
        if found:
            break
    return found[0] if len(found) == 1 else None


def _stepped(
    ports: Sequence[Port], unknown: Sequence[str], channels: Sequence[int], steps: Sequence[int], attempt: Attempt
) -> list[Port] | None:
    """For code that works with one number of steps alone, as a mask between steps does, and with one of channels."""
    plain = [port.model_copy(update={"dtype": "float32"}) if port.name in unknown else port for port in ports]
    found: list[Port] | None = None
    for sizes in product(steps, channels):
        ranks = _ranks(plain, unknown, lambda asked, sizes=sizes: attempt(_with_sizes(asked, unknown, sizes)))
        if ranks is None:
            continue
        if found is not None:
            return None
        asked = _with_sizes(_shaped(plain, dict(zip(unknown, ranks, strict=True))), unknown, sizes)
        found = _typed(asked, unknown, (), attempt)
    return found


def _with_sizes(ports: Sequence[Port], unknown: Sequence[str], sizes: tuple[int, int]) -> list[Port]:
    """The inputs with numbers in the places of steps and of channels."""
    found = list(ports)
    for letter, count in zip((_STEPS, _CHANNELS), sizes, strict=True):
        named = {size for port in ports if port.name in unknown for size in port.shape if str(size)[:1] == letter}
        for symbol in named:
            found = _with_size(found, unknown, symbol, count)
    return found


def _ranks(ports: Sequence[Port], unknown: Sequence[str], attempt: Attempt) -> Sequence[int] | None:
    alike = [rank for rank in range(1, _FREE + 1) if _takes(ports, dict.fromkeys(unknown, rank), attempt)]
    if alike:
        return [_chosen(alike)] * len(unknown)
    if len(unknown) == 1:
        return None
    choices = sorted(product(range(1, _FREE), repeat=len(unknown)), key=lambda one: (-sum(one), one))
    for ranks in [one for one in choices if max(one) < _FREE - 1][:_MOST]:
        if len(set(ranks)) > 1 and _takes(ports, dict(zip(unknown, ranks, strict=True)), attempt):
            return ranks
    return None


def _chosen(ranks: Sequence[int]) -> int:
    return max(2, min(ranks)) if _FREE in ranks else max(ranks)


def _takes(ports: Sequence[Port], ranks: Mapping[str, int], attempt: Attempt) -> bool:
    """Whether the module takes inputs of these ranks, and no size that varies has to be the batch for it."""
    asked = _shaped(ports, ranks)
    try:
        graph = attempt(asked).graph
    except (IrconvError, ArithmeticError, *MALFORMED):
        return False
    found = {port.name: port.shape for port in graph.inputs} if graph is not None else {}
    return all(found.get(port.name, port.shape).count(_BATCH) == port.shape.count(_BATCH) for port in asked)


def _shaped(ports: Sequence[Port], ranks: Mapping[str, int]) -> list[Port]:
    """The inputs with sizes of their own at these ranks, but for the batch, which is that of all."""
    return [
        port.model_copy(update={"shape": _axes(ranks[port.name], place)}) if port.name in ranks else port
        for place, port in enumerate(ports)
    ]


def _axes(rank: int, place: int) -> Shape:
    letters = _AXES[rank - 1].split()
    return tuple(letter if letter == _BATCH or not place else f"{letter}{place}" for letter in letters)


def _typed(
    ports: Sequence[Port], unknown: Sequence[str], channels: Sequence[int], attempt: Attempt
) -> list[Port] | None:
    """The inputs with the sizes that weights have, and as whole numbers where they are looked up in a table."""
    bundle = attempt(ports)
    sizes = _sizes(bundle)
    found = [_settled(port, sizes, bundle) if port.name in unknown else port for port in ports]
    if not _succeeds(found, attempt):
        return None
    for size in {size for port in found if port.name in unknown for size in port.shape if str(size)[:1] == _CHANNELS}:
        fitting = [count for count in channels if _succeeds(_with_size(found, unknown, size, count), attempt)]
        if len(fitting) == 1:
            found = _with_size(found, unknown, size, fitting[0])
    return found


_CHANNELS, _STEPS = "C", "T"
_PASSING = ("Cast", "Identity", "Transpose", "Unsqueeze", "Reshape")
_COMPARING = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "NotEqual")


def _settled(port: Port, sizes: Mapping[str, int], bundle: Bundle) -> Port:
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in port.shape)
    return port.model_copy(update={"shape": shape, "dtype": _dtype(bundle, port)})


def _with_size(ports: Sequence[Port], unknown: Sequence[str], symbol: Dimension, count: int) -> list[Port]:
    """The inputs with a number in the place of a symbol."""
    return [
        port.model_copy(update={"shape": tuple(count if size == symbol else size for size in port.shape)})
        if port.name in unknown
        else port
        for port in ports
    ]


def _succeeds(ports: Sequence[Port], attempt: Attempt) -> bool:
    return _takes(ports, {}, attempt)


def _dtype(bundle: Bundle, port: Port) -> str:
    assert bundle.graph is not None, "a module is a graph"
    values = {port.value}
    for node in bundle.graph.nodes:
        kind = bundle.layers[node.layer].type
        if kind in _PASSING and set(node.inputs.values()) <= values:
            values |= set(node.outputs.values())
        given = set(node.inputs.values())
        if kind in _COMPARING and given & values and any(_counts(bundle, value) for value in given - values):
            return "int64"
        if kind in _INDICES and node.inputs.get(_INDICES[kind]) in values:
            return "int64"
    return port.dtype


def _counts(bundle: Bundle, value: str) -> bool:
    """Whether a value is the places 0, 1, 2..., with which lengths are compared."""
    assert bundle.graph is not None, "a module is a graph"
    made = next((node.layer for node in bundle.graph.nodes if value in node.outputs.values()), "")
    operand = bundle.layers[made].operands.get("value") if made else None
    if isinstance(operand, StoredOperand):
        elements = bundle.tensors[operand.tensor].data.numpy().ravel()
    else:
        elements = np.ravel(operand.literal) if isinstance(operand, LiteralOperand) else np.zeros(0)
    return elements.size > 1 and bool((elements == np.arange(elements.size)).all())


def _sizes(bundle: Bundle) -> dict[str, int]:
    """The symbols that stand for what a weight has as many of."""
    assert bundle.graph is not None, "a module is a graph"
    types, found = infer_types(bundle), dict[str, int]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        for slot, value in node.inputs.items():
            known = _weighed(layer, bundle)
            for word, size in _named(layer.SLOTS.get(slot, ""), types[value].shape).items():
                if isinstance(size, str) and size.isidentifier() and word in known and size != _BATCH:
                    found.setdefault(size, known[word])
    return found


def _weighed(layer: Layer, bundle: Bundle) -> dict[str, int]:
    """The sizes of axes, by the words that the layer's class has for them."""
    found: dict[str, int] = {}
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand) and role in layer.PARAMETERS:
            shape = bundle.tensors[operand.tensor].record.shape
            for word, size in _named(layer.PARAMETERS[role].axes, shape).items():
                assert isinstance(size, int), "stored shapes are numbers"
                found.setdefault(word, size)
    if isinstance(layer, Conv) and "in" in found:
        found["c"] = found.pop("in") * layer.groups
    return found


def _named(axes: str, shape: Shape) -> dict[str, Dimension]:
    """The sizes by the words of single axes; words with ``*`` take what is left."""
    if "(" in axes or "[" in axes:
        return {} if ") " not in axes else _named(f"* {axes.rsplit(') ', maxsplit=1)[-1]}", shape)
    words = axes.split()
    star = next((place for place, word in enumerate(words) if word.startswith("*")), None)
    if star is None:
        return dict(zip(words, shape, strict=True)) if len(words) == len(shape) else {}
    after = len(words) - star - 1
    if star + after > len(shape):
        return {}
    last = dict(zip(words[star + 1 :], shape[len(shape) - after :], strict=True)) if after else {}
    return dict(zip(words[:star], shape[:star], strict=True)) | last
