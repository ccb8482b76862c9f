"""What the user asks to change on the way in: a model cut short, a layer left out, a layer taught.

These work on native layers, before each is decoded, so that they help with exactly those that irconv cannot carry over.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from irconv.boundary import PLUGIN, plugin_place
from irconv.codec import Codec, Native, NativeModel, NativeUse, Table
from irconv.errors import MissingFact, Problems, Refused
from irconv.ir.graph import Port
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.manifest import Omitted
from irconv.options import ReadOptions

_IDENTITY = "the identity in place of a layer"

NO_LAYER = "expected the name of a layer, but the model has none of this name"


def run(model: NativeModel, options: ReadOptions) -> NativeModel:
    """The model up to the layers of `options.until`, with the identity for those of `options.replace`.

    Raises `MissingFact` for a layer the model does not have, or one that the identity cannot stand for.
    """
    wishes = replaced(model, options)
    layers = {name: identity(native) if name in wishes else native for name, native in model.layers.items()}
    return until(replace(model, layers=layers), options)


def replaced(model: NativeModel, options: ReadOptions) -> dict[str, str]:
    """Native layer -> the wish that the identity stand for it (``--replace``).

    Raises `MissingFact` for a layer the model does not have, or one of several inputs or outputs.
    """
    problems, found = Problems(), dict[str, str]()
    for wish in options.replace:
        with problems.collect():
            layer = _layer(model, said_layer(wish), "--replace")
            for use in model.uses:
                if use.layer == layer:
                    check_single(use, wish)
            found[layer] = wish
    problems.raise_any()
    return found


def said_layer(wish: str) -> str:
    """The layer of ``LAYER=identity``. Raises `MissingFact` for anything else."""
    name, equals, what = wish.rpartition("=")
    if not equals or what != "identity":
        raise MissingFact(f"--replace {wish}", "expected LAYER=identity")
    return name


def check_single(use: NativeUse, wish: str) -> None:
    """Raise `MissingFact` for a use that the identity cannot stand for."""
    if len(use.inputs) != 1 or len(use.outputs) != 1:
        raise MissingFact(f"--replace {wish}", "expected a layer of one input and one output")


def identity(native: Native) -> Native:
    """What stands for a layer that is left out."""
    return Native(_IDENTITY, native.name, origin=native.origin)


def with_plugins(table: Table, options: ReadOptions) -> Table:
    """The table with the codecs of the user's plugins, which go first. Runs the plugin files, as the user asked.

    Raises `MissingFact` for a file that is no plugin, or has nothing for this framework.
    """
    return table.extended([Codec(_IDENTITY, Identity), *taught(table, options)])


def taught(table: Table, options: ReadOptions) -> list[Codec]:
    """The codecs of the user's plugins alone; see `with_plugins`."""
    framework, found_all = table.framework.lower(), list[Codec]()
    problems = Problems()
    for path in options.plugins:
        with problems.collect():
            found = _codecs(path)
            if framework not in found:
                what = f"expected codecs for {framework}, as the model is {table.framework}'s, got {', '.join(found)}"
                raise MissingFact(f"--plugin {path}", what)
            found_all += found[framework]
    problems.raise_any()
    return found_all


def until(model: NativeModel, options: ReadOptions) -> NativeModel:
    """The uses that the results of the layers of `options.until` need; the outputs stand in the order of the names.

    The weights of the others are listed. Raises `MissingFact` for a layer the model does not have.
    """
    names = options.until
    if not names:
        return model
    problems, results = Problems(), dict[str, None]()
    for name in names:
        with problems.collect():
            results |= dict.fromkeys(_results(model, name))
    problems.raise_any()
    needed, kept = set(results), list[NativeUse]()
    for use in reversed(model.uses):
        if needed & set(use.outputs):
            needed |= set(use.inputs)
            kept.insert(0, use)
    layers = {use.layer for use in kept}
    dropped = [native for layer, native in model.layers.items() if layer not in layers]
    ports = tuple(Port(name=value, value=value, dtype="", shape=(), axes="", source_axes="") for value in results)
    return replace(
        model,
        layers={layer: native for layer, native in model.layers.items() if layer in layers},
        uses=tuple(kept),
        inputs=tuple(port for port in model.inputs if port.value in needed),
        outputs=ports,
        omitted=(*model.omitted, *left_out(dropped, said_until(options))),
    )


def said_until(options: ReadOptions) -> str:
    """The flags that cut a model short, as the reason why a weight is left out."""
    return " ".join(f"--until {name}" for name in options.until)


def _results(model: NativeModel, name: str) -> list[str]:
    """The value of this name, or what the last use of the layer makes; a fused activation belongs to its layer."""
    if any(name in use.outputs for use in model.uses):
        return [name]
    layer = _layer(model, name, "--until")
    return next(list(use.outputs) for use in reversed(model.uses) if use.layer == layer)


def _layer(model: NativeModel, name: str, flag: str) -> str:
    """The native layer of this name, or of this name in its file."""
    if name in model.layers:
        return name
    found = [layer for layer, native in model.layers.items() if native.origin and native.origin.name == name]
    if len(found) != 1:
        several = f"expected the name of a layer, but several parts have it: {', '.join(found)}"
        raise MissingFact(f"{flag} {name}", several if found else NO_LAYER)
    return found[0]


def left_out(natives: Collection[Native], reason: str) -> list[Omitted]:
    """The weights of layers that the user leaves out."""
    return [Omitted(name=weight.path, reason=reason) for native in natives for weight in native.tensors.values()]


def _codecs(path: Path) -> Mapping[str, Sequence[Codec]]:
    """The codecs of a plugin by framework; a file that was edited since is run again."""
    return _run_once(path, path.stat().st_mtime_ns if path.is_file() else 0)


@contextmanager
def nothing_beside() -> Iterator[None]:
    """Python keeps no bytecode of what is imported inside the block: nothing appears beside a user's own file."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@cache
def _run_once(path: Path, changed: int) -> Mapping[str, Sequence[Codec]]:
    spec = spec_from_file_location(f"{PLUGIN}{path.stem}", path) if path.suffix == ".py" else None
    if spec is None or spec.loader is None or not path.is_file():
        raise MissingFact(f"--plugin {path}", "expected a Python file that defines CODECS")
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module  # where pydantic looks up the types that a class names
    try:
        with nothing_beside():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a file may do when it is run
        line = error.lineno if isinstance(error, SyntaxError) else None
        place = f"{path}, line {line}" if line else plugin_place(error) or str(path)
        raise Refused(f"--plugin {place}", f"raised {type(error).__name__}: {error}", "Mend the plugin.") from error
    found = getattr(module, "CODECS", None)
    if not isinstance(found, Mapping) or not all(isinstance(c, Codec) for codecs in found.values() for c in codecs):
        raise MissingFact(f"--plugin {path}", "expected CODECS = {framework: [Codec(...), ...]}")
    return {str(framework).lower(): codecs for framework, codecs in found.items()}
