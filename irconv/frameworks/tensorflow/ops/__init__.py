"""Nodes that are several layers or none: handlers by op, and what those need that do not need all of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from irconv.containers.graph_def import NodeDef
from irconv.frameworks.tensorflow.importing import GraphReader, Reference
from irconv.frameworks.tensorflow.ops import (
    arithmetic,
    branches,
    images,
    loops,
    moves,
    parts,
    plain,
    products,
    quantised,
    recurrent,
    segments,
    selection,
    shapes,
    windows,
)

Handler: TypeAlias = Callable[[GraphReader, NodeDef], None]
Needs: TypeAlias = Callable[[GraphReader, NodeDef], Sequence[Reference]]

HANDLERS: Mapping[str, Handler] = {
    **plain.HANDLERS,
    **shapes.HANDLERS,
    **arithmetic.HANDLERS,
    **products.HANDLERS,
    **windows.HANDLERS,
    **branches.HANDLERS,
    **loops.HANDLERS,
    **parts.HANDLERS,
    **recurrent.HANDLERS,
    **selection.HANDLERS,
    **moves.HANDLERS,
    **quantised.HANDLERS,
    **segments.HANDLERS,
    **images.HANDLERS,
}
NEEDS: Mapping[str, Needs] = {
    **plain.NEEDS,
    **arithmetic.NEEDS,
    **windows.NEEDS,
    **branches.NEEDS,
    **loops.NEEDS,
    **parts.NEEDS,
}
