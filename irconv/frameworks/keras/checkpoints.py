"""Weights of a Keras model in TensorFlow's format, ``model.save_weights("ckpt")``: by their place among the objects.

A checkpoint names each variable by the way to it (``layer_with_weights-2/kernel``): the layers with weights are counted
in the order of the model's layers, sublayers stand under their attributes. Its graph of objects says which variables
are slots of an optimizer; what else is kept beside the model (a step) is no weight of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from irconv.codec import NativeWeight
from irconv.containers import checkpoint_files
from irconv.containers.checkpoint_files import OBJECTS
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, MissingFact, Problems, Refused
from irconv.frameworks.keras.variables import MODELS, Child, Tree
from irconv.ir.manifest import Omitted
from irconv.ir.tensors import LazyTensor

if TYPE_CHECKING:  # only to read: every file is asked whether it is one
    from irconv.containers.graph_def import ObjectGraph

_VALUE = "VARIABLE_VALUE"
_WEIGHTED, _LAYER = re.compile(r"layer_with_weights-(\d+)\Z"), re.compile(r"layer-(\d+)\Z")
_DEEPEST = 100


@dataclass(frozen=True)
class Placed:
    """The objects of a checkpoint, and which of them is the model."""

    where: str
    graph: ObjectGraph
    tensors: Mapping[str, LazyTensor]
    model: int
    way: str
    """The way to the model from the root; empty where it is the root."""
    files: tuple[Path, ...]

    def weight(self, number: int) -> NativeWeight | None:
        """The variable that an object is; None for any other object."""
        key = self.graph.nodes[number].keys.get(_VALUE, "")
        return NativeWeight(key, self.tensors[key]) if key in self.tensors else None

    def weights(self) -> dict[str, dict[str, NativeWeight]]:
        """Place of a layer -> the names that its variables have -> each of them, for a model that is not known."""
        layers = {name: dict(self._below(number, "", 0)) for name, number in self._layers(self.model, "", 0)}
        scopes = {place: {name.split("/")[0] for name in named} for place, named in layers.items()}
        alone = {place: min(found) for place, found in scopes.items() if len(found) == 1}
        count = Counter(alone.values())
        clear = {place: scope for place, scope in alone.items() if count[scope] == 1}
        return {clear.get(place, place): named for place, named in layers.items() if named}

    def omitted(self, taken: set[str]) -> list[Omitted]:
        """Every variable that is no weight of the model, and why. Raises `DamagedFile` for a weight left over."""
        slots = {self.graph.nodes[kept].keys.get(_VALUE) for node in self.graph.nodes for _, _, kept in node.slots}
        inside = {weight.path for _, weight in self._below(self.model, "", 0)}
        problems = Problems()
        found: list[Omitted] = []
        for key in self.tensors:
            if key in taken:
                continue
            if key in slots or "/.OPTIMIZER_SLOT/" in key:
                found.append(Omitted(name=key, reason="optimizer state"))
            elif key in inside and "optimizer" not in key.split("/"):
                problems.add(f"{self.where}: {key}", "expected every variable to belong to a layer, but none has it")
            else:
                state = "optimizer" in key.split("/") or "keras_api" in key.split("/")
                found.append(Omitted(name=key, reason="optimizer state" if state else "no weight of the model"))
        problems.raise_any()
        return found

    def _layers(self, number: int, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
        """The layers of a model and of the models in it, by place."""
        numbered = _numbered(self.graph, number)
        if not numbered or depth > _DEEPEST:
            yield prefix or "model", number
            return
        for name, child in numbered.items():
            yield from self._layers(child, f"{prefix}/{name}".lstrip("/"), depth + 1)

    def _below(self, number: int, name: str, depth: int) -> Iterator[tuple[str, NativeWeight]]:
        """Every variable below an object by its own name, ``conv2d/kernel:0``, or by its place where it has none."""
        seen: set[int] = set()
        waiting = [(number, name)]
        while waiting:
            at, way = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            node = self.graph.nodes[at]
            if (weight := self.weight(at)) is not None:
                yield f"{node.full_names.get(_VALUE) or way}:0", weight
            inner = [(child, f"{way}/{key}".lstrip("/")) for key, child in node.children.items() if key != "optimizer"]
            waiting += reversed(inner)

    def of(self, tree: Tree, problems: Problems) -> dict[str, NativeWeight]:
        """The weights of a model that is known, by layer and local name."""
        found: dict[str, NativeWeight] = {}
        self._model(tree, self.model, "", True, problems, found)
        return found

    def _model(
        self, tree: Tree, number: int, prefix: str, trained: bool, problems: Problems, found: dict[str, NativeWeight]
    ) -> None:
        """The layers that have variables, in order: the first is ``layer_with_weights-0``."""
        numbered = list(_numbered(self.graph, number, _WEIGHTED).values())
        layers = [child for child in tree.children if child.tree.variables()]
        if len(layers) != len(numbered):
            # a layer whose variables irconv does not know: its place among all layers tells
            every = list(_numbered(self.graph, number, _LAYER).values())
            listed = [c for c in tree.children if tree.kind != "Sequential" or c.tree.kind != "InputLayer"]
            placed = [(child, place in numbered) for child, place in zip(listed, every, strict=False)]
            if len(listed) == len(every) and all(weighted or not c.tree.variables() for c, weighted in placed):
                layers = [child for child, weighted in placed if weighted]
        if len(layers) != len(numbered):
            names = ", ".join(child.tree.name for child in layers)
            what = f"expected {len(layers)} layers with weights ({names}), but the checkpoint has {len(numbered)}"
            problems.add(f"{self.where}: {self.way or 'model'}", what, "Give the model of these weights with --arch.")
            problems.raise_any()  # nothing else that could be said of other weights would help
        for child, place in zip(layers, numbered, strict=True):
            inside = trained and tree.trainable and child.tree.trainable
            if child.tree.kind in MODELS:
                self._model(child.tree, place, f"{prefix}{child.path}/", inside, problems, found)
            else:
                with problems.collect():
                    found |= self._layer(child, place, f"{prefix}{child.path}/", inside)

    def _layer(self, child: Child, place: int, prefix: str, trained: bool) -> dict[str, NativeWeight]:
        if not child.tree.known:
            named = {name.rpartition("/")[2].removesuffix(":0"): w for name, w in self._below(place, "", 0)}
            return {prefix + name: weight for name, weight in named.items()}
        found: dict[str, NativeWeight] = {}
        for variable in child.tree.variables():
            weight = self._at(place, variable.path.split("/"))
            if weight is None:
                where = f"{self.where}: layer {child.tree.name} ({child.tree.kind})"
                raise Refused(where, f"expected the variable {variable.path}, which the checkpoint does not have there")
            found[prefix + variable.path] = replace(weight, trainable=trained and variable.trainable)
        return found

    def _at(self, number: int, way: list[str]) -> NativeWeight | None:
        """The variable at the end of a way of attributes; some have an underscore in front in some versions."""
        for name in way:
            children = self.graph.nodes[number].children
            step = next((children[key] for key in (name, f"_{name}") if key in children), None)
            if step is None:
                return None
            number = step
        return self.weight(number)


def _numbered(graph: ObjectGraph, number: int, pattern: re.Pattern[str] = _WEIGHTED) -> dict[str, int]:
    """The layers of a model that have weights, or all of them, in order; empty for any other object."""
    children = graph.nodes[number].children.items()
    found = [(int(match[1]), name, child) for name, child in children if (match := pattern.match(name))]
    return {name: child for _, name, child in sorted(found)}


def read(path: Path) -> Placed:
    """The objects of a checkpoint. Raises `DamagedFile`, and `MissingFact` where it keeps several models."""
    files = checkpoint_files.find(path)
    if files is None:
        raise DamagedFile(str(path), "expected a checkpoint of a Keras model")
    checkpoint = files.read()
    where = str(files.prefix)
    from irconv.containers.graph_def_read import read_objects  # only to read: every file is asked whether it is one

    graph = read_objects(checkpoint.strings[OBJECTS].values[0], f"{where}: {OBJECTS}")
    models = _models(graph)
    if len(models) != 1:
        names = ", ".join(way or "the whole" for way in models.values())
        what = f"keeps {len(models)} Keras models: {names}"
        raise MissingFact(where, what, "Save the weights of each into a checkpoint of its own.")
    ((model, way),) = models.items()
    return Placed(where, graph, checkpoint.tensors, model, way, checkpoint.files)


def _models(graph: ObjectGraph) -> dict[int, str]:
    """The outermost objects that number layers, with the way to each."""
    found: dict[int, str] = {}
    seen = {0}
    waiting = [(0, "")] if graph.nodes else []
    while waiting:
        number, way = waiting.pop(0)
        if _numbered(graph, number):
            found[number] = way
            continue
        for name, child in graph.nodes[number].children.items():
            if child not in seen:
                seen.add(child)
                waiting.append((child, f"{way}/{name}".lstrip("/")))
    return found
