"""How the layers of a Functional model are called: ``inbound_nodes`` of every version as one list of calls.

Keras 1 and 2 write ``[["a", 0, 0, {}], ...]``: layer, call, output and, from Keras 2 on, arguments by name. tf.keras
2.4 keeps the structure of an operator's first argument (``["a", 0, 0, {}]`` alone, lists in lists) and puts tensors
among the arguments by name. Keras 3 writes ``{"args": [...], "kwargs": {...}}``, tensors as ``__keras_tensor__``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from irconv.data_classes import dataclass


class Reference(NamedTuple):
    """An output of a call of a layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One call of a layer: arguments as plain data (lists, mappings) with references in the place of tensors."""

    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def references(self) -> list[Reference]:
        """The outputs it depends on."""
        return [leaf for leaf in leaves((self.arguments, self.keywords)) if isinstance(leaf, Reference)]


def leaves(value: Any) -> list[Any]:
    """What nested lists and mappings hold, in order; a mapping's by its sorted keys, as Keras flattens it."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    if isinstance(value, list | tuple) and not isinstance(value, Reference):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def read_calls(entry: Mapping[str, Any], known: Collection[str]) -> list[Call]:
    """The calls of a layer among the layers `known`. An InputLayer has one, on nothing."""
    return [_call(node, known) for node in entry.get("inbound_nodes", [])] or [Call()]


def references(listed: Any) -> list[Reference]:
    """Inputs or outputs of a model: ``["a", 0, 0]`` where there is one, lists or mappings of these for several."""
    return leaves(_references(listed))


def _references(listed: Any) -> Any:
    if isinstance(listed, Mapping):
        return {key: _references(value) for key, value in listed.items()}
    return Reference(*listed[:3]) if _is_entry(listed) else [_references(value) for value in _listed(listed)]


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of calls or of references, got {value!r:.80}")
    return list(value)


def _call(node: Any, known: Collection[str]) -> Call:
    if isinstance(node, Mapping) and {"args", "kwargs"} <= set(node):
        keywords = _effective(_plain(node["kwargs"], ()))
        keywords.pop("training", None)  # Keras 3: what the whole model is called with takes its place
        return Call(tuple(_plain(value, ()) for value in node["args"]), keywords)
    listed: dict[str, Any] = {}
    argument = _first_argument(node, listed)
    return Call((argument,), _effective({key: _plain(value, known) for key, value in listed.items()}))


def _first_argument(node: Any, keywords: dict[str, Any]) -> Any:
    if isinstance(node, Mapping):
        return {key: _first_argument(value, keywords) for key, value in node.items()}
    if not _is_entry(node):
        return [_first_argument(value, keywords) for value in _listed(node)]
    if len(node) > 3:
        keywords |= node[3]
    return _plain(node[2], ()) if node[0] == "_CONSTANT_VALUE" else Reference(node[0], node[1], node[2])


def _is_entry(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _plain(value: Any, known: Collection[str]) -> Any:
    """Serialised arguments as plain data; lists that name a known layer are references."""
    if isinstance(value, list):
        if _is_entry(value) and len(value) == 3 and value[0] in known and isinstance(value[2], int):
            return Reference(*value)
        return [_plain(part, known) for part in value]
    if not isinstance(value, Mapping):
        return value
    match value.get("class_name"):
        case "__keras_tensor__":
            return Reference(*value["config"]["keras_history"])
        case "__slice__":
            return dict(value["config"])
        case "__ellipsis__":
            return "..."
        case "__tuple__":
            return [_plain(part, known) for part in value.get("items", value.get("config", []))]
        case "__numpy__" | "__tensor__":
            return value["config"]["value"]
    return {key: _plain(part, known) for key, part in value.items()}


def _effective(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name without those that say no more than inference does anyway: None, and ``training=False``."""
    given = {name: value for name, value in keywords.items() if value is not None}
    if given.get("training") is False:
        del given["training"]
    return given
