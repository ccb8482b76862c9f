"""Networks of PyTorch as an exported program, as a trace, and through both ONNX exporters: is it one model to irconv?

Each is brought to its canonical form: without what inference does not need, arithmetic raised to the layers that it is,
and, where two ways differ, with what exporters compute ahead computed on both sides: what no input has a part in, and
norms merged into what stands before them. Two are equal in form where every output is computed by the same layers with
the same settings from the same inputs, whatever anything is called. Part of
`benchmarks.torch_zoo`, which makes the page of all.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from benchmarks.onnx_ways import layers, nearest, plain, stored
from benchmarks.torch_export import FILES
from irconv.errors import IrconvError
from irconv.frameworks import writers
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.options import WriteOptions
from irconv.passes import fold_norms
from irconv.preparing import prepared

WAYS = ("trace", "script exporter", "dynamo exporter")
_SYMMETRIC = ("Add", "Mul", "Maximum", "Minimum", "Equal", "NotEqual", "And", "Or")
"""Layers of two inputs whose order does not matter."""


def canonical(bundle: Bundle, contents: bool) -> list[str]:
    """What says of each output how it is computed; with `contents` down to the elements of weights."""
    assert bundle.graph is not None
    found = {port.value: f"input {place}" for place, port in enumerate(bundle.graph.inputs)}
    for node in _nodes(bundle):
        layer = bundle.layers[node.layer]
        given = [(slot, found[value]) for slot, value in node.inputs.items()]
        if layer.type in _SYMMETRIC:
            given = [("", text) for text in sorted(text for _, text in given)]
        said = [settings(layer, node), *map(str, sorted(given))]
        said += [f"{role} {_operand(bundle, layer, role, contents)}" for role in sorted(layer.operands)]
        made = hashlib.sha256("\n".join(said).encode()).hexdigest()
        found |= {value: f"{made} {slot}" for slot, value in node.outputs.items()}
    return [found[port.value] for port in bundle.graph.outputs]


def settings(layer: Layer, node: Node) -> str:
    """What a layer does at a place, with its numbers as ONNX keeps them, in single precision: of attention without a
    mask not what becomes of queries that may see nothing."""
    found = layer.model_dump(exclude={"operands", "origin"}, mode="json")
    if "mask" not in node.inputs and found.get("causal") == "none":
        found.pop("fully_masked", None)
    return json.dumps(_single(found), sort_keys=True)


def _single(value: Any) -> Any:
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, dict):
        return {key: _single(part) for key, part in value.items()}
    return [_single(part) for part in value] if isinstance(value, list) else value


def _unlike(a: Bundle, b: Bundle) -> list[str]:
    """The types of layers of which not all have the same settings."""
    kinds = [
        Counter((bundle.layers[n.layer].type, settings(bundle.layers[n.layer], n)) for n in _nodes(bundle))
        for bundle in (a, b)
    ]
    return sorted({kind for kind, _ in (kinds[0] - kinds[1]) + (kinds[1] - kinds[0])})


def _nodes(bundle: Bundle) -> tuple[Node, ...]:
    assert bundle.graph is not None
    return bundle.graph.nodes


def _operand(bundle: Bundle, layer: Layer, role: str, contents: bool) -> str:
    operand = layer.operands[role]
    if not isinstance(operand, StoredOperand):
        return f"{_single(np.ravel(np.asarray(operand.literal)).tolist())} {operand.dtype}"
    array = bundle.tensors[operand.tensor].data.numpy()
    if array.size == 1:
        return f"{array.reshape(-1).tolist()} {array.dtype}"
    return f"{array.shape} {array.dtype} {hashlib.sha256(array.tobytes()).hexdigest() if contents else ''}"


def merged(bundle: Bundle) -> Bundle:
    """With what no input has a part in computed, and norms in what stands before them, as exporters do it."""
    keeps = next(writer for writer in writers() if writer.archives)
    computed = prepared(bundle, keeps, WriteOptions(merge=True))
    return plain(fold_norms.run(computed) if "BatchNorm" in layers(computed) else computed)


def compared(straight: Bundle, other: Bundle) -> dict[str, Any]:
    """How another way of the same network differs."""
    a, b = plain(straight), plain(other)
    if canonical(a, True) == canonical(b, True):
        return {"outcome": "equal", "weights": 0.0}
    if canonical(a, False) != canonical(b, False):
        a, b = merged(a), merged(b)
    there = [*stored(b).values()]
    far = max((nearest(array, there) for array in stored(a).values() if array.size > 1), default=0.0)
    outcome = "equal in form" if canonical(a, False) == canonical(b, False) else "differs"
    more, less = layers(b) - layers(a), layers(a) - layers(b)
    unlike = _unlike(a, b) if outcome == "differs" and not more and not less else []
    return {"outcome": outcome, "weights": far, "more": dict(more), "less": dict(less), "settings": unlike}


def measured(folder: Path) -> dict[str, Any]:
    """What is read of a network's program beside what is read of its other files, those that there are."""
    straight = irconv.read(folder / FILES["pt2"])
    found: dict[str, Any] = {"layers": layers(plain(straight)).total()}
    for way in WAYS:
        if not (folder / FILES[way]).exists():
            continue
        try:
            found[way] = compared(straight, irconv.read(folder / FILES[way]))
        except IrconvError as error:
            found[way] = {"outcome": "refused", "why": str(error).splitlines()[0][:200]}
        except Exception as error:  # noqa: BLE001, what fails is a cell of the table
            found[way] = {"outcome": "failed", "why": f"{type(error).__name__}: {str(error)[:160]}"}
    return found


_ABOUT = """# One network of PyTorch by four ways

Printed by `make zoo-torch`: what irconv reads of a network from its exported program (`.pt2`), beside
what it reads of the same network from a trace, and from the ONNX files of both of PyTorch's exporters (TorchScript's at
opset 17, dynamo's). *equal*: every output is computed by the same layers with the same settings and the same weights,
bit for bit. *equal in form*: the same once what exporters compute ahead is computed on both sides (what no input has
a part in, norms in what stands before them), but for the rounding of that; in brackets the largest difference of a
weight from its counterpart over its largest element. Else the layers that this way has more (+) and less (-).
"""


def page(found: Mapping[str, Any]) -> str:
    """The table of what was found."""
    rows = ["| network | layers | " + " | ".join(WAYS) + " |", "| --- | --- | --- | --- | --- |"]
    for name, row in found.items():
        rows.append(f"| {name} | {row['layers']} | " + " | ".join(_cell(row.get(way)) for way in WAYS) + " |")
    words = ("equal", "equal in form", "differs", "refused", "failed", "not exported")
    counts = ["| way | " + " | ".join(words) + " |", "| --- |" + " --- |" * len(words)]
    for way in WAYS:
        outcomes = [row[way]["outcome"] for row in found.values() if way in row]
        counts.append(f"| {way} | " + " | ".join(str(outcomes.count(word)) for word in words) + " |")
    return "\n".join([_ABOUT, *counts, "", *rows, ""])


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if found["outcome"] in ("equal", "refused", "failed", "not exported"):
        return found["outcome"] + (f": {found['why']}".replace("|", "/")[:90] if "why" in found else "")
    if found["outcome"] == "equal in form":
        return f"equal in form ({found['weights']:.0e})"
    listed = [f"+{count} {kind}" for kind, count in sorted(found["more"].items())]
    listed += [f"-{count} {kind}" for kind, count in sorted(found["less"].items())]
    listed = listed or [f"settings of {kind}" for kind in found["settings"]] or ["the order"]
    return f"{', '.join(listed)} ({found['weights']:.0e})"
