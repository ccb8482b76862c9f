"""The tables of `irconv inspect`."""

from __future__ import annotations

from math import prod

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import StoredOperand
from irconv.report.plain import plain
from irconv.terminal import shown

_LONGEST = 60
"""Characters of a fact that are shown; the settings of training are thousands."""


def print_bundle(bundle: Bundle, console: Console | None = None) -> None:
    """Print what is known of a model, and what is not."""
    console = console or Console()
    source = bundle.source
    made_by = " ".join(part for part in (source.framework, source.version) if part)
    files = ", ".join(file.name for file in source.files)
    console.print(Text.assemble((shown(files), "bold"), f" from {shown(made_by)}"))
    for fact in source.facts:
        value = fact.value if len(fact.value) <= _LONGEST else f"{fact.value[:_LONGEST]}..."
        console.print(plain(f"{fact.name}: {value} ({fact.evidence})"))
    console.print(_graph(bundle) if bundle.graph else _groups(bundle))
    if bundle.graph:
        for kind, ports in (("input", bundle.graph.inputs), ("output", bundle.graph.outputs)):
            for port in ports:
                console.print(plain(f"{kind} {_port(port)}"))
    records = [tensor.record for tensor in bundle.tensors.values()]
    for role in ("parameter", "buffer", "constant", "optimizer"):
        if count := sum(prod(record.shape) for record in records if record.role == role):
            console.print(
                f"{count:,} elements in {sum(r.role == role for r in records)} tensors of role {role}", highlight=False
            )
    for omitted in bundle.omitted:
        console.print(plain(f"left out: {omitted.name} ({omitted.reason})"))


def _port(port: Port) -> str:
    axes = f" {port.axes}" if port.axes else " (axes not known)"
    turned = f", {port.source_axes} in the source" if port.axes != port.source_axes else ""
    return f"{port.name}: {port.dtype} ({', '.join(map(str, port.shape))}){axes}{turned}"


def _graph(bundle: Bundle) -> Table:
    assert bundle.graph is not None
    types = infer_types(bundle)
    table = Table("layer", "type", "settings", "weights", "result", box=None, header_style="bold")
    shown: set[str] = set()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        settings = (
            ", ".join(f"{k}={v}" for k, v in layer.settings().items()) if node.layer not in shown else "as before"
        )
        weights = [
            f"{role} {_shape(bundle.tensors[o.tensor].record.shape)} {bundle.tensors[o.tensor].record.letters}".rstrip()
            for role, o in layer.operands.items()
            if isinstance(o, StoredOperand)
        ]
        results = ", ".join(_shape(types[value].shape) for value in node.outputs.values())
        table.add_row(*map(plain, (node.layer, layer.type, settings)), plain(*weights), plain(results))
        shown.add(node.layer)
    return table


def _groups(bundle: Bundle) -> Table:
    table = Table("group", "type", "evidence", "tensors", "axes", box=None, header_style="bold")
    for group in bundle.groups:
        records = [(name, bundle.tensors[key].record) for name, key in group.tensors.items()]
        tensors = plain(*(f"{name} {_shape(record.shape)}" for name, record in records))
        axes = plain(*(record.letters or "unknown" for _, record in records))
        table.add_row(*map(plain, (group.name, group.type or "unknown", group.evidence)), tensors, axes)
    return table


def _shape(shape: tuple[int | str, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
