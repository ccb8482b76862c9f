"""Under which name of the checkpoint a graph saves and restores each of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from irconv.containers.graph_def import NodeDef
from irconv.containers.tensor_protos import StringTensor
from irconv.containers.tensor_slices import Slice
from irconv.data_classes import dataclass
from irconv.frameworks.tensorflow.graph import Nodes, data_inputs, split

_SAVES = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}
"""Operation -> how many of its inputs come before the values that are saved; the second are their names."""
_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")
_ASSIGNS = ("Assign", "AssignVariableOp")


@dataclass(frozen=True)
class Saved:
    """Where a variable's value stands in the checkpoint."""

    key: str
    shape: tuple[int, ...] | None = None
    """Of the whole variable, where this is a slice of it."""
    part: Slice | None = None
    """None where it is whole."""


def saved_variables(nodes: Nodes) -> dict[str, Saved]:
    """Name of a variable's node -> its place, by the nodes that restore it, or that save it where none do."""
    found: dict[str, Saved] = {}
    for node in nodes.by_name.values():
        if node.op in _SAVES:
            for value, saved in _saves(nodes, node):
                if (variable := nodes.variable(value)) is not None:
                    found.setdefault(variable.name, saved)
    for node in nodes.by_name.values():
        data = data_inputs(node)
        if node.op in _ASSIGNS and len(data) == 2 and (restored := _restored(nodes, data[1])) is not None:
            variable = nodes.variable(data[0])
            if variable is not None:
                found[variable.name] = restored
    return found


def _saves(nodes: Nodes, node: NodeDef) -> Iterator[tuple[str, Saved]]:
    data = data_inputs(node)
    names = texts(nodes, data[1]) if len(data) > 1 else None
    if names is None:
        return
    slices = texts(nodes, data[2]) if node.op != "Save" and len(data) > 2 else None
    values = data[_SAVES[node.op] :]
    for number, (value, name) in enumerate(zip(values, names, strict=False)):
        spec = slices[number] if slices and number < len(slices) else ""
        yield value, Saved(name, *slice_spec(spec))


def _restored(nodes: Nodes, value: str) -> Saved | None:
    """What of a checkpoint a value is, if it is restored."""
    for _ in range(8):
        name, number = split(value)
        node = nodes.by_name.get(name)
        if node is None:
            return None
        data = data_inputs(node)
        if node.op in _RESTORES and len(data) > 1:
            names = texts(nodes, data[1])
            specs = texts(nodes, data[2]) if node.op != "Restore" and len(data) > 2 else None
            if names is None or number >= len(names):
                return None
            return Saved(names[number], *slice_spec(specs[number] if specs and number < len(specs) else ""))
        if node.op not in ("Identity", "Cast") or not data:
            return None
        value = data[0]
    return None


def texts(nodes: Nodes, value: str) -> tuple[str, ...] | None:
    """The strings of a constant; None for any other value."""
    node = nodes.by_name.get(split(value)[0])
    content = node.attrs.get("value") if node is not None and node.op == "Const" else None
    if not isinstance(content, StringTensor):
        return None
    return tuple(text.decode("utf-8", "backslashreplace") for text in content.values)


def slice_spec(text: str) -> tuple[tuple[int, ...] | None, Slice | None]:
    """The whole shape and the slice that a text such as ``7 2 0,4:-`` says; None for both where it is the whole.

    >>> slice_spec("7 2 0,4:-")
    ((7, 2), ((0, 4), None))
    """
    *sizes, spans = text.split() or [""]
    if not spans or not all(size.isdigit() for size in sizes):
        return None, None
    part: list[tuple[int, int] | None] = []
    for span in spans.split(":"):
        start, comma, length = span.partition(",")
        if span != "-" and not (comma and start.isdigit() and length.isdigit()):
            return None, None
        part.append(None if span == "-" else (int(start), int(length)))
    return tuple(map(int, sizes)), tuple(part)
