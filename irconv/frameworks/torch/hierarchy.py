"""The modules that a network of PyTorch's was made of, found again by the names of its tensors and the scopes of its
calls.

Every dotted name before a layer or a tensor is a module. What is called inside it becomes its ``forward``, where its
calls can stand together: where nothing that is computed between them belongs to another module. Else it only holds what
is named after it, and its calls stand in the module around it. Modules whose children have numbers for names are chains
(``nn.Sequential``) or lists (``nn.ModuleList``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal, TypeAlias

from irconv.codec import Native, NativeModel, NativeUse
from irconv.data_classes import dataclass
from irconv.frameworks.torch.blocks import BLOCK
from irconv.frameworks.torch.chains import SEQUENTIAL, is_module
from irconv.frameworks.torch.literals import Symbolic
from irconv.frameworks.torch.spelling import is_kept
from irconv.ir.graph import Port
from irconv.ir.shapes import Size, symbols

Path: TypeAlias = tuple[str, ...]
Kind: TypeAlias = Literal["function", "chain", "list", "holder"]


@dataclass
class Module:
    """One module. `children` are modules, or the names of layers; `tensors` are its own, by name: layer and slot."""

    path: Path
    kind: Kind = "holder"
    children: dict[str, Module | str] = field(default_factory=dict)
    tensors: dict[str, tuple[str, str]] = field(default_factory=dict)
    again: dict[tuple[str, str], Path] = field(default_factory=dict)
    """Tensors of other layers that are one of its own, or one of its children's: layer and slot -> where."""
    body: NativeModel | None = None
    """Its forward, of a function alone; uses of modules within it are uses of layers by `key`."""

    @property
    def key(self) -> str:
        """The name of the layer that stands for a call of it."""
        return f"module {'.'.join(self.path)}"

    def modules(self) -> Iterator[Module]:
        """Itself and all modules in it, outer ones first."""
        yield self
        for child in self.children.values():
            if isinstance(child, Module):
                yield from child.modules()


@dataclass(frozen=True)
class Hierarchy:
    """A model as a tree of modules; `layers` are those of the model, and a layer for each module that is called."""

    root: Module
    layers: Mapping[str, Native]
    model: NativeModel


def hierarchy(model: NativeModel, paths: Mapping[str, Path], tensors: Mapping[tuple[str, str], Path]) -> Hierarchy:
    """The tree. `paths` are the places of layers that are submodules, `tensors` those of tensors that lie in none."""
    return _Builder(model, paths, tensors).built()


