"""Runs a bundle through the ONNX it means: in onnxruntime, or in numpy alone (onnx's reference evaluator)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.shapes import Dimension
from irconv.layout import Array
from irconv.passes.given_sizes import with_sizes


def execute(
    bundle: Bundle, inputs: Mapping[str, Array], runtime: Literal["onnxruntime", "numpy"] | None
) -> dict[str, Array]:
    """The outputs by port name. Raises `MissingFact` for an input that is missing, unknown or of another shape, and
    where the runtime asked for is not installed."""
    assert bundle.graph is not None, "only a graph can be run"
    inputs = {name: np.asarray(array) for name, array in inputs.items()}
    problems = Problems()
    feeds = {port.value: _fitted(port, inputs.get(port.name), problems) for port in bundle.graph.inputs}
    for name in set(inputs) - {port.name for port in bundle.graph.inputs}:
        known = ", ".join(port.name for port in bundle.graph.inputs)
        problems.add(f"input {name}", f"expected one of {known}", kind=MissingFact)
    problems.raise_any()
    _check_sizes(bundle, feeds)
    asked, runtime = runtime, runtime or ("onnxruntime" if find_spec("onnxruntime") else "numpy")
    results = None
    if runtime == "onnxruntime":
        try:
            results = _in_onnxruntime(to_bytes(bundle), feeds)
        except _NoKernel as error:
            if asked:
                raise Refused("onnxruntime", f"cannot compute it: {error}", "Give --runtime numpy.") from error
    if results is None:
        results = _in_numpy(to_bytes(bundle, execution=True), feeds)
    return {port.name: results[port.value] for port in bundle.graph.outputs}


class _NoKernel(Exception):
    """onnxruntime has no code for an operator in an element type; it has one for float32 nearly always."""


def _check_sizes(bundle: Bundle, feeds: Mapping[str, Array]) -> None:
    """Refuse open sizes that inputs give two values, and layers that do not take what those sizes make of their inputs:
    runtimes give nothing then, or name nodes that no file has."""
    assert bundle.graph is not None, "only a graph can be run"
    given: dict[str, Dimension] = {}
    problems = Problems()
    for port in bundle.graph.inputs:
        for size, got in zip(port.shape, feeds[port.value].shape, strict=False):
            if isinstance(size, str) and size.isidentifier() and given.setdefault(size, got) != got:
                problems.add(f"input {port.name}", f"expected {size} to be {given[size]}, got {got}", kind=MissingFact)
    problems.raise_any()
    if given:
        with_sizes(bundle, given)


def _fitted(port: Port, array: Array | None, problems: Problems) -> Array:
    where = f"input {port.name}"
    if array is None:
        problems.add(where, "expected an array, got none", kind=MissingFact)
        return np.zeros(0)
    fits = len(array.shape) == len(port.shape) and all(
        isinstance(want, str) or want == got for want, got in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        axes = f" ({port.axes})" if port.axes else ""
        problems.add(
            where,
            f"expected shape {port.shape}{axes}, got {array.shape}",
            "Inputs have the source's axes; give --io native for channels-first ones, or the other way round.",
            kind=MissingFact,
        )
    return np.asarray(array, numpy_dtype(port.dtype), order="C")


def _in_onnxruntime(model: bytes, feeds: Mapping[str, Array]) -> dict[str, Any]:
    """Runs the model in onnxruntime, which this function imports."""
    try:
        import onnxruntime
    except ImportError as error:
        what = "is not installed"
        raise MissingFact("onnxruntime", what, "pip install 'irconv[onnxruntime]', or give --runtime numpy.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # its optimiser otherwise rounds the inputs of products with quantised weights to eight bits
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if type(error).__name__ == "NotImplemented":
            raise _NoKernel(str(error).rpartition(" : ")[2]) from error
        raise
    if any(array.dtype.name == "bfloat16" for array in feeds.values()):
        raise _NoKernel("it takes no bfloat16 from Python")
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _in_numpy(model: bytes, feeds: Mapping[str, Array]) -> dict[str, Any]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    from irconv.frameworks.onnx.reference import OPS

    evaluator = ReferenceEvaluator(onnx.load_from_string(model), new_ops=OPS)
    with np.errstate(all="ignore"):  # infinities and NaN are results, as in every other runtime
        return dict(zip(evaluator.output_names, evaluator.run(None, dict(feeds)), strict=True))
