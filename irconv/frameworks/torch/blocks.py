"""Finds what a person would write as a class of its own: stretches of layers with a common name prefix whose structure
comes again elsewhere (the blocks of a ResNet), and submodels.

Layers of a stretch are those from the first to the last whose name starts with the prefix. Two stretches are blocks of
one class where their layers, wiring and settings are the same but for the settings of submodules: those become
arguments of the class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cache
from typing import Any

from irconv.codec import Native
from irconv.data_classes import dataclass
from irconv.frameworks.torch.literals import Symbolic
from irconv.frameworks.torch.names import WORDS, classes
from irconv.frameworks.torch.spelling import is_kept
from irconv.ir.graph import Port
from irconv.translate import NativeModel, NativeUse

BLOCK = "block"
"""The native type of a use that stands for a whole block."""
_LEAST_MODULES = 2
_LEAST_SAVED = 3


@dataclass(frozen=True)
class Block:
    """One class: its body (values and layers have local names), and how its instances differ."""

    name: str
    body: NativeModel
    arguments: tuple[str, ...]
    varying: Mapping[tuple[str, str], str]
    """(Local layer, setting) -> the argument that gives it."""
    values: Mapping[str, Sequence[Any]]
    """Argument -> what each instance gives for it."""


@dataclass(frozen=True)
class Structure:
    """A model whose blocks are single uses of layers of the type `BLOCK`; `config` has ``class`` and ``arguments``."""

    model: NativeModel
    blocks: tuple[Block, ...]
    members: Mapping[str, Mapping[str, str]]
    """Block instance -> its local layer names -> the layers they are."""


@dataclass(frozen=True)
class _Stretch:
    """Uses from `first` to `last`, as one function of some values."""

    prefix: str
    first: int
    last: int
    uses: tuple[NativeUse, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    local: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Layer -> local name; only stretches that are chosen have them."""
    signature: Any = field(default=None, compare=False)


def structured(model: NativeModel, named: bool = True) -> Structure:
    """The model with its repeated stretches as blocks; as it is where there are none. The classes of blocks are `named`
    as a file may name them, or, for weights alone, by numbers."""
    finder = _Finder(model)
    chosen = finder.chosen()
    groups: dict[Any, list[_Stretch]] = {}
    for stretch in chosen:
        groups.setdefault(stretch.signature, []).append(stretch)
    taken: set[str] = set()
    blocks: list[Block] = []
    layers = dict(model.layers)
    replaced: dict[int, tuple[_Stretch, NativeUse]] = {}
    members: dict[str, Mapping[str, str]] = {}
    for stretches in groups.values():
        places = list({stretch.prefix: stretch for stretch in reversed(stretches)}.values())[::-1]
        block, settings = _block(model, places, _class_name(places, taken) if named else f"Block{len(blocks)}")
        blocks.append(block)
        names = list(places[0].local.values())
        for stretch, given in zip(places, settings, strict=True):
            instance = _free(stretch.prefix, layers, stretch)
            layers[instance] = Native(BLOCK, instance, {"class": block.name, "arguments": given})
            members[instance] = dict(zip(names, stretch.local, strict=True))
            for again in stretches:
                if again.prefix == stretch.prefix:
                    replaced[again.first] = again, NativeUse(instance, again.inputs, again.outputs)
    uses: list[NativeUse] = []
    place = 0
    while place < len(model.uses):
        if place in replaced:
            stretch, use = replaced[place]
            uses.append(use)
            place = stretch.last + 1
        else:
            uses.append(model.uses[place])
            place += 1
    inside = {name for stretch in chosen for name in stretch.local} - {use.layer for use in uses}
    ordered = {use.layer: layers[use.layer] for use in uses} | layers
    ordered = {name: layer for name, layer in ordered.items() if name not in inside}
    return Structure(replace(model, layers=ordered, uses=tuple(uses)), tuple(blocks), members)


