"""Ops that run graphs of their own: regions, branches, loops and scans (``torch.ops.higher_order``).

A region stands where it is called. Of a branch that is not known while reading both sides are computed and one is
chosen. A loop is written out, where its count is known. A scan is the IR's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, ProgramReader
from irconv.ir.graph import Graph, Port
from irconv.ir.known import numeric
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.comparisons import Where
from irconv.ir.layers.control import Scan
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Transpose

_LATER = 1 << 62
_MOST_ROUNDS = 256
"""A loop of more is not written out."""


def read(reader: ProgramReader, node: Mapping[str, Any], call: Call) -> None:
    """One call of such an op. Raises `Refused` where there is no rule for it."""
    name = call.op.removeprefix("torch.ops.higher_order.")
    rule = RULES.get(name)
    if rule is None:
        raise Refused(call.where, f"irconv has no rule for {call.op}")
    rule(reader, call, [entry["arg"] for entry in node["inputs"]])


def _region(reader: ProgramReader, call: Call, given: Sequence[Mapping[str, Any]]) -> None:
    """``no_grad`` and its like: the graph is the first that is given, its inputs follow."""
    place = next(i for i, entry in enumerate(given) if "as_graph" in entry)
    _set(reader, call, _inlined(reader, call, given[place]["as_graph"]["graph"], _listed(given[place + 1 :]), ""))


def _autocast(reader: ProgramReader, call: Call, given: Sequence[Mapping[str, Any]]) -> None:
    """``torch.autocast`` that is switched off; one that is on computes in types that the program does not say."""
    if given[2].get("as_bool", True):
        raise Refused(call.where, "computes in the element types of torch.autocast", "Export the module outside of it.")
    _region(reader, call, given)


def _branch(reader: ProgramReader, call: Call, given: Sequence[Mapping[str, Any]]) -> None:
    condition, yes, no, *operands = given
    inputs = _listed(operands)
    sides = (yes["as_graph"]["graph"], no["as_graph"]["graph"])
    if "as_tensor" not in condition:
        what = "branches on a number that is not known before the model runs"
        held = condition.get("as_bool", next(iter(condition.values())))
        if not isinstance(held, bool):
            raise Refused(call.where, what)
        _set(reader, call, _inlined(reader, call, sides[0 if held else 1], inputs, ""))
        return
    value = reader.value(condition["as_tensor"]["name"])
    known = reader.importer.known(value)
    if known is not None and numeric(known) and known.size == 1:
        _set(reader, call, _inlined(reader, call, sides[0 if known.reshape(-1)[0] else 1], inputs, ""))
        return
    taken, other = (
        _inlined(reader, call, side, inputs, name) for side, name in zip(sides, ("true", "false"), strict=True)
    )
    if reader.shape(condition["as_tensor"]["name"]) not in ((), (1,)):
        raise Refused(call.where, "branches on several truth values")
    for output, left, right in zip(call.outputs, taken, other, strict=True):
        pair = {"x0": reader.value(left["as_tensor"]["name"]), "x1": reader.value(right["as_tensor"]["name"])}
        _placed(reader, call, Where(), {"condition": value, **pair}, output)


def _loop(reader: ProgramReader, call: Call, given: Sequence[Mapping[str, Any]]) -> None:
    condition, body = (entry["as_graph"]["graph"] for entry in given[:2])
    state, more = list(_listed(given[2:3])), _listed(given[3:])
    for number in range(_MOST_ROUNDS + 1):
        (holds,) = _inlined(reader, call, condition, [*state, *more], f"condition{number}")
        known = None
        if "as_tensor" in holds:
            known = reader.importer.known(reader.value(holds["as_tensor"]["name"]))
        if known is None or not numeric(known) or known.size != 1:
            what = "runs as often as values of tensors say, which irconv does not know before the model runs"
            raise Refused(call.where, what)
        if not known.reshape(-1)[0]:
            _set(reader, call, state)
            return
        state = list(_inlined(reader, call, body, [*state, *more], f"round{number}"))
    raise Refused(call.where, f"runs for more than {_MOST_ROUNDS} rounds, which irconv does not write out")


def _scan(reader: ProgramReader, call: Call, given: Sequence[Mapping[str, Any]]) -> None:
    """Along the first axis of what is scanned, which the IR has second."""
    graph = given[0]["as_graph"]["graph"]
    starts, scanned, captured = (_listed(entries) for entries in (given[1:2], given[2:3], given[3:4]))
    values = [reader.value(_name(entry, call)) for entry in (*starts, *captured)]
    whole = [reader.value(_name(entry, call)) for entry in scanned]
    alone = [len(reader.importer.type_of(value).shape) == 1 for value in whole]
    sequences = [_second(reader, call, value, f"sequence{number}") for number, value in enumerate(whole)]
    outer, kept, inner = reader.importer, dict(reader.values), reader.importer.nested()
    reader.importer = inner
    try:
        ports, inputs = [], []
        kinds = (("state", starts), ("slice", scanned), ("kept", captured))
        names = [f"{call.outputs[0]}/{kind}{i}" for kind, found in kinds for i in range(len(found))]
        types = [outer.type_of(value) for value in values[: len(starts)]]
        types += [_of_slice(outer.type_of(value)) for value in sequences]
        types += [outer.type_of(value) for value in values[len(starts) :]]
        for name, kind in zip(names, types, strict=True):
            port = Port(name=name, value=name, dtype=kind.dtype, shape=kind.shape, axes="", source_axes="")
            reader.values[name] = inner.input(port)
            ports.append(port)
            inputs.append({"as_tensor": {"name": name}})
        for name, flat in zip(names[len(starts) :], alone, strict=False):
            if flat:
                reader.values[name] = reader.place(call, Squeeze(axes=(0,)), f"{name}/number", x=name)
        found = [reader.value(_name(entry, call)) for entry in _inlined(reader, call, graph, inputs, "body")]
        results = [*found[: len(starts)], *(_with_axis(reader, call, v) for v in found[len(starts) :])]
        for value in results:
            inner.settle(value)
        typed = [_port(value, inner.type_of(value)) for value in results]
    finally:
        reader.importer, reader.values = outer, kept
    _use_scan(reader, call, (ports, typed), inner, (len(starts), len(scanned)), values, sequences)


def _use_scan(
    reader: ProgramReader,
    call: Call,
    ends: tuple[list[Port], list[Port]],
    inner: Any,
    counts: tuple[int, int],
    values: list[str],
    sequences: list[str],
) -> None:
    (ports, typed), (carried, scans) = ends, counts
    taken = [_port(value, inner.types[value]) for value in inner.captured]
    states, slices, more = ports[:carried], ports[carried : carried + scans], ports[carried + scans :]
    # what the body only reads is carried along unchanged
    body = Graph(
        inputs=(*states, *more, *taken, *slices),
        outputs=(*typed[:carried], *more, *taken, *typed[carried:]),
        nodes=tuple(inner.nodes),
    )
    starts = [*values, *(port.value for port in taken)]
    layer = Scan(body=body, carried=len(starts), scanned=scans, reverse=False, order="time")
    inputs = {f"carried{i}": value for i, value in enumerate(starts)} | {
        f"scanned{i}": v for i, v in enumerate(sequences)
    }
    name = call.outputs[0]
    outputs = {f"carried{i}": f"{name}/last{i}" for i in range(len(starts))}
    outputs |= {f"carried{i}": call.outputs[i] for i in range(carried)}
    count = len(typed) - carried
    outputs |= {f"stacked{i}": f"{name}/all{i}" for i in range(count)}
    reader.importer.use(layer, inputs, outputs, name, call.where)
    for i in range(carried):
        reader.values[call.outputs[i]] = call.outputs[i]
    for i in range(count):
        value, output = f"{name}/all{i}", call.outputs[carried + i]
        rank = len(reader.importer.type_of(value).shape)
        numbers = len(reader.meta.get(output, {}).get("sizes", (0, 0))) == 1
        layer_after = Squeeze(axes=(0,)) if numbers else Transpose(permutation=(1, 0, *range(2, rank)))
        _placed(reader, call, layer_after, {"x": value}, output)


def _second(reader: ProgramReader, call: Call, value: str, suffix: str) -> str:
    """A sequence (t, n, ...) as (n, t, ...); one of numbers (t) as (1, t)."""
    rank = len(reader.importer.type_of(value).shape)
    if rank == 1:
        return reader.place(call, Unsqueeze(axes=(0,)), suffix, x=value)
    return reader.place(call, Transpose(permutation=(1, 0, *range(2, rank))), suffix, x=value)


def _with_axis(reader: ProgramReader, call: Call, value: str) -> str:
    """What a body gives for each step, a number as (1)."""
    if reader.importer.type_of(value).shape:
        return value
    return reader.place(call, Unsqueeze(axes=(0,)), f"{value}/row", x=value)


def _of_slice(kind: ValueType) -> ValueType:
    return ValueType(kind.dtype, (kind.shape[0], *kind.shape[2:]))


def _port(value: str, of: ValueType) -> Port:
    return Port(name=value, value=value, dtype=of.dtype, shape=of.shape, axes="", source_axes="")


def _placed(reader: ProgramReader, call: Call, layer: Any, inputs: dict[str, str], output: str) -> None:
    reader.importer.place(layer, inputs, [output], name=output, where=call.where)
    reader.values[output] = output


def _name(entry: Mapping[str, Any], call: Call) -> str:
    if "as_tensor" not in entry:
        raise Refused(call.where, f"is given {next(iter(entry))}, where irconv expects tensors")
    return str(entry["as_tensor"]["name"])


def _listed(given: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Arguments one by one, those in lists, too."""
    found: list[Mapping[str, Any]] = []
    for entry in given:
        if "as_tensors" in entry:
            found += [{"as_tensor": tensor} for tensor in entry["as_tensors"]]
        elif "as_optional_tensors" in entry:
            found += entry["as_optional_tensors"]
        elif "as_sym_ints" in entry or "as_ints" in entry:
            sizes = entry.get("as_sym_ints", entry.get("as_ints", []))
            found += [{"as_sym_int": size} if isinstance(size, Mapping) else {"as_int": size} for size in sizes]
        elif not {"as_none", "as_string"} & entry.keys():
            found.append(entry)
    return found


