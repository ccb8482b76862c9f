"""Which variables a layer has, in the order in which Keras creates them: what positional files leave out.

A `.keras` archive counts the variables of a layer (``vars/0``, ``vars/1``) and names the attribute that holds a
sublayer (``forward_layer/cell``). HDF5 files list variable names, which may end alike in one layer. The tree of a layer
says what both mean; a variable's local name is its path in that tree, such as ``forward_layer/cell/kernel``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile
from irconv.frameworks.keras.own import is_own
from irconv.frameworks.keras.packages import variables as packages

MODELS = ("Functional", "Model", "Sequential")


@dataclass(frozen=True)
class Variable:
    """One variable of a layer or of one of its sublayers."""

    path: str
    """Its local name."""
    owners: tuple[str, ...]
    """The names of the layer and its sublayers on the way to it, outermost first."""
    trainable: bool


@dataclass(frozen=True)
class Tree:
    """The variables of one layer, and its sublayers."""

    kind: str
    name: str
    trainable: bool
    own: tuple[str, ...]
    """Its own variables in order; ``~`` before one that is never trained, ``=`` before one that a sublayer has, too."""
    children: tuple[Child, ...] = ()
    known: bool = True
    """Whether irconv knows the variables of this kind; if not, `own` is empty and means nothing."""

    def variables(self) -> list[Variable]:
        """All variables as Keras lists the weights of a layer: those that are trained first, depth first in each."""
        found = list(self._walk("", (), True))
        return [v for v in found if v.trainable] + [v for v in found if not v.trainable]

    def unknown(self, path: str = "") -> Iterator[tuple[str, Tree]]:
        """The layers in this one, or itself, whose variables irconv does not know, by their path in local names."""
        if not self.known:
            yield path, self
        for child in self.children:
            yield from child.tree.unknown(f"{path}/{child.path}".lstrip("/"))

    def has_model(self) -> bool:
        """Whether it is a model or holds one."""
        return self.kind in MODELS or any(child.tree.has_model() for child in self.children)

    def _walk(self, prefix: str, owners: tuple[str, ...], trainable: bool) -> Iterator[Variable]:
        trainable, owners = trainable and self.trainable, (*owners, self.name)
        for name in self.own:
            if not name.startswith("="):
                yield Variable(prefix + name.lstrip("~"), owners, trainable and not name.startswith("~"))
        for child in self.children:
            yield from child.tree._walk(f"{prefix}{child.path}/", owners, trainable)


@dataclass(frozen=True)
class Child:
    """A sublayer: where it stands in local names, and in the groups of positional files."""

    path: str
    container: str
    """The attribute that lists it among others (``layers``); empty where it has an attribute of its own, its path."""
    tree: Tree


#: The variables of each kind. ``?key``: only where the setting is true (or absent); ``?key=value``: only where it has
#: this value (or is absent). ``?key!``: only where the setting is there and true. Signs as in `Tree.own`.
OWN: Mapping[str, str] = {
    "AdditiveAttention": "scale?use_scale",
    "Attention": "scale?use_scale concat_score_weight?score_mode=concat",
    "BatchNormalization": (
        "gamma?scale beta?center ~moving_mean ~moving_variance "
        "~moving_stddev?renorm! ~renorm_mean?renorm! ~renorm_stddev?renorm!"
    ),
    "DepthwiseConv1D": "depthwise_kernel bias?use_bias",
    "DepthwiseConv2D": "depthwise_kernel bias?use_bias",
    "EinsumDense": "kernel bias?bias_axes",
    "Embedding": "embeddings",
    "GroupNormalization": "gamma?scale beta?center",
    "LayerNormalization": "gamma?scale beta?center",
    "LayerScale": "gamma",
    "Normalization": "~mean?mean=None ~variance?mean=None ~count?mean=None",
    "PReLU": "alpha",
    "RMSNormalization": "scale",
    "ReversibleEmbedding": "embeddings reverse_embeddings?tie_weights=False",
    "SpectralNormalization": "=kernel ~vector_u",
    **dict.fromkeys(
        [
            *(f"Conv{n}D{transpose}" for n in (1, 2, 3) for transpose in ("", "Transpose")),
            *("Dense", "LocallyConnected1D", "LocallyConnected2D"),
        ],
        "kernel bias?use_bias",
    ),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "depthwise_kernel pointwise_kernel bias?use_bias"),
    **dict.fromkeys(
        ("ConvLSTMCell", "GRUCell", "LSTMCell", "SimpleRNNCell", "CuDNNCell"), "kernel recurrent_kernel bias?use_bias"
    ),
}

#: Kinds whose variables are those of a cell, by the kind of the cell.
CELLS: Mapping[str, str] = {
    "ConvLSTM1D": "ConvLSTMCell",
    "ConvLSTM2D": "ConvLSTMCell",
    "ConvLSTM3D": "ConvLSTMCell",
    "CuDNNGRU": "CuDNNCell",
    "CuDNNLSTM": "CuDNNCell",
    "GRU": "GRUCell",
    "LSTM": "LSTMCell",
    "SimpleRNN": "SimpleRNNCell",
}

#: The projections of attention layers: attribute, name of the layer there.
_PROJECTIONS = (("query_dense", "query"), ("key_dense", "key"), ("value_dense", "value"))
_OUTPUT = ("output_dense", "attention_output")
_QUANTISED = {"Dense": "kernel", "EinsumDense": "kernel", "Embedding": "embeddings"}
"""What a layer has that it can keep in few bits."""
_FLOAT8 = tuple(f"{part}_{kind}" for part in ("inputs", "kernel", "outputs_grad") for kind in ("scale", "amax_history"))

_ABSENT = object()
_SLASH = "\0"


def tree(entry: Mapping[str, Any]) -> Tree:
    """The tree of a serialised layer: ``class_name`` and ``config``."""
    kind, config = str(entry.get("class_name")), entry.get("config") or {}
    if kind in MODELS:
        name = str(config.get("name", "")) if isinstance(config, Mapping) else ""
        return Tree(kind, name, _trained(config), (), tuple(_listed("", "layers", layers_of(config))))
    name = str(config.get("name", entry.get("name", "")))
    if kind == "LayerNormalization" and config.get("rms_scaling"):
        config = {**config, "scale": True, "center": False}
    own = tuple(_present(OWN.get(kind) or packages.OWN.get(kind, ""), config))
    own += _of_few_bits(kind, config)
    inside = _CHILDREN.get(kind)
    try:
        children = _cell_of(kind, config) if kind in CELLS else inside(config) if inside else _of_package(kind, config)
    except MALFORMED as error:
        what = f"expected the layers that it wraps, but something is missing or of another kind: {error!r}"
        raise DamagedFile(f"layer {name} ({kind})", what) from error
    known = any(kind in kinds for kinds in (OWN, CELLS, _CHILDREN, packages.OWN, packages.INSIDE))
    return Tree(kind, name, _trained(config), own, tuple(children), known)


def segment(name: str) -> str:
    """The name of a layer as one part of a local name; Keras allows slashes in it, which are no parts of a path.

    >>> shown(f"{segment('conv1/bn')}/gamma")
    'conv1/bn/gamma'
    """
    return name.replace("/", _SLASH)


def shown(path: str) -> str:
    """A local name for people."""
    return path.replace(_SLASH, "/")


def layers_of(config: Any) -> list[Any]:
    """The layers of a model; up to Keras 2.0.8 the config of a Sequential is the list itself."""
    return list(config if isinstance(config, list) else config["layers"])


def bits_of(config: Mapping[str, Any]) -> str:
    """The form that a layer of Keras 3 keeps its weights in, such as ``int8`` or ``int4/128``; empty for floats."""
    policy = config.get("dtype")
    said = policy.get("config", {}) if isinstance(policy, Mapping) else {"name": policy}
    mode = str(said.get("mode") or str(said.get("name") or "").partition("_from_")[0])
    return mode if mode.startswith(("int8", "int4", "float8")) else ""


def _of_few_bits(kind: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The variables beside quantised weights: scales; offsets and groups where there are groups of 4-bit integers."""
    mode, part = bits_of(config), _QUANTISED.get(kind)
    if not mode or part is None:
        return ()
    if mode == "float8":
        return tuple(f"~{name}" for name in _FLOAT8)
    grouped = mode.startswith("int4/") and mode != "int4/-1"
    return (f"~{part}_scale", *((f"~{part}_zero", "~g_idx") if grouped else ()))


