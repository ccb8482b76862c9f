"""Where the tensors of a network of PyTorch's lie among its modules, by the names that they have in its state dict."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import field, replace
from functools import reduce
from math import prod

from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.torch.hierarchy import Path, common
from irconv.frameworks.torch.names import ATTRIBUTES
from irconv.frameworks.torch.spelling import is_kept
from irconv.ir.bundle import Bundle
from irconv.ir.kept import Names

LAYER_NORM = "F.layer_norm"
"""The native type of a layer norm whose weights are not a submodule's."""
_REVERSE = "_reverse"
_COUNTER = "num_batches_tracked"
_MOST_NUMBERS = 64
_ADDED = re.compile(r"[A-Za-z0-9_]*[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)+|[0-9][0-9_]*[A-Za-z][A-Za-z0-9_]*")
"""Names that ``add_module`` takes and no attribute can have."""
_MOST_EMPTY = 16
"""Numbers that a list may leave out, beside one for each that it has: what has none there is ``nn.Identity``."""


@dataclass
class Places:
    """A model, the places of the layers that are submodules, and those of tensors that lie in none."""

    model: NativeModel
    paths: dict[str, Path] = field(default_factory=dict)
    tensors: dict[tuple[str, str], Path] = field(default_factory=dict)


def key_of(names: Names, slot: str, weight: NativeWeight) -> str:
    """The key of a layer's tensor in the state dict; empty where it had none. Of several that were put together it is
    the one that is most like the slot."""
    found = names.get(weight.path, ())

    def alike(key: str) -> tuple[bool, int]:
        word = key.rpartition(".")[2]
        return word.endswith(_REVERSE) == slot.endswith(_REVERSE), _alike(word, slot)

    return max(found, key=alike) if found else ""


