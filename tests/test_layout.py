"""Changes of layout against arithmetic done by hand on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irconv.layout import (
    Relayout,
    compose,
    customary,
    factor_groups,
    invert,
    parse,
    permutation,
    relayout,
)
from tests.helpers import Array


@dataclass(frozen=True)
class Words:
    """A change of layout in words, and what it is made of."""

    source: str
    target: str
    shape: tuple[int, ...]
    orders: dict[str, tuple[str, str]]
    sizes: dict[str, int]
    before: list[str]
    after: list[str]
    flipped: frozenset[str]
    lengths: dict[str, int]

    def change(self) -> Relayout:
        return relayout(self.source, self.target, self.shape, self.orders, self.sizes)

    def back(self) -> Relayout:
        orders = {axis: (after, before) for axis, (before, after) in self.orders.items()}
        return relayout(self.target, self.source, self.change().shape, orders, self.lengths)

    def by_hand(self, array: Array) -> Array:
        """The same change, axis by axis, with numpy alone."""
        split = array.reshape([self.lengths[axis] for axis in self.before])
        for number, axis in enumerate(self.before):
            if axis in self.orders:
                here, there = self.orders[axis]
                split = np.stack([np.take(split, here.index(member), number) for member in there], number)
            if axis in self.flipped:
                split = np.flip(split, number)
        split = np.transpose(split, [self.before.index(axis) for axis in self.after])
        return split.reshape(self.change().shape)


@st.composite
def partitions(draw: st.DrawFn, names: Sequence[str]) -> list[list[str]]:
    """Neighbours joined at random."""
    groups: list[list[str]] = [[names[0]]]
    for name in names[1:]:
        if draw(st.booleans()):
            groups.append([name])
        else:
            groups[-1].append(name)
    return groups


def written(groups: Sequence[Sequence[str]], flipped: frozenset[str]) -> str:
    """A layout in the words of the module."""
    marked = [[f"~{name}" if name in flipped else name for name in group] for group in groups]
    return " ".join(f"({' '.join(group)})" if len(group) > 1 else group[0] for group in marked)


@st.composite
def words(draw: st.DrawFn, lengths: tuple[int, ...] = (), grouped: Sequence[int] = ()) -> Words:
    """Any change; with `lengths` and `grouped`, one of an array whose axes are so many of these, joined."""
    count = len(lengths) or draw(st.integers(1, 5))
    names = list("abcde"[:count]) if count <= 5 else [f"{letter}x" for letter in "abcdefghijklmnop"[:count]]
    sizes = dict(zip(names, lengths or [draw(st.sampled_from([1, 1, 2, 3, 4])) for _ in names], strict=True))
    if grouped:
        cut = iter(names)
        before = [[next(cut) for _ in range(number)] for number in grouped]
    else:
        before = draw(partitions(names))
    after = draw(partitions(draw(st.permutations(names))))
    orders: dict[str, tuple[str, str]] = {}
    marks = frozenset(draw(st.sets(st.sampled_from(names)))), frozenset(draw(st.sets(st.sampled_from(names))))
    flipped = marks[0] ^ marks[1]
    for name in names:
        if name not in flipped and draw(st.booleans()):
            members = "wxyz"[: sizes[name]]
            if len(members) == sizes[name]:
                orders[name] = ("".join(draw(st.permutations(members))), "".join(draw(st.permutations(members))))
    shape = tuple(prod(sizes[name] for name in group) for group in before)
    left_out = {draw(st.sampled_from(group)) for group in before} - set(orders)
    stated = {name: size for name, size in sizes.items() if name not in left_out}
    flat = [name for group in before for name in group]
    joined = [name for group in after for name in group]
    return Words(
        written(before, marks[0]), written(after, marks[1]), shape, orders, stated, flat, joined, flipped, sizes
    )


def counted(shape: Sequence[int]) -> Array:
    return np.arange(prod(shape), dtype=np.int32).reshape(shape)


@given(words())
def test_a_change_in_words_is_what_numpy_does_by_hand(text: Words) -> None:
    array = counted(text.shape)
    assert np.array_equal(text.change().apply(array), text.by_hand(array))


@given(words())
def test_a_change_is_made_in_c_order(text: Words) -> None:
    assert text.change().apply(counted(text.shape)).flags.c_contiguous


@given(words())
def test_the_inverse_undoes_a_change(text: Words) -> None:
    change, array = text.change(), counted(text.shape)
    assert np.array_equal(change.inverse().apply(change.apply(array)), array)
    assert np.array_equal(change.apply(change.inverse().apply(counted(change.shape))), counted(change.shape))


@given(words())
def test_the_two_words_swapped_undo_a_change(text: Words) -> None:
    array = counted(text.shape)
    assert np.array_equal(text.back().apply(text.change().apply(array)), array)


@given(words())
def test_a_change_then_its_inverse_is_no_change(text: Words) -> None:
    joined, array = text.change().then(text.change().inverse()), counted(text.shape)
    assert joined is not None
    assert np.array_equal(joined.apply(array), array)


@given(words())
def test_an_identity_keeps_every_byte(text: Words) -> None:
    array = counted(text.shape)
    moved = text.change().apply(array)
    assert text.change().is_identity == np.array_equal(moved.ravel(), array.ravel())


@given(st.data())
def test_two_changes_of_the_same_axes_are_one(data: st.DataObject) -> None:
    first = data.draw(words())
    change = first.change()
    grouped = [group.count(" ") + 1 for group in groups_of(first.target)]
    second = data.draw(words(tuple(first.lengths[axis] for axis in first.after), grouped))
    joined, array = change.then(second.change()), counted(first.shape)
    assert joined is not None
    assert np.array_equal(joined.apply(array), second.change().apply(change.apply(array)))


@given(st.data())
def test_two_changes_are_one_or_are_made_one_after_the_other(data: st.DataObject) -> None:
    first = data.draw(words())
    change = first.change()
    factors = [data.draw(factorings(size)) for size in change.shape]
    second = data.draw(words(tuple(size for group in factors for size in group), [len(group) for group in factors]))
    joined, array = change.then(second.change()), counted(first.shape)
    expected = second.change().apply(change.apply(array))
    assert joined is None or np.array_equal(joined.apply(array), expected)


@st.composite
def factorings(draw: st.DrawFn, size: int) -> list[int]:
    """One to three numbers with this product."""
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    first = draw(st.sampled_from(divisors))
    rest = [n for n in divisors if (size // first) % n == 0]
    second = draw(st.sampled_from(rest))
    return draw(st.sampled_from([[size], [first, size // first], [first, second, size // first // second]]))


def groups_of(text: str) -> list[str]:
    """The axes of a layout, each with the words it is made of."""
    found, inside = [], False
    for part in text.replace("(", "( ").replace(")", " )").split():
        if part in "()":
            inside = part == "("
            found += [""] if inside else []
        elif inside:
            found[-1] = f"{found[-1]} {part}".strip()
        else:
            found.append(part)
    return found


def test_changes_that_cut_across_each_other_are_not_one() -> None:
    first = relayout("(a b)", "(b a)", (6,), sizes={"a": 2, "b": 3})
    second = relayout("(c d)", "(d c)", (6,), sizes={"c": 2, "d": 3})
    assert first.then(second) is None


def test_a_picked_axis_is_not_split_by_the_next_change() -> None:
    first = relayout("~a", "a", (6,))
    second = relayout("(c d)", "(d c)", (6,), sizes={"c": 2, "d": 3})
    assert first.then(second) is None


def test_an_empty_array_keeps_its_shape() -> None:
    change = relayout("*k in out", "out in *k", (3, 0, 5))
    assert change.apply(np.zeros((3, 0, 5))).shape == (5, 0, 3)


@given(words(), st.data())
def test_a_box_is_made_from_the_part_of_the_source_it_needs(text: Words, data: st.DataObject) -> None:
    change = text.change()
    dims = [change.atoms[p] for p in change.permutation]
    box = []
    for size in dims:
        start = data.draw(st.integers(0, size - 1))
        box.append((start, data.draw(st.integers(start + 1, size))))
    whole = change.apply(counted(text.shape)).reshape(dims)
    needed = change.source_box(tuple(box))
    piece = counted(text.shape).reshape(change.atoms)[tuple(slice(*r) for r in needed)]
    got = change.place(piece, tuple(box))
    assert got.flags.c_contiguous
    assert np.array_equal(got, whole[tuple(slice(*r) for r in box)])


@pytest.mark.parametrize(
    "shape", [(700, 300), (300, 2, 700), (257, 256, 3), (1, 70000, 2), (3, 300, 1, 300), (512, 1024)]
)
def test_large_arrays_are_copied_block_by_block_to_the_same_result(shape: tuple[int, ...]) -> None:
    axes = "abcd"[: len(shape)]
    change = relayout(" ".join(axes), " ".join(axes[::-1]), shape)
    assert np.array_equal(change.apply(counted(shape)), counted(shape).transpose())


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64, np.complex128, np.dtype(">f4")])
def test_elements_of_every_width_are_copied_block_by_block(dtype: npt.DTypeLike) -> None:
    array = (np.arange(3 * 130 * 520) % 251).reshape(3, 130, 520).astype(dtype)
    change = relayout("a b c", "c a b", array.shape)
    assert np.array_equal(change.apply(array), array.transpose(2, 0, 1))
    assert np.array_equal(change.apply(array[:, ::-1]), array[:, ::-1].transpose(2, 0, 1))


def test_gates_are_put_into_another_order() -> None:
    change = relayout("in (gate unit)", "(gate unit) in", (2, 12), {"gate": ("ifco", "iofc")})
    array = counted((2, 12))
    gates = array.reshape(2, 4, 3)[:, [0, 3, 1, 2]]
    assert np.array_equal(change.apply(array), gates.reshape(2, 12).transpose())


def test_theano_kernels_are_turned_on_the_spatial_axes_only() -> None:
    array = counted((3, 2, 4, 5))
    got = relayout("~*k in out", "out in *k", array.shape).apply(array)
    assert np.array_equal(got, array[::-1, ::-1].transpose(3, 2, 0, 1))


def test_an_axis_that_is_turned_on_both_sides_stays() -> None:
    assert relayout("~*k in out", "out in ~*k", (3, 2, 4, 5)).picks == (None,) * 4


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_the_star_stands_for_all_axes_that_remain(rank: int) -> None:
    assert parse("out in *k", rank) == (("out",), ("in",), *((f"k{i}",) for i in range(rank - 2)))
    assert relayout("*k in out", "out in *k", tuple(range(2, 2 + rank))).shape == (rank + 1, rank, *range(2, rank))


@pytest.mark.parametrize(
    ("axes", "rank", "letters"),
    [
        ("out in *k", 3, "OIW"),
        ("out in *k", 5, "OIDHW"),
        ("n *s c", 4, "NHWC"),
        ("n *s c", 2, "NC"),
        ("n t c", 3, "NTC"),
        ("out ~in", 2, "out ~in"),
        ("out in *k", 6, "out in *k"),
        ("features", 1, "features"),
    ],
)
def test_customary_letters_are_used_where_there_are_some(axes: str, rank: int, letters: str) -> None:
    assert customary(axes, rank) == letters


@pytest.mark.parametrize(
    ("axes", "rank"), [("out in", 3), ("out in *k", 1), ("out in", 1), ("", 1), ("(gate unit) in", 3)]
)
def test_a_layout_of_another_rank_is_refused(axes: str, rank: int) -> None:
    with pytest.raises(ValueError, match="does not describe an array of rank"):
        parse(axes, rank)


@pytest.mark.parametrize(
    ("source", "target", "shape", "sizes"),
    [
        ("(a b)", "(b a)", (6,), {}),
        ("(a b)", "(b a)", (6,), {"a": 4}),
        ("(a b)", "(b a)", (6,), {"a": 2, "b": 2}),
        ("a", "a", (6,), {"a": 5}),
    ],
)
def test_sizes_that_do_not_give_the_shape_are_refused(
    source: str, target: str, shape: tuple[int, ...], sizes: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="does not describe an array of shape"):
        relayout(source, target, shape, sizes=sizes)


@pytest.mark.parametrize(("source", "target"), [("a b", "a c"), ("a b", "a"), ("a b", "a b b"), ("a a", "a b")])
def test_layouts_of_other_axes_are_refused(source: str, target: str) -> None:
    with pytest.raises(ValueError, match="do not name the same axes"):
        relayout(source, target, (2, 2))


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_permutations_compose_and_invert_as_transposes_do(first: list[int], then: list[int]) -> None:
    array = counted((1, 2, 3, 4, 5))
    assert np.array_equal(array.transpose(first).transpose(then), array.transpose(compose(first, then)))
    assert compose(first, invert(first)) == compose(invert(first), first) == tuple(range(5))


def test_a_permutation_is_found_between_two_layouts() -> None:
    assert permutation("n *s c", "n c *s", 5) == (0, 4, 1, 2, 3)
    assert permutation("n c *s", "n *s c", 5) == (0, 2, 3, 4, 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_factor_groups_pair_all_axes_in_order_with_equal_products(before: list[int], data: st.DataObject) -> None:
    after = data.draw(factorings(prod(before)))
    groups = factor_groups(before, after)
    assert groups is not None
    assert [axis for left, _ in groups for axis in left] == list(range(len(before)))
    assert [axis for _, right in groups for axis in right] == list(range(len(after)))
    for left, right in groups:
        assert prod(before[axis] for axis in left) == prod(after[axis] for axis in right)


@example([2, 3], [3, 2, 1])
@given(st.lists(st.integers(1, 3), max_size=4), st.lists(st.integers(1, 3), max_size=4))
def test_shapes_of_other_sizes_have_no_factor_groups(before: list[int], after: list[int]) -> None:
    assert (factor_groups(before, after) is None) == (prod(before) != prod(after))


def test_an_empty_shape_has_no_factor_groups() -> None:
    assert factor_groups((0, 3), (3, 0)) is None


def test_parts_of_an_axis_change_on_their_own() -> None:
    array = np.arange(2 * 11).reshape(2, 11)
    sizes = {"a": 3, "h": 2, "w": 3, "b": 2}
    change = relayout("out [a (h w) b]", "out [a (w h) b]", (2, 11), sizes=sizes)
    wanted = np.concatenate(
        [array[:, :3], array[:, 3:9].reshape(2, 2, 3).swapaxes(1, 2).reshape(2, 6), array[:, 9:]], 1
    )
    assert np.array_equal(change.apply(array), wanted)
    assert np.array_equal(change.inverse().apply(wanted), array)
    back = relayout("out [a (w h) b]", "out [a (h w) b]", (2, 11), sizes=sizes)
    joined = change.then(back)
    assert joined is not None
    assert joined.is_identity


@pytest.mark.parametrize(("source", "target"), [("[a b]", "[b a]"), ("[(h w) a]", "[(h c) a]"), ("[a (h w)]", "a")])
def test_parts_of_an_axis_stay_where_they_are(source: str, target: str) -> None:
    sizes = {"a": 2, "b": 4, "h": 2, "w": 2, "c": 2}
    with pytest.raises(ValueError, match="layout"):
        relayout(source, target, (6,), sizes=sizes)
