"""A report as one JSON document: every tensor and every layer under its status."""

from __future__ import annotations

from math import isfinite
from typing import Any

from irconv.comparison.model import Fold, LayerDiff, Module, Report, SideFacts, TensorDiff, TensorName
from irconv.comparison.numbers import Distance

FORMAT = "irconv-diff/1"


def document(report: Report, ignored: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The report in plain data; numbers that JSON has no word for are text."""
    return {
        "format": FORMAT,
        "same": not report.differing(ignored),
        "a": _side(report.a),
        "b": _side(report.b),
        "notes": list(report.notes),
        "tensors": [_tensor(entry) for entry in report.tensors],
        "layers": [_layer(entry) for entry in report.layers],
        "modules": [_module(module) for module in report.modules],
    }


def _side(facts: SideFacts) -> dict[str, Any]:
    return dict(vars(facts))


def _tensor(entry: TensorDiff) -> dict[str, Any]:
    said: dict[str, Any] = {"status": list(entry.status), "a": _named(entry.a), "b": _named(entry.b)}
    if entry.how not in ("", "name"):
        said["found by"] = entry.how
    if entry.distance is not None:
        said["difference"] = _distance(entry.distance)
    if entry.fold is not None:
        said["fold"] = _fold(entry.fold)
    if entry.notes:
        said["notes"] = list(entry.notes)
    return said


def _named(name: TensorName | None) -> dict[str, Any] | None:
    if name is None:
        return None
    return {"name": name.name, "native": name.native, "dtype": name.dtype, "shape": list(name.shape)}


def _distance(distance: Distance) -> dict[str, Any]:
    return {
        "elements": distance.elements,
        "changed": distance.changed,
        "max_abs": number(distance.max_abs),
        "at": list(distance.at),
        "values": [number(value) for value in distance.values],
        "relative_l2": number(distance.relative_l2),
        "cosine": number(distance.cosine),
        "max_ulp": distance.max_ulp,
        "not_finite": list(distance.not_finite),
    }


def _fold(fold: Fold) -> dict[str, Any]:
    return {
        "kind": fold.kind,
        "into": fold.into,
        "side": fold.side,
        "residual": number(fold.residual),
        "facts": dict(fold.facts),
    }


def _layer(entry: LayerDiff) -> dict[str, Any]:
    said: dict[str, Any] = {
        "status": list(entry.status),
        "a": entry.a,
        "b": entry.b,
        "type": entry.types[0] or entry.types[1],
    }
    if entry.how not in ("", "name"):
        said["found by"] = entry.how
    if entry.settings:
        said["settings"] = {name: list(values) for name, values in entry.settings.items()}
    if entry.inputs:
        said["inputs"] = list(entry.inputs)
    if entry.notes:
        said["notes"] = list(entry.notes)
    return said


def _module(module: Module) -> dict[str, Any]:
    return {
        "path": list(module.path),
        "verdict": module.verdict,
        "tensors": dict(module.tensors),
        "elements": module.elements,
        "changed": module.changed,
        "relative_l2": number(module.relative_l2),
    }


def number(value: float | None) -> float | str | None:
    """A number as JSON can hold it: NaN and the infinities are words."""
    return value if value is None or isfinite(value) else str(value)