def _alike(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def with_numbers(model: NativeModel, bundle: Bundle) -> NativeModel:
    """The model with the few numbers that the code of a network of PyTorch's held written out: its state dict has
    them not."""
    numbers = {
        key
        for key, tensor in bundle.tensors.items()
        if tensor.record.role == "constant" and prod(tensor.record.shape) <= _MOST_NUMBERS
    }
    layers = {
        name: replace(layer, tensors={slot: _written(weight, numbers) for slot, weight in layer.tensors.items()})
        for name, layer in model.layers.items()
    }
    return replace(model, layers=layers)


def _written(weight: NativeWeight, numbers: Container[str]) -> NativeWeight:
    return replace(weight, literal=True) if weight.path in numbers else weight


def places_of(model: NativeModel, names: Names, lost: Container[str] = ()) -> Places:
    """The places, as `names` says them for tensors by their paths; where it says none, by the names of the layers, but
    under no key that is `lost`: it was another tensor's.

    A layer whose tensors lie otherwise than its module has them (``in_proj_weight``) becomes a function of them.
    """
    model = _called_again(model)
    found = Places(model)
    layers, uses = dict(model.layers), list(model.uses)
    scopes = {use.layer: _scope(use) for use in reversed(uses)}
    own = _own_modules(layers, scopes, names)
    wanted: dict[str, Path] = {}
    loose: dict[tuple[str, str], Path] = {}
    without: list[str] = []
    nameless: list[tuple[str, str]] = []
    taken: set[Path] = set()
    owners = {key: tensor for tensor, keys in names.items() for key in keys}
    order = dict.fromkeys(use.layer for use in uses)
    for name in order:
        layer = layers[name]
        said = {slot: key_of(names, slot, weight) for slot, weight in layer.tensors.items()}
        if not is_kept(layer):
            loose |= {(name, slot): tuple(said[slot].split(".")) for slot in _held(layer) if said[slot]}
            nameless += [(name, slot) for slot in _held(layer) if not said[slot]]
            continue
        if not layer.tensors:
            without.append(name)
            continue
        module = _module_of(said)
        if module is None and all(said.values()) and (other := _as_function(layer)) is not None:
            layers[name] = other
            uses = [_given(use, layer) if use.layer == name else use for use in uses]
            loose |= {(name, slot): tuple(said[slot].split(".")) for slot in layer.tensors}
            continue
        path = tuple(module.split(".")) if module else ()
        if not path or path in taken or own.get(path, name) != name:
            path = scopes[name] if scopes[name] and scopes[name] not in taken else tuple(name.split("."))
            while any(_is_anothers(".".join((*path, slot)), w, owners, lost) for slot, w in layer.tensors.items()):
                path = (*path[:-1], f"{path[-1]}_merged")
        taken.add(path)
        wanted[name] = path
    modules = {path[:i] for path in (*wanted.values(), *loose.values()) for i in range(len(path))}
    numbered = _numbered([*wanted.values(), *loose.values()])
    for name, slot in nameless:
        homes = [wanted[use.layer][:-1] if use.layer in wanted else _scope(use) for use in _users(name, uses)]
        home = _within(reduce(common, homes), modules) if homes else ()
        while home in numbered:
            home = home[:-1]
        loose[name, slot] = (*home, _word(layers[name], slot))
    for name in without:
        scope = scopes[name]
        length = len(_within(scope, modules))
        last = scope[length] if length < len(scope) else layers[name].type.rpartition(".")[2].lower()
        wanted[name] = (*scope[:length], last)
    wanted = {name: wanted[name] for name in order if name in wanted}
    found.model = replace(model, layers=layers, uses=tuple(uses))
    found.paths, found.tensors = _apart(wanted, loose, {key: layers[key[0]].tensors[key[1]].path for key in loose})
    return found


def _is_anothers(key: str, weight: NativeWeight, owners: Mapping[str, str], lost: Container[str]) -> bool:
    """Whether a key is or was that of another tensor than this."""
    if key.endswith(f".{_COUNTER}"):
        return False
    return key in lost or owners.get(key, weight.path) != weight.path


def _called_again(model: NativeModel) -> NativeModel:
    """The model with layers of one module, read at each of its calls, as one layer."""
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for use in model.uses:
        layer = model.layers[use.layer]
        if layer.tensors and is_kept(layer):
            tensors = tuple((slot, w.path, w.data.changes, w.literal) for slot, w in layer.tensors.items())
            key = (use.scope, layer.type, repr(sorted(layer.config.items())), tensors)
            same[use.layer] = first.setdefault(key, use.layer)
    return replace(model, uses=tuple(replace(use, layer=same.get(use.layer, use.layer)) for use in model.uses))


def _own_modules(layers: Mapping[str, Native], scopes: Mapping[str, Path], names: Names) -> dict[Path, str]:
    """The layers whose tensors have the name of the module that they were called in: of layers that share a tensor,
    the one that gave it its name."""
    found: dict[Path, str] = {}
    for name, scope in scopes.items():
        said = {slot: key_of(names, slot, weight) for slot, weight in layers[name].tensors.items()}
        if is_kept(layers[name]) and said and _module_of(said) == ".".join(scope):
            found.setdefault(scope, name)
    return found


def _held(layer: Native) -> list[str]:
    """The tensors of a function that a module holds for it; single numbers are written out."""
    return [slot for slot, weight in layer.tensors.items() if not weight.literal or weight.data.shape]


def _users(name: str, uses: Sequence[NativeUse]) -> list[NativeUse]:
    """The uses of a layer, or of the value that it is."""
    own = [use for use in uses if use.layer == name]
    values = {value for use in own if not use.inputs for value in use.outputs}
    return [use for use in uses if not values.isdisjoint(use.inputs)] or own


def _within(scope: Path, modules: Container[Path]) -> Path:
    """The innermost module that is there."""
    length = 0
    while length < len(scope) and scope[: length + 1] in modules:
        length += 1
    return scope[:length]


def _scope(use: NativeUse) -> Path:
    """The module that a call stood in."""
    return tuple(part for part in use.scope.split("/") if part)


def _numbered(paths: Sequence[Path]) -> set[Path]:
    """The modules that hold their parts by numbers, so that a tensor of another name has no place in them."""
    return {path[:i] for path in paths for i in range(1, len(path)) if path[i].isdigit()}


def _word(layer: Native, slot: str) -> str:
    word = layer.name.rpartition(".")[2].replace("/", "_")
    if word.isdigit():
        word = layer.name.replace(".", "_").replace("/", "_")
    return word if layer.type == "buffer" else f"{word}_{slot}"


def _module_of(said: Mapping[str, str]) -> str | None:
    """The module whose tensors these are under the names that it gives them; None where there is none."""
    modules = {name.removesuffix(f".{slot}") if name.endswith(f".{slot}") else None for slot, name in said.items()}
    return next(iter(modules)) if len(modules) == 1 else None


def _as_function(layer: Native) -> Native | None:
    """The function that a module of ``nn`` calls; None where there is no such function here."""
    kind = layer.type.removeprefix("nn.")
    if kind == "Linear":
        return replace(layer, type="F.linear", config={})
    if kind in ("Conv1d", "Conv2d", "Conv3d"):
        kept = ("stride", "padding", "dilation", "groups")
        return replace(layer, type=f"F.{kind.lower()}", config={name: layer.config[name] for name in kept})
    if kind == "Embedding" and layer.config.get("padding_idx") is None:
        return replace(layer, type="F.embedding", config={})
    if kind == "LayerNorm" and len(layer.tensors) == 2:
        config = {name: layer.config[name] for name in ("normalized_shape", "eps")}
        return replace(layer, type=LAYER_NORM, config=config)
    return None


def _given(use: NativeUse, layer: Native) -> NativeUse:
    """The use with the tensors of its layer as inputs."""
    return replace(use, inputs=(*use.inputs, *(f"{layer.name}.{slot}" for slot in layer.tensors)))


def _apart(
    wanted: Mapping[str, Path], loose: Mapping[tuple[str, str], Path], tensors: Mapping[tuple[str, str], str]
) -> tuple[dict[str, Path], dict[tuple[str, str], Path]]:
    """The places in words that attributes can have, no two the same but those of one tensor (`tensors` says which each
    is), none within a layer that is a submodule but where they are its own tensors."""
    every = [*wanted.values(), *loose.values()]
    containers = {path[:i] for path in every for i in range(1, len(path))}
    words = _words(every, {*containers, *wanted.values()})
    kept: dict[str, Path] = {}
    used: set[Path] = set()
    for name, path in wanted.items():
        place = (*words[path[:-1]], words[path][-1])
        number = 1
        while place in used or (path in containers and number == 1 and _is_container(path, wanted)):
            number += 1
            place = (*place[:-1], f"{words[path][-1]}_{number}")
        used.add(place)
        kept[name] = place
    places: dict[tuple[str, str], Path] = {}
    holds: dict[Path, str] = {}
    for key, path in loose.items():
        place, number = words[path], 1
        while place in used or holds.setdefault(place, tensors[key]) != tensors[key]:
            number += 1
            place = (*place[:-1], f"{words[path][-1]}_{number}")
        places[key] = place
    return kept, places


def _is_container(path: Path, wanted: Mapping[str, Path]) -> bool:
    return any(other[: len(path)] == path and len(other) > len(path) for other in wanted.values())


def _words(paths: list[Path], modules: Container[Path]) -> dict[Path, Path]:
    """Every path and each of its beginnings in words that a class can have; numbers where all beside one are numbers
    and few are left out. Modules that were added under a name which is no word (``block1-0``) keep it."""
    children: dict[Path, dict[str, None]] = {}
    for path in paths:
        for i in range(len(path)):
            children.setdefault(path[:i], {})[path[i]] = None
    found: dict[Path, Path] = {(): ()}
    for parent in sorted(children, key=len):
        names = list(children[parent])
        numbered = parent and all(name.isdigit() and str(int(name)) == name for name in names)
        if numbered and max(map(int, names)) < 2 * len(names) + _MOST_EMPTY:
            words = {name: name for name in names}
        else:
            added = {name for name in names if (*parent, name) in modules and _ADDED.fullmatch(name)}
            words = ATTRIBUTES.identifiers({name: name for name in names if name not in added})
            words |= {name: name for name in added}
        for name in names:
            found[(*parent, name)] = (*found[parent], words[name])
    return found
