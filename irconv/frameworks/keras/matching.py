"""Which stored array is which variable: HDF5 files by their names, archives by their place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TypeAlias

from irconv.codec import NativeWeight
from irconv.containers.hdf5 import Folder
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Problems, Refused
from irconv.frameworks.keras.variables import Child, Tree, Variable, shown, snake_case
from irconv.frameworks.keras.weights import local_name
from irconv.ir.tensors import LazyTensor

_Found: TypeAlias = list[tuple[Variable, NativeWeight]]

#: Names of a variable in other versions, by the one used here.
_ALSO = {"depthwise_kernel": "kernel", "alpha": "alphas"}


def by_name(tree: Tree, named: Mapping[str, NativeWeight], where: str) -> dict[str, NativeWeight]:
    """The weights that an HDF5 file lists for one layer, by local name.

    The group is the layer, whatever the names in it say. A name's last part says which variable it is of its layer, and
    the parts before say of which sublayer. Where these leave a doubt (two layers of one name in two models of another,
    layers that were renamed), the order decides, but only if the name at every place is one that Keras could have given
    there. A layer whose class is not known has all that is left. Raises `Refused` where there is more than one answer.
    """
    if not tree.known:
        return _below(tree.name, named)
    variables = tree.variables()
    found = _matched(tree, variables, named)
    rest: dict[str, NativeWeight] = {}
    unknown = list(tree.unknown())
    if found is None and len(variables) != len(named):
        if not unknown:
            return _by_ending(named, where)
        rest = {name: weight for name, weight in named.items() if not any(_fits(name, v) for v in variables)}
        found = _matched(tree, variables, {name: weight for name, weight in named.items() if name not in rest})
    if found is None:
        listed, wanted = ", ".join(named), ", ".join(shown(variable.path) for variable in variables)
        raise Refused(where, f"expected weights that are told apart by name, {wanted}, but the file lists {listed}")
    matched = {v.path: replace(weight, trainable=v.trainable) for v, weight in found}
    return matched | _of_unknown(unknown, rest, where)


def _matched(tree: Tree, variables: list[Variable], named: Mapping[str, NativeWeight]) -> _Found | None:
    if len(variables) != len(named):
        return None
    return _by_exact_name(variables, named) or _by_last_part(variables, named) or _by_order(tree, variables, named)


def _of_unknown(
    unknown: list[tuple[str, Tree]], rest: Mapping[str, NativeWeight], where: str
) -> dict[str, NativeWeight]:
    """What is left in a group, for the layers in it whose variables are not known."""
    parts: dict[str, dict[str, NativeWeight]] = {path: {} for path, _ in unknown}
    for name, weight in rest.items():
        owners = [path for path, tree in unknown if len(unknown) == 1 or _is_below(name, tree.name)]
        if len(owners) != 1:
            raise Refused(where, f"expected {name} to be of one layer inside, got {len(owners)} of that name")
        parts[owners[0]][name] = weight
    named = [(path, _below(tree.name, parts[path])) for path, tree in unknown]
    return {f"{path}/{local}": weight for path, found in named for local, weight in found.items()}


def _below(layer: str, named: Mapping[str, NativeWeight]) -> dict[str, NativeWeight]:
    """For a kind whose variables are not known: the last parts of the names, or all that stands after the layer's own
    name where two of the last parts are alike."""
    found = {local_name(name): weight for name, weight in named.items()}
    if len(found) == len(named):
        return found
    return {_after(name.split(":")[0], layer): weight for name, weight in named.items()}


def _after(name: str, layer: str) -> str:
    before, found, after = f"/{name}".rpartition(f"/{layer}/")
    return after if found else before.lstrip("/") or name


def _by_ending(named: Mapping[str, NativeWeight], where: str) -> dict[str, NativeWeight]:
    """For a kind whose variables are not all there: the last parts of the names, if no two are alike."""
    found = {local_name(name): weight for name, weight in named.items()}
    if len(found) < len(named):
        twice = [name for name, count in Counter(map(local_name, named)).items() if count > 1]
        paths = [weight.path for name, weight in named.items() if local_name(name) == twice[0]]
        raise Refused(where, f"has several weights that end in {twice[0]!r}: {', '.join(paths)}")
    return found


def _by_exact_name(variables: list[Variable], named: Mapping[str, NativeWeight]) -> _Found | None:
    """By ending and owner, where that leaves one answer: what only one variable can be is no other one."""
    below: dict[str, list[str]] = {}  # names by each part before their last
    for name in named:
        for part in set(name.split("/")[:-1]):
            below.setdefault(part, []).append(name)
    fitting: list[set[str]] = []
    wanted: dict[str, list[int]] = {}  # name -> the variables that it may be
    for index, variable in enumerate(variables):
        near = below.get(_owner(variable).rpartition("/")[2], ())
        fitting.append({name for name in near if _fits(name, variable)})
        for name in fitting[index]:
            wanted.setdefault(name, []).append(index)
    found: dict[int, str] = {}
    waiting = [index for index, names in enumerate(fitting) if len(names) == 1]
    while waiting:
        index = waiting.pop()
        if len(fitting[index]) != 1:
            return None
        (name,) = fitting[index]
        found[index] = name
        for other in wanted[name]:
            if other != index and name in fitting[other]:
                fitting[other].remove(name)
                if len(fitting[other]) <= 1:
                    waiting.append(other)
    if len(found) < len(variables):
        return None
    return [(variable, named[found[index]]) for index, variable in enumerate(variables)]


def _by_last_part(variables: list[Variable], named: Mapping[str, NativeWeight]) -> _Found | None:
    """For variables of one layer alone, whose last parts tell them apart: it may have had another name."""
    if len({variable.owners for variable in variables}) != 1:
        return None
    fitting = [[name for name in named if _ends(name, variable)] for variable in variables]
    if any(len(names) != 1 for names in fitting) or len({names[0] for names in fitting}) != len(named):
        return None
    return [(variable, named[names[0]]) for variable, names in zip(variables, fitting, strict=True)]


def _by_order(tree: Tree, variables: list[Variable], named: Mapping[str, NativeWeight]) -> _Found | None:
    """As Keras itself loads a file; the names of layers in models count, too, as versions order those otherwise."""
    owned = _owned if tree.has_model() else _same_way
    pairs = list(zip(variables, named, strict=True))
    if not all(_ends(name, v) and owned(name, v) for v, name in pairs):
        return None
    return [(variable, named[name]) for variable, name in pairs]


def _fits(name: str, variable: Variable) -> bool:
    return _ends(name, variable) and _is_below(name, _owner(variable))


def _owner(variable: Variable) -> str:
    return next((name for name in reversed(variable.owners) if name), "")


def _is_below(name: str, owner: str) -> bool:
    """Whether a name is one of a layer's, which may have slashes in its own."""
    return f"/{owner}/" in f"/{name}"