_CLASSES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Names of layers that their classes do not have."""


def snake_case(kind: str) -> str:
    """A class name as archives spell it, without its package: ``Conv2DTranspose`` is ``conv2d_transpose``."""
    kind = _CLASSES.get(kind, kind)
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind.rpartition(">")[2]))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _trained(config: Any) -> bool:
    return not isinstance(config, Mapping) or bool(config.get("trainable", True))


def _present(words: str, config: Mapping[str, Any]) -> Iterator[str]:
    for word in words.split():
        name, _, condition = word.partition("?")
        key, equals, wanted = condition.partition("=")
        value = config.get(key, _ABSENT) if not key.endswith("!") else bool(config.get(key[:-1]))
        if not condition or value is _ABSENT or (str(value) == wanted if equals else value):
            yield name


def _listed(prefix: str, container: str, entries: Iterable[Any]) -> Iterator[Child]:
    """Layers of a model; operators hold no variables and are no layers."""
    for entry in entries:
        if ".ops." not in str(entry.get("module", "")) or not is_own(entry):
            found = tree(entry)
            yield Child(prefix + segment(found.name or str(entry.get("name"))), container, found)


def _of_package(kind: str, config: Mapping[str, Any]) -> tuple[Child, ...]:
    """The layers in a layer of a package; those of a list stand under its attribute."""
    found = packages.INSIDE[kind](config) if kind in packages.INSIDE else []
    return tuple(Child(path, path.rpartition("/")[0], tree(entry)) for path, entry in found)


def _sublayer(path: str, entry: Mapping[str, Any]) -> Child:
    return Child(path, "", tree(entry))


def _cell_of(kind: str, config: Mapping[str, Any]) -> tuple[Child, ...]:
    cell = {key: value for key, value in config.items() if key != "trainable"}
    return (_sublayer("cell", {"class_name": CELLS[kind], "config": cell}),)


def _rnn(config: Mapping[str, Any]) -> tuple[Child, ...]:
    cell = config["cell"]
    return (_sublayer("cell", cell if isinstance(cell, Mapping) else cell[0]),)


def _stacked(config: Mapping[str, Any]) -> tuple[Child, ...]:
    return tuple(Child(f"cells/{i}", "cells", tree(entry)) for i, entry in enumerate(config["cells"]))


def _bidirectional(config: Mapping[str, Any]) -> tuple[Child, ...]:
    """The forward layer is the one given, renamed; without a backward layer of its own it is a copy of that."""
    forward = config["layer"]
    backward = config.get("backward_layer") or forward
    return tuple(
        Child(f"{way}_layer", "", tree(_renamed(entry, way)))
        for way, entry in (("forward", forward), ("backward", backward))
    )


def _renamed(entry: Mapping[str, Any], way: str) -> dict[str, Any]:
    name = str(entry["config"].get("name", ""))
    name = name if name.startswith(f"{way}_") else f"{way}_{name.removeprefix('forward_')}"
    return {**entry, "config": {**entry["config"], "name": name}}


def _wrapped(config: Mapping[str, Any]) -> tuple[Child, ...]:
    return (_sublayer("layer", config["layer"]),)


def _attention(config: Mapping[str, Any]) -> tuple[Child, ...]:
    settings = {"use_bias": config.get("use_bias", True)}
    projection = {"class_name": "Dense", "config": settings}
    return tuple(
        _sublayer(path, {**projection, "config": {**settings, "name": name}}) for path, name in (*_PROJECTIONS, _OUTPUT)
    )


_CHILDREN: Mapping[str, Callable[[Mapping[str, Any]], tuple[Child, ...]]] = {
    "Bidirectional": _bidirectional,
    "GroupQueryAttention": _attention,
    "GroupedQueryAttention": _attention,
    "MultiHeadAttention": _attention,
    "RNN": _rnn,
    "SpectralNormalization": _wrapped,
    "StackedRNNCells": _stacked,
    "TimeDistributed": _wrapped,
}

#: Every kind whose variables, or sublayers, are known here.
KINDS = {*MODELS, *OWN, *CELLS, *_CHILDREN}
