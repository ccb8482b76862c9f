"""The state of an optimizer, which Keras takes back by position: it belongs to all variables of a model, in order."""

from __future__ import annotations

from collections.abc import Iterable

from irconv.codec import NativeModel
from irconv.containers.hdf5 import Folder
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import FLOATS
from irconv.ir.optimizer import state_of, structure_of
from irconv.ir.tensors import LazyTensor


def state_folder(bundle: Bundle, name: str, weights: Folder) -> Folder | None:
    """The group of the optimizer as the source had it; None where it had none of this name, or where the variables that
    are written are not those that it belongs to.

    HDF5 lists the arrays in the attribute ``weight_names``; archives number them in ``optimizer/vars``.
    """
    state = state_of(bundle)
    if not state or not all(path.startswith(f"{name}/") for path in state):
        return None
    if structure_of(bundle) != _shapes(data for _, data in weights.walk()):
        return None
    root = Folder(f"/{name}")
    if name == "optimizer_weights":
        from irconv.containers.hdf5_write import texts  # which imports the library, and reading has no need of it

        root.attributes.update(texts("weight_names", [path.removeprefix(f"{name}/") for path in state]))
    for path, data in state.items():
        *groups, last = path.removeprefix(f"{name}/").split("/")
        folder = root
        for group in groups:
            folder = folder.folders.setdefault(group, Folder(f"{folder.path}/{group}"))
        folder.datasets[last] = data
    return root


def variable_shapes(model: NativeModel) -> list[list[int]]:
    """The shapes of the variables that the state of an optimizer belongs to, sorted."""
    weights = {weight.path: weight.data for layer in model.layers.values() for weight in layer.tensors.values()}
    return _shapes(weights.values())


def _shapes(tensors: Iterable[LazyTensor]) -> list[list[int]]:
    """Without seeds, which are whole numbers."""
    return sorted([*tensor.shape] for tensor in tensors if tensor.dtype in FLOATS)