def _ends(name: str, variable: Variable) -> bool:
    """Whether a name ends in the variable's; TensorFlow counts doubles: ``kernel_1``."""
    last, wanted = local_name(name), variable.path.rsplit("/", 1)[-1]
    if re.fullmatch(r"[Vv]ariable(_\d+)?", last):  # a layer of keras.applications does not name its variable
        return wanted == "gamma"
    return re.sub(r"_\d+$", "", last) in (wanted, _ALSO.get(wanted)) or last == wanted


def _owned(name: str, variable: Variable) -> bool:
    """Whether some part of a name is one of the variable's layers; a name given twice gets a number."""
    parts = name.split("/")[:-1]
    if not parts:
        return True
    if not _same_way(name, variable):
        return False
    owners = {owner for owner in variable.owners if owner}
    stems = {re.sub(r"_\d+$", "", owner) for owner in owners}
    if any(_is_below(name, owner) for owner in owners):
        return True
    return any(re.sub(r"_\d+$", "", part) in owners | stems for part in parts)


def _same_way(name: str, variable: Variable) -> bool:
    """Whether a name is not one of the other direction of a Bidirectional."""
    parts = name.split("/")[:-1]
    for way, other in (("forward_", "backward_"), ("backward_", "forward_")):
        if f"{way}layer" in variable.path and not any(part.startswith(way) for part in parts):
            return not any(part.startswith(other) for part in parts)
    return True


