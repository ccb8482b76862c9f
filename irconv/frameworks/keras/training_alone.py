"""What training needs of a Keras model, inference does not, and the IR has no word for: named, so that no target loses
it in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irconv.frameworks.keras.training_settings import TRAINING_ALONE
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.manifest import TRAINING, Fact

_ATTENTION = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention")
_WRAPPED = ("layer", "backward_layer")
_SILENT = ("seed", "data_format", "value_range")


def training_facts(layers: Mapping[str, Layer]) -> list[Fact]:
    """One fact for each layer with a meaning in training that the IR has no word for."""
    found: dict[str, Fact] = {}
    for layer in layers.values():
        origin = layer.origin
        if origin is None or origin.name in found:
            continue
        said = ", ".join(f"{key}={value!r}" for key, value in _of_training(origin.type, origin.config, layer))
        if said:
            what = f"{origin.name}: {origin.type}({said})"
            found[origin.name] = Fact(name=TRAINING, value=what, evidence="of training alone")
    return list(found.values())


def _of_training(kind: str, config: Mapping[str, Any], layer: Layer | None) -> Iterator[tuple[str, Any]]:
    """The settings that count, but for those that an IR layer says, which is the `layer` itself outside of wrappers."""
    names: tuple[str, ...] = ()
    if kind in TRAINING_ALONE and isinstance(layer, Identity):
        names = tuple(name for name in TRAINING_ALONE[kind].split() if name not in _SILENT)
    elif kind in _ATTENTION:
        names = ("dropout",)
    yield from ((name, config[name]) for name in names if config.get(name) not in (None, 0, 0.0, [], {}))
    for place in _WRAPPED:
        inner = config.get(place)
        if isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
            found = _of_training(str(inner.get("class_name")), inner["config"], layer)
            yield from ((f"{place}.{name}", value) for name, value in found)