def _inlined(
    reader: ProgramReader, call: Call, graph: Mapping[str, Any], given: Sequence[Mapping[str, Any]], label: str
) -> list[Mapping[str, Any]]:
    """The nodes of a graph as if they stood here, under names of their own; what it gives."""
    prefix = f"{call.outputs[0] if call.outputs else call.op}/{f'{label}/' if label else ''}"
    wanted = [next(iter(_names(entry)), "") for entry in graph["inputs"]]
    if len(wanted) != len(given):
        raise Refused(call.where, f"runs a graph of {len(wanted)} inputs on {len(given)}")
    named = {name: entry for name, entry in zip(wanted, given, strict=True) if name}

    def renamed(part: Any) -> Any:
        if isinstance(part, list):
            return [renamed(item) for item in part]
        if not isinstance(part, Mapping):
            return part
        for key in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
            inside = part.get(key)
            if isinstance(inside, Mapping) and (name := inside.get("name", inside.get("as_name"))) is not None:
                return named[name] if name in named else {key: _with_name(inside, prefix + name)}
        if isinstance(part.get("as_name"), str):
            return _size_named(named, part, prefix)
        if set(part) == {"name"}:
            return {"name": _tensor_named(named, part["name"], prefix)}
        kept = ("metadata", "tensor_values", "target")
        return {key: value if key in kept else renamed(value) for key, value in part.items()}

    for name, meta in graph.get("tensor_values", {}).items():
        reader.meta.setdefault(prefix + name, meta)
        reader.aliases.last_read[prefix + name] = _LATER
    for node in graph["nodes"]:
        reader.node(renamed(node))
    return [renamed(entry) for entry in graph["outputs"]]


