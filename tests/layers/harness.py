"""Checks one layer against the framework whose result a case records: ONNX lowering, both runtimes, shape inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime

from irconv.execute import execute
from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.dtypes import logical_name
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.manifest import SourceRecord, TensorRecord
from irconv.ir.shapes import Shape, Size, counted
from irconv.ir.tensors import LazyTensor
from tests.layers.wanted import Arrays, results_of


@dataclass(frozen=True)
class Case:
    """A layer with inputs and operands, and what a real framework makes of them."""

    name: str
    """A sentence that says what is checked."""
    layer: Layer
    inputs: Arrays
    """By slot, in the canonical axes of the class."""
    wanted: Callable[[], Arrays]
    """The framework's own results by slot; called in the test, so that collecting imports no framework.

    `Recorded` where the framework cannot compute them on every processor."""
    against: str
    """The framework and function, such as ``torch.nn.functional.conv2d``."""
    operands: Arrays = field(default_factory=dict)
    """By role, in canonical axes."""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """Declared shapes of inputs that have symbols, such as ``("N", 3, "H", "W")``; the others are as they are."""
    tolerance: float = 2e-6
    """Of the largest difference over the largest wanted value. Say why where it is more."""
    numpy_runtime: bool = True
    """False only where onnx's reference evaluator lacks the op or is wrong about it; say which in a comment."""
    body: Mapping[str, Layer] = field(default_factory=dict)
    """The layers that the body of a Scan names."""

    def results(self) -> dict[str, np.ndarray]:
        """What the framework gives by slot; where it fails itself, the test fails in one line that says so."""
        return results_of(self.against, self.wanted)


@dataclass(frozen=True)
class Outcome:
    """What was measured."""

    error: float
    opset: int
    ops: tuple[str, ...]


def bundle_of(case: Case) -> Bundle:
    """A bundle whose graph is the one layer."""
    tensors: dict[str, Tensor] = {}
    for role, array in case.operands.items():
        dtype = logical_name(array.dtype)
        assert dtype is not None
        axes = case.layer.PARAMETERS[role].axes
        record = TensorRecord(
            role="parameter",
            trainable=True,
            dtype=dtype,
            shape=array.shape,
            axes=axes,
            letters="",
            source=None,
            steps=(),
        )
        tensors[f"layer.{role}"] = Tensor(record, LazyTensor.of(array))
    operands = {role: StoredOperand(tensor=f"layer.{role}") for role in case.operands}
    layer = case.layer.model_copy(update={"operands": {**case.layer.operands, **operands}})
    inputs = tuple(_port(slot, array, case.shapes.get(slot)) for slot, array in case.inputs.items())
    given = {slot: ValueType(port.dtype, port.shape) for slot, port in zip(case.inputs, inputs, strict=True)}
    source = SourceRecord(framework="test", version="", files=(), facts=())
    bundle = Bundle(source, {"layer": layer, **case.body}, None, tensors)
    results = layer.infer(given | bundle.operand_types(layer))
    outputs = tuple(
        Port(name=slot, value=f"out.{slot}", dtype=t.dtype, shape=t.shape, axes="", source_axes="")
        for slot, t in results.items()
    )
    node = Node(
        layer="layer",
        scope="",
        inputs={slot: f"in.{slot}" for slot in case.inputs},
        outputs={slot: f"out.{slot}" for slot in results},
    )
    return Bundle(source, {"layer": layer, **case.body}, Graph(inputs=inputs, outputs=outputs, nodes=(node,)), tensors)


def check(case: Case) -> Outcome:
    """Assert that shapes, both optimiser settings of onnxruntime and the numpy runtime agree with the framework."""
    bundle, results = bundle_of(case), case.results()
    types = infer_types(bundle)
    symbols = _symbols(case)
    for slot, array in results.items():
        inferred = types[f"out.{slot}"]
        for size, length in zip(inferred.shape, array.shape, strict=True):
            if isinstance(size, str) and counted(size):  # how many that are, only running tells: all results agree
                assert symbols.setdefault(size, length) == length, f"{slot}: {size} is {symbols[size]} and {length}"
        shape = tuple(Size.of(size).value(symbols) for size in inferred.shape)
        assert shape == array.shape, f"{slot}: inferred {inferred.shape} = {shape}, the framework gives {array.shape}"
        assert inferred.dtype == logical_name(array.dtype), f"{slot}: inferred {inferred.dtype}, got {array.dtype}"
    content = to_bytes(bundle)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    worst = 0.0
    for level in (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    ):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level, options.log_severity_level = level, 4
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        got = session.run(names, {f"in.{slot}": array for slot, array in case.inputs.items()})
        found = dict(zip(names, got, strict=True))
        worst = max(worst, *(difference(found[f"out.{slot}"], array) for slot, array in results.items()))
    if case.numpy_runtime:
        found = execute(bundle, {f"in.{slot}": array for slot, array in case.inputs.items()}, "numpy")
        worst = max(worst, *(difference(found[slot], array) for slot, array in results.items()))
    assert worst <= case.tolerance, f"largest difference {worst:.2e} of the largest value"
    return Outcome(worst, model.opset_import[0].version, tuple(dict.fromkeys(n.op_type for n in model.graph.node)))


def arrays(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Normal float32 arrays by name; seeded."""
    random = np.random.default_rng(seed)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def _port(slot: str, array: np.ndarray, shape: Shape | None) -> Port:
    dtype = logical_name(array.dtype)
    assert dtype is not None
    name = f"in.{slot}"
    return Port(name=name, value=name, dtype=dtype, shape=shape or array.shape, axes="", source_axes="")


def _symbols(case: Case) -> dict[str, int]:
    found: dict[str, int] = {}
    for slot, shape in case.shapes.items():
        found |= {s: n for s, n in zip(shape, case.inputs[slot].shape, strict=True) if isinstance(s, str)}
    return found


def difference(got: Any, want: np.ndarray) -> float:
    """Largest difference over largest wanted value; infinities and NaNs must be the same."""
    got = np.asarray(got)
    assert got.shape == want.shape, f"expected shape {want.shape}, got {got.shape}"
    assert got.dtype == want.dtype, f"expected {want.dtype}, got {got.dtype}"
    if want.dtype.kind not in "fc":
        return 0.0 if np.array_equal(got, want) else float("inf")
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    difference = np.abs(got[finite].astype(np.float64) - want[finite].astype(np.float64))
    scale = np.abs(want[finite]).max(initial=0.0)
    return float(difference.max(initial=0.0) / scale) if scale else float(difference.max(initial=0.0))
