"""Live models of Keras, through what Keras itself saves and loads. It is imported here because the user has it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from irconv.errors import MissingFact, Refused
from irconv.options import Backend

_ROOTS = ("keras", "tf_keras", "tensorflow")


@contextmanager
def saved(model: object) -> Iterator[tuple[Path, Backend | None]]:
    """The file that Keras saves of a model while the block runs, and the backend that Keras runs on, where the file
    does not say it. Raises `Refused` for what is no Keras model, and where Keras cannot save it."""
    name = type(model).__name__
    roots = [kind.__module__.split(".")[0] for kind in type(model).__mro__]
    root = next((root for root in roots if root in _ROOTS), None)
    if root is None or not hasattr(model, "save") or not hasattr(model, "layers"):
        raise Refused(name, f"expected a Keras model, got an object of {type(model).__module__}.{name}")
    new = hasattr(sys.modules.get(root), "config") and root == "keras"  # Keras 3 alone has keras.config
    with TemporaryDirectory(prefix="irconv-") as folder:
        path = Path(folder) / ("model.keras" if new else "model.h5")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Keras says of its own code is not the caller's
                cast("Any", model).save(str(path))
        except Exception as error:
            what = f"Keras cannot save it: it raised {type(error).__name__}: {str(error).strip()[:600]}"
            raise Refused(name, what, "A model has to be built: call it on an input.") from error
        yield path, sys.modules[root].config.backend() if new else None


def loaded(write: Callable[[Path], object]) -> Any:
    """What the Keras that is installed loads of a file that `write` writes. Raises `MissingFact` without Keras."""
    try:
        keras: Any = import_module("keras")
    except ImportError as error:
        remedy = "pip install 'irconv[tensorflow]', or Keras 3 on another backend."
        raise MissingFact("keras", "is not installed", remedy) from error
    new = hasattr(keras, "config")
    with TemporaryDirectory(prefix="irconv-") as folder:
        path = Path(folder) / ("model.keras" if new else "model.h5")
        write(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.models.load_model(str(path), compile=False)
