"""Files of Keras before 1.0 as Keras 1 would have written them: the JSON, and weights that have no names.

The JSON has the class of a layer under ``name`` and its own name under ``custom_name``, which is not unique, and its
settings beside these; a model is a ``Sequential`` of such or a ``Graph`` of named nodes. A weights file of a Sequential
holds groups ``layer_0``, ``layer_1``... with arrays ``param_0``, ``param_1``... in the order in which each class lists
its weights; one of a Graph holds one group ``graph`` with the arrays of all nodes in a row. Read from the sources of
Keras 0.3.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from irconv.codec import NativeWeight
from irconv.containers.hdf5 import Folder
from irconv.errors import DamagedFile, MissingFact, Problems
from irconv.frameworks.keras.kind import ARRAY_COUNT, GRAPH, LAYER_COUNT

VERSION = "0.3"
"""What the file does not say: that of the last Keras which wrote such files."""


_GATED = {"GRU": "zrh", "LSTM": "icfo"}
_AFFINE_KINDS = (*(f"Convolution{n}D" for n in (1, 2, 3)), "Dense", "TimeDistributedDense", "MaxoutDense")

#: The weights of each class in the order in which it lists them, under the names that Keras 1 gives them.
_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_AFFINE_KINDS, ("W", "b")),
    **{kind: tuple(f"{part}_{gate}" for gate in gates for part in "WUb") for kind, gates in _GATED.items()},
    "BatchNormalization": ("gamma", "beta", "running_mean", "running_std"),
    "Embedding": ("W",),
    "Highway": ("W", "b", "W_carry", "b_carry"),
    "PReLU": ("alphas",),
    "SimpleRNN": ("W", "U", "b"),
}


def wrote(config: Any) -> bool:
    """Whether this is the JSON of a model of Keras before 1.0."""
    return isinstance(config, dict) and "class_name" not in config and config.get("name") in ("Sequential", "Graph")


def as_keras1(config: Mapping[str, Any]) -> dict[str, Any]:
    """The model as Keras 1 would write it, every layer under a name of its own.

    Raises `Refused` for what Keras 1 cannot say.
    """
    problems = Problems()
    names = Counter[str]()
    spelt = _model(config, "model", names, problems)
    problems.raise_any()
    return {**spelt, "keras_version": VERSION}


def numbered(root: Folder) -> dict[str, dict[str, NativeWeight]]:
    """The arrays of a weights file by the names it has: ``layer_3`` -> ``param_0`` -> array. Raises `DamagedFile`."""
    if GRAPH in root.folders and LAYER_COUNT not in root.attributes:
        return {GRAPH: _arrays(root.folders[GRAPH])}
    layers = [f"layer_{i}" for i in range(_count(root, LAYER_COUNT))]
    return {layer: _arrays(root.folders.get(layer, Folder(f"/{layer}"))) for layer in layers}


def named(config: Mapping[str, Any], arrays: Mapping[str, Mapping[str, NativeWeight]], path: str) -> Named:
    """The arrays under layer and weight, as Keras 1 names them (``dense_1`` -> ``dense_1_W``).

    Raises `MissingFact` where another number of layers or arrays is stored than the model has.
    """
    layers = [entry for entry in _layers(config) if entry.get("inbound_nodes") != []]  # inputs of a Graph have none
    if config["class_name"] == "Model":
        layers = [entry for entry in layers if entry["class_name"] != "Merge"]
    if GRAPH in arrays:
        waiting = list(arrays[GRAPH].values())
        parts = []
        for entry in layers:
            count = len(list(_weights(entry)))
            parts.append(waiting[:count])
            waiting = waiting[count:]
        if waiting:
            raise MissingFact(path, f"expected the arrays of {len(layers)} layers, got {len(waiting)} more")
    else:
        parts = [list(found.values()) for found in arrays.values()]
        if len(parts) != len(layers):
            raise MissingFact(path, f"expected weights of {len(layers)} layers, as the model has, got {len(parts)}")
    found: dict[str, dict[str, NativeWeight]] = {}
    problems = Problems()
    for entry, stored in zip(layers, parts, strict=True):
        names = list(_weights(entry))
        if len(names) != len(stored) and _is_known(entry):
            what = f"expected {len(names)} arrays, {', '.join(names) or 'none'}, got {len(stored)}"
            problems.add(f"{path}: weights of {entry['name']} ({entry['class_name']})", what, kind=MissingFact)
        names = names if _is_known(entry) else [f"{entry['name']}_param_{i}" for i in range(len(stored))]
        found[entry["name"]] = dict(zip(names, stored, strict=False))
    problems.raise_any()
    return found


Named = Mapping[str, Mapping[str, NativeWeight]]


def _model(config: Mapping[str, Any], name: str, names: Counter[str], problems: Problems) -> dict[str, Any]:
    if config.get("name") == "Graph":
        return {"class_name": "Model", "name": name, "config": {"name": name, **_graph(config, names, problems)}}
    layers = [_layer(entry, "", names, problems) for entry in config["layers"]]
    return {"class_name": "Sequential", "name": name, "config": layers}


def _layer(config: Mapping[str, Any], name: str, names: Counter[str], problems: Problems) -> dict[str, Any]:
    """A layer under the name it is given, or under its own with a number."""
    kind = str(config["name"])
    if not name:
        said = str(config.get("custom_name", kind.lower()))
        names[said] += 1
        name = f"{said}_{names[said]}"
    if kind in ("Sequential", "Graph"):
        return _model(config, name, names, problems)
    where = f"layer {name} ({kind})"
    settings = {key: value for key, value in config.items() if key not in ("name", "custom_name", "cache_enabled")}
    settings["name"] = name
    if kind in (*_AFFINE_KINDS, "Highway"):
        settings["bias"] = True  # a setting since Keras 1
    shape = settings.pop("input_shape", None)
    if shape is not None:
        settings["batch_input_shape"] = [None, *shape]
    if kind == "Embedding":
        settings |= {"batch_input_shape": [None, config.get("input_length")], "input_dtype": "int32"}
        if config.get("dropout"):
            what = "has a dropout, by which Keras 0.3 shrinks the embedding at inference, too"
            problems.add(where, what, "Load it in Keras 1 and save it again.")
    if kind == "Reshape":
        settings["target_shape"] = settings.pop("dims")
    if isinstance(config.get("layer"), Mapping):
        settings["layer"] = _layer(config["layer"], "", names, problems)
    if kind == "BatchNormalization" and config.get("mode", 0) == 1:
        settings["mode"] = "1 of Keras 0"
    if kind == "Merge":
        settings["mode_type"] = "raw"
    return {"class_name": kind, "name": name, "config": settings}


def _graph(config: Mapping[str, Any], names: Counter[str], problems: Problems) -> dict[str, Any]:
    """The layers of a Graph with inbound nodes; a node of several inputs is a Merge and the node itself."""
    layers: list[dict[str, Any]] = []
    for port in config["input_config"]:
        shape = port.get("batch_input_shape") or [None, *port["input_shape"]]
        settings = {
            "batch_input_shape": list(shape),
            "input_dtype": "int32" if port.get("dtype") == "int" else "float32",
            "name": port["name"],
        }
        layers.append({"class_name": "InputLayer", "name": port["name"], "config": settings, "inbound_nodes": []})
    for node in config["node_config"]:
        source = _source(node, f"{node['name']}_merge", layers, problems)
        entry = _layer(config["nodes"][node["name"]], str(node["name"]), names, problems)
        layers.append({**entry, "inbound_nodes": [[[source, 0, 0]]]})
    outputs = {port["name"]: port for port in config["output_config"]}
    ends = [_source(outputs[name], name, layers, problems) for name in config.get("output_order") or outputs]
    starts = config.get("input_order") or [port["name"] for port in config["input_config"]]
    return {
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in starts],
        "output_layers": [[name, 0, 0] for name in ends],
    }


def _source(node: Mapping[str, Any], name: str, layers: list[dict[str, Any]], problems: Problems) -> str:
    """What a node takes; where that is several values, the Merge of them, which is added."""
    if node.get("input"):
        return str(node["input"])
    mode = node.get("merge_mode")
    if mode in ("dot", "cos"):
        problems.add(f"layer {node['name']}", f"merges by {mode!r} as only Keras 0.3 does", "Write it in Keras 1 anew.")
    settings = {"name": name, "mode": mode, "concat_axis": node.get("concat_axis", -1), "mode_type": "raw"}
    inbound = [[str(source), 0, 0] for source in node["inputs"]]
    layers.append({"class_name": "Merge", "name": name, "config": settings, "inbound_nodes": [inbound]})
    return name


def _layers(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    body = config["config"]
    return list(body if isinstance(body, list) else body["layers"])


def _weights(entry: Mapping[str, Any]) -> Iterator[str]:
    """The names of a layer's weights, those of the layers in it one after the other."""
    if entry["class_name"] in ("Sequential", "Model"):
        for inner in _layers(entry):
            yield from _weights(inner)
    elif isinstance(entry["config"].get("layer"), Mapping):
        yield from _weights(entry["config"]["layer"])
    else:
        yield from (f"{entry['name']}_{name}" for name in _WEIGHTS.get(entry["class_name"], ()))


def _is_known(entry: Mapping[str, Any]) -> bool:
    """Whether a layer has the weights that the table says: all but classes that are not in it and have some."""
    return bool(list(_weights(entry)))


def _arrays(folder: Folder) -> dict[str, NativeWeight]:
    names = [f"param_{i}" for i in range(_count(folder, ARRAY_COUNT))]
    missing = [name for name in names if name not in folder.datasets]
    if missing:
        raise DamagedFile(f"{folder.path}/{missing[0]}", "is counted, but not in the file")
    return {name: NativeWeight(f"{folder.path}/{name}".lstrip("/"), folder.datasets[name]) for name in names}


def _count(folder: Folder, attribute: str) -> int:
    found = folder.attributes.get(attribute)
    if not isinstance(found, int) or not 0 <= found <= 2**20:
        raise DamagedFile(f"{folder.path or '/'}: attribute {attribute}", f"expected a number, got {found!r:.80}")
    return found
