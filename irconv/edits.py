"""What the user asks to change in a native model before it is decoded: cut it short, leave a layer out, teach a layer.

These work on native layers, so that they help with exactly those that irconv cannot carry over.
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


def run(model: NativeModel, options: ReadOptions) -> NativeModel:
    """The model up to the layers of `options.until`, without the layers of `options.replace`; their weights are listed.

    Raises `MissingFact` for a layer the model does not have, or one that the identity cannot stand for.
    """
    problems = Problems()
    for wish in options.replace:
        with problems.collect():
            model = _replaced(model, wish)
    problems.raise_any()
    return _until(model, options.until) if options.until else model


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


def _replaced(model: NativeModel, wish: str) -> NativeModel:
    name, equals, what = wish.rpartition("=")
    if not equals or what != "identity":
        raise MissingFact(f"--replace {wish}", "expected LAYER=identity")
    layer = _layer(model, name, "--replace")
    if any(len(use.inputs) != 1 or len(use.outputs) != 1 for use in model.uses if use.layer == layer):
        raise MissingFact(f"--replace {wish}", "expected a layer of one input and one output")
    native = model.layers[layer]
    return replace(
        model,
        layers={**model.layers, layer: Native(_IDENTITY, layer, origin=native.origin)},
        omitted=(*model.omitted, *_left_out([native], f"--replace {wish}")),
    )


def _until(model: NativeModel, names: Sequence[str]) -> NativeModel:
    """The uses that the results of the named layers need; the outputs stand in the order of the names."""
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
        omitted=(*model.omitted, *_left_out(dropped, " ".join(f"--until {name}" for name in names))),
    )


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
        what = "the model has none of this name" if not found else f"several parts have it: {', '.join(found)}"
        raise MissingFact(f"{flag} {name}", f"expected the name of a layer, but {what}")
    return found[0]


def _left_out(natives: Collection[Native], reason: str) -> list[Omitted]:
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
