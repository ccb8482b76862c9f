"""What a bundle promises, and the sentence for each broken promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Add
from irconv.ir.manifest import LayoutStep, NativeTensor
from irconv.ir.tensors import LazyTensor
from irconv.ir.validate import validate
from tests.helpers import Builder, numbers, port, tensor


def sound() -> Bundle:
    builder = Builder(x=("N", 5))
    builder.add("fc", Linear(), "x", kernel=numbers(3, 5), bias=numbers(3))
    return builder.add("sum", Add(), "fc", "fc").build()


def with_nodes(change: Callable[[tuple[Node, ...]], tuple[Node, ...]]) -> Bundle:
    bundle = sound()
    assert bundle.graph is not None
    return replace(bundle, graph=bundle.graph.model_copy(update={"nodes": change(bundle.graph.nodes)}))


def with_tensor(key: str, array: np.ndarray) -> Bundle:
    bundle = sound()
    return replace(bundle, tensors={**bundle.tensors, key: tensor(array)})


def with_other_data() -> Bundle:
    bundle = sound()
    wrong = replace(bundle.tensors["fc.bias"], data=LazyTensor.of(np.zeros(4, np.float64)))
    return replace(bundle, tensors={**bundle.tensors, "fc.bias": wrong})


def with_operand(role: str, key: str) -> Bundle:
    bundle = sound()
    layer = bundle.layers["fc"]
    operands = {**layer.operands, role: StoredOperand(tensor=key)}
    return bundle.with_layer("fc", layer.model_copy(update={"operands": operands}))


def with_provenance(shape: tuple[int, ...], *steps: LayoutStep) -> Bundle:
    bundle = sound()
    kernel = bundle.tensors["fc.kernel"]
    native = NativeTensor(file="m", name="k", shape=shape, axes="")
    record = replace(kernel.record, source=native, steps=steps)
    return replace(bundle, tensors={**bundle.tensors, "fc.kernel": replace(kernel, record=record)})


def with_ports(inputs: int = 1, outputs: int = 1) -> Bundle:
    bundle = sound()
    graph = bundle.graph
    assert graph is not None
    ports = {"inputs": graph.inputs * inputs, "outputs": graph.outputs * outputs}
    return replace(bundle, graph=graph.model_copy(update=ports))


def with_output(**changes: object) -> Bundle:
    bundle = sound()
    assert bundle.graph is not None
    output = bundle.graph.outputs[0].model_copy(update=changes)
    return replace(bundle, graph=bundle.graph.model_copy(update={"outputs": (output,)}))


def step(source: str, target: str) -> LayoutStep:
    return LayoutStep(source=source, target=target, orders={}, sizes={})


BROKEN: dict[str, tuple[Callable[[], Bundle], str]] = {
    "data of another type": (
        with_other_data,
        "tensors.fc.bias: expected float32 (3,), got float64 (4,).",
    ),
    "tensor of no layer": (
        lambda: with_tensor("extra", numbers(2)),
        "tensors.extra: belongs to no layer and no group.",
    ),
    "tensor that is missing": (
        lambda: with_operand("bias", "gone"),
        "layers.fc.operands.bias: expected a tensor 'gone', which is missing.",
    ),
    "operand the class does not have": (
        lambda: with_operand("gamma", "fc.bias"),
        "layers.fc.operands.gamma: Linear has no operand gamma.",
    ),
    "steps that lead elsewhere": (
        lambda: with_provenance((5, 4), step("in out", "out in")),
        "tensors.fc.kernel.steps: undone, they give shape (5, 3), but the source had (5, 4).",
    ),
    "steps that cannot be undone": (
        lambda: with_provenance((5, 3), step("in out *k", "out in *k"), step("a b c", "c b a")),
        "tensors.fc.kernel.steps: cannot be undone: ",
    ),
    "layer that is missing": (
        lambda: with_nodes(lambda nodes: (nodes[0].model_copy(update={"layer": "gone"}), nodes[1])),
        "graph.nodes.0: expected a layer 'gone', which is missing.",
    ),
    "value before it is made": (
        lambda: with_nodes(lambda nodes: nodes[::-1]),
        "graph.nodes.0: takes 'fc' before any node makes it.",
    ),
    "value made twice": (
        lambda: with_nodes(lambda nodes: (nodes[0], nodes[0].model_copy(), nodes[1])),
        "graph.nodes.1: makes 'fc', which is there already.",
    ),
    "value without a name": (
        lambda: with_nodes(lambda nodes: (nodes[0], nodes[1].model_copy(update={"outputs": {"y": ""}}))),
        "graph.nodes.1: makes a value without a name.",
    ),
    "port without a name for its value": (
        lambda: with_output(value=""),
        "graph.outputs.sum: is a value without a name.",
    ),
    "outputs of one name": (
        lambda: with_ports(outputs=2),
        "graph.outputs.sum: is a name that 2 of them have.",
    ),
    "inputs of one name and value": (
        lambda: with_ports(inputs=2),
        "graph.inputs: expected a value of its own for each.",
    ),
    "output that nothing makes": (
        lambda: with_output(value="gone"),
        "graph.outputs.sum: no node makes 'gone'.",
    ),
    "output of another shape": (
        lambda: with_output(shape=("N", 4)),
        "graph.outputs.sum: expected float32 ('N', 4), but its layers give float32 ('N', 3).",
    ),
    "output of another type": (
        lambda: with_output(dtype="float64"),
        "graph.outputs.sum: expected float64 ('N', 3), but its layers give float32 ('N', 3).",
    ),
    "a size that is code": (
        lambda: with_output(shape=("N if open else N", 3)),
        "graph.outputs.sum: 'N if open else N' is not a dimension: an integer, a symbol, or +, -, * and //.",
    ),
    "an element type that is none": (
        lambda: with_output(dtype="float32(0)"),
        "graph.outputs.sum: expected an element type, got 'float32(0)'.",
    ),
    "inputs that do not fit": (
        lambda: replace(sound(), graph=sound().graph.model_copy(update={"inputs": (port("x", ("N", 6)),)})),
        "layer fc (Linear): its inputs do not fit: a kernel of shape (3, 5) does not take 6 features.",
    ),
}


def test_a_sound_bundle_has_no_problems() -> None:
    assert validate(sound()).all() == ()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_named_with_its_place(name: str) -> None:
    make, reason = BROKEN[name]
    texts = [str(problem) for problem in validate(make()).all()]
    assert any(text.startswith(reason) if reason.endswith(" ") else text == reason for text in texts), texts


def test_several_broken_promises_are_named_at_once() -> None:
    bundle = with_operand("bias", "gone")
    bundle = replace(bundle, tensors={**bundle.tensors, "extra": tensor(numbers(2))})
    places = [problem.where for problem in validate(bundle).all()]
    assert places == ["layers.fc.operands.bias", "tensors.fc.bias", "tensors.extra"]


def test_optimizer_state_belongs_to_no_layer() -> None:
    bundle = sound()
    state = tensor(numbers(2), role="optimizer")
    assert validate(replace(bundle, tensors={**bundle.tensors, "momentum": state})).all() == ()
