"""A whole module as a bundle with a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.codec import NativeWeight
from irconv.errors import MissingFact, Problems
from irconv.frameworks.torch import random_slopes
from irconv.frameworks.torch.groups import Weight, read_groups
from irconv.frameworks.torch.modules import walk
from irconv.frameworks.torch.normalise import Facts, NoGraph, module_map, normalise
from irconv.frameworks.torch.read_select import Selection
from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import SourceRecord
from irconv.options import ReadOptions
from irconv.translate import decode

__all__ = ["NoGraph", "read_model"]


def read_model(
    source: SourceRecord, selection: Selection, weights: Mapping[str, Weight], options: ReadOptions
) -> Bundle:
    """A module as a graph; what inference does not use stands in groups beside it.

    Raises `NoGraph` where the order of its parts is not in the file, and `Refused` naming the layers that irconv has no
    rule for.
    """
    assert selection.module is not None, "the file holds a module"
    prefix = next((fact.value for fact in source.facts if fact.name == "prefix"), "")
    native = {
        f"{prefix}{name}": NativeWeight(weight.name, weight.data, weight.trainable) for name, weight in weights.items()
    }
    mapped = module_map(options.module_map)
    classes = {part.cls for _, part in walk(selection.module)}
    known = classes | {name.rsplit(".", maxsplit=1)[-1] for name in classes}
    problems = Problems()
    for pair in options.module_map:
        if pair.partition("=")[0] not in known:
            problems.add(f"--module-map {pair}", "the module has no part of this class", kind=MissingFact)
    problems.raise_any()
    model = normalise(selection.module, native, Facts(options.input_shape, mapped))
    bundle = decode(model, TABLE, source, source.files[0].name, options)
    used = {tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source is not None}
    rest = {name: weight for name, weight in weights.items() if weight.name not in used}
    tensors, groups, _ = read_groups(rest)
    omitted = (*selection.omitted, *bundle.omitted)
    whole = replace(bundle, tensors={**bundle.tensors, **tensors}, groups=groups, omitted=omitted)
    return random_slopes.told(whole)
