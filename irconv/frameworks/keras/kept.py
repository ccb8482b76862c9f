"""The names that a network had in PyTorch, beside a model of Keras' that was written of it (`irconv.ir.kept`)."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.containers.hdf5 import Folder
from irconv.frameworks.keras.outlined import Outline, Outlined
from irconv.ir.bundle import Bundle
from irconv.ir.kept import Kept, axes_of, left_of, names_of


def kept_names(bundle: Bundle, model: Outline, root: Folder, before_paths: str = "") -> Kept | None:
    """The keys of each dataset, and where each layer was called; None for a network that never was PyTorch's.

    `before_paths` is what the paths in `root` begin with in the file.
    """
    keys = names_of(bundle)
    if keys is None:
        return None
    layers = list(_layers(model))
    weights = {id(weight.data): weight for layer in layers for weight in layer.weights.values()}
    tensors: dict[str, tuple[str, ...]] = {}
    turned: dict[str, tuple[int, ...]] = {}
    for path, data in root.walk():
        weight = weights.get(id(data))
        before = bundle.tensors.get(weight.path) if weight is not None else None
        if weight is None or before is None or weight.path not in keys or before.data.source is not data.source:
            continue  # it is new, or was made of others
        place = f"{before_paths}{path}"
        tensors[place] = keys[weight.path]
        order = axes_of(bundle, weight.path, data) if len(data.shape) == 2 else None
        if order is not None and order != tuple(range(len(data.shape))):
            turned[place] = order
    scopes = {layer.name: layer.calls[0].scope for layer in layers if layer.calls and layer.calls[0].scope}
    left = left_of(bundle, tensors.values())
    return Kept(tensors, turned, scopes=scopes, left=left)


def _layers(model: Outline) -> Iterator[Outlined]:
    for layer in model.layers:
        if layer.model is None:
            yield layer
        else:
            yield from _layers(layer.model)
