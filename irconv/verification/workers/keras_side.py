"""A Keras file in Keras, of whatever version this Python has; Keras' safe mode stays as it is."""

# ruff: noqa: B905, BLE001  (it runs under Python 3.6 and later)

import importlib.util
import os
from contextlib import suppress
from importlib import import_module
from typing import Any

_LEAST = ("bfloat16", "float16", "float32", "float64")


def library(tensorflows: bool, backend: str) -> Any:
    """Keras, or TensorFlow's own where that is asked for or the only one."""
    if backend and importlib.util.find_spec(backend):
        os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if "KERAS_BACKEND" not in os.environ and not importlib.util.find_spec("tensorflow"):
        installed = [name for name in ("torch", "jax", "theano") if importlib.util.find_spec(name)]
        if installed:
            os.environ["KERAS_BACKEND"] = installed[0]
    if tensorflows and importlib.util.find_spec("tensorflow"):
        return import_module("tensorflow").keras
    return import_module("keras" if importlib.util.find_spec("keras") else "tensorflow.keras")


def described(name: str, tensor: Any) -> Any:
    """Name, shape and element type of an input or output; of Theano's variables, Keras knows the shape."""
    sizes = [getattr(size, "value", size) for size in getattr(tensor, "_keras_shape", tuple(tensor.shape))]
    dtype = getattr(tensor.dtype, "name", str(tensor.dtype))
    return {"name": name, "shape": [int(size) if isinstance(size, int) else None for size in sizes], "dtype": dtype}


def listed(found: Any) -> Any:
    """One thing or several, as a list."""
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, (list, tuple)) else [found]


def own_operations(keras: Any) -> Any:
    """Every operation of Keras 3 itself that no layer shares its name with, by the name that a file has for it."""
    found = {}
    for module in ("core", "image", "linalg", "math", "nn", "numpy"):
        for name, kind in vars(import_module("keras.src.ops." + module)).items():
            if isinstance(kind, type) and issubclass(kind, keras.Operation) and not hasattr(keras.layers, name):
                found[name] = kind
    return found


class Side:
    """The model of one file."""

    name = "keras"

    def __init__(self, path: str, options: Any) -> None:
        keras = library(options["tensorflow"], options["backend"])
        self._keras, self.version = keras, str(getattr(keras, "__version__", ""))
        self.major = int(self.version.split(".")[0])
        with suppress(Exception):  # not every backend of every version has a session
            keras.backend.clear_session()
        self._model = self._opened(path)
        inputs, outputs = listed(self._model.inputs), listed(self._model.outputs)
        names = [getattr(self._model, f"{kind}_names", None) or [] for kind in ("input", "output")]
        names = [
            list(known) if len(known) == len(there) else [one.name for one in there]
            for known, there in zip(names, (inputs, outputs))
        ]
        self.inputs = [described(name, tensor) for name, tensor in zip(names[0], inputs)]
        self.outputs = [described(name, tensor) for name, tensor in zip(names[1], outputs)]
        kinds = [str(getattr(layer, "compute_dtype", "float32")) for layer in self._model.layers]
        self.precision = next((kind for kind in _LEAST if kind in kinds), "float32")

    def _opened(self, path: str) -> Any:
        """The model; HDF5 files of Keras 3 name its own operations, which it only finds when they are given to it."""
        load, options = self._keras.models.load_model, {"compile": False} if self.major > 1 else {}
        if self.major < 3 or path.endswith(".keras"):
            return load(path, **options)
        try:
            return load(path, **options)
        except ValueError as error:
            if "Unknown layer" not in str(error):
                raise
            return load(path, custom_objects=own_operations(self._keras), **options)

    def _predicted(self, model: Any, arrays: Any) -> Any:
        if self.major < 3 and "tensorflow" not in self._keras.__name__:
            return listed(model.predict_on_batch(arrays if len(arrays) > 1 else arrays[0]))
        try:
            found = model(arrays if len(arrays) > 1 else arrays[0], training=False)
            return [self._array(tensor) for tensor in listed(found)]
        except Exception:  # graph mode, or a model that takes its inputs by name
            return listed(model.predict_on_batch(arrays if len(arrays) > 1 else arrays[0]))

    def _array(self, tensor: Any) -> Any:
        if hasattr(self._keras, "ops"):
            return self._keras.ops.convert_to_numpy(tensor)
        return tensor.numpy()

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        for layer in self._model.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()
        return self._predicted(self._model, arrays)

    def names(self, arrays: Any) -> Any:
        """What the layers give, those of models inside the model among them, and what each takes; where Keras does not
        run layer by layer, those of the outermost level, of which it does not say what they take."""
        record = self._recorded(arrays, None)
        return record.names if record is not None else [(layer.name, None) for layer in self._model.layers]

    def values(self, arrays: Any, names: Any) -> Any:
        """The results of these layers."""
        record = self._recorded(arrays, set(names))
        if record is not None:
            return [(name, self._array(tensor)) for name, tensor in record.values]
        return self._of_a_model(arrays, names)

    def _recorded(self, arrays: Any, wanted: Any) -> Any:
        """What is made while the model runs; None where Keras first makes a graph of it."""
        if self.major < 3 and not getattr(import_module("tensorflow"), "executing_eagerly", bool)():
            return None
        record = import_module("keras_trace").Record(self._keras, self._model, wanted)
        convert = self._keras.ops.convert_to_tensor if self.major > 2 else import_module("tensorflow").constant
        given = [convert(array) for array in arrays]
        record.given(given)
        try:
            with record.watching():
                self._model(given if len(given) > 1 else given[0], training=False)
        except Exception:  # a model that takes its inputs by name, or is not run layer by layer
            return None
        return record

    def _of_a_model(self, arrays: Any, names: Any) -> Any:
        """By a model with these results; none of a layer that is used several times, which has no one output."""
        wanted = []
        for layer in self._model.layers:
            if layer.name in names:
                with suppress(Exception):
                    wanted.append((layer.name, listed(layer.output)[0]))
        model = self._keras.models.Model(self._model.inputs, [tensor for _, tensor in wanted])
        return [(name, array) for (name, _), array in zip(wanted, self._predicted(model, arrays))]
