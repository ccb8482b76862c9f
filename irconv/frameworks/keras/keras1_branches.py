"""A Sequential model of Keras 1 that begins with a Merge of other models, as a Functional one.

Its file has the branches inside the Merge, and the weights of all their layers side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.keras.variables import layers_of


def begins_with_branches(entry: Mapping[str, Any]) -> bool:
    """Whether a serialised model is such a Sequential."""
    layers = layers_of(entry.get("config")) if entry.get("class_name") == "Sequential" else []
    first = layers[0].get("config") if layers and layers[0].get("class_name") == "Merge" else None
    return isinstance(first, Mapping) and bool(first.get("layers"))


def as_functional(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same model with one input for each branch, in their order. Raises `Refused`."""
    graph = _Graph(where)
    output = graph.chain(layers_of(entry["config"]))
    config = {"name": entry.get("name", ""), "layers": list(graph.layers.values())}
    ends = {"input_layers": [[name, 0, 0] for name in graph.inputs], "output_layers": [output]}
    return {**entry, "class_name": "Model", "config": {**config, **ends}}


@dataclass
class _Graph:
    """Layers by name, each with the node that calls it."""

    where: str
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)

    def chain(self, listed: list[Any]) -> list[Any]:
        """Add layers that follow each other, the first of which says its input or merges others; the last result."""
        first, *rest = listed
        said = first["config"]
        if first.get("class_name") == "Merge" and said.get("layers"):
            last = self._add(first, [self._branch(branch) for branch in said["layers"]])
        elif first.get("class_name") == "InputLayer":
            last = self._input(said, said["name"])
        elif isinstance(said, Mapping) and said.get("batch_input_shape"):
            last = self._add(first, [self._input(said, f"{said['name']}_input")])
        else:
            raise Refused(self.where, "merges a branch that does not say the shape of its input")
        for entry in rest:
            last = self._add(entry, [last])
        return last

    def _branch(self, entry: Mapping[str, Any]) -> list[Any]:
        kind, config = entry.get("class_name"), entry["config"]
        if kind == "Sequential":
            return self.chain(layers_of(config))
        if kind != "Model":
            return self.chain([entry])
        if len(config["output_layers"]) != 1:
            raise Refused(self.where, "merges a model with several outputs, which Keras does not build")
        for inner in config["layers"]:
            self.layers.setdefault(str(inner["name"]), inner)
        self.inputs += [name for name, *_ in config["input_layers"] if name not in self.inputs]
        return list(config["output_layers"][0])

    def _input(self, said: Mapping[str, Any], name: str) -> list[Any]:
        if name not in self.inputs:
            self.inputs.append(name)
            dtype = said.get("input_dtype") or "float32"
            config = {"name": name, "batch_input_shape": said["batch_input_shape"], "input_dtype": dtype}
            self.layers[name] = {"class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []}
        return [name, 0, 0]

    def _add(self, entry: Mapping[str, Any], inputs: list[list[Any]]) -> list[Any]:
        """Add a layer once; of a branch that stands twice the second is the first."""
        config = entry["config"]
        if not isinstance(config, Mapping):
            what = "has a Sequential model without a name behind merged branches, which irconv does not read"
            raise Refused(self.where, what, "Add its layers one by one and save the model again.")
        name = str(config["name"])
        node = [list(call) for call in inputs]
        plain = {key: value for key, value in config.items() if key != "layers"}
        made = {"class_name": entry.get("class_name"), "name": name, "config": plain, "inbound_nodes": [node]}
        if self.layers.setdefault(name, made) != made:
            raise Refused(self.where, f"has two layers with the name {name}")
        return [name, 0, 0]
