"""What a side makes on the way from its inputs to its outputs: named values, what each is made of, and their arrays.

A file of ONNX gives the values of its own graph. What irconv has read gives those of the bundle, where it predicts what
the file's own framework does; else the framework is asked for what its layers give.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from irconv.data_classes import dataclass
from irconv.errors import IrconvError, MissingFact
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.layout import Array, letter_order, turned
from irconv.verification.compare import difference, power
from irconv.verification.process import Loaded, Processes, SideFailed
from irconv.verification.runtimes import RUNTIMES
from irconv.verification.sides import READ_IN, Side, bundle_way

_BUDGET = 2**28
"""Bytes of values that a runtime is asked for at a time."""
_FIRST = 16
"""Values of which no size is known that it is asked for at first."""


@dataclass(frozen=True)
class Value:
    """A value on the way."""

    name: str
    layer: str
    """The layer that makes it, by the name that its source has for it."""
    type: str
    """The layer's type, as irconv names it; empty where nobody says it."""
    made_of: tuple[int, ...]
    """The values that it is made of, by their places in the trace; inputs and weights are not among them."""


@dataclass(frozen=True)
class Trace:
    """The values of one side, each after those that it is made of."""

    values: tuple[Value, ...]
    loaded: Loaded
    arrays: tuple[Array, ...]
    """The inputs."""
    read: bool
    """Whether they are those of irconv's reading."""

    def fetched(self, places: Sequence[int]) -> Iterator[list[tuple[int, Array]]]:
        """The arrays of some values, in portions that fit the memory. Raises `MissingFact` where the runtime fails."""
        by_name = {self.values[place].name: place for place in places}
        waiting, count = list(by_name), _FIRST
        while waiting:
            portion, waiting = waiting[:count], waiting[count:]
            try:
                found = self.loaded.values(self.arrays, portion)
            except SideFailed as error:
                what = f"{self.loaded.runtime} could not give the values on the way: {error}"
                raise MissingFact(", ".join(portion[:3]), what, "Compare without --layers.") from error
            size = sum(array.nbytes for _, array in found) // max(len(found), 1)
            count = max(1, min(_BUDGET // max(size, 1), 2 * count))
            yield [(by_name[name], array) for name, array in found if name in by_name]


def traced(
    side: Side, processes: Processes, slot: int, arrays: Sequence[Array], predicted: Sequence[Array], allowed: float
) -> tuple[Trace, str]:
    """The trace of a side on inputs for which its prediction is known, and what there is to note about it."""
    note = ""
    bundle = side.given.bundle
    if (side.loaded.name not in READ_IN and bundle is not None and bundle.graph is not None) or not side.own:
        assert bundle is not None, "what is not its own is read"
        found = _of_bundle(side, bundle, processes, slot, arrays)
        if found is not None:
            trace, outputs = found
            apart = max((difference(x, y).relative for x, y in zip(predicted, outputs, strict=False)), default=0.0)
            if apart <= allowed:
                return trace, ""
            what = f"irconv reads another function than {side.runtime} runs, {power(apart)} off"
            note = f"{side.given.name}: {what}"
    return _own(side, arrays), note


def _own(side: Side, arrays: Sequence[Array]) -> Trace:
    """The values that a runtime has names for; where it does not say what each is made of, it is the one before."""
    try:
        names = side.loaded.names(arrays)
    except SideFailed as error:
        raise MissingFact(side.given.name, f"{side.runtime} does not name its values: {error}") from error
    places: dict[str, int] = {}
    values: list[Value] = []
    for name, takes in names:
        before = [len(values) - 1] if values else []
        if takes is not None:
            before = [places[one] for one in takes if one in places]
        places[name] = len(values)
        values.append(Value(name, name, "", tuple(before)))
    return Trace(tuple(values), side.loaded, tuple(arrays), read=False)


def _of_bundle(
    side: Side, bundle: Bundle, processes: Processes, slot: int, arrays: Sequence[Array]
) -> tuple[Trace, list[Array]] | None:
    """The values of the bundle's graph, and its outputs in the axes of the side; None where no runtime runs it."""
    assert bundle.graph is not None, "the caller has looked"
    graph = bundle.graph
    try:
        types = infer_types(bundle)
    except IrconvError:
        return None
    made = [value for node in graph.nodes for value in node.outputs.values()]
    ports = [Port(name=v, value=v, dtype=types[v].dtype, shape=types[v].shape, axes="", source_axes="") for v in made]
    every = replace(bundle, graph=graph.model_copy(update={"outputs": tuple(ports)}))
    for name in READ_IN:
        if not RUNTIMES[name].installed:
            continue
        try:
            way = bundle_way(every, processes.folder / f"layers{slot}.onnx", name)
            loaded = processes.get(sys.executable, way.runtime.side, slot + 2).load(way.path, way.options)
            feeds = [_native(a, s.axes, p) for a, s, p in zip(arrays, side.inputs, graph.inputs, strict=True)]
            found = dict(loaded.values(feeds, [port.value for port in graph.outputs]))
        except (SideFailed, IrconvError, ValueError):
            continue
        outputs = [
            _sources(found[port.value], port, slot.axes)
            for port, slot in zip(graph.outputs, side.outputs, strict=False)
        ]
        return Trace(_values(bundle), loaded, tuple(feeds), read=True), outputs
    return None


def _values(bundle: Bundle) -> tuple[Value, ...]:
    assert bundle.graph is not None, "the caller has looked"
    places: dict[str, int] = {}
    values: list[Value] = []
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        origin = layer.origin
        label = (origin.split_from or origin.name) if origin is not None else node.layer
        before = tuple(places[value] for value in node.inputs.values() if value in places)
        for value in node.outputs.values():
            places[value] = len(values)
            values.append(Value(value, label or node.layer, layer.type, before))
    return tuple(values)


def _native(array: Array, axes: str, port: Port) -> Array:
    """An input in the axes that the bundle has."""
    return turned(array, letter_order(axes, port.axes)) if axes and axes != port.axes else array


def _sources(array: Array, port: Port, axes: str) -> Array:
    """An output of the bundle in the axes of the side."""
    return turned(array, letter_order(port.axes, axes)) if port.axes and axes and axes != port.axes else array
