"""Measures the layout pass and the writers on graphs of growing depth: the time for each layer must not grow.

The graph repeats a channels-last convolution, an activation, a sum and a normalisation, naively translated.
"""

from __future__ import annotations

import time

import numpy as np

from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.tensor_ops import Add, Transpose
from irconv.ir.manifest import SourceRecord, TensorRecord
from irconv.ir.tensors import LazyTensor
from irconv.passes import channels_last

CHANNELS = 4
DEPTHS = (1_250, 2_500, 5_000, 10_000)


def deep(depth: int) -> Bundle:
    """A chain of so many layers, besides the transposes around them."""
    layers: dict[str, Layer] = {
        "first": Transpose(permutation=(0, 3, 1, 2)),
        "last": Transpose(permutation=(0, 2, 3, 1)),
    }
    tensors: dict[str, Tensor] = {}
    nodes: list[Node] = []

    def add(name: str, inputs: dict[str, str], result: str) -> str:
        nodes.append(Node(layer=name, scope="", inputs=inputs, outputs={"y": result}))
        return result

    def layer(name: str, kind: Layer, **shapes: tuple[int, ...]) -> None:
        operands = {}
        for role, shape in shapes.items():
            data = LazyTensor.of(np.full(shape, 0.5, np.float32))
            record = TensorRecord(
                role="parameter",
                trainable=True,
                dtype="float32",
                shape=shape,
                axes="",
                letters="",
                source=None,
                steps=(),
            )
            tensors[f"{name}.{role}"] = Tensor(record, data)
            operands[role] = StoredOperand(tensor=f"{name}.{role}")
        layers[name] = kind.model_copy(update={"operands": operands})

    conv = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding="same_upper")
    norm, vector = BatchNorm(epsilon=1e-3, momentum=0.99), (CHANNELS,)
    value = "x"
    for number in range(depth):
        name = f"layer_{number}"
        if number % 4 in (0, 3):
            turned = add("first", {"x": value}, f"{name}/x")
            if number % 4 == 0:
                layer(name, conv, kernel=(CHANNELS, CHANNELS, 1, 1), bias=vector)
            else:
                layer(name, norm, gamma=vector, beta=vector, mean=vector, variance=vector)
            value = add("last", {"x": add(name, {"x": turned}, f"{name}/y")}, name)
        elif number % 4 == 1:
            layer(name, Relu())
            value = add(name, {"x": value}, name)
        else:
            layer(name, Add())
            value = add(name, {"x0": value, "x1": value}, name)
    ports = [
        Port(name=name, value=name, dtype="float32", shape=(1, 6, 5, CHANNELS), axes="", source_axes="")
        for name in ("x", value)
    ]
    source = SourceRecord(framework="benchmark", version="", files=(), facts=())
    return Bundle(source, layers, Graph(inputs=(ports[0],), outputs=(ports[1],), nodes=tuple(nodes)), tensors)


def main() -> None:
    for depth in DEPTHS:
        bundle = deep(depth)
        start = time.process_time()
        passed = channels_last.run(bundle)
        middle = time.process_time()
        to_bytes(passed)
        end = time.process_time()
        each = [1e6 * seconds / depth for seconds in (middle - start, end - middle)]
        assert passed.graph is not None
        left = sum(isinstance(passed.layers[node.layer], Transpose) for node in passed.graph.nodes)
        print(f"{depth:>6} layers: layout pass {each[0]:.0f} us, ONNX {each[1]:.0f} us a layer; {left} transposes left")


if __name__ == "__main__":
    main()
