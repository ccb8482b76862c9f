"""Chains of PyTorch's modules as native layers: one spelling of every version's attributes, nested chains in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from math import isfinite
from typing import Any

from irconv.codec import Native, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import MissingFact
from irconv.frameworks.torch.modules import Module
from irconv.frameworks.torch.normalise_modules import NATIVES, first_input, native
from irconv.frameworks.torch.normalise_source import known_form
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin
from irconv.options import said_shape
from irconv.translate import NativeModel, NativeUse

_WRAPPERS = {"DataParallel", "DistributedDataParallel", "OptimizedModule", "FullyShardedDataParallel"}
_CONTAINER = "torch.nn.modules.container."


class NoGraph(Exception):
    """What stands in the way of a graph, in words for people; the weights can be read all the same."""


@dataclass(frozen=True)
class Facts:
    """What the user says about a module."""

    input_shape: tuple[str, ...] = ()
    module_map: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Chain:
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    parts: list[Module] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    """Identity of a module -> its layer, as one module may stand at several places."""
    value: str = "x"


def module_map(pairs: Sequence[str]) -> dict[str, str]:
    """``CLASS=TYPE`` as a mapping. Raises `MissingFact` for another form, or a type that is not known."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, kind = pair.partition("=")
        kind = kind.removeprefix("nn.")
        if not separator or not name or (kind not in NATIVES and kind != "Sequential"):
            raise MissingFact(
                f"--module-map {pair}", "expected CLASS=TYPE with a module of torch.nn", "Try Net=Flatten."
            )
        found[name] = kind
    return found


def normalise(module: Module, weights: Mapping[str, NativeWeight], facts: Facts) -> NativeModel:
    """A chain of modules as native layers; `weights` are those of the state dict by name.

    Raises `NoGraph` where a module's own code says in which order its parts are used.
    """
    chain = _Chain()
    for path, part in _parts(module, "", facts):
        _add(chain, path, part, weights, facts)
    if not chain.uses:
        raise NoGraph("it has no layers")
    port = _input(chain, facts)
    output = Port(name="y", value=chain.value, dtype=port.dtype, shape=(), axes="", source_axes="")
    where = {name: f"module {name} ({layer.type})" for name, layer in chain.layers.items()}
    return NativeModel(chain.layers, tuple(chain.uses), (port,), (output,), where)


def _parts(module: Module, path: str, facts: Facts) -> Iterator[tuple[str, Module]]:
    """The layers of nested chains in their order."""
    name = module.cls.rsplit(".", maxsplit=1)[-1]
    if name in _WRAPPERS and module.cls.startswith("torch.") and len(module.children) == 1:
        ((child, inner),) = module.children.items()
        if inner is not None:
            yield from _parts(inner, f"{path}{child}.", facts)
            return
    mapped = facts.module_map.get(module.cls) or facts.module_map.get(name)
    if mapped != "Sequential" and module.cls != f"{_CONTAINER}Sequential":
        yield path.rstrip("."), module
        return
    for child, inner in module.children.items():
        if inner is not None:
            yield from _parts(inner, f"{path}{child}.", facts)


def _add(chain: _Chain, path: str, part: Module, weights: Mapping[str, NativeWeight], facts: Facts) -> None:
    result = f"{path or 'layer'}.y"
    name = chain.names.get(id(part))
    if name is None:
        name = chain.names[id(part)] = path or "layer"
        kind, config = _native(path, part, facts)
        prefix = f"{path}." if path else ""
        kept = [local for local in (*part.parameters, *part.buffers) if local != "num_batches_tracked"]
        tensors = {local: weights[f"{prefix}{local}"] for local in kept if f"{prefix}{local}" in weights}
        origin = Origin(framework="torch", type=part.cls, name=path, config=_plain(part.settings), split_from=None)
        chain.layers[name] = Native(kind, name, config, tensors, origin=origin)
        chain.parts.append(part)
    scope = "/".join(path.split(".")[:-1])
    chain.uses.append(NativeUse(name, (chain.value,), (result,), scope))
    chain.value = result


def _native(path: str, part: Module, facts: Facts) -> tuple[str, dict[str, Any]]:
    """The native type and settings of one layer. Raises `NoGraph` where they are not known."""
    where = f"module {path} ({part.cls})" if path else f"its class {part.cls}"
    name = part.cls.rsplit(".", maxsplit=1)[-1]
    if part.hooks:
        raise NoGraph(f"{where} has hooks, which run code of their own: {', '.join(part.hooks)}")
    mapped = facts.module_map.get(part.cls) or facts.module_map.get(name)
    if mapped is None and part.cls.startswith("torch.nn.modules.") and name in NATIVES:
        return _checked(where, name, part)
    if part.parameters or part.buffers or part.children:
        raise NoGraph(f"{where} is a class whose own code says how its parts are used, which irconv does not run")
    form = (mapped, {}) if mapped else known_form(part.source)
    if form is None:
        source = "whose source irconv does not know" if part.source else "whose source is not in the file"
        raise NoGraph(f"{where} is a class {source}. Give --module-map {name}=TYPE, such as {name}=Flatten")
    kind, settings = form
    return _checked(where, kind, Module(part.cls, {**part.settings, **settings}, {}, {}, {}))


def _checked(where: str, name: str, part: Module) -> tuple[str, dict[str, Any]]:
    try:
        return native(name, part)
    except ValueError as error:
        raise NoGraph(f"{where}: {error}") from error


def _input(chain: _Chain, facts: Facts) -> Port:
    """The input, as the user says or as the first layer shows it."""
    parts = chain.parts
    dtypes = [w.data.dtype for layer in chain.layers.values() for w in layer.tensors.values()]
    floats = [dtype for dtype in dtypes if "float" in dtype] or ["float32"]
    embeds = bool(parts) and parts[0].cls.endswith(".Embedding")
    dtype = "int64" if embeds else floats[0]
    if facts.input_shape:
        name, shape = _said_shape(facts.input_shape)
        return Port(name=name or "x", value="x", dtype=dtype, shape=shape, axes="", source_axes="")
    shape = next((found for found in map(first_input, parts) if found is not None), ())
    kinds = [layer.type for layer in chain.layers.values()]
    flattens = "torch.flatten" in kinds and "nn.Linear" in kinds[kinds.index("torch.flatten") :]
    if not shape or flattens:
        why = "the size of what it flattens depends on it" if flattens else "its first layer does not show it"
        raise NoGraph(f"the shape of its input is not in the file, and {why}. Give --input-shape, such as N,1,28,28")
    return Port(name="x", value="x", dtype=dtype, shape=shape, axes="", source_axes="")


def _said_shape(said: tuple[str, ...]) -> tuple[str, tuple[int | str, ...]]:
    if len(said) != 1:
        raise MissingFact("--input-shape", f"expected one shape, as the module has one input, got {len(said)}")
    return said_shape(said[0])


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of the attributes can stand in a manifest."""

    def plain(value: Any) -> bool:
        if isinstance(value, float):
            return isfinite(value)
        if isinstance(value, tuple | list):
            return len(value) < 64 and all(isinstance(item, bool | int | str) for item in value)
        return value is None or isinstance(value, bool | int | str)

    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items() if plain(value)
    }
