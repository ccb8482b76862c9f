"""Operators that move, join, cut and look up: ``keras.ops`` <-> IR layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.op_rows import (
    EVERY_OP,
    AnyAxes,
    AxisOrFlat,
    Computed,
    Defaults,
    IntegerInput,
    Promoted,
    axis_of,
    listed,
    size_along,
)
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.embedding import OneHot
from irconv.ir.layers.indexing import Gather, GatherElements
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.patches import DepthToSpace, SpaceToDepth
from irconv.ir.layers.shape_ops import Expand, Repeat, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Flip, Roll, Slice, Split, Stack, Unstack
from irconv.ir.layers.tensor_ops import Concat, Flatten, Pad, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size, filled, size_product
from irconv.rows import Attribute, Axes, AxisNumber, Fixed, Ignored, Only, Selects

_Given = Sequence[ValueType]
EVERY_OP_BUT_DTYPE = Ignored("name trainable")
_FORMATS = {"channels_last": "n *s c", "channels_first": "n c *s"}


def _newshape(given: _Given, newshape: Any) -> tuple[Dimension, ...]:
    """-1 is what is left; where the first size is -1 and fits, it is the batch."""
    wanted = [newshape] if isinstance(newshape, int) else list(newshape)
    sizes = given[0].shape
    unknown = [i for i, size in enumerate(wanted) if size is None or size == -1]
    if not unknown:
        return tuple(_known(size) for size in wanted)
    if any(isinstance(size, str) for size in wanted):
        return filled([-1 if i in unknown else _known(size) for i, size in enumerate(wanted)], sizes)
    if len(unknown) > 1:  # several unknown sizes are those of the input, in their places
        if any(i >= len(sizes) for i in unknown):
            raise ValueError(f"several unknown sizes in {wanted}")
        return tuple(sizes[i] if i in unknown else size for i, size in enumerate(wanted))
    place = unknown[0]
    known = prod(size for i, size in enumerate(wanted) if i != place)
    if not known:
        raise ValueError(f"a size of 0 in {wanted}")
    if place == 0 and known == size_product(sizes[1:]).dimension:
        left: Dimension = sizes[0]
    else:
        left = size_product(sizes).floor_divide(known).dimension
    return tuple(left if i == place else size for i, size in enumerate(wanted))


def _one_unknown(shape: Sequence[Dimension]) -> tuple[list[int]]:
    unknown = [size for size in shape if not isinstance(size, int)]
    if len(unknown) > 1:
        raise ValueError(f"Keras takes one unknown size, got {', '.join(map(str, unknown))}")
    return ([size if isinstance(size, int) else -1 for size in shape],)


def _known(size: Any) -> Dimension:
    if isinstance(size, str):
        return size
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"expected sizes, got {size!r}")
    return size


def _permutation(given: _Given, axes: Sequence[int] | None) -> tuple[int, ...]:
    rank = len(given[0].shape)
    return tuple(reversed(range(rank))) if axes is None else tuple(axis % rank for axis in axes)


def _the_two(order: Sequence[int]) -> tuple[int, int]:
    moved = [axis for axis, source in enumerate(order) if axis != source] or [0, 0]
    if len(moved) != 2:
        raise ValueError(f"{order} swaps more than two axes")
    return moved[0], moved[1]


def _swapped(given: _Given, axis1: int, axis2: int) -> tuple[int, ...]:
    order = list(range(len(given[0].shape)))
    first, second = axis_of(given, axis1), axis_of(given, axis2)
    order[first], order[second] = order[second], order[first]
    return tuple(order)


def _moved(given: _Given, source: int | Sequence[int], destination: int | Sequence[int]) -> tuple[int, ...]:
    sources = [axis_of(given, axis) for axis in ([source] if isinstance(source, int) else source)]
    targets = [axis_of(given, axis) for axis in ([destination] if isinstance(destination, int) else destination)]
    order = [axis for axis in range(len(given[0].shape)) if axis not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return tuple(order)


def _squeezed(given: _Given, axis: int | Sequence[int] | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(i for i, size in enumerate(given[0].shape) if size == 1)
    return tuple(axis_of(given, one) for one in ([axis] if isinstance(axis, int) else axis))


def _new_axes(given: _Given, axis: int | Sequence[int]) -> tuple[int, ...]:
    axes = [axis] if isinstance(axis, int) else list(axis)
    return tuple(axis_of(given, one, more=len(axes)) for one in axes)


def _times(given: _Given, repeats: int | Sequence[int]) -> tuple[int, ...]:
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    rank = len(given[0].shape)
    if len(times) > rank:
        raise ValueError(f"{len(times)} numbers for a value of rank {rank}")
    return (*(1,) * (rank - len(times)), *times)


def _pieces(given: _Given, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Dimension, ...]:
    size = size_along(given, axis or 0)
    if isinstance(indices_or_sections, int):
        return (Size.of(size).floor_divide(indices_or_sections).dimension,) * indices_or_sections
    places = [place if place >= 0 else (Size.of(size) + place).dimension for place in indices_or_sections]
    pieces = [(Size.of(end) - start).dimension for start, end in pairwise([0, *places, size])]
    if any(isinstance(piece, int) and piece < 0 for piece in pieces):
        raise ValueError(f"expected rising places, got {indices_or_sections} along an axis of {size}")
    return tuple(pieces)


def _pads(given: _Given, pad_width: Any) -> tuple[tuple[int, int], ...]:
    rank = len(given[0].shape)
    if isinstance(pad_width, int):
        return ((pad_width, pad_width),) * rank
    pairs = [tuple(pair) if not isinstance(pair, int) else (pair, pair) for pair in pad_width]
    if len(pairs) == 1:
        pairs = pairs * rank
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"expected a pair for each of {rank} axes, got {pad_width}")
    return tuple((int(before), int(after)) for before, after in pairs)


def _broadcast(given: _Given, shape: Sequence[Any]) -> tuple[Dimension, ...]:
    sizes = given[0].shape
    ahead = len(shape) - len(sizes)
    return tuple(
        sizes[i - ahead] if size in (None, -1) and i >= ahead else _known(size) for i, size in enumerate(shape)
    )


def _only_new(given: _Given, key: Any) -> tuple[int, ...]:
    """The places of the new axes in a key that cuts nothing."""
    entries = key if isinstance(key, list | tuple) else [key]
    rest = len(given[0].shape) - sum(isinstance(entry, dict) for entry in entries)
    places, result = [], 0
    for entry in entries:
        if entry is None:
            places.append(result)
        result += rest if entry == "..." else 1
    return tuple(places)


def _key_of_new(axes: Sequence[int]) -> tuple[list[Any]]:
    whole = {"start": None, "stop": None, "step": None}
    return ([*(None if axis in axes else whole for axis in range(max(axes, default=-1) + 1)), "..."],)


@dataclass(frozen=True)
class Pieces(Row):
    """How many pieces along an axis, or the places of the cuts."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        cuts, axis = (
            native.config.pop("indices_or_sections"),
            axis_of(draft.given, native.config.pop("axis", None) or 0),
        )
        draft.fields |= {"axis": axis, "sizes": _pieces(draft.given, cuts, axis)}

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"], sizes = draft.fields.pop("axis"), draft.fields.pop("sizes")
        if any(not isinstance(size, int) for size in sizes[:-1]):
            raise draft.refuse(f"Keras splits at fixed places, got pieces of {sizes}")
        equal = len(set(sizes)) == 1
        native.config["indices_or_sections"] = len(sizes) if equal else [sum(sizes[:i]) for i in range(1, len(sizes))]