class _Builder:
    """Puts the uses of a model into modules, the innermost first."""

    def __init__(self, model: NativeModel, paths: Mapping[str, Path], tensors: Mapping[tuple[str, str], Path]) -> None:
        self.model, self.paths, self.tensors = model, paths, tensors
        self.layers = dict(model.layers)
        self.uses = list(model.uses)
        self.root = Module((), "function")
        self.all: dict[Path, Module] = {(): self.root}
        for layer, path in paths.items():
            self._module(path[:-1]).children[path[-1]] = layer
        leaves = set(paths.values())
        self.homes: dict[tuple[str, str], Path] = {}
        for key, path in tensors.items():
            home = path[:-2] if path[:-1] in leaves else path[:-1]
            self.homes[key] = home
            if home == path[:-1] and path[-1] not in self._module(home).tensors:
                self._module(home).tensors[path[-1]] = key
            else:
                self._module(home).again[key] = path[len(home) :]
        self.given = {port.value for port in model.inputs}
        self.results = {port.value for port in model.outputs}
        self.places = dict(zip(map(id, self.uses), map(self._place, self.uses), strict=True))
        self._place_constants()

    def built(self) -> Hierarchy:
        """All modules, and what each is."""
        for path in sorted(self.all, key=len, reverse=True):
            if path:
                self._close(self.all[path])
        self.root.body = replace(self.model, layers={}, uses=tuple(self.uses))
        return Hierarchy(self.root, self.layers, self.model)

    def _module(self, path: Path) -> Module:
        if path not in self.all:
            self.all[path] = Module(path)
            self._module(path[:-1]).children[path[-1]] = self.all[path]
        return self.all[path]

    # where calls lie

    def _place(self, use: NativeUse) -> Path:
        """The module that a call lies in, as its scope says, and as far as it can reach its own tensors."""
        if use.layer in self.paths:
            return self.paths[use.layer][:-1]
        scope = tuple(part for part in use.scope.split("/") if part)
        while scope not in self.all:
            scope = scope[:-1]
        for slot in self.layers[use.layer].tensors:
            if (use.layer, slot) in self.homes:
                scope = common(scope, self.homes[use.layer, slot])
        return scope

    def _place_constants(self) -> None:
        """Tensors and numbers stand where they are used."""
        users: dict[str, list[NativeUse]] = {}
        for use in self.uses:
            for value in use.inputs:
                users.setdefault(value, []).append(use)
        for use in reversed(self.uses):
            if self.layers[use.layer].type != "buffer":
                continue
            value = use.outputs[0]
            found = [self.places[id(user)] for user in users.get(value, ())]
            found += [()] if value in self.results or not found else []
            own = self.homes.get((use.layer, "value"))
            place = found[0]
            for other in [*found[1:], *([own] if own is not None else [])]:
                place = common(place, other)
            self.places[id(use)] = place

    # what becomes of a module

    def _close(self, module: Module) -> None:
        """Make the module a call, or leave its calls to the one around it."""
        inside = [use for use in self.uses if self.places[id(use)] == module.path]
        numbered = all(name.isdigit() for name in (*module.children, *module.tensors))
        if numbered:
            module.kind = "list"
        if inside and not (numbered and module.tensors):
            call = self._chain(module, inside) if numbered else self._function(module, inside)
            if call is not None:
                self.places[id(call)] = module.path[:-1]
                return
        for use in inside:
            self.places[id(use)] = module.path[:-1]

    def _function(self, module: Module, inside: list[NativeUse]) -> NativeUse | None:
        """The call of the module, whose forward its calls become; None where they cannot stand together."""
        chosen = self._convex(module.path, inside)
        if chosen is None:
            return None
        inputs, outputs = self._ends(chosen)
        if not inputs or not outputs or not self._sized(chosen, inputs):
            return None
        module.kind = "function"
        module.body = NativeModel(
            {}, tuple(chosen), self._ports(inputs, True), self._ports(outputs, False), types=self.model.types
        )
        self.layers[module.key] = Native(BLOCK, module.key, {})
        return self._contract(module, chosen, inputs, outputs)

    def _convex(self, path: Path, inside: list[NativeUse]) -> list[NativeUse] | None:
        """The calls with those between them that have no weights; None where another module's stand between."""
        chosen = set(map(id, inside))
        after: set[str] = set()
        below: set[int] = set()
        for use in self.uses:
            if id(use) in chosen or any(value in after for value in use.inputs):
                below.add(id(use))
                after |= {value for value in use.outputs if value}
        before: set[str] = set()
        for use in reversed(self.uses):
            if id(use) in chosen or any(value in before for value in use.outputs):
                before |= {value for value in use.inputs if value}
                if id(use) in below and id(use) not in chosen:
                    plain = not self._holds(use) and self.places[id(use)] == path[: len(self.places[id(use)])]
                    if not plain:
                        return None
                    chosen.add(id(use))
        found = [use for use in self.uses if id(use) in chosen]
        wanted = {value for use in found for value in use.inputs}
        numbers = {  # what a call between them takes of numbers goes with it
            id(use)
            for use in self.uses
            if self.layers[use.layer].type == "buffer" and not self._holds(use) and use.outputs[0] in wanted
        }
        return [use for use in self.uses if id(use) in chosen or id(use) in numbers]

    def _holds(self, use: NativeUse) -> bool:
        """Whether a use is one of a submodule, or has tensors that a module holds."""
        return is_kept(self.layers[use.layer]) or any(
            (use.layer, s) in self.tensors for s in self.layers[use.layer].tensors
        )

    def _ends(self, chosen: Sequence[NativeUse]) -> tuple[list[str], list[str]]:
        """The values that the calls take from outside, and those that are used there."""
        members = set(map(id, chosen))
        made = {value for use in chosen for value in use.outputs if value}
        taken = dict.fromkeys(value for use in chosen for value in use.inputs if value and value not in made)
        made_anywhere = {value for use in self.uses for value in use.outputs} | self.given
        inputs = [value for value in taken if value in made_anywhere]
        outside = {value for use in self.uses if id(use) not in members for value in use.inputs} | self.results
        return inputs, [value for use in chosen for value in use.outputs if value in outside]

    def _sized(self, chosen: Sequence[NativeUse], inputs: Sequence[str]) -> bool:
        """Whether all sizes that the calls compute with can be read off the inputs."""
        shapes = [size for value in inputs if value in self.model.types for size in self.model.types[value].shape]
        there = {str(Size.of(size)) for size in shapes if isinstance(size, str)}
        wanted = {size for use in chosen for size in _sizes(self.layers[use.layer].config)}
        return all(size in there or symbols(size) <= there for size in wanted)

    def _ports(self, values: Sequence[str], takes: bool) -> tuple[Port, ...]:
        ports = {port.value: port.name for port in self.model.inputs}
        makers = {value: use.layer for use in self.uses for value in use.outputs}
        made: list[Port] = []
        for value in values:
            name = ports.get(value) or _plain_name(makers.get(value, value))
            shape = self.model.types[value].shape if value in self.model.types else ()
            name = "x" if takes and not made else name
            made.append(Port(name=name, value=value, dtype="float32", shape=shape, axes="", source_axes=""))
        return tuple(made)

    def _contract(
        self, module: Module, chosen: Sequence[NativeUse], inputs: Sequence[str], outputs: Sequence[str]
    ) -> NativeUse:
        """One use in the place of those chosen; what needs its results stands behind it."""
        members = set(map(id, chosen))
        call = NativeUse(module.key, tuple(inputs), tuple(outputs), "/".join(module.path[:-1]))
        last = max(i for i, use in enumerate(self.uses) if id(use) in members)
        made = {value for use in chosen for value in use.outputs if value}
        early: list[NativeUse] = []
        late: list[NativeUse] = []
        for use in self.uses[: last + 1]:
            if id(use) in members:
                continue
            needs = any(value in made for value in use.inputs)
            (late if needs else early).append(use)
            made |= {value for value in use.outputs if value and needs}
        self.uses = [*early, call, *late, *self.uses[last + 1 :]]
        return call

    def _chain(self, module: Module, inside: list[NativeUse]) -> NativeUse | None:
        """The call of an ``nn.Sequential``; None where the calls are none, each taking what the last one gave."""
        counts = Counter(use.layer for use in inside)
        names: dict[str, str] = {}
        children = {child.key if isinstance(child, Module) else child: name for name, child in module.children.items()}
        users = Counter(value for use in self.uses for value in set(use.inputs))
        free = 0
        for index, use in enumerate(inside):
            layer = self.layers[use.layer]
            fits = len(use.inputs) == 1 and len(use.outputs) == 1 and counts[use.layer] == 1
            if not fits or (index and use.inputs != inside[index - 1].outputs):
                return None
            if index and (users[use.inputs[0]] > 1 or use.inputs[0] in self.results):
                return None
            if use.layer in children:
                number = int(children[use.layer])
            elif is_module(layer):
                scope = use.scope.split("/")
                said = len(scope) > len(module.path) and scope[len(module.path)].isdigit()
                number = int(scope[len(module.path)]) if said else free
            else:
                return None
            if number < free:
                return None
            names[use.layer], free = str(number), number + 1
        if set(children) - set(names):
            return None
        module.children = {
            name: next((c for c in module.children.values() if isinstance(c, Module) and c.key == layer), layer)
            for layer, name in names.items()
        }
        module.kind = "chain"
        self.layers[module.key] = Native(SEQUENTIAL, module.key, {})
        return self._contract(module, inside, inside[0].inputs, inside[-1].outputs)


def common(first: Path, second: Path) -> Path:
    """The innermost module that both lie in."""
    length = 0
    while length < min(len(first), len(second)) and first[length] == second[length]:
        length += 1
    return first[:length]


def _plain_name(name: str) -> str:
    """A short name for what a layer gives: its last word that is no number."""
    words = [word for word in name.removeprefix("module ").split(".") if not word.isdigit()]
    return words[-1].rstrip("_0123456789") or "y" if words else "y"


def _sizes(value: Any) -> Iterator[str]:
    """The sizes in a setting that are computed."""
    if isinstance(value, Symbolic):
        yield str(Size.of(value.size))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _sizes(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _sizes(part)
