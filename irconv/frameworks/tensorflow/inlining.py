"""Calls of functions put in place: a graph of TensorFlow 2 becomes one flat graph.

A function takes values by the names of its arguments and gives those that ``ret`` names; inside it a value is
``node:output:index``, where `output` is a name of the operation's definition. Every node gets a name of its own: below
that of its call, which counts for nothing itself where it is only called ``StatefulPartitionedCall``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from irconv.containers.graph_def import ArgDef, FunctionDef, FunctionName, GraphDef, NodeDef, Placeholder
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.tensorflow import control_flow
from irconv.frameworks.tensorflow.graph import split

CALLS = ("PartitionedCall", "StatefulPartitionedCall", "TPUPartitionedCall")
_DEEPEST = 100
_MOST = 250_000
"""Nodes that functions may become: each of forty functions that calls the next one twice is small in a file."""
_NAMELESS = re.compile(r"(^|/)(Stateful)?PartitionedCall(_\d+)?$")

_FUSED_NORM = ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3")
_LSTM_BLOCK = ("i", "cs", "f", "o", "ci", "co", "h")
OUTPUTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _FUSED_NORM),
    **dict.fromkeys(("Switch", "RefSwitch"), ("output_false", "output_true")),
    **dict.fromkeys(("Merge", "RefMerge"), ("output", "value_index")),
    **dict.fromkeys(("TopK", "TopKV2"), ("values", "indices")),
    **dict.fromkeys(("LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"), _LSTM_BLOCK),
    "GRUBlockCell": ("r", "u", "c", "h"),
    **dict.fromkeys(("CudnnRNN", "CudnnRNNV2"), ("output", "output_h", "output_c", "reserve_space", "host_reserved")),
    "CudnnRNNV3": ("output", "output_h", "output_c", "reserve_space", "host_reserved"),
    "TensorArrayV3": ("handle", "flow"),
    "TensorListPopBack": ("output_handle", "tensor"),
    "Unique": ("y", "idx"),
    "UniqueV2": ("y", "idx"),
    "UniqueWithCounts": ("y", "idx", "count"),
    "ListDiff": ("out", "idx"),
    "QuantizeV2": ("output", "output_min", "output_max"),
    "QuantizeAndDequantizeV4": ("output",),
    "MaxPoolWithArgmax": ("output", "argmax"),
    "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
    "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
    "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "SparseSoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "Svd": ("s", "u", "v"),
    "Qr": ("q", "r"),
    "SelfAdjointEigV2": ("e", "v"),
    "BroadcastGradientArgs": ("r0", "r1"),
    "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
}
"""The outputs of operations that have several, in order. All others have one, which may be a list."""


@dataclass
class _Scope:
    """One body while it is put in place."""

    nodes: Mapping[str, NodeDef]
    names: dict[str, str]
    """Name inside -> name in the flat graph."""
    arguments: Mapping[str, Sequence[str]]
    """Name of an argument -> its values in the flat graph."""
    attrs: Mapping[str, Any]
    stack: tuple[str, ...]
    """The functions that are being put in place, outermost first."""
    inside: bool
    """Whether values are spelt as in functions."""


@dataclass
class Inliner:
    """Puts functions in place. Raises `Refused` for recursion, `DamagedFile` for calls that do not fit."""

    functions: Mapping[str, FunctionDef]
    where: str
    nodes: dict[str, NodeDef] = field(default_factory=dict)
    """The flat graph so far."""
    results: dict[str, str] = field(default_factory=dict)
    """Result of a call -> the value that it is."""

    def graph(self, graph: GraphDef) -> None:
        """Put a whole graph in place, under the names that it has."""
        self._check_size(graph.nodes)
        names = {node.name: node.name for node in graph.nodes}
        self._names = set(names)
        self._add(_Scope({n.name: n for n in graph.nodes}, names, {}, {}, (), False))

    def call(self, name: str, arguments: Sequence[str], prefix: str = "") -> dict[str, str]:
        """Put one function in place, on these values; returns the value of each of its results by name."""
        self._check_size([NodeDef(name, name, (), {})])
        rets = self._call(FunctionName(name), prefix, list(arguments), (), f"{self.where}: function {name}")
        return {key: self.resolved(value) for key, value in rets.items()}

    def _check_size(self, nodes: Iterable[NodeDef]) -> None:
        """Raise `Refused` where the functions that some nodes call would become too many nodes."""
        sizes: dict[str, int] = {}
        waiting = [name for node in nodes for name in self._calls(node)]
        total = list(waiting)
        opened: set[str] = set()
        while waiting:
            name = waiting[-1]
            body = self.functions[name].nodes if name in self.functions else ()
            calls = [inner for node in body for inner in self._calls(node)]
            unknown = [inner for inner in calls if inner not in sizes and inner not in opened]
            opened.add(name)
            if unknown:
                waiting += unknown
                continue
            sizes[waiting.pop()] = len(body) + sum(sizes.get(inner, 0) for inner in calls)
        if sum(sizes[name] for name in total) > _MOST:
            raise Refused(self.where, f"has more than {_MOST} nodes when its functions are put in place")

    def _calls(self, node: NodeDef) -> list[str]:
        """The functions that a node puts in place."""
        called = _called(node, node.attrs, self.functions)
        if called is not None:
            return [called.name]
        return [found.name for found in control_flow.functions_of(node.op, node.attrs, f"{self.where}: {node.name}")]

    def finish(self) -> dict[str, NodeDef]:
        """The flat graph, in which every value that a call gave is what made it."""
        found: dict[str, NodeDef] = {}
        for node in self.nodes.values():
            inputs = (self._input(value) for value in node.inputs)
            found[node.name] = replace(node, inputs=tuple(value for value in inputs if value))
        return found

    def resolved(self, value: str) -> str:
        """What a value of the flat graph is, calls gone through."""
        for _ in range(_MOST):
            name, number = split(value)
            following = self.results.get(f"{name}:{number}")
            if following is None:
                return value
            value = following
        raise DamagedFile(f"{self.where}: {value}", "is the result of calls that give each other's")

    _names: set[str] = field(default_factory=set)

    def _input(self, value: str) -> str:
        if not value.startswith("^"):
            return self.resolved(value)
        return value if value[1:] in self.nodes else ""

    def _add(self, scope: _Scope) -> None:
        for node in scope.nodes.values():
            name = scope.names[node.name]
            attrs = _filled(node.attrs, scope.attrs, f"{self.where}: {name}")
            called = _called(node, attrs, self.functions)
            inputs = [value for text in node.inputs for value in self._values(scope, text)]
            data = [value for value in inputs if not value.startswith("^")]
            placed = NodeDef(name, node.op, tuple(inputs), attrs, node.device)
            if called is not None:
                where = f"{self.where}: {name} ({called.name})"
                given = list(self._call(called, _NAMELESS.sub("", name), data, scope.stack, where).values())
            elif node.op in (*control_flow.WHILES, *control_flow.IFS):
                given = self._lowered(placed, data, scope.stack)
            else:
                self.nodes[name] = placed
                continue
            self.results |= {f"{name}:{index}": value for index, value in enumerate(given)}

    def _lowered(self, node: NodeDef, data: list[str], stack: tuple[str, ...]) -> list[str]:
        """A loop or a branch put in place: the value of each of its results."""
        where = f"{self.where}: {node.name} ({node.op})"

        def call(called: FunctionName, prefix: str, values: list[str]) -> list[str]:
            return list(self._call(called, prefix, values, stack, where).values())

        def add(made: NodeDef) -> None:
            if made.name in self._names:
                raise DamagedFile(where, f"expected no other node of the name {made.name}")
            self._names.add(made.name)
            self.nodes[made.name] = made

        return control_flow.lowered(node, data, call, add, where)

    def _call(
        self, called: FunctionName, prefix: str, data: list[str], stack: tuple[str, ...], where: str
    ) -> dict[str, str]:
        function = self.functions.get(called.name)
        if function is None:
            raise DamagedFile(where, "calls a function that is not in the library")
        if called.name in stack or len(stack) >= _DEEPEST:
            what = "calls itself" if called.name in stack else f"lies in more than {_DEEPEST} calls"
            raise Refused(where, f"the function {called.name} {what}, which irconv does not follow")
        nodes = {node.name: node for node in function.nodes}
        attrs = {**{k: v for k, v in function.attrs.items() if not k.startswith("_")}, **called.attrs}
        names = {name: self.fresh(f"{prefix}/{name}".lstrip("/")) for name in nodes}
        scope = _Scope(nodes, names, _arguments(function, data, attrs, where), attrs, (*stack, called.name), True)
        self._add(scope)
        return {result.name: self._result(scope, function, result, where) for result in function.outputs}

    def _result(self, scope: _Scope, function: FunctionDef, result: ArgDef, where: str) -> str:
        text = function.ret.get(result.name)
        values = self._values(scope, text) if text else []
        if len(values) != 1 or result.number_attr or result.type_list_attr:
            raise DamagedFile(where, f"expected one value as its result {result.name}, got {text or 'none'}")
        return values[0]

    def _values(self, scope: _Scope, text: str) -> list[str]:
        """A value inside a body as values of the flat graph: an argument may be a list."""
        if text.startswith("^"):
            return [f"^{scope.names[text[1:]]}"] if text[1:] in scope.names else []
        if not scope.inside:
            return [text]
        name, *rest = text.split(":")
        if name in scope.arguments:
            given = scope.arguments[name]
            return [given[int(rest[-1])]] if rest and rest[-1].isdigit() and int(rest[-1]) < len(given) else list(given)
        if name not in scope.names:
            raise DamagedFile(f"{self.where}: {text}", "is taken by a node, but no node makes it")
        return [f"{scope.names[name]}:{self._index(scope.nodes[name], rest)}"]

    def _index(self, node: NodeDef, rest: Sequence[str]) -> int:
        """Which result of a node ``output:index`` is."""
        if not rest or not rest[-1].isdigit():
            raise DamagedFile(f"{self.where}: {node.name}", f"expected output:index, got {':'.join(rest)}")
        index = int(rest[-1])
        if len(rest) == 1:
            return index
        if (function := self.functions.get(node.op)) is not None:
            names: Sequence[str] = [result.name for result in function.outputs]
        else:
            names = OUTPUTS.get(node.op, ())
        if not names:
            return index
        if rest[0] not in names:
            raise Refused(f"{self.where}: {node.name} ({node.op})", f"has no output {rest[0]!r} that irconv knows")
        return names.index(rest[0]) + index

    def fresh(self, name: str) -> str:
        """A name that no node has yet, taken."""
        found, number = name, 0
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found


def flattened(graph: GraphDef, where: str) -> Inliner:
    """A graph with all calls put in place; see `Inliner.finish`."""
    inliner = Inliner(graph.functions, where)
    inliner.graph(graph)
    return inliner


def _called(node: NodeDef, attrs: Mapping[str, Any], functions: Mapping[str, FunctionDef]) -> FunctionName | None:
    """The function that a node calls; up to TensorFlow 1 its operation is the function itself."""
    if node.op in CALLS and isinstance(attrs.get("f"), FunctionName):
        found: FunctionName = attrs["f"]
        return found
    return FunctionName(node.op, attrs) if node.op in functions else None


def _arguments(
    function: FunctionDef, data: list[str], attrs: Mapping[str, Any], where: str
) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    rest = list(data)
    for argument in function.inputs:
        count = 1
        if argument.number_attr:
            count = attrs.get(argument.number_attr, 1)
        elif argument.type_list_attr:
            count = len(attrs.get(argument.type_list_attr, ()))
        if not isinstance(count, int) or count > len(rest):
            break
        found[argument.name], rest = rest[:count], rest[count:]
    if rest or len(found) != len(function.inputs):
        raise DamagedFile(where, f"expected {len(function.inputs)} arguments, got {len(data)}")
    return found


def _filled(attrs: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Attributes with what the call gives for those that stand for one of the function's."""
    return {name: _fill(value, given, where) for name, value in attrs.items()}


def _fill(value: Any, given: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, Placeholder):
        if value.name not in given:
            raise DamagedFile(where, f"expected the attribute {value.name} from the call of its function")
        return given[value.name]
    if isinstance(value, FunctionName) and value.attrs:
        return replace(value, attrs=_filled(value.attrs, given, where))
    return tuple(_fill(part, given, where) for part in value) if _holds_placeholders(value) else value


def _holds_placeholders(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(part, Placeholder | FunctionName) for part in value)


def capturing(nodes: Iterable[NodeDef]) -> list[tuple[str, NodeDef]]:
    """The calls of a graph with the names of what they call."""
    return [(n.attrs["f"].name, n) for n in nodes if n.op in CALLS and isinstance(n.attrs.get("f"), FunctionName)]
