"""Where graphs are entered and left: by signature, by names, by what they show."""

from __future__ import annotations

from typing import Any

import pytest

from irconv.containers.graph_def import GraphDef, MetaGraph, NodeDef, Signature, TensorInfo
from irconv.containers.graph_def_read import read_meta_graph
from irconv.errors import MissingFact, Refused
from irconv.frameworks.tensorflow import interface
from irconv.frameworks.tensorflow.graph import Nodes, needed
from irconv.frameworks.tensorflow.importing import Feed, Fetch
from irconv.frameworks.tensorflow.saving import Saved, saved_variables, slice_spec
from irconv.options import ReadOptions
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow"


def node(name: str, op: str, *inputs: str, **attrs: Any) -> NodeDef:
    return NodeDef(name, op, inputs, attrs)


X = node("x", "Placeholder", dtype="float32", shape=(None, 8, 6, 3))
MODEL = (
    X,
    node("w", "Const", dtype="float32"),
    node("conv", "Conv2D", "x", "w"),
    node("size", "Shape", "conv"),
    node("row", "StridedSlice", "size"),
    node("prob", "Softmax", "conv", "^size"),
)


def of_names(nodes: tuple[NodeDef, ...], **options: Any) -> interface.Interface:
    return interface.of_names(Nodes.of(nodes, "g"), ReadOptions(**options))


def test_what_nothing_takes_is_the_output_and_placeholders_are_inputs() -> None:
    found = of_names(MODEL)
    assert found.feeds == (Feed("x", "x", "float32", ("N", 8, 6, 3)),)
    assert found.fetches == (Fetch("prob", "prob"),)
    assert found.evidence == "the values that nothing takes"


def test_reports_and_checks_take_nothing_away() -> None:
    found = of_names((*MODEL, node("h", "HistogramSummary", "prob"), node("ok", "Assert", "row")))
    assert [fetch.value for fetch in found.fetches] == ["prob"]


def test_what_the_user_names_counts_before_all_else() -> None:
    nodes = (*MODEL[:2], node("conv", "Conv2D", "x", "w", T="float32"), *MODEL[3:])
    found = of_names(nodes, inputs=("conv:0",), outputs=("prob:0",), input_shape=("conv=N,4,4,5",))
    assert found.feeds == (Feed("conv", "conv:0", "float32", ("N", 4, 4, 5)),)
    assert found.fetches == (Fetch("prob", "prob:0"),)
    text = rejection(lambda: of_names(MODEL, inputs=("conv:0",), outputs=("prob:0",)), MissingFact)
    assert text == "g: input conv: the graph does not say of what type conv:0 is. Name another value in --inputs."


def test_losses_behind_the_model_hide_its_outputs() -> None:
    labels = node("labels", "Placeholder", dtype="int32", shape=(None,))
    training = (
        labels,
        node("xent", "SparseSoftmaxCrossEntropyWithLogits", "conv", "labels"),
        node("loss", "Mean", "xent"),
    )
    text = rejection(lambda: of_names((*MODEL, *training)), MissingFact)
    what = "xent and others lie behind the model, so that its outputs cannot be told"
    assert text == f"g: outputs: {what}. Name them with --outputs; candidates are prob, loss."


def test_a_real_training_names_the_model_among_the_candidates() -> None:
    meta = read_meta_graph(FOLDER / "training" / "adam.ckpt.meta")
    text = rejection(lambda: of_names(meta.graph.nodes), MissingFact)
    assert "candidates are net/y, " in text


def test_switches_and_rates_are_no_inputs() -> None:
    nodes = (
        *MODEL[:-1],
        node("keep_prob", "Placeholder", dtype="float32", shape=()),
        node("prob", "Mul", "conv", "keep_prob"),
    )
    assert [feed.name for feed in of_names(nodes, outputs=("prob",)).feeds] == ["x"]


def test_what_an_iterator_gives_is_an_input() -> None:
    shapes, types = ((None, 28, 28, 1), (None,)), ("float32", "int64")
    nodes = (
        node("it", "IteratorV2"),
        node("next", "IteratorGetNext", "it", output_shapes=shapes, output_types=types),
        node("y", "Relu", "next"),
    )
    assert of_names(nodes, outputs=("y",)).feeds == (Feed("next", "next", "float32", ("N", 28, 28, 1)),)


