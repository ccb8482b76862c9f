"""One layer or one tensor of a model, with all that is known of it: ``irconv inspect --layer`` and ``--tensor``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import getdoc
from typing import Any

from irconv.comparison.statistics import Statistics, statistics
from irconv.errors import MissingFact
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import StoredOperand
from irconv.ir.manifest import LayoutStep
from irconv.report.inspect import number
from irconv.report.settings import value
from irconv.report.summary import rows, shape_text

_BAR = 40
"""The longest bar of a histogram, in characters."""
_STEPS = 16


def layer_lines(bundle: Bundle, name: str) -> Iterator[str]:
    """What is known of a layer, line by line. Raises `MissingFact` where there is none of the name."""
    layer = bundle.layers.get(name)
    if layer is None or bundle.graph is None:
        raise MissingFact(f"--layer {name}", "the model has no layer of this name", _near(name, bundle.layers))
    yield f"{name}: {layer.type}"
    yield from (f"  {line}" for line in (getdoc(type(layer)) or "").split("\n\n")[0].splitlines())
    if layer.origin is not None:
        part = f", part of {layer.origin.split_from}" if layer.origin.split_from else ""
        yield f"source: {layer.origin.framework}'s {layer.origin.type} {layer.origin.name}{part}"
    for setting, what in layer.settings().items():
        yield f"setting {setting}: {value(what)}"
    for role, operand in layer.operands.items():
        if isinstance(operand, StoredOperand):
            yield f"{role}: {_tensor_line(operand.tensor, bundle.tensors[operand.tensor])}"
        else:
            yield f"{role}: {operand.dtype} {operand.literal}, written out"
    types = infer_types(bundle)
    found = [row for row in rows(bundle) if row.layer == name]
    for node, row in zip((n for n in bundle.graph.nodes if n.layer == name), found, strict=True):
        for slot, used in node.inputs.items():
            yield f"input {slot}: {used} {types[used].dtype} {shape_text(types[used].shape)}"
        for slot, made in node.outputs.items():
            yield f"output {slot}: {made} {types[made].dtype} {shape_text(types[made].shape)}"
        yield f"multiply-adds for one sample: {number(row.multiply_adds)}"


def tensor_lines(bundle: Bundle, name: str) -> Iterator[str]:
    """What is known of a tensor, and what its numbers are. Raises `MissingFact` where there is none of the name."""
    key = _key(bundle, name)
    tensor = bundle.tensors[key]
    record = tensor.record
    yield _tensor_line(key, tensor)
    trains = {True: ", trainable", False: ", not trainable", None: ""}[record.trainable]
    yield f"role: {record.role}{trains}"
    users = [
        f"{layer} ({role})"
        for layer, what in bundle.layers.items()
        for role, operand in what.operands.items()
        if isinstance(operand, StoredOperand) and operand.tensor == key
    ]
    yield f"used by: {', '.join(users) or 'no layer'}"
    if record.source is None:
        yield "source: made by irconv"
    else:
        axes = f" with axes {record.source.axes}" if record.source.axes else ", axes not known"
        yield f"source: {record.source.name} in {record.source.file}, {shape_text(record.source.shape)}{axes}"
    for step in record.steps:
        yield f"step: {_step(step)}"
    yield from _numbers(statistics(tensor.data, _STEPS))


def layer_document(bundle: Bundle, name: str) -> dict[str, Any]:
    """The same of a layer as JSON: its record and those of its tensors. Raises `MissingFact`."""
    lines = list(layer_lines(bundle, name))
    layer = bundle.layers[name]
    keys = [o.tensor for o in layer.operands.values() if isinstance(o, StoredOperand)]
    tensors = {key: bundle.tensors[key].record.document() for key in keys}
    return {"layer": name, **layer.model_dump(mode="json"), "tensors": tensors, "text": lines}


def tensor_document(bundle: Bundle, name: str) -> dict[str, Any]:
    """The same of a tensor as JSON: its record and its statistics. Raises `MissingFact`."""
    key = _key(bundle, name)
    tensor = bundle.tensors[key]
    found = statistics(tensor.data, _STEPS)
    return {"tensor": key, **tensor.record.document(), "statistics": vars(found)}


def _key(bundle: Bundle, name: str) -> str:
    """The key of a tensor by its own name or by the source's."""
    if name in bundle.tensors:
        return name
    native = {t.record.source.name: key for key, t in bundle.tensors.items() if t.record.source is not None}
    if name not in native:
        what = "the model has no tensor of this name, in its own file or here"
        raise MissingFact(f"--tensor {name}", what, _near(name, {**bundle.tensors, **native}))
    return native[name]


def _near(name: str, names: Mapping[str, object]) -> str:
    near = get_close_matches(name, names, 3)
    return f"Near it: {', '.join(near)}." if near else "`irconv inspect` lists them."


def _tensor_line(key: str, tensor: Tensor) -> str:
    record = tensor.record
    return f"{key} {record.dtype} {shape_text(record.shape)} {record.letters}".rstrip()


def _step(step: LayoutStep) -> str:
    orders = "".join(f", {axis} from {before} to {after}" for axis, (before, after) in step.orders.items())
    sizes = "".join(f", {axis} is {size}" for axis, size in step.sizes.items())
    return f"{step.source} -> {step.target}{orders}{sizes}"


def _numbers(found: Statistics) -> Iterator[str]:
    if not found.elements:
        yield "no numbers: it is empty"
        return
    if not found.counts:
        yield f"{found.elements:,} numbers, none of them finite"
        return
    yield (
        f"min {found.low:.6g}, max {found.high:.6g}, mean {found.mean:.6g}, "
        f"standard deviation {found.deviation:.6g}, L2 {found.norm:.6g}"
    )
    yield f"{found.elements:,} numbers: {found.zeros:,} zero, {found.not_finite:,} not finite"
    most, step = max(found.counts, default=0), (found.high - found.low) / max(1, len(found.counts))
    for place, count in enumerate(found.counts):
        bar = "#" * (-(-count * _BAR // most) if most else 0)
        yield f"{found.low + place * step:>12.5g} {bar:<{_BAR}} {count:,}"
