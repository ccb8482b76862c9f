"""Modules that differ in nothing but settings are of one class; the settings that differ become its arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.torch.hierarchy import Hierarchy, Module, Path
from irconv.frameworks.torch.names import classes as class_words
from irconv.frameworks.torch.spelling import is_kept
from irconv.ir.graph import Port

_SIZES = re.compile("channels|features|(input|hidden|proj)_size|_dim|shape|groups|embeddings|parameters")
"""Settings that name one size of a network, and are one argument where they have one value everywhere."""


@dataclass
class ModuleClass:
    """A class: its instances in the order of the network, and what differs between them."""

    name: str
    instances: list[Module]
    arguments: dict[str, list[Any]] = field(default_factory=dict)
    """Argument -> what each instance gives for it."""
    varying: dict[tuple[Path, str], str] = field(default_factory=dict)
    """(Place within the class, setting) -> the argument that gives it."""

    def given(self, module: Module) -> dict[str, Any]:
        """What an instance gives for the arguments."""
        index = next(i for i, other in enumerate(self.instances) if other is module)
        return {argument: values[index] for argument, values in self.arguments.items()}


class Classes:
    """The classes of a hierarchy, those that others use before them."""

    def __init__(self, tree: Hierarchy, root_name: str) -> None:
        self.tree = tree
        self._signatures: dict[Any, int] = {}
        self.number_of: dict[int, int] = {}
        """Module (by identity) -> the number of its class."""
        grouped: dict[int, list[Module]] = {}
        for module in _inner_first(tree.root):
            if module.kind in ("function", "holder"):
                number = self._signatures.setdefault(self._signature(module), len(self._signatures))
                self.number_of[id(module)] = number
        for module in tree.root.modules():
            if id(module) in self.number_of:
                grouped.setdefault(self.number_of[id(module)], []).append(module)
        taken = {root_name}
        self.all: dict[int, ModuleClass] = {}
        for number in sorted(grouped):  # a class has a larger number than those that it uses
            instances = grouped[number]
            name = root_name if instances[0] is tree.root else _class_name(instances, taken)
            self.all[number] = ModuleClass(name, instances)
            self._arguments(self.all[number])

    def of(self, module: Module) -> ModuleClass:
        """The class of a function or holder."""
        return self.all[self.number_of[id(module)]]

    def entries(self, module: Module, at: Path = ()) -> Iterator[tuple[Path, Native, Module | None]]:
        """What the constructor makes, by its place: layers with their settings, and instances of other classes, whose
        settings are their arguments; chains and lists are looked into."""
        for name, child in module.children.items():
            place = (*at, name)
            if isinstance(child, str):
                yield place, self.tree.layers[child], None
            elif child.kind in ("function", "holder"):
                yield place, Native("class", child.key, self.of(child).given(child)), child
            else:
                yield from self.entries(child, place)
        for name, (layer, slot) in module.tensors.items():
            weight = self.tree.layers[layer].tensors[slot]
            yield (*at, name), Native("tensor", layer, {"shape": tuple(weight.data.shape)}), None

    def _signature(self, module: Module) -> Any:
        """Equal for modules that can be of one class."""
        return module.kind, tuple(self._shape(module, ())), self._calls(module)

    def _shape(self, module: Module, at: Path) -> Iterator[Any]:
        for name, child in module.children.items():
            place = (*at, name)
            if isinstance(child, str):
                layer = self.tree.layers[child]
                settings = tuple(layer.config) if is_kept(layer) else repr(sorted(layer.config.items()))
                yield place, layer.type, settings, tuple((s, w.data.dtype) for s, w in layer.tensors.items())
            elif child.kind in ("function", "holder"):
                yield place, "class", self.number_of[id(child)]
            else:
                yield place, child.kind
                yield from self._shape(child, place)
        for name, (owner, slot) in module.tensors.items():
            native = self.tree.layers[owner]
            weight = native.tensors[slot]
            yield (*at, name), "tensor", native.type == "buffer", weight.trainable, weight.data.dtype, _said(weight)

    def _calls(self, module: Module) -> Any:
        """What its forward does, with every value and module by its place."""
        if module.body is None:
            return None
        here = places(module)
        numbers = {port.value: ("in", i) for i, port in enumerate(module.body.inputs)}
        parts: list[Any] = []
        for i, use in enumerate(module.body.uses):
            layer = self.tree.layers[use.layer]
            own = tuple(
                (slot, here.get(f"{use.layer}.{slot}", ("number", w.data.dtype, _said(w))))
                for slot, w in layer.tensors.items()
                if use.layer not in here
            )
            what = here.get(use.layer) or (layer.type, repr(sorted(layer.config.items())))
            inputs = tuple(numbers.get(value, ("own", value.removeprefix(use.layer))) for value in use.inputs)
            parts.append((what, own, inputs))
            for j, value in enumerate(use.outputs):
                if value:
                    numbers[value] = ("made", i * 100 + j)
        return tuple(parts), tuple(numbers[port.value] for port in module.body.outputs)

    def _arguments(self, found: ModuleClass) -> None:
        """Find out which settings differ; those of one value everywhere are one argument."""
        if len(found.instances) < 2:
            return
        rows = [list(self.entries(module)) for module in found.instances]
        values: dict[str, list[Any]] = {}
        kinds: dict[str, str] = {}
        for index, (place, native, _) in enumerate(rows[0]):
            if not is_kept(native) and native.type not in ("class", "tensor"):
                continue
            for setting in native.config:
                given = [row[index][1].config[setting] for row in rows]
                if all(value == given[0] for value in given):
                    continue
                kind = "size" if _SIZES.search(setting) and not isinstance(given[0], tuple) else setting
                known = next((a for a, v in values.items() if v == given and kinds[a] == kind), None)
                argument = known or _argument(place, setting, values)
                values[argument], kinds[argument] = given, kind
                found.varying[place, setting] = argument
        order = sorted(values, key=lambda argument: kinds[argument] != "size")
        found.arguments = {argument: values[argument] for argument in order}


def places(module: Module, at: Path = ()) -> dict[str, Path]:
    """The place within a module of each layer and called module in it, by layer, and of each tensor, by
    ``<layer>.<slot>``."""
    found: dict[str, Path] = {}
    for name, child in module.children.items():
        if isinstance(child, str):
            found[child] = (*at, name)
        else:
            found[child.key] = (*at, name)
            found |= places(child, (*at, name))
    for name, (layer, slot) in module.tensors.items():
        found[f"{layer}.{slot}"] = (*at, name)
    for (layer, slot), rest in module.again.items():
        found[f"{layer}.{slot}"] = (*at, *rest)
    return found


def _inner_first(module: Module) -> Iterator[Module]:
    for child in module.children.values():
        if isinstance(child, Module):
            yield from _inner_first(child)
    yield module


def _said(weight: NativeWeight) -> str:
    """The numbers that are written out."""
    return str(weight.data.numpy().tolist()) if weight.literal else ""


def _argument(place: Path, setting: str, taken: Mapping[str, Any]) -> str:
    if setting not in taken:
        return setting
    words = (re.sub(r"\W", "_", part) for part in place[-2:] if not part.isdigit())
    base = "_".join([*words, setting])
    base = argument = base if base.isidentifier() else f"_{base}"
    number = 1
    while argument in taken:
        number += 1
        argument = f"{base}_{number}"
    return argument


def _class_name(instances: Sequence[Module], taken: set[str]) -> str:
    """What the places of the instances are called: their last word, or the last one that all of them have."""
    paths = [[word for part in m.path for word in re.split(r"\W|_|\d", part) if word] for m in instances]
    lasts = [[w for w in re.split(r"\W|_|\d", _last_word(m.path)) if w] for m in instances]
    shared = lasts[0] if all(last == lasts[0] for last in lasts) else []
    shared = shared or [word for word in paths[0] if all(word in path for path in paths)][-1:]
    words = shared or ["Block"]
    if words == ["self"]:  # an attention's, in BERT
        words = [*paths[0][-2:-1], "self"]
    if _last_is_number(instances[0].path):
        words = [*words[:-1], _singular(words[-1])]
    base = "".join(word[:1].upper() + word[1:] for word in words)
    base = base if base.lower() not in ("layer", "stage", "group") else f"{base}Block"
    base = class_words().identifier(base)
    base = name = f"{base[:-1]}Block" if base.endswith("_") else base
    number = 1
    while name in taken:
        number += 1
        name = f"{base}{number}"
    taken.add(name)
    return name


def _last_word(path: Path) -> str:
    return next((part for part in reversed(path) if not part.isdigit()), "")


def _last_is_number(path: Path) -> bool:
    return path[-1].isdigit()


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def local_body(module: Module, tree: Hierarchy) -> tuple[NativeModel, dict[str, Native]]:
    """The forward of a module with values called after what makes them, whatever they are called in the network."""
    assert module.body is not None, "only functions have one"
    here = places(module)
    renamed = {port.value: port.value for port in module.body.inputs}
    uses: list[NativeUse] = []
    for number, use in enumerate(module.body.uses):
        place = here.get(use.layer)
        kind = re.split(r"[._ ]", tree.layers[use.layer].type)[-1].lower()
        base = next((part for part in reversed(place or ()) if not part.isdigit()), kind)
        for i, value in enumerate(use.outputs):
            if value:
                renamed[value] = f"{base}.{number}.{i} {value}"
        uses.append(
            NativeUse(
                use.layer,
                tuple(renamed.get(value, value) for value in use.inputs),
                tuple(renamed[value] if value else "" for value in use.outputs),
                use.scope,
            )
        )
    outputs = tuple(Port(**{**port.model_dump(), "value": renamed[port.value]}) for port in module.body.outputs)
    return NativeModel({}, tuple(uses), module.body.inputs, outputs), dict(tree.layers)