def _with_name(inside: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: name if key in ("name", "as_name") else value for key, value in inside.items()}


def _tensor_named(named: Mapping[str, Mapping[str, Any]], name: str, prefix: str) -> str:
    return str(named[name]["as_tensor"]["name"]) if name in named else prefix + name


def _size_named(named: Mapping[str, Mapping[str, Any]], part: Mapping[str, Any], prefix: str) -> Any:
    given = named.get(part["as_name"])
    if given is None:
        return {"as_name": prefix + part["as_name"]}
    return given.get("as_sym_int", given)


def _names(entry: Mapping[str, Any]) -> list[str]:
    inside = next(iter(entry.values()))
    return [str(inside.get("name", inside.get("as_name")))] if isinstance(inside, Mapping) else []


def _set(reader: ProgramReader, call: Call, results: Sequence[Mapping[str, Any]]) -> None:
    """Say that the call gives what a graph gave."""
    for output, entry in zip(call.outputs, results, strict=True):
        if "as_tensor" in entry:
            reader.values[output] = reader.value(entry["as_tensor"]["name"])
        else:
            reader.sizes[output] = reader.argument(entry)


RULES: Mapping[str, Callable[[ProgramReader, Call, Sequence[Mapping[str, Any]]], None]] = {
    "wrap_with_set_grad_enabled": _region,
    "wrap_with_autocast": _autocast,
    "wrap": _region,
    "tag_activation_checkpoint": _region,
    "invoke_subgraph": _region,
    "hints_wrapper": _region,
    "cond": _branch,
    "while_loop": _loop,
    "scan": _scan,
}
