"""What training needs of a Keras model and inference does not: named, so that no target loses it in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irconv.codec import NativeModel
from irconv.frameworks.keras.training_settings import TRAINING_ALONE
from irconv.ir.manifest import TRAINING, Fact

#: Layer -> its settings that only training uses. A plain Dropout has a layer of its own everywhere.
_DROPPING: Mapping[str, tuple[str, ...]] = {
    "AlphaDropout": ("rate", "noise_shape"),
    "Dropout": ("noise_shape",),
    **{f"SpatialDropout{n}D": ("rate",) for n in (1, 2, 3)},
}
_INSIDE = ("dropout", "recurrent_dropout")
_WRAPPED = ("layer", "backward_layer", "cell")
_SILENT = ("seed", "data_format", "value_range")


def training_facts(model: NativeModel) -> list[Fact]:
    """One fact for each layer with a meaning in training that the IR has no word for."""
    found: dict[str, Fact] = {}
    for layer in model.layers.values():
        origin = layer.origin
        if origin is None or origin.name in found:
            continue
        said = ", ".join(f"{key}={value!r}" for key, value in _of_training(origin.type, origin.config))
        if said:
            what = f"{origin.name}: {origin.type}({said})"
            found[origin.name] = Fact(name=TRAINING, value=what, evidence="of training alone")
    return list(found.values())


def _of_training(kind: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if kind in TRAINING_ALONE:
        names: tuple[str, ...] = tuple(n for n in TRAINING_ALONE[kind].split() if n not in _SILENT)
    else:
        names = _DROPPING.get(kind, _INSIDE)
    yield from ((name, config[name]) for name in names if config.get(name) not in (None, 0, 0.0, [], {}))
    for place in _WRAPPED:
        inner = config.get(place)
        if isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
            found = _of_training(str(inner.get("class_name")), inner["config"])
            yield from ((f"{place}.{name}", value) for name, value in found)
