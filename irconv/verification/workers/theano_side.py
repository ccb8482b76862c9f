"""A ``model.py`` with ``build()``, which gives inputs and outputs, in Theano. The file is run."""

import importlib.util
import os
from importlib import import_module
from typing import Any


def described(name: str, variable: Any) -> Any:
    """Name, shape and element type of a variable; Theano knows which axes have length 1, no more."""
    shape = [1 if one else None for one in variable.broadcastable]
    return {"name": name, "shape": shape, "dtype": variable.dtype}


class Side:
    """The function of one file."""

    name = "theano"

    def __init__(self, path: str, options: Any) -> None:
        os.environ.setdefault("THEANO_FLAGS", "floatX=float32,optimizer=None,linker=py,device=cpu")
        theano = import_module("theano")
        self.version = str(theano.__version__)
        spec = importlib.util.spec_from_file_location("irconv_verified", path)
        assert spec is not None, path
        assert spec.loader is not None, path
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        inputs, outputs = module.build()
        self._function = theano.function(inputs, outputs, on_unused_input="ignore")
        self.inputs = [described(str(one.name or f"x{i}"), one) for i, one in enumerate(inputs)]
        self.outputs = [described(str(one.name or f"y{i}"), one) for i, one in enumerate(outputs)]
        self.precision = str(theano.config.floatX)

    def run(self, arrays: Any) -> Any:
        """The outputs in order, from the inputs in order."""
        return self._function(*arrays)

    def names(self, arrays: Any) -> Any:
        """None: Theano's variables have no names of layers."""
        return []

    def values(self, arrays: Any, names: Any) -> Any:
        """None."""
        return []
