"""A law of all passes: what one gives has a type for every value, a tensor for every operand, and the same ports."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import pytest

import irconv
from irconv import passes
from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.inference import inferred
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.convolution import Linear
from irconv.options import ReadOptions
from irconv.passes import remove_identity
from tests.frameworks.theano import cases as theano
from tests.helpers import ONE_OF_EACH, ROOT, Builder, numbers

#: Passes that take ports away or put others in their place, which is what they are for.
OF_PORTS = ("irconv.passes.cut", "irconv.passes.boundary", "irconv.passes.images", "irconv.passes.given_sizes")
MODELS: list[tuple[Path, ReadOptions]] = [
    *((case.model, ReadOptions()) for case in ONE_OF_EACH[::16]),
    *((case.model, ReadOptions(arch=case.folder / "arch.json")) for case in theano.CASES[::24]),
    *((path, ReadOptions()) for path in sorted((ROOT / "fixtures" / "onnx").glob("*/*.onnx"))[::14]),
]


def faults(before: Bundle, after: Bundle, of_ports: bool) -> list[str]:
    """What a pass has lost."""
    if after.graph is None or before.graph is None:
        return []
    types = inferred(after, after.graph)  # not what the bundle remembers
    made = [value for node in after.graph.nodes for value in (*node.inputs.values(), *node.outputs.values())]
    made += [port.value for port in after.graph.outputs]
    found = [f"{value} has no type: no node makes it" for value in dict.fromkeys(made) if value not in types]
    for name, layer in after.layers.items():
        wanted = (operand.tensor for operand in layer.operands.values() if isinstance(operand, StoredOperand))
        found += [f"layer {name} has lost its tensor {key}" for key in wanted if key not in after.tensors]
    ports = [[port.name for port in (*one.graph.inputs, *one.graph.outputs)] for one in (before, after) if one.graph]
    if not of_ports and ports[0] != ports[1]:
        found.append(f"the ports {ports[0]} have become {ports[1]}")
    return found


def checked(function: Callable[..., Bundle], seen: Counter[str], broken: dict[str, None]) -> Callable[..., Bundle]:
    """A pass that says which promises it breaks; it raises nothing, as what raises is a fault that is reported."""

    @wraps(function)
    def run(bundle: Bundle, *rest: Any, **named: Any) -> Bundle:
        result = function(bundle, *rest, **named)
        seen[function.__module__] += 1
        lost = faults(bundle, result, function.__module__ in OF_PORTS) if isinstance(result, Bundle) else []
        if lost:
            broken[f"{function.__module__}.{function.__name__} breaks its promises: {lost[0]}"] = None
        return result

    return run


def timed_passes() -> Iterator[tuple[ModuleType, str, Callable[..., Bundle]]]:
    """Every name of a pass in every module of irconv."""
    for found in walk_packages(passes.__path__, "irconv.passes."):
        import_module(found.name)
    for module in [module for name, module in sys.modules.items() if name.startswith("irconv")]:
        for name, value in list(vars(module).items()):
            if getattr(value, "__module__", "").startswith("irconv.passes") and hasattr(value, "__wrapped__"):
                yield module, name, value


def test_every_pass_of_a_conversion_keeps_types_tensors_and_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, broken = Counter[str](), dict[str, None]()
    irconv.convert(MODELS[0][0], tmp_path / "first.keras")  # whatever is imported when it is used is imported now
    for module, name, function in list(timed_passes()):
        monkeypatch.setattr(module, name, checked(function, seen, broken))
    for number, (path, options) in enumerate(MODELS):
        for suffix in (".onnx", ".keras", ".pb"):
            try:
                irconv.convert(path, tmp_path / f"m{number}{suffix}", options)
            except IrconvError:
                continue  # refused by name, after passes that were checked
    assert not broken, "\n".join(broken)
    assert len(seen) > 20, f"only {len(seen)} passes were seen: {', '.join(seen)}"
    assert min(seen[f"irconv.passes.{name}"] for name in ("channels_last", "decompose", "unused")) > len(MODELS) / 2


def test_a_pass_that_loses_a_type_is_named() -> None:
    bundle = Builder(x=("N", 3)).add("y", Linear(), "x", kernel=numbers(4, 3)).build()
    assert bundle.graph is not None

    def run(bundle: Bundle) -> Bundle:
        assert bundle.graph is not None
        return replace(bundle, graph=bundle.graph.model_copy(update={"nodes": ()}))

    broken: dict[str, None] = {}
    run.__module__ = remove_identity.__name__
    checked(run, Counter(), broken)(bundle)
    assert list(broken) == ["irconv.passes.remove_identity.run breaks its promises: y has no type: no node makes it"]