@dataclass
class Archive:
    """The groups of a `.weights.h5` file, taken layer by layer."""

    where: str
    problems: Problems
    taught: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The variables of classes that the user teaches, in order."""
    taken: set[str] = field(default_factory=set)
    """The paths of the datasets that have found their variable."""
    shared: dict[tuple[str, str, str], Folder] = field(default_factory=dict)
    """The first group of each layer, by kind, name and tree."""

    def read(self, tree: Tree, root: Folder) -> dict[str, NativeWeight]:
        """All weights of a model or layer, by local name."""
        found: dict[str, NativeWeight] = {}
        self._note(tree, root)
        self._layer(tree, root, "", True, found)
        return found

    def _note(self, tree: Tree, group: Folder) -> None:
        """Remember where each layer stands that has something stored."""
        if tree.name and any(True for _ in group.walk()):
            self.shared.setdefault(_identity(tree), group)
            for child, inner in _groups(tree.children, group):
                self._note(child.tree, inner)

    def _layer(self, tree: Tree, group: Folder, prefix: str, trained: bool, found: dict[str, NativeWeight]) -> None:
        trained = trained and tree.trainable
        if tree.variables() and not any(True for _ in group.walk()):
            group = self.shared.get(_identity(tree), group)  # a layer that is used in two places is stored in one
        if not tree.known:
            self._unknown(tree, group, prefix, trained, found)
            return
        stored = group.folders.get("vars", Folder(f"{group.path}/vars")).datasets
        place = f"{self.where}: {group.path or '/'}"
        if len(stored) != len(tree.own) or set(stored) != {str(i) for i in range(len(stored))}:
            names = ", ".join(name.lstrip("~=") for name in tree.own) or "none"
            got = ", ".join(f"{name} {data.shape}" for name, data in stored.items()) or "none"
            what = f"expected the variables {names} of {tree.kind} {tree.name}, got {got}"
            self.problems.add(place, what, _for_want(stored), kind=Refused if stored else DamagedFile)
            return
        for index, name in enumerate(tree.own):
            path = f"{group.path}/vars/{index}".lstrip("/")
            self.taken.add(path)
            if not name.startswith("="):
                trainable = trained and not name.startswith("~")
                found[prefix + name.lstrip("~")] = NativeWeight(path, stored[str(index)], trainable)
        for child, inner in _groups(tree.children, group):
            self._layer(child.tree, inner, f"{prefix}{child.path}/", trained, found)

    def _unknown(self, tree: Tree, group: Folder, prefix: str, trained: bool, found: dict[str, NativeWeight]) -> None:
        """All weights of a layer whose class is not known: by the names that were taught, else by their place."""
        names = self.taught.get(tree.kind, ())
        own = group.folders.get("vars", Folder(f"{group.path}/vars")).datasets
        for path, data in group.walk():
            self.taken.add(path)
            local = path.removeprefix(group.path.lstrip("/")).lstrip("/").replace("vars/", "")
            if local in own and len(own) == len(names) and local.isdecimal():
                local = names[int(local)]
            found[prefix + local] = NativeWeight(path, data, trained)


def _for_want(stored: Mapping[str, LazyTensor]) -> str:
    """What to do where variables are others than a layer has: where they are known to be there for a reason."""
    if any(data.dtype == "int8" for data in stored.values()):
        return "They are quantised: take the model as it was before quantize()."
    return ""


def _identity(tree: Tree) -> tuple[str, str, str]:
    return tree.kind, tree.name, repr(tree)


def _groups(children: tuple[Child, ...], group: Folder) -> list[tuple[Child, Folder]]:
    """The group of each sublayer: by its attribute, or in a list by class and counter.

    Keras 3 notes the layer's name in its group, which goes before counting.
    """
    counters: Counter[str] = Counter()
    found = []
    named: dict[str, dict[tuple[str, str | None], list[Folder]]] = {}  # by container
    attributes = {name.lstrip("_"): folder for name, folder in group.folders.items()}
    for child in children:
        if not child.container:
            found.append((child, attributes.get(child.path, Folder(f"{group.path}/{child.path}"))))
            continue
        # Keras 2.12 and 2.13 list the layers of a model under another attribute
        listed = attributes.get(child.container) or attributes.get("layer_checkpoint_dependencies")
        folders = listed.folders if listed else {}
        kind = snake_case(child.tree.kind)
        counted = f"{kind}_{counters[kind]}" if counters[kind] else kind
        counters[kind] += 1
        if child.container not in named:
            named[child.container] = _named(folders)
        said = named[child.container].get((kind, child.tree.name), [])
        missing = Folder(f"{group.path}/{child.container}/{counted}")
        found.append((child, said[0] if len(said) == 1 else folders.get(counted, missing)))
    return found


def _named(folders: Mapping[str, Folder]) -> dict[tuple[str, str | None], list[Folder]]:
    """Groups by the class that their key begins with, with or without a counter, and the name of their layer."""
    found: dict[tuple[str, str | None], list[Folder]] = {}
    for key, folder in folders.items():
        for kind in {key, re.sub(r"_\d+$", "", key)}:
            found.setdefault((kind, _name(folder)), []).append(folder)
    return found


def _name(group: Folder) -> str | None:
    """The name of the layer, which Keras 3 notes with its variables."""
    name = group.folders.get("vars", Folder("")).attributes.get("name")
    return name.decode() if isinstance(name, bytes) else name
