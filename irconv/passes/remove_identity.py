"""Takes out nodes that pass their input on unchanged at inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Concat, Identity
from irconv.ir.layers.training import TrainingAlone
from irconv.log import timed
from irconv.passes import bodies


@timed
def run(bundle: Bundle) -> Bundle:
    """The graph without Identity, layers of training alone and joins of one value. Outputs keep their names; one that
    would be an input, or the same value as another output, keeps an Identity."""
    return bodies.everywhere(bundle, lambda part: _run(part, _passes))


def left_over(bundle: Bundle) -> Bundle:
    """The graph without the Identities that are what is left of turns that undid each other: those that the source
    called otherwise."""
    return bodies.everywhere(bundle, lambda part: _run(part, _is_left_over))


def _passes(layer: Layer) -> bool:
    return isinstance(layer, Identity | TrainingAlone)


def _is_left_over(layer: Layer) -> bool:
    return isinstance(layer, Identity) and (layer.origin is None or "dentity" not in layer.origin.type)


def _run(bundle: Bundle, goes: Callable[[Layer], bool]) -> Bundle:
    if bundle.graph is None:
        return bundle
    same: dict[str, str] = {}
    for node in bundle.graph.nodes:
        layer, (first, *others) = bundle.layers[node.layer], (*node.inputs.values(), "")
        if goes(layer) or (isinstance(layer, Concat) and others == [""]):
            same[node.outputs["y"]] = same.get(first, first)
    ends = {port.value for port in bundle.graph.outputs}
    fixed = {port.value for port in bundle.graph.inputs} | (ends - set(same))
    renamed: dict[str, str] = {}
    for value in (port.value for port in bundle.graph.outputs if port.value in same):
        if same[value] not in fixed:
            renamed[same[value]] = value
            fixed.add(same[value])
    nodes: list[Node] = []
    layers: dict[str, Layer] = {}
    for node in bundle.graph.nodes:
        sources = {slot: same.get(value, value) for slot, value in node.inputs.items()}
        inputs = {slot: renamed.get(value, value) for slot, value in sources.items()}
        result = next(iter(node.outputs.values()))
        if result in same and (result not in ends or renamed.get(same[result]) == result):
            continue
        layers[node.layer] = Identity() if result in same else bundle.layers[node.layer]
        inputs = {"x": next(iter(inputs.values()))} if result in same else inputs
        outputs = {slot: renamed.get(value, value) for slot, value in node.outputs.items()}
        nodes.append(node.model_copy(update={"inputs": inputs, "outputs": outputs}))
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))
