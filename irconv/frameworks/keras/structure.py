"""How a Keras model is put together of models: kept as a fact of the bundle, because its graph is flat.

The fact ``model`` is JSON: the class and name of the model; of one inside it also its inputs, its outputs, and how
often it calls a layer that it calls more than once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.variables import MODELS, layers_of
from irconv.ir.manifest import Fact, SourceRecord

_MODEL, _TRAINING = "model", "training"


def facts(config: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The facts that the way back to Keras starts from: the structure, and what the model was compiled with."""
    structure = json.dumps(_structure(config, inner=False), sort_keys=True)
    found = [Fact(name=_MODEL, value=structure, evidence="the file's model")]
    if settings:
        found.append(Fact(name=_TRAINING, value=json.dumps(settings, sort_keys=True), evidence="the file"))
    return tuple(found)


def structure(source: SourceRecord) -> dict[str, Any]:
    """What a bundle keeps of the structure; empty for one that does not come from Keras."""
    return _kept(source, _MODEL)


def training(source: SourceRecord) -> dict[str, Any]:
    """What the model was compiled with; empty where nobody knows."""
    return _kept(source, _TRAINING)


def _kept(source: SourceRecord, name: str) -> dict[str, Any]:
    texts = [fact.value for fact in source.facts if fact.name == name and source.framework == "keras"]
    try:
        found = json.loads(texts[0]) if texts else {}
    except (ValueError, RecursionError):  # a fact of a bundle is any text
        return {}
    return found if isinstance(found, dict) else {}


def _structure(entry: Mapping[str, Any], inner: bool) -> dict[str, Any]:
    kind, config = entry["class_name"], entry["config"]
    body: Mapping[str, Any] = config if isinstance(config, Mapping) else {"layers": config}
    layers = [layer for layer in layers_of(config) if isinstance(layer, Mapping)]
    models = {_name(layer): _structure(layer, inner=True) for layer in layers if layer.get("class_name") in MODELS}
    found: dict[str, Any] = {"class": kind, "name": str(entry.get("name") or body.get("name") or "")}
    if models:
        found["models"] = models
    if inner and kind != "Sequential":
        calls = {_name(layer): len(layer.get("inbound_nodes") or ()) for layer in layers}
        found["calls"] = {name: count for name, count in calls.items() if count > 1}
        found["inputs"] = [_name(layer) for layer in layers if layer.get("class_name") == "InputLayer"]
        found["outputs"] = body.get("output_layers")
    return found


def _name(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    named = config.get("name", "") if isinstance(config, Mapping) else ""
    return str(entry.get("name") or named)
