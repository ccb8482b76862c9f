"""Many spellings become one: Keras models of all versions and classes as one list of native layers and uses.

`models` reads their structure; what single layers become is in `composites` (several native layers, or one) and
`spelling` (their settings).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from irconv.codec import NativeModel, NativeWeight
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.keras import placing
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Value
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.variables import MODELS, layers_of, segment, shown
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin


def normalise(
    config: Mapping[str, Any], tensors: Mapping[str, NativeWeight], facts: Facts, apart: frozenset[str] = frozenset()
) -> NativeModel:
    """The model as one list of layers and uses; `tensors` by layer and local name, such as ``conv/kernel``.

    A layer may be called as a part of another is here, ``dense.activation`` beside ``dense``: those `apart` are called
    otherwise. Raises one error naming every layer whose structure irconv does not read.
    """
    kind, body = str(config.get("class_name")), config["config"]
    builder = Builder(facts, placing.place, apart)
    body = body if isinstance(body, Mapping) else {"layers": body}
    origin = Origin(framework="keras", type=kind, name=str(body.get("name", "")), config={}, split_from=None)
    model = KerasLayer(kind, "", dict(body), tensors, (KerasCall(0, ()),), origin)
    outputs = builder.add(model)[0]
    if (mixed := builder.mixed()) and not apart:
        return normalise(config, tensors, facts, mixed)
    if not outputs:
        builder.problems.add(str(facts.path), "names no outputs, so that nothing is computed", kind=DamagedFile)
    _all_taken(builder, layers_of(body), tensors)
    builder.problems.raise_any()
    return NativeModel(
        builder.layers,
        tuple(builder.uses),
        tuple(builder.inputs.values()),
        _ports(outputs),
        builder.where,
        tuple(builder.omitted),
    )


def check_model(config: Mapping[str, Any], path: str) -> None:
    """Raise `Refused` for a model whose file says its class alone, and no graph."""
    kind = str(config.get("class_name"))
    if kind not in MODELS:
        what = f"expected a graph of layers ({', '.join(MODELS)}), but the file names the model's class alone: {kind}"
        remedy = "In Keras, save keras.Model(m.inputs, m.outputs) in the place of the model m."
        raise Refused(path, what, remedy)


def _all_taken(builder: Builder, layers: list[Any], tensors: Mapping[str, NativeWeight]) -> None:
    """Note a problem for the weights of layers that the model does not have."""
    names = {segment(str(entry.get("name") or entry["config"]["name"])) for entry in layers}
    for name in sorted(map(shown, {path.split("/")[0] for path in tensors} - names)):
        what = "expected a layer of this name in the model, but it has none"
        builder.problems.add(f"{builder.facts.path}: weights of {name}", what)


def _ports(outputs: tuple[Value, ...]) -> tuple[Port, ...]:
    """The outputs, named by their layers, with a number where the name is taken: the names that tf.keras gives them."""
    ports: dict[str, Port] = {}
    again = Counter[str]()
    for value in outputs:
        name = unique = value.split("#")[0].split(":")[0]
        while unique in ports:
            again[name] += 1
            unique = f"{name}_{again[name]}"
        ports[unique] = Port(name=unique, value=value, dtype="", shape=(), axes="", source_axes="")
    return tuple(ports.values())
