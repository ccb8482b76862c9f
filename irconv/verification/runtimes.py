"""The frameworks in which models run, and under which Python each is found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Runtime:
    """A framework that can run models."""

    name: str
    side: str
    """Its module in `irconv.verification.workers`."""
    package: str
    """What a Python has that can run it."""
    distribution: str
    """The installed distribution that says the version, by the beginning of its name."""
    variable: str = ""
    """The environment variable that names other Pythons for it, joined as in PATH; empty where there is none."""
    install: str = ""
    """What installs it beside irconv."""

    def configured(self) -> list[str]:
        """The Pythons that the environment names for it."""
        said = os.environ.get(self.variable, "") if self.variable else ""
        return [python for python in said.split(os.pathsep) if python]

    @property
    def installed(self) -> bool:
        """Whether this Python has it."""
        return find_spec(self.package) is not None

    def pythons(self) -> list[str]:
        """Every Python that should have it, the configured ones first."""
        return self.configured() + ([sys.executable] if self.installed else [])

    def found(self) -> str:
        """Where it is, for people."""
        here = f"{_version(self.distribution)} here".strip() if self.installed else ""
        named = ", ".join(self.configured())
        return ", ".join(part for part in (f"{self.variable} {named}" if named else "", here) if part)

    def remedy(self) -> str:
        """How to get it."""
        ways = [f"pip install '{self.install}'"] if self.install else []
        ways += [f"name a Python that has it in {self.variable}"] if self.variable else []
        text = ", or ".join(ways)
        return f"{text}." if self.install else f"{text[0].upper()}{text[1:]}."


RUNTIMES: Mapping[str, Runtime] = {
    one.name: one
    for one in (
        Runtime("onnxruntime", "onnxruntime_side", "onnxruntime", "onnxruntime", install="irconv[onnxruntime]"),
        Runtime("numpy", "numpy_side", "onnx", "numpy", install="irconv"),
        Runtime("torch", "torch_side", "torch", "torch", install="irconv[torch]"),
        Runtime("keras", "keras_side", "keras", "keras", "IRCONV_KERAS_PYTHON", "irconv[tensorflow]"),
        Runtime(
            *("tensorflow", "tensorflow_side", "tensorflow", "tensorflow", "IRCONV_TENSORFLOW1_PYTHON"),
            install="irconv[tensorflow]",
        ),
        Runtime("theano", "theano_side", "theano", "Theano", "IRCONV_THEANO_PYTHON"),
    )
}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
