"""Which stored array is which variable: HDF5 files by their names, archives by their place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from irconv.codec import NativeWeight
from irconv.containers.hdf5 import Folder
from irconv.errors import DamagedFile, Problems, Refused
from irconv.frameworks.keras.variables import Child, Tree, Variable, snake_case
from irconv.frameworks.keras.weights import local_name

#: Names of a variable in other versions, by the one used here.
_ALSO = {"depthwise_kernel": "kernel", "alpha": "alphas"}


def by_name(tree: Tree, named: Mapping[str, NativeWeight], where: str) -> dict[str, NativeWeight]:
    """The weights that an HDF5 file lists for one layer, by local name.

    A name's last part says which variable it is of its layer, and the parts before say of which sublayer. Where these
    leave a doubt (two layers of one name in two models of another), the order decides, but only if the name at every
    place is one that Keras could have given there. Raises `Refused` where neither leaves one answer.
    """
    variables = tree.variables()
    if not tree.known or len(variables) != len(named):
        return _by_ending(named, where)
    found = _by_exact_name(variables, named) or _by_order(variables, named)
    if found is None:
        listed, wanted = ", ".join(named), ", ".join(variable.path for variable in variables)
        raise Refused(where, f"expected weights that are told apart by name, {wanted}, but the file lists {listed}")
    return {v.path: replace(weight, trainable=v.trainable) for v, weight in found}


def _by_ending(named: Mapping[str, NativeWeight], where: str) -> dict[str, NativeWeight]:
    """For a kind whose variables are not known, or not all there: the last parts of the names, if no two are alike."""
    found = {local_name(name): weight for name, weight in named.items()}
    if len(found) < len(named):
        twice = [name for name, count in Counter(map(local_name, named)).items() if count > 1]
        paths = [weight.path for name, weight in named.items() if local_name(name) == twice[0]]
        raise Refused(where, f"has several weights that end in {twice[0]!r}: {', '.join(paths)}")
    return found


def _by_exact_name(
    variables: list[Variable], named: Mapping[str, NativeWeight]
) -> list[tuple[Variable, NativeWeight]] | None:
    found = []
    below: dict[str, list[str]] = {}  # names by each part before their last
    for name in named:
        for part in set(name.split("/")[:-1]):
            below.setdefault(part, []).append(name)
    for variable in variables:
        owner = next((name for name in reversed(variable.owners) if name), "")
        fitting = [name for name in below.get(owner, ()) if _ends(name, variable)]
        if len(fitting) != 1:
            return None
        found.append((variable, named[fitting[0]]))
    return found if len({weight.path for _, weight in found}) == len(named) else None


def _by_order(
    variables: list[Variable], named: Mapping[str, NativeWeight]
) -> list[tuple[Variable, NativeWeight]] | None:
    pairs = list(zip(variables, named, strict=True))
    if not all(_ends(name, variable) and _owned(name, variable) for variable, name in pairs):
        return None
    return [(variable, named[name]) for variable, name in pairs]


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
    for way in ("forward_", "backward_"):
        if f"{way}layer" in variable.path and not any(part.startswith(way) for part in parts):
            other = "backward_" if way == "forward_" else "forward_"
            if any(part.startswith(other) for part in parts):
                return False
    owners = {owner for owner in variable.owners if owner}
    stems = {re.sub(r"_\d+$", "", owner) for owner in owners}
    return any(part in owners or re.sub(r"_\d+$", "", part) in owners | stems for part in parts)


@dataclass
class Archive:
    """The groups of a `.weights.h5` file, taken layer by layer."""

    where: str
    problems: Problems
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
        stored = group.folders.get("vars", Folder(f"{group.path}/vars")).datasets
        place = f"{self.where}: {group.path or '/'}"
        if len(stored) != len(tree.own) or set(stored) != {str(i) for i in range(len(stored))}:
            names = ", ".join(name.lstrip("~=") for name in tree.own) or "none"
            got = ", ".join(f"{name} {data.shape}" for name, data in stored.items()) or "none"
            what = f"expected the variables {names} of {tree.kind} {tree.name}, got {got}"
            self.problems.add(place, what, kind=Refused if stored else DamagedFile)
            return
        for index, name in enumerate(tree.own):
            path = f"{group.path}/vars/{index}".lstrip("/")
            self.taken.add(path)
            if not name.startswith("="):
                trainable = trained and not name.startswith("~")
                found[prefix + name.lstrip("~")] = NativeWeight(path, stored[str(index)], trainable)
        for child, inner in _groups(tree.children, group):
            self._layer(child.tree, inner, f"{prefix}{child.path}/", trained, found)


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
