"""Products that stand before a loop, put into it: ``W x + b`` of a whole sequence is that of each of its steps.

Writers compute what no step changes once for all steps; a cell is known by its products, so these go back where it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.control import Scan


def sunk(bundle: Bundle, node: Node) -> tuple[Bundle, Node] | None:
    """The bundle with every product that only this loop needs inside of it, and the loop; None where there is none.

    A Flip of the steps may stand between: the product of a sequence turned around is the product, turned around.
    """
    scan, graph = bundle.layers[node.layer], bundle.graph
    if not isinstance(scan, Scan) or graph is None:
        return None
    uses = Counter(value for made in graph.nodes for value in made.inputs.values())
    uses.update(port.value for port in graph.outputs)
    makers = {value: made for made in graph.nodes for value in made.outputs.values()}
    types = infer_types(bundle)
    inputs, ports, nodes = dict(node.inputs), list(scan.body.inputs), list(scan.body.nodes)
    turned: dict[str, str] = {}
    for i in range(scan.scanned):
        value = inputs[f"scanned{i}"]
        flip = makers.get(value)
        flip = flip if flip is not None and _is_flip(bundle, flip) else None
        product = makers.get(value if flip is None else flip.inputs["x"])
        if product is None or uses[value] != 1 or bundle.layers[product.layer].type != "Linear":
            continue
        if set(product.inputs) != {"x"} or uses[product.outputs["y"]] != 1:
            continue
        given, port = product.inputs["x"], ports[scan.carried + i]
        dtype, (batch, _, *rest) = types[given]
        step = f"{port.value}/x"
        ports[scan.carried + i] = port.model_copy(
            update={"value": step, "dtype": dtype, "shape": (batch, *rest), "axes": "", "source_axes": ""}
        )
        nodes.insert(0, product.model_copy(update={"inputs": {"x": step}, "outputs": {"y": port.value}}))
        inputs[f"scanned{i}"] = given
        if flip is not None:
            inputs[f"scanned{i}"] = value
            turned[flip.layer] = given
    if inputs == dict(node.inputs) and not turned:
        return None
    loop = node.model_copy(update={"inputs": inputs})
    body = scan.body.model_copy(update={"inputs": tuple(ports), "nodes": tuple(nodes)})
    whole = [
        loop
        if made is node
        else made.model_copy(update={"inputs": {"x": turned[made.layer]}})
        if made.layer in turned
        else made
        for made in graph.nodes
    ]
    layers = {**bundle.layers, node.layer: scan.model_copy(update={"body": body})}
    changed: Graph = graph.model_copy(update={"nodes": tuple(whole)})
    return replace(bundle, layers=layers, graph=changed), loop


def _is_flip(bundle: Bundle, node: Node) -> bool:
    layer = bundle.layers[node.layer]
    return layer.type == "Flip" and layer.model_dump()["axes"] == (1,)
