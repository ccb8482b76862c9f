"""Products take matrices as they lie; a transpose that something else needs stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from irconv.containers.graph_def import ElementType, NodeDef
from irconv.frameworks.tensorflow.factors import untransposed
from irconv.ir.tensors import LazyTensor

FLOAT = ElementType("float32")


def const(name: str, *numbers: int) -> NodeDef:
    array = np.asarray(numbers if len(numbers) > 1 else numbers[0], np.int32)
    return NodeDef(name, "Const", (), {"value": LazyTensor.of(array)})


def turn(name: str, x: str, *order: int) -> list[NodeDef]:
    return [const(f"{name}/perm", *order), NodeDef(name, "Transpose", (x, f"{name}/perm"), {"T": FLOAT})]


def product(a: str, b: str, **attrs: Any) -> NodeDef:
    return NodeDef("product", "MatMul", (a, b), {"T": FLOAT, **attrs})


def test_a_factor_is_taken_as_it_was_before_it_was_turned() -> None:
    nodes = [*turn("t", "w", 1, 0), product("x", "t", transpose_b=True), *turn("s", "product", 1, 0)]
    (found, *rest) = untransposed(nodes, ["s"])
    assert (found.inputs, found.attrs["transpose_b"]) == (("x", "w"), False)
    assert [node.op for node in rest] == ["Const", "Transpose"]


def test_pieces_of_a_turned_matrix_are_cut_along_its_other_axis() -> None:
    cut = [const("sizes", 2, 3), const("axis", 0)]
    split = NodeDef("split", "SplitV", ("t", "sizes", "axis"), {"T": FLOAT, "num_split": 2})
    pieces = [*turn("p", "split:1", 1, 0), NodeDef("other", "MatMul", ("x", "split"), {"T": FLOAT})]
    nodes = [*turn("t", "w", 1, 0), *cut, split, *pieces, product("x", "p")]
    found = {node.name: node for node in untransposed(nodes, ["product", "other"])}
    assert not [node for node in found.values() if node.op == "Transpose"]
    assert (found["split"].inputs[0], int(found["axis"].attrs["value"].numpy())) == ("w", 1)
    assert (found["other"].inputs, found["other"].attrs["transpose_b"]) == (("x", "split"), True)
    assert (found["p"].op, found["p"].inputs) == ("Identity", ("split:1",))
    assert not found["product"].attrs.get("transpose_b", False)


@pytest.mark.parametrize("miss", ["order", "output", "user"])
def test_a_transpose_stays_where_it_is_another_or_something_else_takes_it(miss: str) -> None:
    order = (0, 2, 1, 3) if miss == "order" else (1, 0)
    nodes = [*turn("t", "w", *order), product("x", "t")]
    nodes += [NodeDef("user", "Relu", ("t",), {"T": FLOAT})] if miss == "user" else []
    found = untransposed(nodes, ["product", "user"] + (["t"] if miss == "output" else []))
    assert [node.name for node in found if node.op == "Transpose"] == ["t"]


def test_complex_factors_are_left_as_they_are() -> None:
    nodes = [const("perm", 1, 0), NodeDef("t", "Transpose", ("w", "perm"), {"T": ElementType("complex64")})]
    assert untransposed([*nodes, product("x", "t")], ["product"])[-1].inputs == ("x", "t")
