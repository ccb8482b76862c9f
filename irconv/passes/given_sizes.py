"""Sizes that the user gives the inputs of a graph (``--input-shape``), in the place of those that the file leaves open.

A size that was open is the same everywhere in the graph: in the shapes of other inputs, in settings that state sizes,
and in the bodies of loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from irconv.errors import MissingFact, Problems
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, size_fields
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import Dimension, Shape, substituted
from irconv.layout import letter_order
from irconv.log import timed
from irconv.options import said_shape


@timed
def run(bundle: Bundle, said: Sequence[str]) -> Bundle:
    """The same function for inputs of these shapes: ``[NAME=]N,28,28,1`` for each, in the axes of the source. A symbol
    leaves a size as it is.

    Raises `MissingFact` for an input that the graph has not, for another number of axes, and for a size that the file
    states as another; `Refused` where a layer does not take what its inputs become.
    """
    graph = bundle.graph
    assert graph is not None, "the caller has looked"
    problems, given = Problems(), dict[str, Dimension]()
    for place, text in enumerate(said):
        with problems.collect():
            _note(text, place, graph.inputs, given)
    problems.raise_any()
    return with_sizes(bundle, given) if given else bundle


def with_sizes(bundle: Bundle, given: Mapping[str, Dimension]) -> Bundle:
    """The same function where the open sizes of its inputs have these values. Raises `Refused` where a layer does not
    take what its inputs become."""
    graph = bundle.graph
    assert graph is not None, "the caller has looked"
    layers = {name: _layer(layer, given) for name, layer in bundle.layers.items()}
    graph = graph.model_copy(update={"inputs": tuple(_port(port, given) for port in graph.inputs)})
    sized = replace(bundle, layers=layers, graph=graph, checks=(), probe=None)
    types = infer_types(sized)
    outputs = tuple(port.model_copy(update={"shape": types[port.value].shape}) for port in graph.outputs)
    return replace(sized, graph=graph.model_copy(update={"outputs": outputs}))


def _note(text: str, place: int, ports: Sequence[Port], given: dict[str, Dimension]) -> None:
    """Note what a text says of the open sizes of an input."""
    shape_text, _, dtype = text.partition(":")
    name, sizes = said_shape(shape_text)
    names = [port.name for port in ports]
    where = f"--input-shape {text}"
    if name and name not in names:
        raise MissingFact(where, f"the model has no such input, but {', '.join(names)}")
    if not name and place >= len(ports):
        raise MissingFact(where, f"expected at most {len(ports)} inputs ({', '.join(names)})")
    port = ports[names.index(name)] if name else ports[place]
    if dtype and dtype != port.dtype:
        raise MissingFact(where, f"expected {port.dtype}, which the file states, got {dtype}")
    has = _source_shape(port)
    if len(sizes) != len(has):
        raise MissingFact(where, f"expected {len(has)} sizes, as the file says {_listed(has)}, got {len(sizes)}")
    for axis, (was, now) in enumerate(zip(has, sizes, strict=True)):
        if isinstance(now, str) or was == now:
            continue
        if not (isinstance(was, str) and was.isidentifier()):
            raise MissingFact(where, f"expected size {was} on axis {axis}, as the file says {_listed(has)}, got {now}")
        if given.setdefault(was, now) != now:
            raise MissingFact(where, f"expected {was} to be {given[was]}, as it is elsewhere, got {now}")


def _source_shape(port: Port) -> Shape:
    if port.axes == port.source_axes or not (port.axes and port.source_axes):
        return port.shape
    return tuple(port.shape[axis] for axis in letter_order(port.axes, port.source_axes))


def _listed(shape: Shape) -> str:
    return ",".join(map(str, shape))


def _port(port: Port, given: Mapping[str, Dimension]) -> Port:
    return port.model_copy(update={"shape": tuple(substituted(size, given) for size in port.shape)})


def _layer(layer: Layer, given: Mapping[str, Dimension]) -> Layer:
    update: dict[str, Any] = {name: _sized(getattr(layer, name), given) for name in size_fields(type(layer))}
    if isinstance(layer, Scan):
        update["body"] = _body(layer.body, given)
    return layer.model_copy(update=update) if update else layer


def _body(body: Graph, given: Mapping[str, Dimension]) -> Graph:
    inputs, outputs = (tuple(_port(port, given) for port in ports) for ports in (body.inputs, body.outputs))
    return body.model_copy(update={"inputs": inputs, "outputs": outputs})


def _sized(value: Any, given: Mapping[str, Dimension]) -> Any:
    if isinstance(value, tuple):
        return tuple(_sized(item, given) for item in value)
    return substituted(value, given) if isinstance(value, str) else value
