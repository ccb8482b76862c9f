"""Messages streamed in pieces are the bytes that the protobuf library writes."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from google.protobuf.internal import decoder
from hypothesis import given
from hypothesis import strategies as st

from irconv.containers import protobuf
from irconv.containers.varints import varint
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import numbers

RAW_DATA = 9


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_written_in_base_128(number: int) -> None:
    assert decoder._DecodeVarint(varint(number), 0) == (number, len(varint(number)))


@pytest.mark.parametrize("shape", [(0,), (3,), (50, 7), (200, 30)])
def test_a_field_made_of_pieces_is_one_field(shape: tuple[int, ...], tmp_path: Path) -> None:
    array = numbers(*shape)
    header = onnx.TensorProto(name="a", data_type=1, dims=shape).SerializeToString()
    pieces = [header, *protobuf.field(RAW_DATA, [LazyTensor.of(array)])]
    wanted = onnx.TensorProto(name="a", data_type=1, dims=shape, raw_data=array.tobytes())
    protobuf.write(tmp_path / "x", pieces)
    assert (tmp_path / "x").read_bytes() == protobuf.join(pieces)
    assert onnx.TensorProto.FromString(protobuf.join(pieces)) == wanted
    assert protobuf.size(pieces) == len(protobuf.join(pieces))


def test_tensors_that_are_still_to_be_turned_are_streamed_turned(tmp_path: Path) -> None:
    array = numbers(40, 30)
    lazy = LazyTensor.of(array).relayout(relayout("a b", "b a", array.shape))
    protobuf.write(tmp_path / "x", [b"head", lazy, b"tail"])
    assert (tmp_path / "x").read_bytes() == b"head" + array.transpose().tobytes() + b"tail"
