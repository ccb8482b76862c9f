"""A program of ``torch.export`` that is in memory, in the form that its archives have.

So live modules and files are read by one reader. PyTorch is there already: whoever has the program has imported it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from irconv.containers.exported_program import ELEMENT_TYPES, Program
from irconv.errors import Refused
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor

_NUMBERS = {name: number for number, name in ELEMENT_TYPES.items()}
_KINDS = {
    "PARAMETER": "parameter",
    "BUFFER": "buffer",
    "CONSTANT_TENSOR": "tensor_constant",
    "USER_INPUT": "user_input",
    "USER_OUTPUT": "user_output",
    "BUFFER_MUTATION": "buffer_mutation",
    "USER_INPUT_MUTATION": "user_input_mutation",
}


def program_of(exported: Any, symbols: Mapping[str, str]) -> Program:
    """The program. `symbols` are the export's names of sizes, and what they are to be called.

    Raises `Refused` for element types that a bundle does not have.
    """
    import torch

    named = _Renamed(symbols)
    graph, signature = exported.graph, exported.graph_signature
    module = {
        "graph": _graph(graph, named),
        "signature": {
            "input_specs": [_spec(spec) for spec in signature.input_specs],
            "output_specs": [_spec(spec) for spec in signature.output_specs],
        },
    }
    tensors = {**exported.state_dict, **exported.constants}
    found = {name: tensor_of(tensor, name) for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}
    return Program({"graph_module": module}, torch.__version__, found, frozenset(signature.parameters), {})


def tensor_of(tensor: Any, where: str) -> LazyTensor:
    """A copy of a tensor of PyTorch. Raises `Refused` for what has no plain elements."""
    import torch

    dtype = dtype_name(tensor.dtype)
    if dtype not in _NUMBERS or tensor.layout != torch.strided:
        raise Refused(where, f"has elements of type {dtype} in the layout {tensor.layout}, which irconv does not keep")
    plain = tensor.detach().cpu().contiguous()
    raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return LazyTensor.of(np.frombuffer(raw, numpy_dtype(dtype)).reshape(tuple(plain.shape)))


def dtype_name(dtype: Any) -> str:
    """PyTorch's name of an element type, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


class _Renamed:
    """Expressions over sizes with the names that the user gave them."""

    def __init__(self, symbols: Mapping[str, str]) -> None:
        self.symbols = symbols

    def size(self, size: Any) -> dict[str, Any]:
        """A size as archives have it."""
        if isinstance(size, int):
            return {"as_int": size}
        text = re.sub(r"[A-Za-z_]\w*", lambda found: self.symbols.get(found[0], found[0]), str(size.node.expr))
        return {"as_expr": {"expr_str": text}}


def _is_tensor(node: Any) -> bool:
    import torch

    return isinstance(node.meta.get("val"), torch.Tensor)


def _meta(tensor: Any, named: _Renamed) -> dict[str, Any]:
    return {
        "dtype": _NUMBERS.get(dtype_name(tensor.dtype), 0),
        "sizes": [named.size(size) for size in tensor.shape],
        "strides": [named.size(stride) for stride in tensor.stride()],
    }


def _spec(spec: Any) -> dict[str, Any]:
    kind = _KINDS.get(spec.kind.name, spec.kind.name.lower())
    name = getattr(spec.arg, "name", None)
    if kind.startswith("user_") and kind != "user_input_mutation":
        tensor = type(spec.arg).__name__ == "TensorArgument"
        return {kind: {"arg": {"as_tensor": {"name": name}} if tensor else {"as_none": True}}}
    key = f"{kind.removesuffix('_mutation')}_name"
    kept = {} if getattr(spec, "persistent", None) is None else {"persistent": spec.persistent}
    return {kind: {"arg": {"name": name}, key: spec.target, **kept}}


def _graph(graph: Any, named: _Renamed) -> dict[str, Any]:
    """A graph, the program's own or one that an op of it runs."""
    ends = next(node.args[0] for node in graph.nodes if node.op == "output")
    return {
        "inputs": [_argument(node, named) for node in graph.nodes if node.op == "placeholder"],
        "outputs": [_argument(end, named) for end in (ends if isinstance(ends, list | tuple) else [ends])],
        "nodes": list(_nodes(graph, named)),
        "tensor_values": {node.name: _meta(node.meta["val"], named) for node in graph.nodes if _is_tensor(node)},
    }


def _nodes(graph: Any, named: _Renamed) -> Iterator[dict[str, Any]]:
    for node in graph.nodes:
        if node.op == "call_function" and node.target is not operator.getitem:
            yield {
                "target": _target(node.target),
                "inputs": list(_inputs(node, named)),
                "outputs": _outputs(node),
                "metadata": {"nn_module_stack": _stack(node)},
            }


def _target(target: Any) -> str:
    import torch

    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"torch.ops.higher_order.{target._name}"
    if hasattr(target, "_schema"):
        return f"torch.ops.{target}"
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__name__', target)}"


def _inputs(node: Any, named: _Renamed) -> Iterator[dict[str, Any]]:
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema else [f"x{i}" for i in range(len(node.args))]
    for name, value in (*zip(names, node.args, strict=False), *node.kwargs.items()):
        yield {"name": name, "arg": _argument(value, named)}


def _argument(value: Any, named: _Renamed) -> dict[str, Any]:
    import torch

    if isinstance(value, torch.fx.Node) and value.op == "get_attr":
        inner = getattr(value.graph.owning_module, str(value.target))
        return {"as_graph": {"name": value.name, "graph": _graph(inner.graph, named)}}
    if isinstance(value, torch.fx.Node):
        return {"as_tensor": {"name": value.name}} if _is_tensor(value) else {"as_sym_int": {"as_name": value.name}}
    if isinstance(value, bool):
        return {"as_bool": value}
    if isinstance(value, torch.dtype):
        return {"as_scalar_type": _NUMBERS.get(dtype_name(value), 0)}
    if value is None:
        return {"as_none": True}
    if isinstance(value, list | tuple):
        return _list(value, named)
    return {"as_value": value}


def _list(values: Any, named: _Renamed) -> dict[str, Any]:
    import torch

    nodes = [value for value in values if isinstance(value, torch.fx.Node)]
    if any(map(_is_tensor, nodes)):
        return {"as_optional_tensors": [_argument(value, named) for value in values]}
    if nodes:
        sizes = [{"as_name": v.name} if isinstance(v, torch.fx.Node) else {"as_int": v} for v in values]
        return {"as_sym_ints": sizes}
    return {"as_optional_tensors": [{"as_none": True}]} if None in values else {"as_ints": list(values)}


def _outputs(node: Any) -> list[dict[str, Any]]:
    value = node.meta.get("val")
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [{"as_tensor": {"name": node.name}} if _is_tensor(node) else {"as_sym_int": {"as_name": node.name}}]
    users = {user.args[1]: user.name for user in node.users if user.target is operator.getitem}
    return [{"as_tensor": {"name": users.get(i, f"{node.name}_unused_{i}")}} for i in range(len(value))]


def _stack(node: Any) -> str:
    """The modules that a call lies in, as archives write them: ``key,path,class`` from the outermost inwards."""
    stack = node.meta.get("nn_module_stack") or {}
    kinds = [(key, path, kind if isinstance(kind, str) else kind.__qualname__) for key, (path, kind) in stack.items()]
    return ";".join(",".join(entry) for entry in kinds)