def test_an_input_of_any_rank_is_asked_about() -> None:
    nodes = (node("x", "Placeholder", dtype="float32", shape=None), node("y", "Relu", "x"))
    text = rejection(lambda: of_names(nodes, outputs=("y",)), MissingFact)
    assert text == "g: input x: the graph does not say how many axes it has. Give --input-shape x=N,1,28,28."
    said = of_names(nodes, outputs=("y",), input_shape=("x=N,5,7",))
    assert said.feeds == (Feed("x", "x", "float32", ("N", 5, 7)),)


def test_a_name_that_is_not_there_is_refused_with_what_is() -> None:
    text = rejection(lambda: of_names(MODEL, outputs=("net/probs:0",)), MissingFact)
    assert text == "g: --outputs net/probs:0: the graph has no such node; there are prob."


def signatures(**named: Signature) -> MetaGraph:
    return MetaGraph(GraphDef(MODEL), signatures=named)


SIGNATURE = Signature(
    {"image": TensorInfo("x:0", "float32", (None, 8, 6, 3))},
    {"p": TensorInfo("prob:0", "float32", (None, 8, 6, 4))},
    "",
)


def test_the_signature_named_or_the_default_or_the_only_one_is_meant() -> None:
    several = signatures(serving_default=SIGNATURE, other=SIGNATURE, __saved_model_init_op=SIGNATURE)
    assert interface.signature_of(several, ReadOptions(), "m") == ("serving_default", SIGNATURE)
    assert interface.signature_of(several, ReadOptions(signature="other"), "m") == ("other", SIGNATURE)
    assert interface.signature_of(signatures(only=SIGNATURE), ReadOptions(), "m") == ("only", SIGNATURE)
    assert interface.signature_of(signatures(__saved_model_init_op=SIGNATURE), ReadOptions(), "m") is None
    undecided = signatures(a=SIGNATURE, b=SIGNATURE)
    text = rejection(lambda: interface.signature_of(undecided, ReadOptions(), "m"), MissingFact)
    assert text == "m: has 2 signatures: a, b. Name one with --signature."
    text = rejection(lambda: interface.signature_of(several, ReadOptions(signature="c"), "m"), MissingFact)
    assert text == "m: --signature c: there is no such signature, but serving_default, other."


def test_a_signature_names_its_inputs_and_outputs() -> None:
    found = interface.of_signature("s", SIGNATURE, Nodes.of(MODEL, "g"), ReadOptions())
    assert found.feeds == (Feed("image", "x:0", "float32", ("N", 8, 6, 3)),)
    assert found.fetches == (Fetch("p", "prob:0"),)


def test_a_sparse_input_is_refused() -> None:
    sparse = Signature({"image": TensorInfo("", "float32", None, ("v:0", "i:0", "s:0"))}, {}, "")
    text = rejection(lambda: interface.of_signature("s", sparse, Nodes.of(MODEL, "g"), ReadOptions()), Refused)
    assert text == "g: signature s: image: expected one dense tensor, got a sparse one."


def test_only_what_outputs_need_is_kept_and_loops_end() -> None:
    nodes = (*MODEL, node("a", "Add", "x", "b"), node("b", "NextIteration", "a"), node("unused", "Relu", "x"))
    assert {kept.name for kept in needed(Nodes.of(nodes, "g"), ["a"])} == {"a", "b", "x"}
    assert [kept.name for kept in needed(Nodes.of(nodes, "g"), ["prob"])] == ["x", "w", "conv", "prob"]
    assert [kept.name for kept in needed(Nodes.of(nodes, "g"), ["prob"], ["conv:0"])] == ["prob"]


def test_a_graph_says_where_it_saves_its_variables() -> None:
    meta = read_meta_graph(FOLDER / "graphs" / "model.meta")
    found = saved_variables(Nodes.of(meta.graph.nodes, "g"))
    assert found["conv/kernel"] == Saved("conv/kernel")
    assert found["table/part_1"] == Saved("table", (7, 2), ((4, 3), (0, 2)))
    renamed = read_meta_graph(FOLDER / "training" / "named.ckpt.meta")
    assert saved_variables(Nodes.of(renamed.graph.nodes, "g"))["net/fc/weights"] == Saved("saved/net/fc/weights")


@pytest.mark.parametrize("text", ["", "what", "7 2 0,x:-", "7 a 0,4:-"])
def test_a_text_that_is_no_slice_is_none(text: str) -> None:
    assert slice_spec(text) == (None, None)
