"""Lazy tensors written in tiles are the bytes that numpy makes of the whole array."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.containers.files import FileBytes, SourceFile
from irconv.ir.dtypes import ELEMENT_TYPES, PAIRS, item_size, logical_name, numpy_dtype
from irconv.ir.tensors import InMemory, LazyTensor, as_pairs, cut, from_pairs, stacked
from irconv.layout import relayout
from tests.helpers import Array
from tests.test_layout import Words, counted, words


class Collected:
    """A sink in memory that notices when a place is written twice."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.times = np.zeros(size, int)

    def write_runs(self, data: Array, offsets: Sequence[int]) -> None:
        raw = data.tobytes()
        length = len(raw) // len(offsets)
        for number, offset in enumerate(offsets):
            self.data[offset : offset + length] = raw[number * length : (number + 1) * length]
            self.times[offset : offset + length] += 1


def in_tiles(tensor: LazyTensor, tile_bytes: int, offset: int = 0) -> bytes:
    """What all jobs of a tensor write, each place once."""
    sink = Collected(tensor.nbytes + offset)
    total = 0
    for nbytes, job in tensor.jobs(sink, offset, tile_bytes):
        total += nbytes
        job()
    assert total == tensor.nbytes
    assert (sink.times[offset:] == 1).all()
    assert not sink.times[:offset].any()
    return bytes(sink.data[offset:])


@given(words(), st.integers(1, 64), st.integers(0, 5))
def test_tiles_write_the_bytes_that_numpy_makes(text: Words, tile_bytes: int, offset: int) -> None:
    tensor = LazyTensor.of(counted(text.shape)).relayout(text.change())
    wanted = text.by_hand(counted(text.shape))
    assert in_tiles(tensor, tile_bytes, offset) == wanted.tobytes()
    assert tensor.numpy().tobytes() == wanted.tobytes()
    assert (tensor.shape, tensor.dtype) == (wanted.shape, "int32")


