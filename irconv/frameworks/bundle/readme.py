"""The README.md of a bundle: what it is, in words, for somebody who finds it in twenty years."""

from __future__ import annotations

from inspect import getdoc
from math import prod

from irconv.frameworks.bundle.sketch import program
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.inference import infer_types
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import StoredOperand
from irconv.terminal import shown

_ESCAPED = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "`": "\\`", "[": "\\[", "]": "\\]", "<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
_PROBED = (
    "* `probe.safetensors` holds inputs and what the source's framework predicted of them; `irconv check` compares.",
    "  `manifest.json` says under `probe` which array is which.",
)


def readme(bundle: Bundle) -> str:
    """The text; it depends on nothing but the bundle."""
    source = bundle.source
    files = ", ".join(f"`{shown(file.name).replace('`', chr(39))}`" for file in source.files) or "an unnamed file"
    made_by = _cell(" ".join(part for part in (source.framework, source.version) if part))
    parameters = sum(prod(t.record.shape) for t in bundle.tensors.values() if t.record.role == "parameter")
    lines = [
        f"# A neural network, from {files} ({made_by})",
        "",
        "This folder is an irconv bundle: a neural network in a form that needs no framework.",
        "",
        *_said(bundle),
        "* `manifest.json` lists the layers with their settings, the graph, and for every tensor its shape, axes and",
        "  where it came from.",
        "* `weights.safetensors` holds the numbers: 8 bytes with the length of a JSON header (little-endian), the",
        "  header with type, shape and place of each tensor, then the raw little-endian arrays.",
        "* `SHA256SUMS` has the digests of all files; `sha256sum -c SHA256SUMS` checks them. `weights.blocks.json` has",
        "  those of each part of the weights.",
        *_PROBED[: 2 * (bundle.probe is not None)],
        "",
        "Activations are channels-first (N batch, C channels, D H W space), convolution kernels are (out, in, space)",
        "and slide without being turned, matrices are (out, in).",
        "",
    ]
    if bundle.graph is not None:
        lines += ["| | name | type | shape | axes |", "| --- | --- | --- | --- | --- |"]
        lines += [_port("input", port) for port in bundle.graph.inputs]
        lines += [_port("output", port) for port in bundle.graph.outputs]
        lines += ["", f"{parameters:,} parameters. The layers, in the order in which they run:", "", *_layers(bundle)]
        lines += [
            "",
            "## What each type computes",
            "",
            *_formulas(bundle),
            "## As a numpy program",
            "",
            *_program(bundle),
        ]
    else:
        lines += [f"{parameters:,} parameters and no graph: the file held weights alone.", "", *_groups(bundle)]
    return "\n".join(lines) + "\n"


def _port(kind: str, port: Port) -> str:
    return f"| {kind} | {_cell(port.name)} | {port.dtype} | {_cell(_shape(port.shape))} | {_cell(port.axes)} |"


def _layers(bundle: Bundle) -> list[str]:
    assert bundle.graph is not None
    types = infer_types(bundle)
    makers = {port.value: port.name for port in bundle.graph.inputs}
    lines = ["| layer | type | of | settings | weights | result |", "| --- | --- | --- | --- | --- | --- |"]
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        own = layer.settings().keys() - {"body"}
        keys = [(role, o.tensor) for role, o in layer.operands.items() if isinstance(o, StoredOperand)]
        weights = ", ".join(f"{role} {_shape(bundle.tensors[key].record.shape)}" for role, key in keys)
        results = ", ".join(_shape(types[value].shape) for value in node.outputs.values())
        settings = ", ".join(f"{name}={value}" for name, value in layer.model_dump(mode="json").items() if name in own)
        sources = ", ".join(makers[value] for value in node.inputs.values())
        makers |= dict.fromkeys(node.outputs.values(), node.layer)
        cells = (node.layer, layer.type, sources, settings, weights, results)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return lines


def _said(bundle: Bundle) -> list[str]:
    """What people say of the model."""
    if bundle.meta is None:
        return []
    said = bundle.meta.model_dump()
    said["labels"] = ", ".join(said["labels"])
    return [f"* {name}: {_cell(text)}" for name, text in said.items() if text] + [""]


def _formulas(bundle: Bundle) -> list[str]:
    """The meaning of every type that is used, in its own words."""
    assert bundle.graph is not None
    lines: list[str] = []
    for name in sorted({bundle.layers[node.layer].type for node in bundle.graph.nodes}):
        text = (getdoc(layer_class(name)) or "").replace("``", "`")
        lines += [f"**{name}**: {text}", ""]
    return lines


def _program(bundle: Bundle) -> list[str]:
    """Code that computes the model with numpy alone, or why there is none."""
    made = program(bundle)
    if isinstance(made, tuple):
        return [f"There is none here for {', '.join(made)}; what they compute is said above."]
    read = '`w = read("weights.safetensors")` (of several such files: one after the other, into one `dict`)'
    lines = [f"{read}, then `model(w, ...)` with the inputs in their order gives the outputs by name.", ""]
    return [*lines, "```python", *made, "```"]


def _groups(bundle: Bundle) -> list[str]:
    lines = ["| group | type | tensors |", "| --- | --- | --- |"]
    for group in bundle.groups:
        tensors = ", ".join(f"{n} {_shape(bundle.tensors[key].record.shape)}" for n, key in group.tensors.items())
        lines.append(f"| {_cell(group.name)} | {_cell(group.type or 'unknown')} | {_cell(tensors)} |")
    return lines


def _cell(text: str) -> str:
    """Foreign text in one cell: letters that Markdown or HTML gives a meaning are escaped."""
    return shown(text.translate(_ESCAPED)).strip()


def _shape(shape: tuple[int | str, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"
