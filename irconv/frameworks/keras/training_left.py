"""What training alone did in layers of Keras', and the layers that are written for them do not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.outlined import Outline, Outlined
from irconv.frameworks.keras.training import training_settings, trains
from irconv.frameworks.keras.training_alone import of_training, regularised
from irconv.ir.layers.base import Layer
from irconv.ir.manifest import TRAINING, Fact


def left_out(layers: Mapping[str, Layer], model: Outline, dialect: Dialect) -> tuple[Fact, ...]:
    """One fact for each layer of Keras' that trained otherwise than the layers that are written for it."""
    written: dict[str, set[str]] = {}
    for layer in _every(model):
        if layer.origin is not None:
            config = {**training_settings(layer, dialect), **layer.config}
            written.setdefault(layer.origin.name, set()).update(_everything(layer.kind, config))
    found: dict[str, Fact] = {}
    for one in layers.values():
        origin = one.origin
        if origin is None or origin.framework != "keras" or origin.name in found:
            continue
        there = {_bare(said) for said in written.get(origin.name, ())}
        left = [said for said in _everything(origin.type, origin.config, one) if _bare(said) not in there]
        if left:
            what = f"{origin.name}: {origin.type}({', '.join(left)})"
            found[origin.name] = Fact(name=TRAINING, value=what, evidence="of training alone")
    return (*found.values(), *_partly(model))


def _partly(model: Outline) -> Iterator[Fact]:
    """The weights that do not train in layers that do: Keras freezes whole layers."""
    for layer in _every(model):
        held = [name for name, weight in layer.weights.items() if weight.trainable is False]
        if held and trains(layer):
            where = layer.origin.name if layer.origin is not None else layer.name
            what = f"{where}: trainable=False of {', '.join(held)} alone"
            yield Fact(name=TRAINING, value=what, evidence="of training alone")


def _every(model: Outline) -> Iterator[Outlined]:
    """The layers of a model, and of the models in it."""
    for layer in model.layers:
        yield from _every(layer.model) if layer.model is not None else (layer,)


def _everything(kind: str, config: Mapping[str, Any], layer: Layer | None = None) -> list[str]:
    """All that a layer says of training and the IR has no word for; without the `layer`, as it is written."""
    said = [f"{key}={value!r}" for key, value in of_training(kind, config, layer)]
    return list(dict.fromkeys((*said, *regularised(config))))


def _bare(said: str) -> str:
    """A setting without the wrappers that it stands in."""
    name, _, value = said.partition("=")
    return f"{name.rpartition('.')[2]}={value}"
