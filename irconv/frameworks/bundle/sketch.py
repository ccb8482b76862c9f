"""A model as a numpy program for the README of its bundle: functions of the layer types that it uses, and the calls.

Composite layers are decomposed into the types that have a function in `sketches`; a model with others has no program,
and the README names them.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.frameworks.bundle.sketches import arrays, functions, grids, picking, recurrent, windows
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import symbols
from irconv.passes import decompose
from irconv.python_source.literals import Code, literal, quoted
from irconv.python_source.names import Words
from irconv.python_source.sizes import size_code
from irconv.python_source.statements import wrapped

_READ = '''def read(path):
    """The arrays of a .safetensors file by name."""
    with open(path, "rb") as file:
        content = file.read()
    start = 8 + int.from_bytes(content[:8], "little")
    types = dict(F64="f8", F32="f4", F16="f2", I64="i8", I32="i4", I16="i2", I8="i1", U8="u1", BOOL="?")
    arrays = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            raw = content[start + first : start + last]
            if entry["dtype"] == "BF16":
                array = (np.frombuffer(raw, "<u2").astype("u4") << 16).view("f4")
            else:
                array = np.frombuffer(raw, np.dtype("<" + types[entry["dtype"]]))
            arrays[name] = array.reshape(entry["shape"])
    return arrays'''
_IMPORTS = {"product": "from itertools import product", "erf": "from math import erf"}
_WORDS = Words(frozenset({"w", "np", "json", "read", "model", "x", "product", "erf"}))


@cache
def _sources() -> Mapping[str, str]:
    """The functions of `sketches` by name, without the types of their arguments."""
    parsed = [
        ast.parse(inspect.getsource(module)) for module in (windows, arrays, functions, recurrent, picking, grids)
    ]
    nodes = [node for tree in parsed for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: _bare(node) for node in nodes}


def _bare(function: ast.FunctionDef) -> str:
    for node in ast.walk(function):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            arguments = node.args
            for one in [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
                if one is not None:
                    one.annotation = None
        if isinstance(node, ast.FunctionDef | ast.If | ast.For):
            node.body = [_plain(part) for part in node.body]
    return ast.unparse(function)


def _plain(statement: ast.stmt) -> ast.stmt:
    """An assignment without the type of what it assigns."""
    if not isinstance(statement, ast.AnnAssign) or statement.value is None:
        return statement
    return ast.copy_location(ast.Assign([statement.target], statement.value), statement)


def program(bundle: Bundle) -> list[str] | tuple[str, ...]:
    """The lines of the program; a tuple of layer types where there is no function for these."""
    assert bundle.graph is not None, "weights alone have no program"
    known = {name for name in _sources() if name[0].isupper()}
    try:
        lowered = decompose.run(bundle, known)
    except IrconvError:
        return tuple(sorted({bundle.layers[node.layer].type for node in bundle.graph.nodes} - known))
    assert lowered.graph is not None, "it had one"
    types = _types(lowered, lowered.graph)
    wide = {tensor.record.dtype for tensor in lowered.tensors.values()} - _HELD
    if missing := types - known:
        return tuple(sorted(missing))
    if wide:
        return tuple(sorted(f"{dtype} numbers" for dtype in wide))
    return list(_lines(lowered, lowered.graph, types))


def _types(bundle: Bundle, graph: Graph) -> set[str]:
    """The types of all layers that run: of the nodes, in the bodies of loops, and those that are settings."""
    found: set[str] = set()
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        found.add(layer.type)
        for what in layer.settings().values():
            if isinstance(what, Layer):
                found.add(what.type)
            elif isinstance(what, Graph):
                found |= _types(bundle, what)
    return found


_HERE = {"bfloat16": "float32"}
"""What numpy has not is held as what it has."""
_HELD = frozenset(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"])


def _lines(bundle: Bundle, graph: Graph, called: set[str]) -> Iterator[str]:
    waiting, needed = list(called), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            read = {node.id for node in ast.walk(ast.parse(_sources()[name])) if isinstance(node, ast.Name)}
            waiting += read & _sources().keys()
    used = {name for one in needed for name in _IMPORTS if name in _sources()[one]}
    yield from (
        "import json",
        *(_IMPORTS[name] for name in sorted(used, reverse=True)),
        "",
        "import numpy as np",
        "",
        "",
    )
    yield from (*_READ.splitlines(), "", "")
    for name in (name for name in _sources() if name in needed):
        yield from (*_sources()[name].splitlines(), "", "")
    yield from _model(bundle, graph)


@dataclass(frozen=True)
class _Names:
    """Identifiers of the values of one graph, and of the sizes that inputs have."""

    values: Mapping[str, str]
    sizes: Mapping[str, str]
    bodies: Mapping[str, _Body]
    """The body of each loop, by its node."""


@dataclass(frozen=True)
class _Body:
    function: str
    names: _Names


def _model(bundle: Bundle, graph: Graph) -> Iterator[str]:
    """The function `model`: the weights and the inputs in, the outputs by name out."""
    sizes = sorted({symbol for port in graph.inputs for size in port.shape for symbol in symbols(size)})
    taken = {*_sources(), *vars(builtins)}
    of_size = _WORDS.identifiers({one: one.lower() for one in sizes}, taken)
    names = _names(bundle, graph, of_size, taken | set(of_size.values()))
    yield f"def model(w, {', '.join(names.values[port.value] for port in graph.inputs)}):"
    for symbol in sizes:
        place = next(
            ((port, axis) for port in graph.inputs for axis, size in enumerate(port.shape) if size == symbol), None
        )
        if place is not None:
            yield f"    {names.sizes[symbol]} = {names.values[place[0].value]}.shape[{place[1]}]"
    yield from _statements(bundle, graph, names, 4)
    outputs = ", ".join(f"{_name(port.name)}: {names.values[port.value]}" for port in graph.outputs)
    yield from (f"    {line}" for line in wrapped(f"return {{{outputs}}}", 4))


def _names(bundle: Bundle, graph: Graph, sizes: Mapping[str, str], taken: set[str]) -> _Names:
    """Names that no other graph of the model has."""
    values = [port.value for port in graph.inputs] + [v for node in graph.nodes for v in node.outputs.values()]
    found = _WORDS.identifiers({value: value for value in values}, taken)
    taken |= set(found.values())
    bodies = {}
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, Scan):
            (function,) = _WORDS.identifiers({node.layer: f"step of {node.layer}"}, taken).values()
            taken.add(function)
            first = next(iter(node.outputs.values()))
            bodies[first] = _Body(function, _names(bundle, layer.body, sizes, taken))
    return _Names(found, sizes, bodies)


def _statements(bundle: Bundle, graph: Graph, names: _Names, indent: int) -> Iterator[str]:
    """A line or more for each node."""
    room = " " * indent
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        body = names.bodies.get(next(iter(node.outputs.values()), ""))
        if body is not None and isinstance(layer, Scan):
            given = ", ".join(body.names.values[port.value] for port in layer.body.inputs)
            made = ", ".join(body.names.values[port.value] for port in layer.body.outputs)
            yield from ("", f"{room}def {body.function}({given}):")
            yield from _statements(bundle, layer.body, body.names, indent + 4)
            yield from (f"{room}    return ({made},)", "")
        call = _call(node, layer, names)
        targets = _targets(layer, node, [names.values[value] for value in node.outputs.values()])
        yield from (f"{room}{line}" for line in wrapped(f"{targets} = {call}", indent))


def _targets(layer: Layer, node: Node, made: list[str]) -> str:
    """What the results are assigned to: those that nobody takes are there, too, where a function gives several."""
    by_slot = dict(zip(node.outputs, made, strict=True))
    if isinstance(layer, Scan):
        stacked = len(layer.body.outputs) - layer.carried
        results = [f"carried{place}" for place in range(layer.carried)]
        results += [f"stacked{place}" for place in range(stacked)]
    elif layer.VARIADIC_RESULTS:
        return ", ".join(made) + ("," if len(made) == 1 else "")
    else:
        results = list(layer.RESULTS)
        if len(results) == 1:
            return made[0]
    return ", ".join(by_slot.get(slot, "_") for slot in results) + ("," if len(results) == 1 else "")


def _call(node: Node, layer: Layer, names: _Names) -> str:
    given: dict[str, str] = {slot: names.values[value] for slot, value in node.inputs.items()}
    for role, operand in layer.operands.items():
        if isinstance(operand, LiteralOperand):
            given[role] = f"np.array({literal(operand.literal)}, {quoted(_HERE.get(operand.dtype, operand.dtype))})"
        else:
            given[role] = f"w[{_name(operand.tensor)}]"
    variadic = [given.pop(slot) for slot in list(given) if layer.VARIADIC]
    arguments = [*variadic, *(f"{role}={text}" for role, text in given.items())]
    for name, what in layer.settings().items():
        if isinstance(what, Graph):
            text = names.bodies[next(iter(node.outputs.values()))].function
        else:
            text = _setting(what, name in layer.SIZES, names.sizes.__getitem__)
        arguments.append(f"{name}={text}")
    return f"{layer.type}({', '.join(arguments)})"


def _setting(what: Any, sizes: bool, size: Any) -> str:
    if isinstance(what, Layer):
        inner = ", ".join(f"{name}={literal(value)}" for name, value in what.settings().items())
        return f"lambda x: {what.type}(x, {inner})" if inner else what.type
    return literal(_sized(what, size) if sizes else what)


def _sized(what: Any, size: Any) -> Any:
    if isinstance(what, tuple):
        return tuple(_sized(part, size) for part in what)
    return Code(size_code(what, size)) if isinstance(what, str) else what


def _name(name: str) -> str:
    """A name of the file's as a string, without what Markdown and HTML give a meaning."""
    return quoted(name).replace("<", "\\x3c").replace("`", "\\x60").replace("|", "\\x7c")
