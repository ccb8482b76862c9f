"""Functions put in place: names, attributes, lists, recursion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from irconv.containers.graph_def import ArgDef, FunctionDef, FunctionName, GraphDef, NodeDef, Placeholder
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.tensorflow import inlining
from irconv.frameworks.tensorflow.inlining import flattened
from tests.helpers import rejection


def function(name: str, inputs: Sequence[str], nodes: Sequence[NodeDef], ret: dict[str, str]) -> FunctionDef:
    arguments = tuple(ArgDef(argument, "float32") for argument in inputs)
    results = tuple(ArgDef(result, "float32") for result in ret)
    return FunctionDef(name, arguments, results, tuple(nodes), ret, {})


def call(name: str, called: str, *inputs: str) -> NodeDef:
    return NodeDef(name, "StatefulPartitionedCall", inputs, {"f": FunctionName(called)})


X = NodeDef("x", "Placeholder", (), {})


def test_a_call_becomes_the_nodes_of_its_function() -> None:
    inner = function(
        "f",
        ["a"],
        [NodeDef("act", "Relu", ("a",), {}), NodeDef("sum", "Add", ("act:activations:0", "a"), {})],
        {"y": "sum:z:0"},
    )
    graph = GraphDef(
        (
            X,
            call("conv/StatefulPartitionedCall", "f", "x"),
            NodeDef("out", "Identity", ("conv/StatefulPartitionedCall",), {}),
        ),
        {"f": inner},
    )
    inliner = flattened(graph, "g")
    flat = inliner.finish()
    assert {name: (node.op, node.inputs) for name, node in flat.items()} == {
        "x": ("Placeholder", ()),
        "conv/act": ("Relu", ("x",)),
        "conv/sum": ("Add", ("conv/act:0", "x")),
        "out": ("Identity", ("conv/sum:0",)),
    }
    assert inliner.resolved("conv/StatefulPartitionedCall:0") == "conv/sum:0"


def test_two_calls_of_one_function_have_nodes_of_their_own() -> None:
    inner = function("f", ["a"], [NodeDef("act", "Relu", ("a",), {})], {"y": "act:activations:0"})
    graph = GraphDef(
        (X, call("PartitionedCall", "f", "x"), call("PartitionedCall_1", "f", "PartitionedCall")), {"f": inner}
    )
    assert {name: node.inputs for name, node in flattened(graph, "g").finish().items()} == {
        "x": (), "act": ("x",), "act_1": ("act:0",),
    }  # fmt: skip


def test_outputs_by_name_are_counted_as_the_operation_defines_them() -> None:
    nodes = [
        NodeDef("norm", "FusedBatchNormV3", ("a",), {}),
        NodeDef("cut", "Split", ("a",), {"num_split": 3}),
        NodeDef("sum", "Add", ("norm:batch_variance:0", "cut:output:2"), {}),
    ]
    graph = GraphDef((X, call("c", "f", "x")), {"f": function("f", ["a"], nodes, {"y": "sum:z:0"})})
    assert flattened(graph, "g").finish()["c/sum"].inputs == ("c/norm:2", "c/cut:2")


def test_a_function_may_give_back_what_it_takes() -> None:
    functions = {
        "outer": function(
            "outer", ["a", "b"], [call("in", "inner", "b", "a")], {"y": "in:output:0", "z": "in:output:1"}
        ),
        "inner": function("inner", ["p", "q"], [], {"r": "q", "s": "p"}),
    }
    other = NodeDef("w", "Placeholder", (), {})
    inliner = flattened(GraphDef((X, other, call("c", "outer", "x", "w")), functions), "g")
    assert [inliner.resolved(f"c:{index}") for index in (0, 1)] == ["x", "w"]


def test_attributes_come_from_the_call() -> None:
    inner = function("f", ["a"], [NodeDef("cast", "Cast", ("a",), {"DstT": Placeholder("T")})], {"y": "cast:y:0"})
    node = NodeDef("c", "PartitionedCall", ("x",), {"f": FunctionName("f", {"T": "float16"})})
    assert flattened(GraphDef((X, node), {"f": inner}), "g").finish()["c/cast"].attrs == {"DstT": "float16"}


def test_an_operation_that_is_a_function_is_a_call() -> None:
    inner = function("halve", ["a"], [NodeDef("half", "Mul", ("a", "a"), {})], {"y": "half:z:0"})
    graph = GraphDef((X, NodeDef("c", "halve", ("x",), {}), NodeDef("d", "Neg", ("c:0",), {})), {"halve": inner})
    assert flattened(graph, "g").finish()["d"].inputs == ("c/half:0",)


def test_order_alone_is_kept_where_both_nodes_are_there() -> None:
    inner = function(
        "f",
        ["a"],
        [NodeDef("no", "NoOp", (), {}), NodeDef("act", "Relu", ("a", "^no"), {})],
        {"y": "act:activations:0"},
    )
    graph = GraphDef((X, call("c", "f", "x"), NodeDef("out", "Identity", ("c", "^c"), {})), {"f": inner})
    flat = flattened(graph, "g").finish()
    assert flat["c/act"].inputs == ("x", "^c/no")
    assert flat["out"].inputs == ("c/act:0",)


def test_recursion_is_refused_by_name() -> None:
    functions = {
        "f": function("f", ["a"], [call("c", "g", "a")], {"y": "c:output:0"}),
        "g": function("g", ["a"], [call("c", "f", "a")], {"y": "c:output:0"}),
    }
    text = rejection(lambda: flattened(GraphDef((X, call("c", "f", "x")), functions), "file.pb"), Refused)
    assert text == "file.pb: c/c/c (f): the function f calls itself, which irconv does not follow."


def test_functions_that_double_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inlining, "_MOST", 1000)
    functions = {"f0": function("f0", ["a"], [NodeDef("n", "Relu", ("a",), {})], {"y": "n:activations:0"})}
    for depth in range(1, 40):
        calls = [call("p", f"f{depth - 1}", "a"), call("q", f"f{depth - 1}", "p:output:0")]
        functions[f"f{depth}"] = function(f"f{depth}", ["a"], calls, {"y": "q:output:0"})
    graph = GraphDef((X, call("c", "f39", "x")), functions)
    assert "has more than 1000 nodes" in rejection(lambda: flattened(graph, "g"), Refused)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (call("c", "f", "x", "x"), "g: c (f): expected 1 arguments, got 2."),
        (call("c", "f"), "g: c (f): expected 1 arguments, got 0."),
        (call("c", "nothing", "x"), "g: c (nothing): calls a function that is not in the library."),
    ],
)
def test_calls_that_do_not_fit_are_refused(node: NodeDef, said: str) -> None:
    inner = function("f", ["a"], [NodeDef("act", "Relu", ("a",), {})], {"y": "act:activations:0"})
    assert rejection(lambda: flattened(GraphDef((X, node), {"f": inner}), "g"), DamagedFile) == said


def test_a_result_that_is_not_there_is_refused() -> None:
    inner = function("f", ["a"], [], {"y": "nothing:z:0"})
    text = rejection(lambda: flattened(GraphDef((X, call("c", "f", "x")), {"f": inner}), "g"), DamagedFile)
    assert text == "g: nothing:z:0: is taken by a node, but no node makes it."


def test_an_output_that_is_not_known_is_refused() -> None:
    inner = function("f", ["a"], [NodeDef("top", "TopKV2", ("a",), {})], {"y": "top:what:0"})
    text = rejection(lambda: flattened(GraphDef((X, call("c", "f", "x")), {"f": inner}), "g"), Refused)
    assert text == "g: top (TopKV2): has no output 'what' that irconv knows."