class _Finder:
    """Looks for stretches in one model."""

    def __init__(self, model: NativeModel) -> None:
        self.model = model
        self.counts = Counter(use.layer for use in model.uses)
        self.ports = {port.value for port in model.inputs}
        self.makers = {value: i for i, use in enumerate(model.uses) for value in use.outputs}
        self.users: dict[str, list[int]] = {}
        for i, use in enumerate(model.uses):
            for value in filter(None, use.inputs):
                self.users.setdefault(value, []).append(i)
        for port in model.outputs:
            self.users.setdefault(port.value, []).append(len(model.uses))
        self.inner = {use.layer for body in model.bodies.values() for use in all_uses(body)}
        self.kept = {use.layer: is_kept(model.layers[use.layer]) for use in model.uses}
        self.fit = {name: self._is_fit(name) for name in self.kept}
        self.parts = cache(self._part)

    def chosen(self) -> list[_Stretch]:
        """Stretches that do not overlap, those first whose class saves most statements; in the model's order."""
        groups: dict[Any, list[_Stretch]] = {}
        for stretch in self._stretches():
            groups.setdefault(stretch.signature, []).append(stretch)
        groups = {signature: found for signature, found in groups.items() if len(found) > 1}
        taken: set[int] = set()
        chosen: list[_Stretch] = []
        while groups:
            groups = {signature: _apart(found, taken) for signature, found in groups.items()}
            best = max(groups, key=lambda signature: _saved(groups[signature]))
            found = groups.pop(best)
            if _saved(found) < _LEAST_SAVED:
                break
            chosen += found
            taken |= {i for stretch in found for i in range(stretch.first, stretch.last + 1)}
        chosen += self._submodels(taken)
        layers = self.model.layers
        named = [replace(found, local=_local_names(found.prefix, found.uses, layers)) for found in chosen]
        return sorted(named, key=lambda stretch: stretch.first)

    def _submodels(self, taken: set[int]) -> list[_Stretch]:
        """Models in the model that stand in one piece wherever they are used, the same at every place."""
        runs: dict[str, list[range]] = {}
        start, layers = 0, set[str]()
        for place, use in enumerate(self.model.uses):
            if use.layer in layers or _outermost(use) != _outermost(self.model.uses[start]):
                runs.setdefault(_outermost(self.model.uses[start]), []).append(range(start, place))
                start, layers = place, set()
            layers.add(use.layer)
        if self.model.uses:
            runs.setdefault(_outermost(self.model.uses[start]), []).append(range(start, len(self.model.uses)))
        runs.pop("", None)
        found: list[_Stretch] = []
        for scope, places in runs.items():
            if any(taken & set(run) for run in places):
                continue
            stretches = [s for run in places if (s := self._stretch(scope, run[0], run[-1], len(places))) is not None]
            modules = [[use.layer for use in s.uses if self.kept[use.layer]] for s in stretches]
            same = len({stretch.signature for stretch in stretches}) == 1 and all(m == modules[0] for m in modules)
            found += stretches if same and len(stretches) == len(places) else []
        return found

    def _stretches(self) -> Iterator[_Stretch]:
        spans: dict[str, list[int]] = {}
        for i, use in enumerate(self.model.uses):
            if self.counts[use.layer] == 1:
                for prefix in _prefixes(use.layer):
                    spans.setdefault(prefix, [i, i])[1] = i
        prefixes: dict[tuple[int, int], str] = {}
        for prefix, (first, last) in spans.items():
            prefixes.setdefault((first, last), prefix)
        lengths = Counter(last - first for first, last in prefixes)
        for (first, last), prefix in prefixes.items():
            if last - first < 2 or lengths[last - first] == 1:  # nothing else can be of the same class
                continue
            if (stretch := self._stretch(prefix, first, last)) is not None:
                yield stretch

    def _stretch(self, prefix: str, first: int, last: int, count: int = 1) -> _Stretch | None:
        """The stretch, if it can be a class: every layer used so often, all weights in submodules, no loops."""
        uses = self.model.uses[first : last + 1]
        if sum(self.kept[use.layer] for use in uses) < _LEAST_MODULES or len(uses) == len(self.model.uses):
            return None
        if not all(self.fit[use.layer] and self._used(use.layer, count) for use in uses):
            return None
        made = {value for use in uses for value in use.outputs}
        inputs = tuple(dict.fromkeys(v for use in uses for v in use.inputs if self._outside(use, v, made)))
        outputs = tuple(v for use in uses for v in use.outputs if any(i > last for i in self.users.get(v, ())))
        if not inputs or not outputs:
            return None
        stretch = _Stretch(prefix, first, last, uses, inputs, outputs)
        return replace(stretch, signature=_signature(stretch, self.parts))

    def _is_fit(self, name: str) -> bool:
        """Whether a class can hold a layer."""
        layer = self.model.layers[name]
        loose = any(not w.literal or w.data.shape for w in layer.tensors.values()) and not self.kept[name]
        return not (loose or layer.type == "scan" or name in self.inner or _symbolic(layer.config))

    def _used(self, name: str, count: int) -> bool:
        """Whether a layer is used so often, which matters to those with weights alone."""
        return self.counts[name] == count or not (self.kept[name] or self.model.layers[name].tensors)

    def _part(self, name: str) -> Any:
        """What a layer adds to a signature, whatever its place."""
        layer, kept = self.model.layers[name], self.kept[name]
        literals = tuple(
            (slot, w.data.dtype, str(w.data.numpy().tolist()) if not kept else "") for slot, w in layer.tensors.items()
        )
        return layer.type, literals, tuple(layer.config) if kept else repr(sorted(layer.config.items()))

    def _outside(self, use: NativeUse, value: str, made: set[str]) -> bool:
        own = value.startswith(f"{use.layer}.") and value not in self.makers and value not in self.ports
        return bool(value) and value not in made and not own