@given(words(), st.integers(1, 64), st.booleans())
def test_tiles_read_from_a_file_write_the_same_bytes(text: Words, tile_bytes: int, big_endian: bool) -> None:
    array = counted(text.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(b"head" + array.astype(">i4" if big_endian else "<i4").tobytes())
        source = FileBytes(SourceFile(path), 4, "int32", text.shape, big_endian)
        tensor = LazyTensor(source).relayout(text.change())
        assert in_tiles(tensor, tile_bytes) == text.by_hand(array).tobytes()
        assert np.array_equal(tensor.numpy(), text.by_hand(array))


def test_changes_that_cannot_be_one_are_made_one_after_the_other() -> None:
    first = relayout("(a b)", "(b a)", (6,), sizes={"a": 2, "b": 3})
    second = relayout("(c d)", "(d c)", (6,), sizes={"c": 2, "d": 3})
    tensor = LazyTensor.of(counted((6,))).relayout(first).relayout(second)
    assert len(tensor.changes) == 2
    assert tensor.numpy().tolist() == second.apply(first.apply(counted((6,)))).tolist()
    assert in_tiles(tensor, 8) == tensor.numpy().tobytes()


def test_changes_that_can_be_one_are_kept_as_one() -> None:
    there = relayout("*k in out", "out in *k", (3, 2, 4, 5))
    tensor = LazyTensor.of(counted((3, 2, 4, 5))).relayout(there).relayout(there.inverse())
    assert len(tensor.changes) == 1
    assert tensor.changes[0].is_identity


def test_a_change_for_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a change of layout for shape \(2, 3\) met a tensor of shape \(3, 2\)"):
        LazyTensor.of(counted((3, 2))).relayout(relayout("a b", "b a", (2, 3)))


def test_an_empty_tensor_writes_nothing() -> None:
    tensor = LazyTensor.of(np.zeros((3, 0), np.float32))
    assert list(tensor.jobs(Collected(0), 0, 64)) == []
    assert tensor.nbytes == 0


def test_a_scalar_is_written() -> None:
    assert in_tiles(LazyTensor.of(np.array(3, np.int64)), 1) == b"\x03" + bytes(7)


@pytest.mark.parametrize(
    "array", [np.zeros(2, np.longdouble), np.array(["a"]), np.zeros(1, object), np.zeros(1, "M8[s]")]
)
def test_an_element_type_that_no_bundle_holds_is_refused(array: Any) -> None:
    with pytest.raises(TypeError, match="irconv has no element type for numpy's"):
        _ = InMemory(array).dtype


@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_every_element_type_has_a_name_that_leads_back_to_it(name: str) -> None:
    dtype = numpy_dtype(name)
    assert logical_name(dtype) == name
    assert logical_name(dtype.newbyteorder(">")) == name
    assert item_size(name) == dtype.itemsize
    assert dtype.byteorder in "<|=" or name.startswith(("bfloat", "float8"))


@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_every_element_type_is_written_bit_for_bit(name: str) -> None:
    raw = np.random.default_rng(3).integers(0, 2, 24 * item_size(name), np.uint8)
    array = raw.view(numpy_dtype(name)).reshape(2, 3, 4)
    tensor = LazyTensor.of(array).relayout(relayout("a b c", "c a b", (2, 3, 4)))
    assert in_tiles(tensor, 3) == array.transpose(2, 0, 1).tobytes()


def test_an_unknown_element_type_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        numpy_dtype("complex32")


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("turned", [False, True])
def test_numbers_that_safetensors_lacks_go_as_pairs_and_come_back(name: str, turned: bool) -> None:
    raw = np.random.default_rng(3).integers(0, 256, 35 * item_size(name), np.uint8)
    tensor = LazyTensor.of(raw.view(numpy_dtype(name)).reshape(5, 7))
    tensor = tensor.relayout(relayout("a b", "b a", (5, 7))) if turned else tensor
    pairs = as_pairs(tensor)
    assert (pairs.dtype, pairs.shape) == (PAIRS[name], (*tensor.shape, 2))
    assert pairs.numpy().tobytes() == in_tiles(pairs, 3 * item_size(name)) == tensor.numpy().tobytes()
    back = from_pairs(pairs, name)
    assert (back.dtype, back.shape) == (name, tensor.shape)
    assert back.numpy().tobytes() == in_tiles(back, 3 * item_size(name)) == tensor.numpy().tobytes()


def test_other_numbers_are_no_pairs() -> None:
    plain = counting(3, 2)
    assert as_pairs(plain) is plain
    assert from_pairs(plain, "float32") is plain
    assert from_pairs(plain, "complex128") is plain  # which validation then says


def counting(*shape: int) -> LazyTensor:
    return LazyTensor.of(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


@pytest.mark.parametrize("shape", [(2, 5), (6, 5), (8,)])
def test_pieces_of_a_tensor_stacked_again_are_that_tensor(shape: tuple[int, ...]) -> None:
    whole = counting(*shape)
    pieces = cut(whole, 2)
    assert pieces[0].shape == (shape[1:] if shape[0] == 2 else (shape[0] // 2, *shape[1:]))
    assert np.array_equal(np.concatenate([piece.numpy().ravel() for piece in pieces]), whole.numpy().ravel())
    assert np.array_equal(stacked(pieces, shape).numpy(), whole.numpy())


def test_a_piece_of_a_tensor_that_is_still_to_be_turned_is_a_piece_of_the_turned_one() -> None:
    turned = counting(3, 4).relayout(relayout("a b", "b a", (3, 4)))
    assert np.array_equal(cut(turned, 2)[1].numpy(), turned.numpy()[2:])


def test_pieces_and_stacks_are_written_in_tiles() -> None:
    piece = cut(counting(4, 6), 2)[1].relayout(relayout("a b", "b a", (2, 6)))
    assert in_tiles(piece, 3) == np.ascontiguousarray(counting(4, 6).numpy()[2:].T).tobytes()
    both = stacked([counting(3, 2), counting(3, 2)]).relayout(relayout("g a b", "b (g a)", (2, 3, 2)))
    assert in_tiles(both, 5) == np.concatenate([counting(3, 2).numpy()] * 2).T.tobytes()


def test_a_tensor_that_has_no_such_pieces_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a tensor of shape \(3, 2\) cannot be cut into 2"):
        cut(counting(3, 2), 2)
    with pytest.raises(ValueError, match="expected tensors of one shape and type"):
        stacked([counting(3, 2), counting(2, 3)])
