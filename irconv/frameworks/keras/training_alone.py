"""What training needs of a Keras model, inference does not, and the IR has no word for: named, so that no target loses
it in silence.

Regularisers add to the loss, and constraints hold weights to a set: both are named. Initialisers are not: the values
that they made are in the file, or were trained away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irconv.frameworks.keras.training_settings import TRAINING_ALONE
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.manifest import TRAINING, Fact

_DROPPING = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention", "Embedding")
"""Layers with a dropout inside; that of an Embedding is Keras 1's."""
_WRAPPED = ("layer", "backward_layer", "cell", "cells")
_SILENT = ("seed", "data_format", "value_range")
_OF_WEIGHTS = ("_regularizer", "_constraint")
_DEEPEST = 8
_MOST = 3
"""So many layers with the same regularisers are named."""


def training_facts(layers: Mapping[str, Layer]) -> list[Fact]:
    """One fact for each layer with a meaning in training that the IR has no word for; one for all layers whose
    regularisers and constraints are alike."""
    found: dict[str, Fact] = {}
    for layer in layers.values():
        origin = layer.origin
        if origin is None or origin.name in found:
            continue
        said = ", ".join(f"{key}={value!r}" for key, value in of_training(origin.type, origin.config, layer))
        if said:
            what = f"{origin.name}: {origin.type}({said})"
            found[origin.name] = Fact(name=TRAINING, value=what, evidence="of training alone")
    return [*found.values(), *_of_weights(layers)]


def _of_weights(layers: Mapping[str, Layer]) -> Iterator[Fact]:
    """What is added to the loss for weights and results, and to what weights are held."""
    alike: dict[str, dict[str, None]] = {}
    for layer in layers.values():
        if layer.origin is not None and (said := ", ".join(regularised(layer.origin.config))):
            alike.setdefault(said, {})[layer.origin.name] = None
    for said, names in alike.items():
        listed = ", ".join(list(names)[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
        yield Fact(name=TRAINING, value=f"{listed}: {said}", evidence="of training alone")


def regularised(config: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The regularisers and constraints of a layer, and of the layer that it wraps."""
    for key, value in config.items():
        if key.endswith(_OF_WEIGHTS) and value and (words := _words(value)):
            yield f"{key}={words}"
    for place, _, inner in _wrapped(config) if depth < _DEEPEST else ():
        yield from (f"{place}.{said}" for said in regularised(inner, depth + 1))


def _wrapped(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Where a layer stands in the one that wraps it, its class and its settings."""
    for place in _WRAPPED:
        inner = config.get(place)
        several = isinstance(inner, list)
        for at, one in enumerate(inner if isinstance(inner, list) else (inner,)):
            if isinstance(one, Mapping) and isinstance(one.get("config"), Mapping):
                yield f"{place}[{at}]" if several else place, str(one.get("class_name")), one["config"]


def _words(value: Any) -> str:
    """A regulariser or constraint as Python would make it; empty for one that does nothing."""
    if not isinstance(value, Mapping):
        return str(value)
    settings = value.get("config")
    kind, numbers = value.get("class_name"), dict(settings) if isinstance(settings, Mapping) else {}
    if numbers and set(numbers) <= {"l1", "l2"}:
        numbers = {key: number for key, number in numbers.items() if number}
        if not numbers:
            return ""
        kind = "".join(numbers).upper() if kind == "L1L2" else kind
    listed = ", ".join(
        f"{key}={number:.7g}" if isinstance(number, float) else f"{key}={number!r}"
        for key, number in numbers.items()
        if key != "name"
    )
    return f"{kind}({listed})"


def of_training(kind: str, config: Mapping[str, Any], layer: Layer | None, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The settings that count, but for those that an IR layer says, which is the `layer` itself outside of wrappers."""
    names: tuple[str, ...] = ()
    if kind in TRAINING_ALONE and (layer is None or isinstance(layer, Identity)):
        names = tuple(name for name in TRAINING_ALONE[kind].split() if name not in _SILENT)
    elif kind in _DROPPING:
        names = ("dropout",)
    elif kind == "RandomCrop":  # cuts where it likes in training
        names = ("height", "width")
    names += ("lora_rank", "renorm")  # the pieces are in the kernel; training would go on with them
    yield from ((name, config[name]) for name in names if config.get(name) not in (None, 0, 0.0, [], {}))
    for place, wrapped, inner in _wrapped(config) if depth < _DEEPEST else ():
        found = of_training(wrapped, inner, layer, depth + 1)
        yield from ((f"{place}.{name}", value) for name, value in found)
