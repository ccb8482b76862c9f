"""Loops of known length as what they do, step after step, for targets that have no loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.errors import Problems
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer
from irconv.ir.layers.control import Scan
from irconv.ir.layers.slicing import Select, Stack
from irconv.ir.layers.tensor_ops import Identity
from irconv.log import timed
from irconv.passes import unused

MOST = 4096
"""The most layers that a loop may become."""


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function without Scans, those in the bodies of others last.

    Raises `Refused` for a loop whose count is a size that is not known, or that would become too many layers.
    """
    while bundle.graph is not None and any(isinstance(bundle.layers[n.layer], Scan) for n in bundle.graph.nodes):
        bundle = _once(bundle)
    return bundle


def _once(bundle: Bundle) -> Bundle:
    assert bundle.graph is not None, "the caller has looked"
    types, problems = infer_types(bundle), Problems()
    layers, nodes = dict(bundle.layers), list[Node]()
    for node in bundle.graph.nodes:
        scan = bundle.layers[node.layer]
        if not isinstance(scan, Scan):
            nodes.append(node)
            continue
        steps, where = types[node.inputs["scanned0"]].shape[1], f"layer {node.layer} (Scan)"
        if not isinstance(steps, int):
            what = f"is a loop over {steps} steps, and only a known number of them can be written out"
            problems.add(where, what, "--input-shape gives the size a number.")
        elif steps * len(scan.body.nodes) > MOST:
            problems.add(where, f"would be {steps} times {len(scan.body.nodes)} layers written out, at most {MOST} are")
        else:
            nodes += _written_out(node, scan, steps, layers)
    problems.raise_any()
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes)})
    return unused.run(replace(bundle, layers=layers, graph=graph))


def _written_out(node: Node, scan: Scan, steps: int, layers: dict[str, Layer]) -> list[Node]:
    """The nodes of a loop; layers without weights are other ones in each step, those with weights are shared."""
    ports = [port.value for port in scan.body.inputs]
    values = {port: node.inputs[f"carried{i}"] for i, port in enumerate(ports[: scan.carried])}
    made: list[Node] = []
    pieces: dict[int, dict[int, str]] = {}
    for turn, index in enumerate(reversed(range(steps)) if scan.reverse else range(steps)):
        for i, port in enumerate(ports[scan.carried :]):
            name = f"{node.layer}/{index}/scanned{i}"
            layers[name] = Select(axis=1, index=index)
            made.append(_node(name, node.scope, {"x": node.inputs[f"scanned{i}"]}, {"y": name}))
            values[port] = name
        for inner in scan.body.nodes:
            name = inner.layer
            if not layers[name].operands:
                name = f"{node.layer}/{index}/{inner.layer}"
                while name in layers:
                    name += "'"
                layers[name] = layers[inner.layer]
            outputs = {slot: f"{node.layer}/{index}/{value}" for slot, value in inner.outputs.items()}
            made.append(_node(name, node.scope, {s: values[v] for s, v in inner.inputs.items()}, outputs))
            values |= {value: outputs[slot] for slot, value in inner.outputs.items()}
        after = [values[port.value] for port in scan.body.outputs]
        for i, value in enumerate(after[scan.carried :]):
            pieces.setdefault(i, {})[index if scan.order == "time" else turn] = value
        values = dict(zip(ports, after[: scan.carried], strict=False))
    for i, port in enumerate(ports[: scan.carried]):
        if (result := node.outputs.get(f"carried{i}")) is not None:
            name = f"{node.layer}/carried{i}"
            layers[name] = Identity()
            made.append(_node(name, node.scope, {"x": values[port]}, {"y": result}))
    for i, found in pieces.items():
        if (result := node.outputs.get(f"stacked{i}")) is not None:
            name = f"{node.layer}/stacked{i}"
            layers[name] = Stack(axis=1)
            inputs = {f"x{place}": found[place] for place in range(steps)}
            made.append(_node(name, node.scope, inputs, {"y": result}))
    return made


def _node(layer: str, scope: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Node:
    return Node(layer=layer, scope=scope, inputs=dict(inputs), outputs=dict(outputs))
