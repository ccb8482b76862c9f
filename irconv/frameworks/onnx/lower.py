"""What ONNX cannot say as it stands, in IR it can say."""

from __future__ import annotations

from dataclasses import replace

from irconv.frameworks.onnx.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.tensor_ops import Add, Constant
from irconv.passes import decompose, fill_operands, padding, remove_identity

_SUPPORTED = {codec.layer.__name__ for codec in TABLE.codecs}


def lower(bundle: Bundle) -> Bundle:
    """The same function in types, operands and paddings that the table can write."""
    bundle = remove_identity.run(bundle)
    bundle = decompose.run(bundle, _SUPPORTED)
    bundle = padding.run(bundle, symmetric=False)
    bundle = fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta")})
    return _split_bias(_with_momentum(bundle))


def _with_momentum(bundle: Bundle) -> Bundle:
    """A cumulative average (momentum None) has no ONNX spelling; inference does not use it: the default is written."""
    layers = {
        name: layer.model_copy(update={"momentum": 0.9})
        if isinstance(layer, BatchNorm) and layer.momentum is None
        else layer
        for name, layer in bundle.layers.items()
    }
    return replace(bundle, layers=layers)


def _split_bias(bundle: Bundle) -> Bundle:
    """Gemm is for rank 2 only; a Linear of a higher rank becomes MatMul and, with a bias, a sum."""
    if bundle.graph is None:
        return bundle
    types = infer_types(bundle)
    layers: dict[str, Layer] = dict(bundle.layers)
    nodes: list[Node] = []
    made: set[str] = set()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, Linear) or "bias" not in layer.operands or len(types[node.inputs["x"]].shape) == 2:
            nodes.append(node)
            continue
        bias, result, product = f"{node.layer}.bias", node.outputs["y"], f"{node.outputs['y']}.product"
        layers[node.layer] = layer.model_copy(update={"operands": {"kernel": layer.operands["kernel"]}})
        layers[bias] = Constant(operands={"value": layer.operands["bias"]})
        layers[f"{result}.sum"] = Add()
        if bias not in made:
            nodes.append(Node(layer=bias, scope=node.scope, inputs={}, outputs={"y": bias}))
            made.add(bias)
        nodes.append(node.model_copy(update={"outputs": {"y": product}}))
        total = Node(layer=f"{result}.sum", scope=node.scope, inputs={"x0": product, "x1": bias}, outputs={"y": result})
        nodes.append(total)
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))
