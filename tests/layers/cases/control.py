"""Scan against the recurrence it stands for, in numpy: no framework has it as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.activations import Tanh
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.control import Scan
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.ir.shapes import Shape
from tests.layers.harness import Arrays, Case, arrays

X = arrays(51, start=(2, 3), factor=(2, 3), x=(2, 5, 4), deep=(2, 5, 7, 3))
KERNEL = arrays(52, kernel=(3, 4))["kernel"]
AGAINST = "the recurrence of its docstring in numpy"


def _port(value: str, *shape: int | str) -> Port:
    return Port(name=value, value=value, dtype="float32", shape=shape, axes="", source_axes="")


def _node(layer: str, result: str, **inputs: str) -> Node:
    return Node(layer=layer, scope="", inputs=inputs, outputs={"y": result})


#: h' = tanh(kernel x + h), and y = factor h'; the factor is carried unchanged, and h' is stacked, too.
STEP = Graph(
    inputs=(_port("h", "N", 3), _port("factor", "N", 3), _port("x", "N", 4)),
    outputs=(_port("new", "N", 3), _port("factor", "N", 3), _port("y", "N", 3), _port("new", "N", 3)),
    nodes=(
        _node("product", "wx", x="x"),
        _node("sum", "total", x0="wx", x1="h"),
        _node("tanh", "new", x="total"),
        _node("scaled", "y", x0="factor", x1="new"),
    ),
)
STEP_LAYERS: dict[str, Layer] = {
    "product": Linear(operands={"kernel": LiteralOperand(literal=KERNEL.tolist(), dtype="float32")}),
    "sum": Add(),
    "tanh": Tanh(),
    "scaled": Mul(),
}


def _step(reverse: bool, order: Literal["time", "processing"]) -> Callable[[], Arrays]:
    def run() -> Arrays:
        h, made = X["start"], {}
        steps = list(range(5))[:: -1 if reverse else 1]
        for t in steps:
            h = np.tanh(X["x"][:, t] @ KERNEL.T + h)
            made[t] = h
        states = np.stack([made[t] for t in (sorted(steps) if order == "time" else steps)], axis=1)
        return {"carried0": h, "carried1": X["factor"], "stacked0": X["factor"][:, None] * states, "stacked1": states}

    return run


def _case(name: str, reverse: bool, order: Literal["time", "processing"]) -> Case:
    inputs = {"carried0": X["start"], "carried1": X["factor"], "scanned0": X["x"]}
    shapes: dict[str, Shape] = {"carried0": ("N", 3), "carried1": ("N", 3), "scanned0": ("N", "T", 4)}
    layer = Scan(body=STEP, carried=2, scanned=1, reverse=reverse, order=order)
    return Case(name, layer, inputs, _step(reverse, order), AGAINST, shapes=shapes, body=STEP_LAYERS)


def _products() -> Arrays:
    running = np.cumprod(X["deep"], axis=2)
    sums = np.cumsum(running[:, :, -1], axis=1)
    return {"carried0": sums[:, -1], "stacked0": sums, "stacked1": running}


#: Running products along the third axis, inside running sums of the last of them along the second.
INNER = Scan(
    body=Graph(
        inputs=(_port("h", "N", 3), _port("x", "N", 3)),
        outputs=(_port("y", "N", 3), _port("y", "N", 3)),
        nodes=(_node("multiply", "y", x0="h", x1="x"),),
    ),
    carried=1,
    scanned=1,
    reverse=False,
    order="time",
)
OUTER = Scan(
    body=Graph(
        inputs=(_port("h", "N", 3), _port("x", "N", 7, 3)),
        outputs=(_port("total", "N", 3), _port("total", "N", 3), _port("all", "N", 7, 3)),
        nodes=(
            _node("one", "ones", x="h"),
            Node(
                layer="inner",
                scope="",
                inputs={"carried0": "ones", "scanned0": "x"},
                outputs={"carried0": "last", "stacked0": "all"},
            ),
            _node("sum", "total", x0="h", x1="last"),
        ),
    ),
    carried=1,
    scanned=1,
    reverse=False,
    order="time",
)
ZERO = LiteralOperand(literal=[[0.0] * 3] * 3, dtype="float32")
ONES = LiteralOperand(literal=[1.0] * 3, dtype="float32")
NESTED: dict[str, Layer] = {
    "inner": INNER,
    "multiply": Mul(),
    "sum": Add(),
    "one": Linear(operands={"kernel": ZERO, "bias": ONES}),
}

CASES = [
    _case("carries a state forwards", False, "time"),
    _case("backwards, in time order", True, "time"),
    _case("backwards, in the order of processing", True, "processing"),
    Case(
        "one inside another",
        OUTER,
        {"carried0": np.zeros((2, 3), np.float32), "scanned0": X["deep"]},
        _products,
        AGAINST,
        shapes={"carried0": ("N", 3), "scanned0": ("N", "T", 7, 3)},
        body=NESTED,
    ),
]
