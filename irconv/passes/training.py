"""What acts in training alone: which of it a target cannot say, and how a target says it that has layers for less."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.recurrent_base import UNDROPPED, Recurrent
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.layers.training import Dropout, TrainingAlone
from irconv.ir.manifest import TRAINING, Fact
from irconv.passes import bodies

Says: TypeAlias = Callable[[Layer, Mapping[str, ValueType]], bool]

FROZEN = "trainable"
"""The word for weights that training leaves as they are."""
_MOST = 3
"""So many layers with such weights are named."""
_NEUTRAL: Mapping[str, Any] = {"noise": "zero", "shared": (), **UNDROPPED}


def lost(bundle: Bundle, said: Collection[str]) -> tuple[Fact, ...]:
    """One fact for each layer that does more in training than a target says.

    `said` are the words that the target has: types of layers, and settings of others. A plain Dropout is lost to
    nobody's surprise in a format for inference, so that it is not told.
    """
    found: list[Fact] = []
    for name, layer in bundle.layers.items():
        settings = {key: value for key, value in _of(layer) if layer.type not in said and key not in said}
        if settings and not (isinstance(layer, Dropout) and settings.keys() == {"rate"}):
            found.append(fact(name, layer, settings))
    return (*found, *(() if FROZEN in said else frozen(bundle)))


def frozen(bundle: Bundle) -> tuple[Fact, ...]:
    """One fact for all weights that training is known not to change: which layers they are in."""
    names: dict[str, None] = {}
    for name, layer in bundle.layers.items():
        records = (
            bundle.tensors[one.tensor].record for one in layer.operands.values() if isinstance(one, StoredOperand)
        )
        if any(record.role == "parameter" and record.trainable is False for record in records):
            origin = layer.origin
            names[origin.name if origin is not None and origin.name else name] = None
    if not names:
        return ()
    listed = ", ".join(list(names)[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
    return (Fact(name=TRAINING, value=f"{listed}: {FROZEN}=False", evidence="of training alone"),)


def fact(name: str, layer: Layer, settings: Mapping[str, Any]) -> Fact:
    """What a layer does in training, as it is told: in the words of its own framework where it has some."""
    origin = layer.origin
    kind = origin.type if origin is not None else layer.type
    where = origin.name if origin is not None and origin.name else name
    listed = ", ".join(
        f"{key}={list(value) if isinstance(value, tuple) else value!r}" for key, value in settings.items()
    )
    return Fact(name=TRAINING, value=f"{where}: {kind}({listed})", evidence="of training alone")


def _of(layer: Layer) -> Iterator[tuple[str, Any]]:
    """The settings of a layer that count in training alone, but for those that say nothing."""
    if not isinstance(layer, TrainingAlone | Recurrent):
        return
    for key, value in layer.settings().items():
        if isinstance(layer, Recurrent) and key not in UNDROPPED:
            continue
        if key == "details":
            yield from ((name, detail) for name, detail in value.items() if detail not in (None, [], {}))
        elif value != _NEUTRAL.get(key, ...) and key not in ("kind", "image"):
            yield key, value


def without(bundle: Bundle, says: Says) -> tuple[Bundle, tuple[Fact, ...]]:
    """The bundle without what a target cannot say of training, and a fact for each layer that loses something."""
    if bundle.graph is None or not any(isinstance(layer, TrainingAlone) for layer in bundle.layers.values()):
        return bundle, ()
    types, layers, told = infer_types(bundle), dict(bundle.layers), list[Fact]()
    for node in bundle.graph.nodes:
        layer = layers[node.layer]
        given = {slot: types[value] for slot, value in node.inputs.items()}
        if isinstance(layer, TrainingAlone) and not says(layer, given):
            layers[node.layer] = Identity(origin=layer.origin)
            told.append(fact(node.layer, layer, dict(_of(layer))))
    return replace(bundle, layers=layers), tuple(told)


def in_front(bundle: Bundle) -> Bundle:
    """Recurrent layers that drop nothing themselves: what they drop of their inputs, a Dropout in front of them drops.

    One serves both directions of a sequence. What is dropped of the states is dropped no more.
    """
    return bodies.everywhere(bundle, _in_front)


def _in_front(bundle: Bundle) -> Bundle:
    if bundle.graph is None:
        return bundle
    layers, nodes, made = dict(bundle.layers), list[Node](), dict[tuple[str, float], str]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, Recurrent):
            nodes.append(node)
            continue
        layers[node.layer] = layer.model_copy(update=dict(UNDROPPED))
        source, rate = node.inputs["x"], layer.input_dropout
        if rate:
            if (source, rate) not in made:
                name = f"{node.layer}.dropout"
                value = made[source, rate] = f"{next(iter(node.outputs.values()))}.dropped"
                layers[name] = Dropout(rate=rate, noise="zero", shared=(1,))
                nodes.append(Node(layer=name, scope=node.scope, inputs={"x": source}, outputs={"y": value}))
            source = made[source, rate]
        nodes.append(node.model_copy(update={"inputs": {**node.inputs, "x": source}}))
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes)})
    return replace(bundle, layers=layers, graph=graph)
