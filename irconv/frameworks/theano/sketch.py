"""A first architecture file for bare arrays: a chain of what their shapes and names allow, to be completed by hand.

What only the model's author knows is left open (null, or an activation "unknown"), so that a conversion is refused
until it is stated; what was assumed stands in the notes of the layers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from irconv.errors import UnknownFormat
from irconv.frameworks.theano import arrays
from irconv.frameworks.theano.architecture import FORMAT
from irconv.frameworks.theano.arrays import Arrays, Stored
from irconv.frameworks.theano.describe import text
from irconv.frameworks.theano.groups import Guess, guesses

_NOTE = (
    'Begun by irconv sketch. Complete every null and every "unknown"; check the order of the layers, and add those '
    "without arrays: pools, flattening, reductions, dropout scaling. docs/theano.md describes every kind."
)
_NORMALISED = {"beta": "beta", "gamma": "gamma", "mean": "mean", "inv_std": "inv_std", "std": "std", "var": "var"}


def sketched(weights: Path, output: Path) -> tuple[str, list[str]]:
    """The text of the file, and what is open or assumed in it. Raises `UnknownFormat`, `DamagedFile` and `Refused`."""
    if not arrays.recognises(weights):
        raise UnknownFormat(str(weights), "expected bare arrays: HDF5, npz, npy, a pickle, or a folder of these")
    found = arrays.read(weights)
    root = weights if weights.is_dir() else weights.parent
    layers: list[dict[str, Any]] = []
    notes: list[str] = []
    previous = "x"
    for guess in guesses(found):
        layer = _layer(guess, previous)
        layers.append(layer)
        previous = layer["name"]
        notes.append(f"{layer['name']}: {layer['note']}")
    shape, layout = _input(layers)
    near = os.path.relpath(root, output.resolve().parent)
    places = {stored.name: _place(found, stored, near) for stored in found.found}
    data = {
        "format": FORMAT,
        "framework": "theano",
        "version": "",
        "floatX": "float32",
        "note": _NOTE,
        "inputs": [{"name": "x", "shape": shape, "layout": layout, "dtype": "float32"}],
        "layers": layers,
        "outputs": [{"name": "y", "layer": previous}],
        "weights": {"storage": found.storage, "arrays": places},
    }
    notes += [f"left out: {name} ({why})" for name, why in found.others.items()]
    notes.append("assumed: one input x, and each layer fed by the one before it")
    return text(data), notes


def _place(found: Arrays, stored: Stored, near: str) -> dict[str, Any]:
    file = (Path(near) / stored.file).as_posix()
    if found.storage in ("h5", "folder_of_h5") and len(stored.address) == 1 and isinstance(stored.address[0], str):
        return {"file": file, "dataset": stored.address[0]}
    if found.storage == "npz" and len(stored.address) == 1:
        return {"file": file, "key": stored.address[0]}
    return {"file": file, "pickle": 0, "path": list(stored.address)} if found.storage == "pickle" else {"file": file}


def _layer(guess: Guess, previous: str) -> dict[str, Any]:
    """The most likely layer of some arrays, with everything that cannot be seen left open."""
    members = list(guess.members.items())
    shapes = {role: list(stored.data.shape) for role, stored in members}
    kind = guess.kinds[0] if guess.kinds else "parameter"
    roles = _roles(kind, [(role, len(stored.data.shape)) for role, stored in members])
    layer: dict[str, Any] = {
        "name": guess.name.replace("/", "_") if not guess.name.isdigit() else f"layer{guess.name}",
        "kind": kind,
        "inputs": [previous] if kind != "parameter" else [],
        "arrays": {new: guess.members[old].name for old, new in roles.items()},
        "array_shapes": {new: shapes[old] for old, new in roles.items()},
        "note": f"assumed: {guess.evidence}",
    }
    if kind.startswith("conv"):
        layer |= {"border_mode": None, "stride": None, "filter_flip": None}
    if kind == "lstm":
        layer |= {"gate_order": None, "gate_activation": None, "activation_in": None}
    elif kind != "parameter":
        layer["activation"] = "unknown"
    return layer


def _roles(kind: str, members: list[tuple[str, int]]) -> dict[str, str]:
    """What each array is called by its kind of layer: matrices and filters W, vectors b, unless the names say."""
    if kind == "batch_norm":
        return {role: _NORMALISED.get(role.replace("running_", ""), role) for role, _ in members}
    if kind == "parameter":
        return {role: "value" for role, _ in members[:1]}
    if kind == "lstm":
        return {role: role if role in ("W", "U", "b") else f"unknown_{role}" for role, _ in members}
    found: dict[str, str] = {}
    for role, rank in members:
        new = "W" if rank > 1 else "b"
        found[role] = new if new not in found.values() and (rank > 1 or kind != "embedding") else f"unknown_{role}"
    return found


def _input(layers: list[dict[str, Any]]) -> tuple[list[int | None], str]:
    """The input's shape as far as the first layer shows it."""
    first = next((layer for layer in layers if "W" in layer["array_shapes"]), None)
    if first is None:
        return [None, None], "NC"
    shape = first["array_shapes"]["W"]
    if first["kind"].startswith("conv"):
        return [None, shape[1], *[None] * (len(shape) - 2)], {3: "NCW", 4: "NCHW", 5: "NCDHW"}[len(shape)]
    return ([None, None, shape[0]], "NTC") if first["kind"] == "lstm" else ([None, shape[0]], "NC")
