"""How the layers of a Functional model are called: ``inbound_nodes`` of Keras 2 and of Keras 3 as one list of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from irconv.errors import Problems

Source: TypeAlias = tuple[str, int, int]
"""A layer, which of its calls, and which of that call's outputs."""


@dataclass(frozen=True)
class Call:
    """One call of a layer: what it is called on, in order; a number stands for itself."""

    arguments: tuple[Source | float, ...]

    @property
    def sources(self) -> list[Source]:
        """The calls it depends on."""
        return [argument for argument in self.arguments if isinstance(argument, tuple)]


def read_calls(entry: Mapping[str, Any], where: str, problems: Problems) -> list[Call]:
    """The calls of a layer. An InputLayer has one, on nothing.

    Notes a problem for arguments that irconv does not read: masks, initial states, settings given in the call.
    """
    calls = []
    for node in entry["inbound_nodes"]:
        if isinstance(node, Mapping):
            calls.append(_keras3(node, where, problems))
        else:
            calls.append(_keras2(node, where, problems))
    return calls or [Call(())]


def _keras2(node: Any, where: str, problems: Problems) -> Call:
    """``[["a", 0, 0, {}], ...]``: layer, call, output, keywords."""
    sources: list[Source | float] = []
    for name, index, output, *keywords in node:
        _without_effect(keywords[0] if keywords else {}, where, problems)
        sources.append((name, index, output))
    return Call(tuple(sources))


def _keras3(node: Mapping[str, Any], where: str, problems: Problems) -> Call:
    """``{"args": [...], "kwargs": {...}}`` with tensors as ``{"class_name": "__keras_tensor__", ...}``."""
    _without_effect(node["kwargs"], where, problems)
    arguments: list[Source | float] = []
    listed = [part for value in node["args"] for part in (value if isinstance(value, list) else [value])]
    for value in listed:
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            name, index, output = value["config"]["keras_history"]
            arguments.append((name, index, output))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            arguments.append(float(value))
        else:
            problems.add(where, f"is called on {value!r}, which irconv does not read")
    return Call(tuple(arguments))


def _without_effect(keywords: Mapping[str, Any], where: str, problems: Problems) -> None:
    """Arguments by name that say no more than inference does anyway: None, and ``training=False``."""
    given = {name: value for name, value in keywords.items() if value is not None}
    if given.get("training") is False:
        del given["training"]
    if given:
        problems.add(where, f"is called with the arguments {given}, which irconv does not read")
