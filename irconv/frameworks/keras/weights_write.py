"""The weights of a model on its way out: in Keras' own order, for files that know them by position or by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from irconv.codec import NativeWeight
from irconv.containers.hdf5 import Folder
from irconv.containers.hdf5_write import texts
from irconv.errors import MALFORMED, IrconvError
from irconv.frameworks import graphless
from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.outlined import Outline, Outlined
from irconv.frameworks.keras.variables import Tree, snake_case, tree
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor


def tree_of(layer: Outlined) -> Tree:
    """The variables that Keras makes for a layer."""
    origin = layer.origin.config if layer.origin is not None and layer.origin.framework == "keras" else {}
    config = {"trainable": origin.get("trainable", True), **layer.config, "name": layer.name}
    return tree({"class_name": layer.kind, "config": config})


def has_all_weights(layer: Outlined) -> bool:
    """Whether the variables that Keras makes for a layer are its weights, no more and no fewer."""
    try:
        return {variable.path for variable in tree_of(layer).variables()} == set(layer.weights)
    except (*MALFORMED, IrconvError):
        return False


# Keras 3: by path ---------------------------------------------------------------------------------------------------


def by_path(model: Outline) -> Folder:
    """The weights as ``.weights.h5`` has them: ``layers/dense_1/vars/0``, by class with a counter."""
    return _saved_model(model, "")


def _saved_model(model: Outline, path: str) -> Folder:
    folder = Folder(path, folders={"vars": Folder(f"{path}/vars", {"name": model.name})})
    layers = Folder(f"{path}/layers")
    counts: Counter[str] = Counter()
    for layer in model.layers:
        if layer.kind.startswith("ops.") or (model.sequential and layer.kind == "InputLayer"):
            continue
        kind = layer.kind
        if layer.model is not None:
            kind = "Sequential" if layer.model.sequential else "Functional"
        name = _counted(snake_case(kind), counts)
        place = f"{path}/layers/{name}"
        layers.folders[name] = _saved_model(layer.model, place) if layer.model is not None else _saved(layer, place)
    folder.folders["layers"] = layers
    return folder


def _saved(layer: Outlined, path: str) -> Folder:
    folder = _variables(tree_of(layer), layer.weights, "", path)
    folder.folders.setdefault("vars", Folder(f"{path}/vars")).attributes["name"] = layer.name
    return folder


def _variables(found: Tree, weights: Mapping[str, NativeWeight], prefix: str, path: str) -> Folder:
    """The group of a layer or a sublayer: its variables by number, its sublayers by attribute."""
    folder = Folder(path)
    own = [name.lstrip("~") for name in found.own if not name.startswith("=")]
    if own:
        numbered = {str(i): weights[prefix + name].data for i, name in enumerate(own)}
        folder.folders["vars"] = Folder(f"{path}/vars", datasets=numbered)
    counts: Counter[str] = Counter()
    for child in found.children:
        parent, name = folder, child.path
        if child.container:
            parent = folder.folders.setdefault(child.container, Folder(f"{path}/{child.container}"))
            name = _counted(snake_case(child.tree.kind), counts)
        place = f"{parent.path}/{name}"
        parent.folders[name] = _variables(child.tree, weights, f"{prefix}{child.path}/", place)
    return folder


def _counted(stem: str, counts: Counter[str]) -> str:
    name = f"{stem}_{counts[stem]}" if counts[stem] else stem
    counts[stem] += 1
    return name


# Keras 2: by name ---------------------------------------------------------------------------------------------------


def by_name(model: Outline, dialect: Dialect) -> Folder:
    """The weights as HDF5 of Keras 2 has them: a group for each layer, which lists its weights."""
    layers = [layer for layer in model.layers if not (model.sequential and layer.kind == "InputLayer")]
    root = Folder("", {"backend": b"tensorflow", "keras_version": dialect.version.encode()})
    root.attributes.update(texts("layer_names", [layer.name for layer in layers]))
    for layer in layers:
        root.folders[layer.name] = _group(layer)
    return root


def _group(layer: Outlined) -> Folder:
    folder, names = Folder(layer.name), list[str]()
    trained = [item for item in _named(layer) if item[2]]
    for name, weight, _ in [*trained, *(item for item in _named(layer) if not item[2])]:
        unique = name
        while unique in names:
            unique = f"{unique.removesuffix(':0')}_1:0"
        names.append(unique)
        _put(folder, unique, weight.data)
    folder.attributes.update(texts("weight_names", names))
    return folder


def _named(layer: Outlined) -> Iterator[tuple[str, NativeWeight, bool]]:
    """Name, weight, and whether gradients change it, of a layer or of all layers of a model."""
    if layer.model is not None:
        for inner in layer.model.layers:
            yield from _named(inner)
        return
    for variable in tree_of(layer).variables():
        owners = dict.fromkeys((layer.name, *variable.owners[1:]))  # a cell has the name of its layer
        name = "/".join((*owners, variable.path.rsplit("/", maxsplit=1)[-1]))
        yield f"{name}:0", layer.weights[variable.path], variable.trainable


def _put(folder: Folder, name: str, data: LazyTensor) -> None:
    *parents, last = name.split("/")
    for parent in parents:
        folder = folder.folders.setdefault(parent, Folder(f"{folder.path}/{parent}"))
    folder.datasets[last] = data


# weights without a model --------------------------------------------------------------------------------------------


def weights_alone(bundle: Bundle) -> Folder:
    """Weights without a model, as the file of Keras had them: names, axes and bytes. Raises `Refused`."""
    if bundle.source.framework != "keras":
        raise graphless.refused(bundle, "and they do not come from Keras")
    records = [tensor.record for tensor in bundle.tensors.values()]
    if any("/vars/" in f"/{record.source.name}" for record in records if record.source):
        root = Folder("")
        for name, data in bundle.source_tensors().items():
            _put(root, name, data)
        return root
    said = {fact.name: fact.value for fact in bundle.source.facts}
    root = Folder("", {"backend": said["backend"].encode(), "keras_version": bundle.source.version.encode()})
    root.attributes.update(texts("layer_names", [group.name for group in bundle.groups]))
    for group in bundle.groups:
        folder = root.folders[group.name] = Folder(group.name)
        folder.attributes.update(texts("weight_names", list(group.tensors)))
        for name, key in group.tensors.items():
            _put(folder, name, bundle.tensors[key].native())
    return root
