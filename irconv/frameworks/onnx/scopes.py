"""Where the calls of a network of PyTorch's stood, and the keys that its tensors had, as ONNX files tell of them.

irconv writes both (`irconv.ir.kept`): scopes as the beginnings of the names of nodes. PyTorch's exporters name the
tensors that they leave as they are by their keys. ``torch.export``'s writes the modules of a node in its metadata
(``pkg.torch.onnx.name_scopes``, torch/onnx/_internal/exporter/_core.py), the one for TorchScript in its name:
``/layer1/layer1.0/conv1/Conv``. What they turned or put together, such as the matrix of a MatMul, is called after the
module of the node that takes it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from posixpath import commonpath
from typing import Any, TypeAlias

from irconv.ir.kept import KEY, Kept, parsed

Scoped: TypeAlias = "Callable[[Any], str]"
_EXPORTER = "pytorch"
_SCOPES = "pkg.torch.onnx.name_scopes"
_SLOTS = {
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "MatMul": ("weight",),
    "LayerNormalization": ("weight", "bias"),
}
"""Ops -> what PyTorch's modules call their operands, from the second input on."""
_MATRICES = ("weight_ih", "weight_hh")
_LOOPS = ("LSTM", "GRU", "RNN")


def named(model: Any) -> tuple[Scoped | None, Kept, str]:
    """How the scopes of nodes are told, the keys, and where they stood; None and no keys where the file has none."""
    said = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    if said is not None:
        kept = parsed(said)
        return (None if kept is None else _own), kept or Kept(), f"metadata {KEY}"
    if model.producer_name != _EXPORTER:
        return None, Kept(), ""
    names = {tensor.name for tensor in model.graph.initializer}
    tensors: dict[str, tuple[str, ...]] = {name: (name,) for name in names if _is_key(name)}
    tensors |= {name: (key,) for name, key in _of_norms(model.graph) if key not in names}
    turned: dict[str, tuple[int, ...]] = {}
    for name, keys, order in _from_scopes(model.graph, names - tensors.keys()):
        if tensors.setdefault(name, keys) is keys and order:
            turned[name] = order
    return _told(model.graph), Kept(tensors, turned), "names of the file, which PyTorch exported"


def _own(node: Any) -> str:
    """The scope of a node that irconv wrote: what stands before its first result."""
    first = next((name for name in node.output if name), "")
    name = str(node.name)
    return name.removesuffix(f"/{first}") if name.endswith(f"/{first}") else ""


def _exported(node: Any) -> str:
    """The scope of a node that PyTorch wrote."""
    said = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), None)
    if said is None:
        return _path(str(node.name).split("/")[1:-1]).replace(".", "/")
    try:
        found = ast.literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    modules = [part for part in found[:-1] if isinstance(part, str)] if isinstance(found, list) else []
    return modules[-1].replace(".", "/") if modules else ""


def _told(graph: Any) -> Scoped:
    """How the scopes of nodes are told. What torch.export's rewriting put in says nothing: it stands in the innermost
    module that has in it all that takes its results, where those stand in more than one."""
    if not any(entry.key == _SCOPES for node in graph.node for entry in node.metadata_props):
        return _exported
    scopes: dict[str, str] = {}
    takers: dict[str, set[str]] = {}
    for node in reversed(graph.node):
        scope = _exported(node)
        first = next((name for name in node.output if name), "")
        if not scope and not node.metadata_props:
            found = {taker for name in node.output for taker in takers.get(name, ())}
            scope = commonpath(found) if len(found) > 1 else ""
            scopes[first] = scope
        for name in node.input:
            takers.setdefault(name, set()).add(scope)
    return lambda node: scopes.get(next((name for name in node.output if name), "")) or _exported(node)


def _path(parts: list[str]) -> str:
    """The module of a name's parts: those of lists and chains stand with what holds them, as ``layer1/layer1.0``."""
    path: list[str] = []
    for part in parts:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)


def _is_key(name: str) -> bool:
    """Whether a tensor has the name that it had in the module: all others have no dot, and those of the exporter for
    TorchScript two colons."""
    return all(part.isidentifier() or part.isdigit() for part in name.split(".")) and not name.startswith("val_")


def _of_norms(graph: Any) -> Iterator[tuple[str, str]]:
    """The biases that convolutions have of the norms behind them, which torch.export's calls ``conv.weight_bias``."""
    for node in graph.node:
        kernel, bias = [*node.input[1:3], "", ""][:2]
        if node.op_type in ("Conv", "ConvTranspose") and _is_key(kernel) and bias == f"{kernel}_bias":
            yield bias, f"{kernel.rpartition('.')[0]}.bias"


def _from_scopes(graph: Any, unnamed: set[str]) -> Iterator[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """The keys of tensors that the exporter turned or put together, by the modules of the nodes that take them, and how
    their axes lie in the file where it turned them: a Linear is a MatMul by its matrix turned."""
    layers: dict[str, int] = {}
    for node in graph.node:
        scope = _exported(node).replace("/", ".")
        if not scope:
            continue
        given = list(node.input[1:])
        if node.op_type in _LOOPS:
            number = layers[scope] = layers.get(scope, -1) + 1
            both = any(a.name == "direction" and a.s == b"bidirectional" for a in node.attribute)
            slots = [tuple(_of_loop(scope, word, number, both)) for word in _MATRICES]
            slots.append((*_of_loop(scope, "bias_ih", number, both), *_of_loop(scope, "bias_hh", number, both)))
        else:
            slots = [(f"{scope}.{slot}",) for slot in _SLOTS.get(node.op_type, ())]
        order = (1, 0) if node.op_type == "MatMul" else ()
        yield from ((name, keys, order) for name, keys in zip(given, slots, strict=False) if name in unnamed)


def _of_loop(scope: str, word: str, number: int, both: bool) -> Iterator[str]:
    for end in ("", "_reverse")[: 1 + both]:
        yield f"{scope}.{word}_l{number}{end}"
