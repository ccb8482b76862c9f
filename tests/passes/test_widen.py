"""bfloat16 arithmetic in float32 gives the numbers of bfloat16."""

from __future__ import annotations

from irconv.ir.inference import infer_types
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.ir.validate import validate
from irconv.passes import widen
from tests.helpers import Builder


def test_every_result_is_rounded_and_nothing_computes_in_bfloat16() -> None:
    builder = Builder(x=("N", 3)).add("half", Cast(dtype="bfloat16"), "x")
    builder = builder.add("sum", Add(), "half", "half").add("square", Mul(), "sum", "sum")
    bundle = builder.add("y", Cast(dtype="float32"), "square").build()
    done = widen.run(bundle)
    assert validate(done).all() == ()
    types = infer_types(done)
    assert done.graph is not None
    computing = [node for node in done.graph.nodes if not isinstance(done.layers[node.layer], Cast)]
    assert {types[value].dtype for node in computing for value in node.inputs.values()} == {"float32"}
    assert types["square"].dtype == "bfloat16"
    assert len(done.graph.nodes) > len(bundle.graph.nodes if bundle.graph else ())


def test_a_graph_without_bfloat16_stays_as_it_is() -> None:
    bundle = Builder(x=("N", 3)).add("sum", Add(), "x", "x").build()
    assert widen.run(bundle) is bundle
