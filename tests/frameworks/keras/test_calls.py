"""The spellings of inbound nodes."""

from __future__ import annotations

from typing import Any

import pytest

from irconv.frameworks.keras.calls import Call, Reference, leaves, read_calls, references

A, B = Reference("a", 0, 0), Reference("b", 2, 1)


def tensor(*history: Any) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": list(history)}}


@pytest.mark.parametrize(
    ("node", "call"),
    [
        ([["a", 0, 0]], Call(([A],), {})),
        ([["a", 0, 0, {}], ["b", 2, 1, {}]], Call(([A, B],), {})),
        (["a", 0, 0, {"y": ["b", 2, 1], "name": None}], Call((A,), {"y": B})),
        (["a", 0, 0, {"axis": [1, 2, 3]}], Call((A,), {"axis": [1, 2, 3]})),
        (["_CONSTANT_VALUE", -1, 1.5, {"y": ["a", 0, 0]}], Call((1.5,), {"y": A})),
        ({"left": ["a", 0, 0, {}], "right": ["b", 2, 1, {}]}, Call(({"left": A, "right": B},), {})),
        ([["a", 0, 0, {"training": False, "mask": None}]], Call(([A],), {})),
        ([["a", 0, 0, {"training": True}]], Call(([A],), {"training": True})),
        ({"args": [tensor("a", 0, 0), 2.0], "kwargs": {}}, Call((A, 2.0), {})),
        ({"args": [[tensor("a", 0, 0), tensor("b", 2, 1)]], "kwargs": {"mask": None}}, Call(([A, B],), {})),
        (
            {
                "args": [
                    tensor("a", 0, 0),
                    [
                        {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": None}},
                        {"class_name": "__ellipsis__", "config": {}},
                    ],
                ],
                "kwargs": {},
            },
            Call((A, [{"start": 1, "stop": None, "step": None}, "..."]), {}),
        ),
    ],
)
def test_every_spelling_of_a_call_is_read_as_the_same_thing(node: Any, call: Call) -> None:
    assert read_calls({"inbound_nodes": [node]}, {"a", "b"}) == [call]


def test_a_layer_that_nothing_feeds_has_one_call_on_nothing() -> None:
    assert read_calls({"inbound_nodes": []}, ()) == [Call()]


def test_text_that_names_no_layer_is_no_reference() -> None:
    (call,) = read_calls({"inbound_nodes": [["a", 0, 0, {"words": ["x", 0, 0]}]]}, {"a"})
    assert call.keywords == {"words": ["x", 0, 0]}
    assert call.references == [A]


def test_inputs_and_outputs_of_a_model_are_one_or_several_or_named() -> None:
    assert references(["a", 0, 0]) == [A]
    assert references([["a", 0, 0], ["b", 2, 1]]) == [A, B]
    assert references({"z": ["a", 0, 0], "y": ["b", 2, 1]}) == [B, A]


def test_a_mapping_is_flattened_by_its_sorted_keys() -> None:
    assert leaves({"b": [1, {"d": 2, "c": 3}], "a": (4,)}) == [4, 1, 3, 2]
