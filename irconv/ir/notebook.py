"""A bundle as a short table in HTML, for notebooks. Names are text there, whatever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import prod
from typing import TYPE_CHECKING

from irconv.errors import IrconvError
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import StoredOperand
from irconv.terminal import shown

if TYPE_CHECKING:
    from irconv.ir.bundle import Bundle
    from irconv.ir.graph import Graph, Node

_MOST = 24
"""Rows that are shown; of more, the first and the last."""


def table(bundle: Bundle) -> str:
    """What a bundle is, its inputs and outputs, and its layers or groups, the first and the last of many."""
    lines = [f"<b>{_text(repr(bundle).strip('<>'))}</b>"]
    if bundle.graph is None:
        rows = [(group.name, group.type or "", ", ".join(group.tensors)) for group in bundle.groups]
        lines.append(_table(("group", "type", "tensors"), rows))
    else:
        for kind, ports in (("input", bundle.graph.inputs), ("output", bundle.graph.outputs)):
            lines += [_text(f"{kind} {p.name}: {p.dtype} {_shape(p.shape)} {p.axes}") for p in ports]
        lines.append(_table(("layer", "type", "output", "parameters"), _rows(bundle, bundle.graph)))
    return "<div>" + "<br>".join(lines[:-1]) + lines[-1] + "</div>"


def _rows(bundle: Bundle, graph: Graph) -> list[tuple[str, ...]]:
    try:
        types = infer_types(bundle)
    except IrconvError:  # a bundle made by hand may not fit
        types = {}

    def row(node: Node) -> tuple[str, ...]:
        layer = bundle.layers[node.layer]
        results = ", ".join(_shape(types[value].shape) if value in types else "?" for value in node.outputs.values())
        stored = [o.tensor for o in layer.operands.values() if isinstance(o, StoredOperand)]
        numbers = sum(prod(bundle.tensors[key].record.shape) for key in dict.fromkeys(stored))
        return node.layer, layer.type, results, f"{numbers:,}"

    return [row(node) for node in graph.nodes]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    half = _MOST // 2
    left = len(rows) - 2 * half
    shown_rows = [*rows[:half], (f"… {left} more",), *rows[-half:]] if left > 1 else rows
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in shown_rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shape(shape: Sequence[int | str]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _text(text: str) -> str:
    return escape(shown(text))
