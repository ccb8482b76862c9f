"""The state of an optimizer on its way back to Keras, which takes it by position beside the variables it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from irconv.containers.hdf5 import Folder
from irconv.containers.hdf5_write import texts
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import FLOATS
from irconv.ir.optimizer import state_of
from irconv.ir.tensors import LazyTensor


def state_folder(bundle: Bundle, name: str, weights: Folder) -> Folder | None:
    """The group of the optimizer as the source had it; None where it had none of this name, or where the variables that
    are written are not those that it belongs to.

    HDF5 lists the arrays in the attribute ``weight_names``; archives number them in ``optimizer/vars``.
    """
    state = state_of(bundle)
    if not state or not all(path.startswith(f"{name}/") for path in state):
        return None
    if _shapes(data for _, data in weights.walk()) != _shapes(bundle.source_tensors().values()):
        return None
    root = Folder(f"/{name}")
    if name == "optimizer_weights":
        root.attributes.update(texts("weight_names", [path.removeprefix(f"{name}/") for path in state]))
    for path, data in state.items():
        *groups, last = path.removeprefix(f"{name}/").split("/")
        folder = root
        for group in groups:
            folder = folder.folders.setdefault(group, Folder(f"{folder.path}/{group}"))
        folder.datasets[last] = data
    return root


def _shapes(tensors: Iterable[LazyTensor]) -> Counter[tuple[int, ...]]:
    """How many variables there are of each shape; seeds, which are whole numbers, are none of the model's."""
    return Counter(tensor.shape for tensor in tensors if tensor.dtype in FLOATS)
