"""An ONNX file in onnxruntime."""

# ruff: noqa: B905  (it runs under Python 3.6 and later)

import os
from importlib import import_module
from typing import Any

_TYPES = {"float": "float32", "double": "float64"}


def described(value: Any) -> Any:
    """Name, shape and element type of an input or output of a session."""
    shape = [size if isinstance(size, int) else None for size in value.shape]
    symbols = [size if isinstance(size, str) else "" for size in value.shape]
    word = value.type[len("tensor(") : -1]
    return {"name": value.name, "shape": shape, "symbols": symbols, "dtype": _TYPES.get(word, word)}


class Side:
    """A session on one file."""

    name = "onnxruntime"

    def __init__(self, path: str, options: Any) -> None:
        self._library = import_module("onnxruntime")
        self.version = str(self._library.__version__)
        self._path = path
        self._session = self._opened(path)
        self.inputs = [described(value) for value in self._session.get_inputs()]
        self.outputs = [described(value) for value in self._session.get_outputs()]
        self.precision = self._least()

    def _least(self) -> str:
        """The floating type of the least precision that the weights have; empty where none has one."""
        onnx = import_module("onnx")
        kinds = {one.data_type for one in onnx.load(self._path, load_external_data=False).graph.initializer}
        names = ("BFLOAT16", "FLOAT16", "FLOAT", "DOUBLE")
        found = [name for name in names if getattr(onnx.TensorProto, name) in kinds]
        return _TYPES.get(found[0].lower(), found[0].lower()) if found else ""

    def _opened(self, model: Any) -> Any:
        options = self._library.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")  # floating, as the model says
        if isinstance(model, bytes):
            folder = os.path.dirname(os.path.abspath(self._path))
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        return self._library.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def _feeds(self, arrays: Any) -> Any:
        return {one["name"]: array for one, array in zip(self.inputs, arrays)}

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        return self._session.run(None, self._feeds(arrays))

    def names(self, arrays: Any) -> Any:
        """Every value that a node makes, with the values that the node takes."""
        onnx = import_module("onnx")
        nodes = onnx.load(self._path, load_external_data=False).graph.node
        return [(name, [one for one in node.input if one]) for node in nodes for name in node.output if name]

    def values(self, arrays: Any, names: Any) -> Any:
        """The values of these names, one after the other; nothing after the last of them is calculated."""
        onnx = import_module("onnx")
        model = onnx.load(self._path, load_external_data=False)
        there = {value.name: value for value in model.graph.output}
        wanted = [there.get(name) or onnx.ValueInfoProto(name=name) for name in names]
        del model.graph.output[:]
        model.graph.output.extend(wanted)
        session = self._opened(model.SerializeToString())
        found = session.run(None, self._feeds(arrays))
        return [(name, array) for name, array in zip(names, found) if hasattr(array, "dtype")]
