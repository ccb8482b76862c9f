"""Writes exported programs (``.pt2``): the module that ``m.py`` would be, exported by PyTorch's own ``torch.export``.

This needs PyTorch, of which no version writes what another one's archives look like.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from irconv import __version__
from irconv.containers.files import Progress
from irconv.containers.outputs import Output
from irconv.errors import Problems
from irconv.frameworks.torch import live
from irconv.frameworks.torch.live_write import to_module
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.shapes import Size, symbols
from irconv.options import WriteOptions

MEMBER = "irconv.json"
"""The archive's extra file in which irconv says that it wrote it."""
_SAMPLES = ((2, 64, 96, 128, 160, 192, 224), (3, 16, 24, 32, 40, 48, 56), (5, 7, 9, 11, 13, 17, 19))
"""Sizes of sample inputs where the model leaves them free, the first for a symbol of a first axis, tried in this order:
images want some, tables of positions hold only a few. An export takes 0 and 1 for fixed."""
_CANNOT = (RuntimeError, ValueError, TypeError, AssertionError, LookupError, AttributeError)
"""What PyTorch's tracer raises where it cannot follow a forward: errors of its own are a RuntimeError."""
_REMEDY = "Write m.py, whose forward is Python, or give the sizes with --input-shape."


def write_program(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write ``m.pt2``. Raises `MissingFact` where PyTorch is missing, `Refused` naming every layer that it cannot
    express, every free size that the export would fix, and what the export raises."""
    torch = live.import_torch()
    module = to_module(bundle)
    assert bundle.graph is not None, "what has no graph is no module"
    ports = bundle.graph.inputs
    with _quiet():
        exported = _exported(module, ports, str(destination), torch)
        exported.example_inputs = None  # they would be a pickle, and torch.export.load would run it
        said = json.dumps({"irconv": __version__, **bundle.source.marks()}, sort_keys=True)
        made = io.BytesIO()  # a file whose write fails ends the process: PyTorch's writer is no Python
        torch.export.save(exported, made, extra_files={MEMBER: said})
        output.path(destination).write_bytes(made.getbuffer())
    return [destination]


def _exported(module: Any, ports: Sequence[Port], where: str, torch: Any) -> Any:
    """The program, by the first samples that it can be exported with. Raises `Refused` where there are none."""
    free = [[axis for axis, size in enumerate(port.shape) if isinstance(size, str)] for port in ports]
    dims = tuple(dict.fromkeys(axes, torch.export.Dim.AUTO) for axes in free)
    problems = Problems()
    for sizes in _SAMPLES if any(free) else _SAMPLES[:1]:
        problems = Problems()
        try:
            given = tuple(_sample(port, shape, torch) for port, shape in zip(ports, _shapes(ports, sizes), strict=True))
            exported = torch.export.export(module, given, dynamic_shapes=dims)
        except _CANNOT as error:
            what = f"torch.export raised {type(error).__name__}: {str(error).strip()[:600]}"
            problems.add(where, what, _REMEDY)
            continue
        for port, axes, shape in zip(ports, free, _given_shapes(exported), strict=True):
            for axis in axes:
                if isinstance(shape[axis], int):
                    what = f"its size {port.shape[axis]} is free, and torch.export would fix it at {shape[axis]}"
                    problems.add(f"input {port.name}", what, _REMEDY)
        if not problems:
            return exported
    problems.raise_any()
    raise AssertionError("samples that do not export are a problem each")


def _given_shapes(exported: Any) -> list[Sequence[Any]]:
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    return [nodes[name].meta["val"].shape for name in exported.graph_signature.user_inputs]


def _shapes(ports: Sequence[Port], sizes: Sequence[int]) -> list[list[int]]:
    """A shape for each input: every symbol has one size."""
    given: dict[str, int] = {}
    first, others = sizes[0], cycle(sizes[1:])
    for port in ports:
        for axis, size in enumerate(port.shape):
            for symbol in sorted(symbols(size)):
                if symbol not in given:
                    taken = axis == 0 and first not in given.values()
                    given[symbol] = first if taken else next(others)
    return [[Size.of(size).value(given) for size in port.shape] for port in ports]


def _sample(port: Port, shape: Sequence[int], torch: Any) -> Any:
    return torch.zeros(tuple(shape), dtype=getattr(torch, port.dtype))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch says while it exports: errors come as exceptions."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._dynamo", "torch.fx")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