@dataclass(frozen=True)
class UnstackAxis(Row):
    """The axis whose indices become values of their own, and how many they are."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, count = axis_of(draft.given, native.config.pop("axis", None) or 0), native.config.pop("num", None)
        size = draft.given[0].shape[axis]
        if count is None and not isinstance(size, int):
            raise draft.refuse(f"unstacks axis {axis} of {draft.given[0].shape}, whose size is not known")
        draft.fields |= {"axis": axis, "count": size if count is None else count}

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"], native.config["num"] = draft.fields.pop("axis"), draft.fields.pop("count")


@dataclass(frozen=True)
class PadMode(Row):
    """How the new elements come about, and their value where they are constant."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        mode, value = native.config.pop("mode", None) or "constant", native.config.pop("constant_values", None)
        draft.fields["mode"] = mode
        draft.fields["value"] = float(value or 0) if mode == "constant" else None

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["mode"], value = draft.fields.pop("mode"), draft.fields.pop("value")
        if native.config["mode"] == "constant":
            native.config["constant_values"] = value if "float" in draft.types["x"].dtype else int(value or 0)


@dataclass(frozen=True)
class RollAxes(Row):
    """One shift, or one for each axis."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shift, axis = native.config.pop("shift"), native.config.pop("axis", None)
        if axis is None:
            raise draft.refuse("rolls the value as one long vector, which irconv does not read")
        axes = [axis] if isinstance(axis, int) else list(axis)
        shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
        draft.fields["axes"] = tuple(axis_of(draft.given, one) for one in axes)
        draft.fields["shifts"] = tuple(shifts)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"], native.config["shift"] = list(draft.fields.pop("axes")), list(draft.fields.pop("shifts"))


@dataclass(frozen=True)
class Key(Row):
    """What stands between the brackets: slices, indices, None for a new axis and ``...``.

    The slices become the layer; an index is a slice of one element whose axis goes afterwards.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        key = native.config.pop("key")
        entries = key if isinstance(key, list | tuple) else [key]
        rank, shape = draft.ranks[0], draft.given[0].shape
        axes_named = sum(entry is not None and entry != "..." for entry in entries)
        if "..." not in entries:
            entries = [*entries, "..."]
        if axes_named > rank or list(entries).count("...") > 1:
            raise draft.refuse(f"the key {key} does not fit a value of rank {rank}")
        cuts: list[tuple[int, Any, Any, int]] = []
        gone: list[int] = []
        added: list[int] = []
        axis = result = 0
        for entry in entries:
            if entry == "...":
                skipped = rank - axes_named
                axis, result = axis + skipped, result + skipped
            elif entry is None:
                added.append(result)
                result += 1
            elif isinstance(entry, int) and not isinstance(entry, bool):
                cuts.append((axis, entry, entry + 1 or None, 1))
                gone.append(axis)
                axis += 1
            elif isinstance(entry, str):  # an index that is a size
                cuts.append((axis, entry, (Size.of(entry) + 1).dimension, 1))
                gone.append(axis)
                axis += 1
            elif isinstance(entry, dict) and set(entry) <= {"start", "stop", "step"}:
                start, stop, step = (entry.get(name) for name in ("start", "stop", "step"))
                if (start, stop, step) != (None, None, None):
                    cuts.append((axis, start, stop, step or 1))
                axis, result = axis + 1, result + 1
            else:
                raise draft.refuse(f"irconv does not read the entry {entry!r} of the key")
        if any(not isinstance(n, int | str | None) for cut in cuts for n in cut) or any(
            isinstance(step, str) for *_, step in cuts
        ):
            raise draft.refuse(f"expected whole numbers in the key, got {key}")
        self._check(draft, shape, cuts, gone)
        names = ("axes", "starts", "ends", "steps")
        draft.fields |= dict(zip(names, (tuple(column) for column in zip(*cuts, strict=True)), strict=False))
        draft.fields |= {name: () for name in names if name not in draft.fields}
        after = [Squeeze(axes=tuple(gone))] if gone else []
        draft.after["y"] = (*after, *([Unsqueeze(axes=tuple(added))] if added else []))
        if not draft.after["y"]:
            del draft.after["y"]

    def _check(
        self, draft: Draft, shape: Sequence[Dimension], cuts: Sequence[tuple[Any, ...]], gone: list[int]
    ) -> None:
        for axis, start, *_ in cuts:
            size = shape[axis]
            if axis in gone and isinstance(size, int) and isinstance(start, int) and not -size <= start < size:
                raise draft.refuse(f"index {start} is outside axis {axis} of {draft.given[0].shape}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        columns = [draft.fields.pop(name) for name in ("axes", "starts", "ends", "steps")]
        if any(isinstance(n, str) for column in columns for n in column):
            raise draft.refuse("its bounds are computed by the graph")
        cuts = {
            axis: {"start": start, "stop": stop, "step": step} for axis, start, stop, step in zip(*columns, strict=True)
        }
        whole = {"start": None, "stop": None, "step": None}
        native.config["key"] = [cuts.get(axis, whole) for axis in range(len(draft.types["x"].shape))]


def _permuted(native: str, names: tuple[str, ...], rule: Any, back: Any) -> Codec:
    return Codec(f"ops.{native}", Transpose, EVERY_OP, Computed("permutation", names, rule, back))


def _trilu(native: str, upper: bool) -> Codec:
    return Codec(f"ops.{native}", Trilu, EVERY_OP, Defaults({"k": 0}), Attribute("k", "diagonal"), Only("upper", upper))


def _space(native: str, layer: type[DepthToSpace] | type[SpaceToDepth]) -> Codec:
    return Codec(
        f"ops.{native}",
        layer,
        EVERY_OP,
        Defaults({"data_format": "channels_last"}),
        Attribute("block_size", "block"),
        Only("mode", "DCR"),
        Axes("data_format", _FORMATS),
    )


CODECS: list[Codec] = [
    Codec("ops.Reshape", Reshape, EVERY_OP, Computed("shape", ("newshape",), _newshape, _one_unknown)),
    Codec("ops.Ravel", Flatten, EVERY_OP, Only("start_axis", 0)),
    _permuted("Transpose", ("axes",), _permutation, listed),
    _permuted("Swapaxes", ("axis1", "axis2"), _swapped, _the_two),
    _permuted("Moveaxis", ("source", "destination"), _moved, lambda order: (list(order), list(range(len(order))))),
    Codec("ops.Squeeze", Squeeze, EVERY_OP, Computed("axes", ("axis",), _squeezed, listed)),
    Codec("ops.ExpandDims", Unsqueeze, EVERY_OP, Computed("axes", ("axis",), _new_axes, listed)),
    Codec("ops.Concatenate", Concat, EVERY_OP, Defaults({"axis": 0}), Promoted(), AxisNumber("axis")),
    Codec(
        "ops.Stack",
        Stack,
        EVERY_OP,
        Defaults({"axis": 0}),
        Promoted(),
        Computed("axis", ("axis",), lambda given, axis: axis_of(given, axis, more=1), lambda axis: (axis,)),
    ),
    Codec("ops.Split", Split, EVERY_OP, Pieces()),
    Codec("ops.Unstack", Unstack, EVERY_OP, UnstackAxis()),
    Codec("ops.Tile", Tile, EVERY_OP, Computed("repeats", ("repeats",), _times, listed)),
    Codec("ops.Repeat", Repeat, EVERY_OP, Attribute("repeats"), AxisOrFlat()),
    Codec("ops.Flip", Flip, EVERY_OP, AnyAxes()),
    Codec("ops.Roll", Roll, EVERY_OP, RollAxes()),
    Codec("ops.BroadcastTo", Expand, EVERY_OP, Computed("shape", ("shape",), _broadcast, listed)),
    Codec("ops.Pad", Pad, EVERY_OP, Computed("pads", ("pad_width",), _pads, listed), PadMode()),
    Codec("ops.GetItem", Slice, EVERY_OP, Selects("cuts", True), Key()),
    Codec(
        "ops.GetItem", Unsqueeze, EVERY_OP, Selects("cuts", False), Computed("axes", ("key",), _only_new, _key_of_new)
    ),
    Codec(
        "ops.OneHot",
        OneHot,
        EVERY_OP_BUT_DTYPE,
        IntegerInput("x"),
        Attribute("num_classes", "depth"),
        Fixed("axis", -1),
        Fixed("sparse", False),
        Defaults({"dtype": "float32"}),
        Attribute("dtype"),
    ),
    Codec("ops.Take", Gather, EVERY_OP, IntegerInput("indices"), AxisOrFlat()),
    Codec("ops.TakeAlongAxis", GatherElements, EVERY_OP, IntegerInput("indices"), AxisNumber("axis")),
    _trilu("Tril", upper=False),
    _trilu("Triu", upper=True),
    _space("DepthToSpace", DepthToSpace),
    _space("SpaceToDepth", SpaceToDepth),
]
