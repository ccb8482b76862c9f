"""Messages of a `.proto` file, in a pool of their own, have the numbers and types that TensorFlow's have."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from irconv.containers import messages
from irconv.errors import DamagedFile
from tests.helpers import rejection

_OURS = {"left_out_offset", "left_out_size"}
_ROOTS = (
    "SavedModel",
    "BundleHeaderProto",
    "BundleEntryProto",
    "TrackableObjectGraph",
    "VariableDef",
    "CheckpointState",
)


def described(descriptor: Any, found: dict[str, dict[int, tuple[Any, ...]]]) -> None:
    """Name of every message below one -> number of each field -> its name and type."""
    if descriptor.full_name in found:
        return
    found[descriptor.full_name] = fields = {}
    for field in descriptor.fields:
        if field.name in _OURS:
            continue
        kind = field.message_type or field.enum_type
        inner = kind.full_name if kind else ""
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        fields[field.number] = (field.name, field.type, field.is_repeated, inner, oneof)
        if field.message_type:
            described(field.message_type, found)


def test_every_field_is_tensorflows() -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from tensorflow.core.framework import variable_pb2
    from tensorflow.core.protobuf import saved_model_pb2, tensor_bundle_pb2, trackable_object_graph_pb2
    from tensorflow.python.training import checkpoint_state_pb2

    assert tensorflow
    modules = variable_pb2, saved_model_pb2, tensor_bundle_pb2, trackable_object_graph_pb2, checkpoint_state_pb2
    for root in _ROOTS:
        ours: dict[str, dict[int, tuple[Any, ...]]] = {}
        theirs: dict[str, dict[int, tuple[Any, ...]]] = {}
        described(messages.message("tensorflow", root).DESCRIPTOR, ours)
        described(next(getattr(m, root) for m in modules if hasattr(m, root)).DESCRIPTOR, theirs)
        for name, fields in ours.items():
            assert fields == {number: theirs[name][number] for number in fields}


def test_types_are_numbered_as_tensorflow_numbers_them() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from tensorflow.core.framework import types_pb2

    theirs = dict(types_pb2.DataType.items())
    assert {name: theirs[name] for name in messages.enum("tensorflow", "DataType").values()} == {
        name: number for number, name in messages.enum("tensorflow", "DataType").items()
    }


def test_the_pool_is_private() -> None:
    code = "from irconv.containers import messages; messages.message('tensorflow', 'GraphDef')\n"
    code += "from google.protobuf import descriptor_pool as p\n"
    code += "try: p.Default().FindMessageTypeByName('tensorflow.GraphDef')\nexcept KeyError: print('private')"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "private\n"


def test_bytes_that_are_no_message_are_refused() -> None:
    text = rejection(lambda: messages.parse("tensorflow", "GraphDef", b"\x0a\xff", "here"), DamagedFile)
    assert text.startswith("here: expected a GraphDef of tensorflow, got bytes that are none: ")


def test_text_is_read_and_fields_that_are_not_known_are_passed_over() -> None:
    text = b'node { name: "x" op: "Add" experimental_type { type_id: TFT_TENSOR } } what: 3'
    found = messages.parse_text("tensorflow", "GraphDef", text, "here")
    assert [(node.name, node.op) for node in found.node] == [("x", "Add")]


@pytest.mark.parametrize("text", [b'node { name: "x', b"node: 3", b"\xff\xfe", b"a {" * 5000])
def test_text_that_is_no_message_is_refused(text: bytes) -> None:
    said = rejection(lambda: messages.parse_text("tensorflow", "GraphDef", text, "here"), DamagedFile)
    assert said.startswith("here: expected a GraphDef of tensorflow as text: ")
