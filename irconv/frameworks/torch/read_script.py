"""Reads TorchScript (``torch.jit.save``) into bundles, without PyTorch and without running its code."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from irconv.containers.exported_program import Program
from irconv.containers.pickle import Instance
from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.torch import random_slopes
from irconv.frameworks.torch.aten import masks
from irconv.frameworks.torch.aten.aliases import Aliases
from irconv.frameworks.torch.aten.program import ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.frameworks.torch.pickles_tensors import PickledTensor
from irconv.frameworks.torch.script import archive
from irconv.frameworks.torch.script.archive import Script
from irconv.frameworks.torch.script.deduce import deduced
from irconv.frameworks.torch.script.follow import Follower, Module, definition
from irconv.frameworks.torch.script.ops import Ops
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord
from irconv.options import ReadOptions, said_shape


class _ReadLater(dict[str, int]):
    """Code is followed as it comes: any tensor may be read later."""

    def get(self, key: str, default: Any = None) -> Any:
        return 1 << 62


def read(path: Path, options: ReadOptions) -> Bundle:
    """The module's graph, naively.

    Raises `DamagedFile`, `MissingFact` for shapes of inputs that neither the file nor its code says, and `Refused`
    naming what cannot be carried over.
    """
    script = archive.read(path)
    ports, facts, unknown = _inputs(script, options, path)
    if unknown:
        channels, steps = _channels(script), _steps(script)
        found = deduced(ports, unknown, channels, steps, lambda tried: _followed(script, path, options, tried, ()))
        if found is None:
            remedy = "Give --input-shape {name}=N,3,224,224, and :int64 behind it for whole numbers."
            problems = Problems()
            for name in unknown:
                what = "its shape is not in the file, and the code does not tell it"
                problems.add(f"{path}: input {name}", what, remedy.format(name=name), MissingFact)
            problems.raise_any()
        else:
            ports, more = found
            facts = [*facts, *more]
    return _followed(script, path, options, ports, facts)


def _channels(script: Script) -> list[int]:
    """The sizes of the first two axes of the first weights of a module."""
    shapes = [weight.view.shape for weight in _weights(script.root).values() if len(weight.view.shape) > 1]
    return list(dict.fromkeys(int(size) for shape in shapes[:4] for size in (shape[1], shape[0])))


def _steps(script: Script) -> list[int]:
    """The sizes of square tables, such as masks between all steps."""
    shapes = [weight.view.shape[-2:] for weight in _weights(script.root).values() if len(weight.view.shape) > 1]
    return list(dict.fromkeys(int(shape[0]) for shape in shapes if shape[0] == shape[1] > 1))


def _followed(
    script: Script, path: Path, options: ReadOptions, inputs: Sequence[Port], facts: Sequence[Fact]
) -> Bundle:
    """The graph of a module whose inputs have these shapes."""
    reader = ProgramReader(Program({}, "", {}, frozenset(), {}), options, path.name)
    reader.aliases = Aliases(_ReadLater())
    weights = _weights(script.root)
    names: dict[tuple[Any, ...], str] = {}
    for name, weight in weights.items():
        weight.view.check(f"{path}: {name}")
        names.setdefault(weight.view.identity(), name)
    follower = Follower(script, Ops(reader, names))
    reader.aliases.is_read_later = follower.liveness.is_read_later
    for port in inputs:
        reader.values[port.name] = reader.importer.input(port)
    given = {port.name: Tensor(port.name) for port in inputs}
    outputs: list[Port] = []
    with reader.importer.reading(path.name, ()):
        for result in _tensors(follower.call(Module(script.root, ""), "forward", [], given), path):
            masks.settle(reader, result.name, path.name)
            value = reader.value(result)
            outputs.append(Port(name=result.name, value=value, dtype="", shape=(), axes="", source_axes=""))
    files = (SourceFile(name=path.name, size=path.stat().st_size, sha256=""),)
    source = SourceRecord(framework="torch", version="", files=files, facts=(*facts, *reader.facts()))
    bundle = reader.importer.bundle(source, outputs)
    used = {tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source is not None}
    rest = [name for name, weight in weights.items() if names[weight.view.identity()] not in used]
    unread = [Omitted(name=name, reason="inference does not read it") for name in rest]
    return random_slopes.told(replace(bundle, paths=(path,), omitted=(*bundle.omitted, *unread)))


def _inputs(script: Script, options: ReadOptions, path: Path) -> tuple[list[Port], list[Fact], list[str]]:
    """The inputs, in the shapes that the user says, or of the tensors that a trace was made with; and the names of
    those whose shapes nobody says. An argument with a default is an input only where the user gives it a shape."""
    arguments = definition(script, script.root, "forward", path.name).args
    names = [argument.arg for argument in arguments.args[1:]]
    count = len(arguments.defaults)
    defaults = dict(zip(names[len(names) - count :], map(ast.unparse, arguments.defaults), strict=True))
    said: dict[str, tuple[tuple[int | str, ...], str]] = {}
    for place, text in enumerate(options.input_shape):
        shape_text, _, dtype = text.partition(":")
        name, shape = said_shape(shape_text)
        name = name or (names[place] if place < len(names) else "")
        if name not in names:
            raise MissingFact(f"--input-shape {text}", f"the module has no such input, but {', '.join(names)}")
        said[name] = shape, dtype
    ports, facts, unknown = [], [], []
    for place, name in enumerate(names):
        sample = script.samples[place] if place < len(script.samples) else None
        sample = sample if isinstance(sample, PickledTensor) else None
        if name not in said and sample is None and name in defaults:
            evidence = "its default; --input-shape makes it an input"
            facts.append(Fact(name=f"argument {name}", value=defaults[name], evidence=evidence))
            continue
        if name not in said and sample is None:
            unknown.append(name)
        shape, dtype = said.get(name, (sample.view.shape if sample else (), ""))
        dtype = dtype or (sample.view.dtype if sample else "float32")
        if name not in said and sample is not None:
            evidence = "the input that it was traced with; --input-shape says another"
            facts.append(Fact(name=f"shape of {name}", value=",".join(map(str, shape)), evidence=evidence))
        ports.append(Port(name=name, value=name, dtype=dtype, shape=tuple(shape), axes="", source_axes=""))
    return ports, facts, unknown


def _tensors(results: Any, path: Path) -> list[Tensor]:
    if isinstance(results, Tensor):
        return [results]
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, list | tuple):
        return [tensor for item in results for tensor in _tensors(item, path)]
    if results is None:
        return []
    raise Refused(f"{path}: output", f"is {type(results).__name__}, not a tensor")


def _weights(module: Instance, prefix: str = "") -> dict[str, PickledTensor]:
    """The tensors of a module and of those in it, by their names in a state dict."""
    found: dict[str, PickledTensor] = {}
    for name, value in module.attributes.items():
        if isinstance(value, PickledTensor):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, Instance):
            found |= _weights(value, f"{prefix}{name}.")
    return found
