"""Weights that the source keeps in parts (weight norm, pruning masks) and the target whole."""

from __future__ import annotations

import re

from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.merging import merged

_NAMES = re.compile(r"(^|\.)parametrizations\.|\w_(g|orig)$")


def whole(source: Bundle, target: Bundle | None, names: list[str]) -> Bundle:
    """The source with its weights computed, if it keeps some in parts and the target, which has these names, none.

    Where they cannot be computed the source stays as it is, and the alignment says what is missing.
    """
    wanted = target is not None and _in_parts(target)
    if wanted or any(_NAMES.search(name) for name in names) or not _in_parts(source):
        return source
    try:
        return merged(source)
    except IrconvError:
        return source


def _in_parts(bundle: Bundle) -> bool:
    if bundle.graph is not None:
        return any("kernel" in node.inputs for node in bundle.graph.nodes)
    names = (f"{group.name}.{local}" for group in bundle.groups for local in group.tensors)
    return bundle.source.framework == "torch" and any(_NAMES.search(name) for name in names)
