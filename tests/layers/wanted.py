"""What a framework makes of a case: computed here, or recorded where some processors cannot compute it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import NoReturn

import numpy as np
import pytest

Arrays = Mapping[str, np.ndarray]

FOLDER = Path(__file__).parents[2] / "fixtures" / "layers"
#: Root of a function's name, as the cases write it -> the module that has the version.
_FRAMEWORKS = {"tf": "tensorflow", "tensorflow": "tensorflow", "keras": "keras", "torch": "torch", "onnx": "onnx"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Recorded:
    """A wanted value that the framework computes on some processors only: ``fixtures/layers/NAME.npz`` holds it.

    `fixtures/layers/make_layers.py` writes the file from `compute` and `given`. It holds the arrays given, too, so that
    a case whose numbers were changed is not compared with the results of other ones.
    """

    name: str
    given: Arrays
    compute: Callable[[], Arrays]

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.npz"

    def __call__(self) -> Arrays:
        with np.load(self.file) as file:
            arrays = dict(file)
        for name, array in self.given.items():
            same = np.array_equal(arrays[f"given.{name}"], array)
            assert same, f"{self.file.name} was recorded for another {name}. Run fixtures/layers/make_layers.py."
        return {name.removeprefix("wanted."): arrays[name] for name in arrays if name.startswith("wanted.")}


def results_of(against: str, compute: Callable[[], Arrays]) -> dict[str, np.ndarray]:
    """The results of `compute`; a framework named in `against` that fails itself fails the test in one line."""
    try:
        return dict(compute())
    except Exception as failure:
        named = [_FRAMEWORKS[root] for root in re.findall(r"\b(\w+)\.\w", against) if root in _FRAMEWORKS]
        if isinstance(failure, AssertionError) or not named:
            raise
        _fail(list(dict.fromkeys(named)), against, failure)


def _fail(frameworks: list[str], against: str, failure: Exception) -> NoReturn:
    if "keras" in frameworks:
        frameworks.append("tensorflow")  # the backend it runs on here
    version = {name: getattr(sys.modules.get(name), "__version__", "(import failed)") for name in frameworks}
    versions = " and ".join(f"{name} {version[name]}" for name in frameworks)
    ours = [frame for frame in extract_tb(failure.__traceback__) if "site-packages" not in frame.filename][-1]
    words = " ".join(_COLOURS.sub("", str(failure)).split())[:300]
    place = f"{Path(ours.filename).name}:{ours.lineno}"
    reason = f"{versions} failed, not irconv: {against} ({place}): {type(failure).__name__}: {words}"
    pytest.fail(reason, pytrace=False)