def _apart(stretches: Sequence[_Stretch], taken: set[int]) -> list[_Stretch]:
    """Those that overlap neither what is taken nor one another."""
    found: list[_Stretch] = []
    used = set(taken)
    for stretch in sorted(stretches, key=lambda stretch: stretch.first):
        span = set(range(stretch.first, stretch.last + 1))
        if not span & used:
            found.append(stretch)
            used |= span
    return found


def _saved(stretches: Sequence[_Stretch]) -> int:
    """How many statements a class for these stretches saves; its own constructor and calls cost some."""
    if not stretches:
        return 0
    return (len(stretches) - 1) * (stretches[0].last - stretches[0].first) - len(stretches)


def all_uses(model: NativeModel) -> Iterator[NativeUse]:
    """Every use of a layer, those in the bodies of loops included."""
    yield from model.uses
    for body in model.bodies.values():
        yield from all_uses(body)


def _prefixes(name: str) -> list[str]:
    """The beginnings of a name that end before a separator.

    >>> _prefixes("conv2_block1/1_conv")
    ['conv2', 'conv2_block1', 'conv2_block1/1']
    """
    return [name[: match.start()] for match in re.finditer(r"(?<=[^/._])[/._]+(?=[^/._])", name)]


def _outermost(use: NativeUse) -> str:
    """The first of the submodels that a use lies in."""
    return use.scope.split("/")[0]


def _symbolic(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_symbolic(part) for part in value.values())
    if isinstance(value, tuple | list):
        return any(_symbolic(part) for part in value)
    return isinstance(value, Symbolic)


def _local_names(prefix: str, uses: Sequence[NativeUse], layers: Mapping[str, Native]) -> dict[str, str]:
    """Short names inside a block: what follows the prefix, or the kind of the layer."""
    found: dict[str, str] = {}
    taken: set[str] = {"x"}
    for name in dict.fromkeys(use.layer for use in uses):
        rest = re.sub(r"^[/._]+", "", name[len(prefix) :]) if name.startswith(prefix) else ""
        kind = re.split(r"[._]", layers[name].type)[-1].lower()
        base = word = WORDS.identifier(_number_last(rest) or kind)
        number = 1
        while word in taken:
            number += 1
            word = f"{base}_{number}"
        taken.add(word)
        found[name] = word
    return found


def _number_last(text: str) -> str:
    """``1_conv`` as ``conv1``, as PyTorch's own models have it."""
    match = re.fullmatch(r"(\d+)[/._]+([A-Za-z]+)", text)
    return f"{match[2]}{match[1]}" if match else text


