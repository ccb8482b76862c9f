"""What the layers of a Keras model give while it runs, those of models inside it among them."""

# ruff: noqa: B905  (it runs under Python 3.6 and later)

from contextlib import contextmanager
from typing import Any


def tensors(found: Any) -> Any:
    """The tensors of a result or of arguments, however they are nested."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        return [tensor for part in found for tensor in tensors(part)]
    return [found] if hasattr(found, "dtype") and hasattr(found, "shape") else []


class Record:
    """The layers that run, by their names with those of the models that they lie in, each use once.

    A layer that is no model is not looked into.
    """

    def __init__(self, keras: Any, model: Any, wanted: Any) -> None:
        self._keras, self._model, self._wanted = keras, model, wanted
        self._path: Any = []
        self._uses: Any = {}
        self._made: Any = {}
        self._kept: Any = []
        """Every tensor, so that its identity stays its own."""
        self.names: Any = []
        self.values: Any = []

    def given(self, arrays: Any) -> None:
        """Note the inputs of the model, which nothing makes."""
        self._made.update({id(tensor): None for tensor in arrays})
        self._kept += arrays

    @contextmanager
    def watching(self) -> Any:
        """Note what runs until the end."""
        bases = [self._keras.layers.Layer]
        if hasattr(self._keras, "Operation"):
            bases.append(self._keras.Operation)
        kept = [base.__call__ for base in bases]
        try:
            for base, call in zip(bases, kept):
                base.__call__ = self._call(call)
            yield
        finally:
            for base, call in zip(bases, kept):
                base.__call__ = call

    def _call(self, call: Any) -> Any:
        def watched(layer: Any, *given: Any, **named: Any) -> Any:
            if self._path is None or layer is (self._path[-1] if self._path else None):
                return call(layer, *given, **named)
            outside, inside = self._path, isinstance(layer, self._keras.models.Model)
            self._path = [*outside, layer] if inside else None
            try:
                result = call(layer, *given, **named)
            finally:
                self._path = outside
            if layer is not self._model:
                self._note(layer, result if inside else [given, named], result)
            return result

        return watched

    def _note(self, layer: Any, given: Any, result: Any) -> None:
        name = "/".join(one.name for one in [*self._path[1:], layer])
        self._uses[name] = self._uses.get(name, 0) + 1
        full = name if self._uses[name] == 1 else name + " #" + str(self._uses[name])
        if self._wanted is not None:
            if full in self._wanted:
                self.values.append((full, tensors(result)[0]))
            return
        known = [self._made[id(tensor)] for tensor in tensors(given) if id(tensor) in self._made]
        self.names.append((full, [one for one in known if one] if known else None))
        self._made.update({id(tensor): full for tensor in tensors(result)})
        self._kept += tensors(result)
