"""An ONNX file in numpy alone: onnx's reference evaluator, with irconv's own evaluation of what it gets wrong."""

# ruff: noqa: B905  (as all that runs in a process of its own)

from importlib import import_module
from typing import Any

import numpy as np


def described(onnx: Any, value: Any) -> Any:
    """Name, shape and element type of an input or output of a graph."""
    kind = value.type.tensor_type
    shape = [one.dim_value if one.HasField("dim_value") else None for one in kind.shape.dim]
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)) if kind.elem_type else ""
    symbols = [one.dim_param for one in kind.shape.dim]
    return {"name": value.name, "shape": shape, "symbols": symbols, "dtype": dtype}


class Side:
    """An evaluator of one file."""

    name = "numpy"
    precision = ""

    def __init__(self, path: str, options: Any) -> None:
        onnx, reference = import_module("onnx"), import_module("onnx.reference")
        self.version = str(np.__version__)
        model = onnx.load(path)
        operations = import_module("irconv.frameworks.onnx.reference").OPS
        self._evaluator = reference.ReferenceEvaluator(model, new_ops=operations)
        stored = {one.name for one in model.graph.initializer}
        self.inputs = [described(onnx, value) for value in model.graph.input if value.name not in stored]
        self.outputs = [described(onnx, value) for value in model.graph.output]
        self._nodes = model.graph.node

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        with np.errstate(all="ignore"):
            return self._evaluator.run(None, {one["name"]: array for one, array in zip(self.inputs, arrays)})

    def names(self, arrays: Any) -> Any:
        """Every value that a node makes, with the values that the node takes."""
        return [(name, [one for one in node.input if one]) for node in self._nodes for name in node.output if name]

    def values(self, arrays: Any, names: Any) -> Any:
        """The values of these names."""
        feeds = {one["name"]: array for one, array in zip(self.inputs, arrays)}
        with np.errstate(all="ignore"):
            found = self._evaluator.run(None, feeds, intermediate=True)
        return [(name, found[name]) for name in names if isinstance(found[name], np.ndarray)]
