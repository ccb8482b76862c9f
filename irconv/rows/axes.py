"""Rows of axes: those of activations where they are not the IR's, those that settings name, and how many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import Layer, ValueType


@dataclass(frozen=True)
class Axes(Row):
    """The axes of activations as the native layer has them, where they are not the IR's.

    `native` maps the values of the knob `by` to axes of the inputs; `slot_axes` are the axes in which the IR layer is
    then fed (its own slot's unless said), and `result_axes` those of its result, which is turned back to the native
    ones (no turning where it is empty). With an empty `by` there is no knob: the axes are always those of ``""``.
    """

    by: str
    native: Mapping[Any, str]
    slot_axes: str = ""
    result_axes: str = "n c *s"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop(self.by) if self.by else ""
        if word not in self.native:
            raise draft.refuse(f"expected {self.by} to be one of {', '.join(map(repr, self.native))}, got {word!r}")
        self._turn(draft, self.native[word])

    def encode(self, draft: Draft, native: Workpiece) -> None:
        word, here = next(iter(self.native.items()))
        if self.by:
            native.config[self.by] = word
        self._turn(draft, here)

    def _turn(self, draft: Draft, here: str) -> None:
        for slot, canonical in draft.layer.SLOTS.items():
            draft.input_axes[slot] = (here, self.slot_axes or canonical)
        if self.result_axes:
            for slot in draft.layer.RESULTS:
                draft.output_axes[slot] = (here, self.result_axes)


def channels_last() -> Axes:
    """The row of a layer of images that are always channels last: it has no setting for the order of axes."""
    return Axes("", {"": "n *s c"})


@dataclass(frozen=True)
class KernelGroups(Row):
    """The groups of a convolution, which no setting says: the channels of its value by those of its kernel (axis 1 of
    the canonical one). It follows the kernel and the axes."""

    field: str = "groups"
    kernel: str = "kernel"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        here, _ = draft.input_axes.get("x", ("n c *s", ""))
        axis = 1 if here.split().index("c") == 1 else -1
        channels, each = draft.given[0].shape[axis], draft.types[self.kernel].shape[1]
        if not isinstance(channels, int) or not isinstance(each, int) or channels % each:
            raise draft.refuse(f"a kernel for {each} channels does not fit a value of {channels}")
        draft.fields[self.field] = channels // each

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


@dataclass(frozen=True)
class AxisNumber(Row):
    """An axis, counted from the end where negative on the native side, from 0 in the IR."""

    native: str
    field: str = "axis"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop(self.native), draft.ranks[0]
        if not isinstance(axis, int) or not -rank <= axis < rank:
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {axis!r}")
        draft.fields[self.field] = axis % rank

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = draft.fields.pop(self.field)


@dataclass(frozen=True)
class ChannelAxis(Row):
    """A knob that says which axis holds the channels, for an IR class that has them on axis 1. The last is written."""

    native: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop(self.native), draft.ranks[0]
        if not isinstance(axis, int) or not -rank <= axis < rank or axis % rank == 0:
            raise draft.refuse(f"expected {self.native} to name an axis of a value of rank {rank}, got {axis!r}")
        others = [f"s{i}" for i in range(rank - 2)]
        here = " ".join(["n", *others[: axis % rank - 1], "c", *others[axis % rank - 1 :]])
        draft.input_axes["x"] = draft.output_axes["y"] = (here, " ".join(["n", "c", *others]))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = -1
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")


@dataclass(frozen=True)
class AxisNumbers(Row):
    """A list of axes (or one): counted from the end where negative on the native side, from 0 in the IR."""

    native: str
    field: str = "axes"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given, rank = native.config.pop(self.native), draft.ranks[0]
        axes = [given] if isinstance(given, int) else given
        if not axes or not all(isinstance(axis, int) and -rank <= axis < rank for axis in axes):
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {given!r}")
        draft.fields[self.field] = tuple(axis % rank for axis in axes)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = list(draft.fields.pop(self.field))


@dataclass(frozen=True)
class Rank(Row):
    """The native layer takes values of these ranks only."""

    ranks: tuple[int, ...]
    slot: str = "x"

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`: judged by the first input."""
        first = next((found[0] for found in native.given.values() if found), native.first)
        return first is None or len(first.type.shape) in self.ranks

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (rank := len(draft.types[self.slot].shape)) not in self.ranks:
            raise draft.refuse(f"can only be written for values of rank {self.ranks}, got rank {rank}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return len(given[self.slot].shape) in self.ranks


@dataclass(frozen=True)
class LastAxis(Row):
    """An IR field that must name the last axis, because the native layer knows no other."""

    field: str = "axis"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = draft.ranks[0] - 1

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axis, last = draft.fields.pop(self.field), len(draft.types["x"].shape) - 1
        if axis != last:
            raise draft.refuse(f"can only be written with {self.field}={last}, the last, got {axis}")
