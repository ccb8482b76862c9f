"""Keras 1 files as Keras 2 spells them: kinds, settings and the names of weights.

What Keras 1 does otherwise: ``dim_ordering`` ("th" or "tf"), which also says how kernels lie; padding and cropping
layers that do not write theirs; ``running_std``, which holds the variance since 1.0.7; one array for each gate;
``Merge``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from irconv.codec import NativeWeight
from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.files import KerasFile
from irconv.frameworks.keras.keras1_branches import as_functional, begins_with_branches
from irconv.frameworks.keras.keras1_spelling import DATA_FORMATS, KINDS, MERGES, converted, names_of
from irconv.frameworks.keras.variables import MODELS, Child, layers_of, segment, tree
from irconv.ir.manifest import Fact, given_fact

#: ``running_std`` of BatchNormalization is a standard deviation before, a variance from here on.
_VARIANCE_SINCE = (1, 0, 7)
_MODE_1_READ_SINCE = (1, 2)
_STATISTICS = ("moving_mean", "moving_variance", "moving_deviation")

_ORDERED = ("ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D", "UpSampling2D", "UpSampling3D")


def wrote(config: Mapping[str, Any]) -> bool:
    """Whether a config without a version has words that only Keras 1 has."""
    return any(word in repr(config) for word in ("'nb_filter'", "'output_dim'", "'W_regularizer'"))


def as_keras2(file: KerasFile, facts: Facts, ordering: Fact | None) -> KerasFile:
    """The file with its model as Keras 2 would write it. `ordering` is ``dim_ordering`` for layers that do not say it.

    Raises `Refused` naming the layers that mean something else in this version.
    """
    assert file.config is not None
    problems = Problems()
    config = _model(_with_names(file.config, file), ordering, facts, problems)
    problems.raise_any()
    _by_shapes(config, file)
    return replace(file, config=config)


def _with_names(config: dict[str, Any], file: KerasFile) -> dict[str, Any]:
    """The model with the names of the Sequential models that stand in a Sequential one: Keras 1 writes them with the
    weights alone, whose groups stand in the order of the layers."""
    layers = layers_of(config.get("config")) if config.get("class_name") == "Sequential" else []
    groups = list(file.named or {})
    if len(layers) != len(groups) or not any(isinstance(layer.get("config"), list) for layer in layers):
        return config
    pairs = zip(layers, groups, strict=True)
    named = [
        {**layer, "config": {"name": group, "layers": layer["config"]}} if isinstance(layer["config"], list) else layer
        for layer, group in pairs
    ]
    return {**config, "config": named}


def tensors(file: KerasFile, problems: Problems) -> dict[str, NativeWeight]:
    """The weights under layer and local name; Keras 1 names them ``convolution2d_1_W``."""
    found: dict[str, NativeWeight] = {}
    deviates = bool(file.version) and _number(file.version) < _VARIANCE_SINCE
    trees = {child.tree.name: child for child in tree(file.config or {}).children}
    for layer, named in (file.named or {}).items():
        where = f"{file.path}: weights of {layer}"
        if layer not in trees:
            found |= {f"{segment(layer)}/{name}": weight for name, weight in named.items()}
            continue
        owners = list(_owners(trees[layer], ""))
        counts: Counter[tuple[str, str]] = Counter()
        for name, weight in named.items():
            plain = name.split(":")[0].rsplit("/", 1)[-1]
            owner = max((o.name for o in owners if plain.startswith(f"{o.name}_")), key=len, default="")
            same = sorted((o for o in owners if o.name == owner), key=lambda o: not o.trainable)
            local = _local(same, plain[len(owner) + 1 :]) if owner else None
            if local == "moving_variance" and deviates:
                local = "moving_deviation"
            place = counts[owner, local or ""]  # two layers of one name are listed in order, those trained first
            counts[owner, local or ""] += 1
            if local is None or place >= len(same):
                problems.add(where, f"expected the name of a layer's variable as Keras 1 writes it, got {name!r}")
                continue
            trainable = same[place].trainable and not local.endswith(_STATISTICS)
            found[f"{segment(layer)}/{same[place].prefix}{local}"] = replace(weight, trainable=trainable)
    return found


def _local(owners: list[_Owner], name: str) -> str | None:
    """The local name of a variable; TensorFlow gives a name that is used twice a number."""
    return names_of(owners[0].kind, name) or names_of(owners[0].kind, re.sub(r"_\d+$", "", name))


class _Owner(NamedTuple):
    """A layer that gives variables their names."""

    name: str
    prefix: str
    """Of the local names of its variables."""
    kind: str
    trainable: bool


def _owners(child: Child, prefix: str) -> Iterator[_Owner]:
    tree = child.tree
    wrapped = [inner for inner in tree.children if inner.path != "cell"]
    for inner in wrapped:
        yield from _owners(inner, f"{prefix}{inner.path}/")
    if not wrapped:
        cell = "cell/" if tree.children else ""
        yield _Owner(tree.name, prefix + cell, tree.kind, tree.trainable)


def ordering(file: KerasFile, given: str | None) -> Fact | None:
    """Where images have their channels, for the layers that do not say: as the user says, or the others agree.

    Raises `MissingFact` where no layer says where the channels are and one that depends on it does not say either.
    """
    said = set(re.findall(r"'dim_ordering': '(th|tf)'", repr(file.config)))
    if given:
        return given_fact("dim_ordering", given, f"{', '.join(sorted(said))} of the layers" if said - {given} else "")
    if len(said) == 1:
        return Fact(name="dim_ordering", value=said.pop(), evidence="the layers that state it agree")
    if any(f"'{kind}'" in repr(file.config) for kind in _ORDERED):
        what = "expected dim_ordering: it holds padding, cropping or upsampling layers, which do not write theirs"
        raise MissingFact(str(file.path), what, "Give --dim-ordering th or --dim-ordering tf.")
    return None


def _model(entry: Mapping[str, Any], ordering: Fact | None, facts: Facts, problems: Problems) -> dict[str, Any]:
    if begins_with_branches(entry):
        with problems.collect():
            entry = as_functional(entry, f"{facts.path}: model")
    config = entry["config"]
    listed = layers_of(config)
    layers = [_layer(inner, ordering, facts, problems) for inner in listed]
    first = listed[0].get("config") if listed and entry.get("class_name") == "Sequential" else None
    if isinstance(first, Mapping) and first.get("batch_input_shape") and listed[0].get("class_name") != "InputLayer":
        shape = {"batch_input_shape": first["batch_input_shape"], "dtype": first.get("input_dtype") or "float32"}
        name = f"{first['name']}_input"
        layers.insert(0, {"class_name": "InputLayer", "name": name, "config": {**shape, "name": name}})
    body = dict(config) if isinstance(config, Mapping) else {"name": entry.get("name", "")}
    return {**entry, "config": {**body, "layers": layers}}


def _by_shapes(model: Mapping[str, Any], file: KerasFile) -> None:
    """Note what only the shapes of weights say: which axes a PReLU shares (its slopes have length 1 there), and how the
    kernel of a Conv1D lies (up to Keras 1.1 as (out, in, k, 1), as Keras 1.2 finds out, too)."""
    shapes = {
        name.split(":")[0].rsplit("/", 1)[-1]: weight.data.shape
        for named in (file.named or {}).values()
        for name, weight in named.items()
    }
    for entry in layers_of(model["config"]):
        config = entry["config"]
        if entry.get("class_name") in MODELS:
            _by_shapes(entry, file)
        elif entry.get("class_name") == "PReLU" and not config.get("shared_axes"):
            shape = shapes.get(f"{config['name']}_alphas", ())
            config["shared_axes"] = [axis + 1 for axis, size in enumerate(shape) if size == 1] or None
        elif entry.get("class_name") == "Conv1D":
            shape = shapes.get(f"{config['name']}_W", ())
            new = (config["kernel_size"][0], 1, config["filters"])
            if len(shape) == 4 and (*shape[:2], shape[3]) != new:
                config["kernel_order"] = f"old_{config['kernel_order']}"


def _layer(entry: Mapping[str, Any], ordering: Fact | None, facts: Facts, problems: Problems) -> dict[str, Any]:
    """A layer as Keras 2 writes it; wrapped layers and models with it."""
    kind = str(entry.get("class_name"))
    if kind in MODELS:
        return _model(entry, ordering, facts, problems)
    config = dict(entry["config"])
    where = f"{facts.path}: layer {config.get('name')} ({kind})"
    if isinstance(config.get("layer"), Mapping):
        config["layer"] = _layer(config["layer"], ordering, facts, problems)
    if kind == "Merge":
        return _merge(entry, config, where, problems)
    with problems.collect():
        default = DATA_FORMATS[ordering.value] if ordering else None
        spelt = converted(kind, config, default, facts.backend == "theano", where)
        if kind == "BatchNormalization" and config.get("mode", 0) == 1:
            kind = "NormalizedSamples"
            if _number(facts.release) < _MODE_1_READ_SINCE:
                what = f"normalises samples (mode 1) by the formula of Keras {facts.release or 'before 1.2'}"
                raise Refused(where, f"{what}, and irconv knows that of Keras 1.2")
        return {**entry, "class_name": KINDS.get(kind, kind), "config": spelt}
    return dict(entry)


def _merge(entry: Mapping[str, Any], config: dict[str, Any], where: str, problems: Problems) -> dict[str, Any]:
    mode = str(config.get("mode"))
    if config.get("layers"):
        what = "merges branches at the start of a Sequential model, which irconv does not read"
        problems.add(where, what, "Build it as a Functional model and save it again.")
    if config.get("mode_type", "raw") != "raw" or mode not in MERGES:
        problems.add(where, f"expected a mode of {', '.join(MERGES)}, got {mode!r} ({config.get('mode_type')})")
        return dict(entry)
    settings: dict[str, Any] = {"name": config["name"], "trainable": True}
    if mode == "concat":
        settings["axis"] = config.get("concat_axis", -1)
    if mode == "cos":
        settings["axes"] = config.get("dot_axes", -1)
    if mode == "dot":
        settings |= {"axes": config.get("dot_axes", -1), "normalize": False}
    return {**entry, "class_name": MERGES[mode], "config": settings}


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])