def _signature(stretch: _Stretch, parts_of: Callable[[str], Any]) -> Any:
    """Equal for stretches that can be one class."""
    numbers = {value: ("in", i) for i, value in enumerate(stretch.inputs)}
    parts: list[Any] = []
    firsts: dict[str, int] = {}
    for i, use in enumerate(stretch.uses):
        inputs = tuple(numbers.get(value, ("own", value.removeprefix(use.layer))) for value in use.inputs)
        parts.append((parts_of(use.layer), inputs, firsts.setdefault(use.layer, i)))
        for j, value in enumerate(use.outputs):
            if value:
                numbers[value] = ("made", i * 100 + j)
    return tuple(parts), tuple(numbers[value] for value in stretch.outputs)


def _class_name(stretches: Sequence[_Stretch], taken: set[str]) -> str:
    """The words that the prefixes share, without their numbers."""
    words = [word for word in re.split(r"\W|_|\d", stretches[0].prefix) if word]
    others = [set(re.split(r"\W|_|\d", stretch.prefix)) for stretch in stretches[1:]]
    shared = [word for word in words if all(word in other for other in others)] or ["block"]
    base = "".join(word[:1].upper() + word[1:] for word in dict.fromkeys(shared))
    base = name = classes().identifier(base if "block" in base.lower() else f"{base}Block")
    number = 1
    while name in taken:
        number += 1
        name = f"{base}{number}"
    taken.add(name)
    return name


def _free(prefix: str, layers: Mapping[str, Native], stretch: _Stretch) -> str:
    name, number = prefix, 1
    while name in layers and name not in stretch.local:
        number += 1
        name = f"{prefix}_{number}"
    return name


def _block(model: NativeModel, stretches: Sequence[_Stretch], name: str) -> tuple[Block, list[dict[str, Any]]]:
    """The class, and the arguments of each instance."""
    first = stretches[0]
    locals_of = [list(stretch.local) for stretch in stretches]
    varying: dict[tuple[str, str], str] = {}
    arguments: dict[str, list[Any]] = {}
    layers: dict[str, Native] = {}
    for place, (layer_name, local) in enumerate(first.local.items()):
        layer = model.layers[layer_name]
        layers[local] = replace(layer, name=local)
        for setting in layer.config if is_kept(layer) else ():
            values = [model.layers[names[place]].config[setting] for names in locals_of]
            if any(value != values[0] for value in values):
                known = next((argument for argument, given in arguments.items() if given == values), None)
                argument = known or _argument(local, setting, arguments)
                arguments[argument] = values
                varying[local, setting] = argument
    arguments = dict(sorted(arguments.items(), key=lambda pair: not re.search("channels|features", pair[0])))
    body = replace(_body(first), layers=layers)
    given = [{argument: values[i] for argument, values in arguments.items()} for i in range(len(stretches))]
    return Block(name, body, tuple(arguments), varying, arguments), given


def _argument(local: str, setting: str, taken: Mapping[str, Any]) -> str:
    return setting if setting not in taken else f"{local}_{setting}"


def _body(stretch: _Stretch) -> NativeModel:
    """The stretch with local names: values are called after the layers that make them."""
    values = dict(zip(stretch.inputs, ["x", *(f"x{i}" for i in range(1, len(stretch.inputs)))], strict=True))
    uses: list[NativeUse] = []
    for place, use in enumerate(stretch.uses):
        local = stretch.local[use.layer]
        inputs = tuple(
            values[v] if v in values else v.replace(use.layer, local, 1) if v.startswith(f"{use.layer}.") else v
            for v in use.inputs
        )
        for i, value in enumerate(use.outputs):
            values[value] = f"{local}.{place}.{i}"
        uses.append(NativeUse(local, inputs, tuple(values[value] if value else "" for value in use.outputs)))

    def ports(names: Sequence[str]) -> tuple[Port, ...]:
        return tuple(
            Port(name=values[n], value=values[n], dtype="float32", shape=(), axes="", source_axes="") for n in names
        )

    return NativeModel({}, tuple(uses), ports(stretch.inputs), ports(stretch.outputs))
