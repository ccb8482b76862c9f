"""Random inputs respect the model, and given ones are put into the axes that a side takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import DamagedFile, MissingFact
from irconv.ir.layers.base import LiteralOperand
from irconv.ir.layers.tensor_ops import Constant, Mul
from irconv.verification.domains import Domain, domains
from irconv.verification.given import Picture, read_given
from irconv.verification.inputs import given_feed, nudged, random_feeds
from irconv.verification.slots import Slot, orders, paired
from tests.helpers import Builder, golden, numbers, port, read_case, rejection
from tests.verification.pairs import CNN, TEXT

IMAGE = Slot("x", ("N", 5, 6, 3), "float32", "NHWC")


def test_token_ids_are_below_the_size_of_the_table_and_masks_keep_something() -> None:
    found = domains(irconv.read(TEXT))
    assert found["tokens"].bound == 23
    slots = [Slot("tokens", ("N", 11), "int32", ""), Slot("kept", ("N", 11), "bool", "")]
    for feed in random_feeds(slots, found, 5, 0):
        tokens, kept = feed.arrays
        assert tokens.min() >= 0
        assert 0 < tokens.max() < 23
        assert kept.dtype == bool
        assert kept.any(axis=1).all()
        assert not kept.all()


@pytest.mark.parametrize(
    ("case", "bound"),
    [("keras3.15-masked_embedding", 9), ("keras3.15-embedding_int8", 9), ("keras3.15-attention_masked", 9)],
)
def test_token_ids_that_come_as_numbers_are_found_too(case: str, bound: int) -> None:
    assert domains(read_case(golden(case)))["input_layer"].bound == bound


def test_images_are_between_0_and_1_and_bytes_where_the_model_divides_them() -> None:
    assert domains(irconv.read(CNN))["image"] == Domain(image=True)
    assert domains(read_case(golden("keras3.15-rescaling")))["input_layer"].scale == 1.0  # by 0.3 and more
    built = Builder().add("scale", Constant(operands={"value": LiteralOperand(literal=1 / 255, dtype="float32")}))
    built.inputs.append(port("x", ("N", 3, 6, 5), "NCHW"))
    rescaled = domains(built.add("product", Mul(), "x", "scale").build())["x"]
    assert rescaled == Domain(image=True, scale=255.0)
    unit = random_feeds([IMAGE], {"x": Domain(image=True)}, 1, 0)[0].arrays[0]
    whole = random_feeds([IMAGE], {"x": rescaled}, 1, 0)[0].arrays[0]
    assert (unit.min() >= 0, unit.max() <= 1, whole.max() > 200) == (True, True, True)


def test_sizes_that_the_model_leaves_open_are_unequal_and_the_same_for_the_same_symbol() -> None:
    slots = [Slot("x", ("N", 3, "H", "W"), "float32", "NCHW"), Slot("m", ("N", "T"), "float32", "")]
    slots.append(Slot("n", ("N", "T", 4), "float32", ""))
    shapes = [array.shape for array in random_feeds(slots, {}, 1, 1)[0].arrays]
    assert shapes == [(3, 3, 16, 24), (3, 16), (3, 16, 4)]


def test_the_same_seed_gives_the_same_inputs_and_another_gives_others() -> None:
    first, second = (random_feeds([IMAGE], {}, 2, 0) for _ in range(2))
    assert np.array_equal(first[0].arrays[0], second[0].arrays[0])
    assert not np.array_equal(first[0].arrays[0], first[1].arrays[0])


def test_a_shape_that_nobody_knows_is_asked_for() -> None:
    text = rejection(lambda: random_feeds([Slot("x", None, "", "")], {}, 1, 0), MissingFact)
    assert text == "input x: its shape is not known. Give --input."


def test_given_inputs_may_have_the_axes_of_either_side() -> None:
    array = numbers(2, 5, 6, 3)
    same = given_feed([IMAGE], [array], {})
    turned = given_feed([IMAGE], {"x": array.transpose(0, 3, 1, 2)}, {})
    assert np.array_equal(same.arrays[0], array)
    assert np.array_equal(turned.arrays[0], array)


def test_given_inputs_that_do_not_fit_are_refused() -> None:
    text = rejection(lambda: given_feed([IMAGE], [numbers(2, 4, 6, 3)], {}), MissingFact)
    assert text == "input x: expected shape (N, 5, 6, 3) (NHWC), got (2, 4, 6, 3)."
    text = rejection(lambda: given_feed([IMAGE], {"y": numbers(1)}, {}), MissingFact)
    assert text == "--input: expected x, got y."
    text = rejection(lambda: given_feed([IMAGE], [], {}), MissingFact)
    assert text == "--input: expected 1 (x), got 0."


def test_rounding_the_inputs_once_more_moves_them_by_one_unit() -> None:
    feed = random_feeds([IMAGE], {}, 1, 0)[0]
    moved = nudged(feed, "float32")
    assert moved is not None
    change = np.abs(moved.arrays[0] / feed.arrays[0] - 1)
    assert 0 < change.max() < 3e-7
    tokens = random_feeds([Slot("t", (3, 4), "int32", "")], {}, 1, 0)[0]
    assert nudged(tokens, "float32") is None
    codes = random_feeds([Slot("t", (3, 4), "float32", "")], {"t": Domain(bound=9)}, 1, 0)[0]
    assert nudged(codes, "float32") is None  # rounded down, one of them would be another


def test_an_image_is_resized_and_put_into_the_axes_of_the_input(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = (np.arange(10 * 12 * 3) % 251).astype(np.uint8).reshape(10, 12, 3)
    image.fromarray(pixels).save(tmp_path / "x.png")
    given = read_given([str(tmp_path / "x.png")])
    last = given_feed([IMAGE], given, {"x": Domain(image=True)}).arrays[0]
    first = given_feed([Slot("x", ("N", 3, 5, 6), "uint8", "NCHW")], given, {}).arrays[0]
    assert (last.shape, last.dtype, first.shape, first.dtype) == ((1, 5, 6, 3), np.float32, (1, 3, 5, 6), np.uint8)
    assert np.allclose(last[0], first[0].transpose(1, 2, 0) / 255)
    exact = given_feed([Slot("x", ("N", 10, 12, 3), "uint8", "NHWC")], given, {}).arrays[0]
    assert np.array_equal(exact[0], pixels)
    slot = Slot("x", ("N", 7), "float32", "")
    text = rejection(lambda: given_feed([slot], [Picture(Path("x.png"), pixels)], {}), MissingFact)
    assert text == "input x: expected an array, got the image x.png. Give a .npy."


def test_arrays_of_one_npz_have_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=numbers(2), b=numbers(3))
    found = read_given([str(tmp_path / "x.npz")])
    assert isinstance(found, dict)
    assert {name: array.shape for name, array in found.items()} == {"a": (2,), "b": (3,)}
    np.save(tmp_path / "x.npy", numbers(2))
    assert list(read_given([f"a={tmp_path / 'x.npy'}"])) == ["a"]
    text = rejection(lambda: read_given([f"a={tmp_path / 'x.npy'}", str(tmp_path / "x.npy")]), MissingFact)
    assert text.startswith("--input: expected a name for every input or for none.")
    (tmp_path / "y.png").write_bytes(b"no image")
    pytest.importorskip("PIL.Image")
    assert "expected an image" in rejection(lambda: read_given([str(tmp_path / "y.png")]), DamagedFile)


# axes -------------------------------------------------------------------------------------------------------------


def test_letters_decide_the_order_of_axes_where_both_sides_have_them() -> None:
    assert orders((2, 5, 6, 3), "NHWC", Slot("x", (None, 3, 5, 6), "", "NCHW")) == [(0, 3, 1, 2)]


def test_shapes_decide_where_letters_are_not_known_and_several_may_fit() -> None:
    assert orders((2, 5, 6, 3), "NHWC", Slot("x", (None, 3, 5, 6), "", "")) == [(0, 3, 1, 2)]
    assert orders((2, 4, 4, 4), "NHWC", Slot("x", (None, 4, 4, 4), "", "")) == [
        (0, 3, 1, 2),
        (0, 1, 2, 3),
        (0, 2, 3, 1),
    ]
    assert orders((2, 5, 6, 3), "", Slot("x", (None, 7, 5, 6), "", "")) == []
    assert orders((2, 7), "", Slot("x", None, "", "")) == [(0, 1)]


def test_inputs_are_paired_by_name_where_the_names_are_the_same_else_in_order() -> None:
    a, b, c = (Slot(name, None, "", "") for name in "abc")
    assert paired([a, b], [b, a]) == [1, 0]
    assert paired([a, b], [c, a]) == [0, 1]
    assert paired([a], [a, b]) is None
