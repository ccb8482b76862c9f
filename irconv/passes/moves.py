"""What a layer does when its inputs come in another order of axes: the arithmetic behind `channels_last`.

An *order* is a permutation of the axes that a value has in the naive graph: axis ``i`` as stored is axis ``order[i]``
of the naive value. One class for each `AxisBehaviour`; nothing here lists layer types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from irconv.data_classes import dataclass
from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Broadcasting,
    ChannelFirst,
    FactorReshape,
    Indexing,
    LastAxis,
    Layer,
    NewAxis,
    Pointwise,
    Reduction,
    ValueType,
)
from irconv.ir.layers.tensor_ops import Flatten, Reshape
from irconv.ir.shapes import Dimension, Size
from irconv.layout import factor_groups, invert

Order: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Site:
    """A layer at one node: its types, by slot, and the rank at which it works."""

    layer: Layer
    inputs: Mapping[str, ValueType]
    outputs: Mapping[str, ValueType]

    @property
    def turning(self) -> frozenset[str]:
        """The inputs whose axes are those that the layer works on: not the indices of one that looks up, nor operands
        that are computed and have axes of their own."""
        if isinstance(self.layer.BEHAVIOUR, Indexing):
            return frozenset(("x",))
        own = self.layer.PARAMETERS if isinstance(self.layer.BEHAVIOUR, LastAxis) else ()
        return frozenset(slot for slot in self.inputs if slot not in own)

    @property
    def rank(self) -> int:
        """The rank of the largest input."""
        return max((len(self.inputs[slot].shape) for slot in self.turning), default=0)

    @property
    def natural(self) -> Order:
        """The order in which nothing moves."""
        return natural(self.rank)


def natural(rank: int) -> Order:
    """The order in which nothing moves."""
    return tuple(range(rank))


class Move:
    """The default: needs its axes where they are."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        """The order of a result when the inputs come in `order`; None where the layer does not commute with it.

        Where the layer could give several, it is `wanted`.
        """
        return natural(len(site.outputs[slot].shape)) if order == site.natural else None

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        """The order of inputs that gives the result in this order, or None."""
        return site.natural if result == natural(len(result)) else None

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        """The layer as it is then spelt, giving results in these orders."""
        return site.layer


class _Everywhere(Move):
    """Commutes with every order; results have the rank of the inputs."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        return order if len(order) == len(site.outputs[slot].shape) else None

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        return result if len(result) == site.rank else None


class _Renamed(_Everywhere):
    """Commutes with every order once its axis fields are renamed."""

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        behaviour, back = site.layer.BEHAVIOUR, invert(order)
        assert isinstance(behaviour, AxisFields)
        changed: dict[str, object] = {}
        for name in behaviour.numbers:
            value = getattr(site.layer, name)
            changed[name] = back[value] if isinstance(value, int) else value and tuple(back[axis] for axis in value)
        for name in behaviour.per_axis:
            value = getattr(site.layer, name)
            changed[name] = None if value is None else tuple(value[axis] for axis in order)
        return site.layer.model_copy(update=changed)


class _ChannelsKept(_Everywhere):
    """Commutes with orders that leave axes 0 and 1 in place."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        return order if order[:2] == (0, 1) else None

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        return result if result[:2] == (0, 1) else None


class _Reduced(Move):
    """Renames its axes; without keepdims the result has the remaining ones, renumbered."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        kept = [axis for axis in order if self._stays(site, axis)]
        return tuple(sorted(kept).index(axis) for axis in kept)

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        kept = [axis for axis in site.natural if self._stays(site, axis)]
        if len(result) != len(kept):
            return None
        return _with_gone([kept[axis] for axis in result], [axis for axis in site.natural if axis not in kept])

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        back = invert(order)
        axes = tuple(sorted(back[axis] for axis in site.layer.settings()["axes"]))
        return site.layer.model_copy(update={"axes": axes})

    def _stays(self, site: Site, axis: int) -> bool:
        settings = site.layer.settings()
        return bool(settings["keepdims"]) or axis not in settings["axes"]


def _with_gone(kept: list[int], gone: Sequence[int]) -> Order:
    """An order with axes that the result does not have, which may stand anywhere: last, where nothing else is moved, or
    else before the axis that follows them, so that what was split along an axis stays together."""
    if kept == sorted(kept):
        return (*kept, *gone)
    order = list(kept)
    for axis in reversed(gone):
        order.insert(order.index(axis + 1) if axis + 1 in order else len(order), axis)
    return tuple(order)


class _Indexed(Move):
    """Renames its axis; the result has the axes of the indices in its place."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        here, count = self._place(site, slot)
        places = {axis: (axis if axis < here else axis + count - 1,) for axis in order} | {here: _from(here, count)}
        return tuple(place for axis in order for place in places[axis])

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        here, count = self._place(site, slot)
        if len(result) != site.rank + count - 1:
            return None
        if not count:
            kept = [axis if axis < here else axis + 1 for axis in result]
            return site.natural if kept == sorted(kept) else _with_gone(kept, [here])
        first = result.index(here)
        if result[first : first + count] != _from(here, count):
            return None
        rest = [axis for axis in result if axis not in _from(here + 1, count - 1)]
        return tuple(axis if axis <= here else axis - count + 1 for axis in rest)

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        return site.layer.model_copy(update={"axis": order.index(site.layer.settings()["axis"])})

    def _place(self, site: Site, slot: str) -> tuple[int, int]:
        """The axis, and how many the result has for it."""
        axis: int = site.layer.settings()["axis"]
        return axis, len(site.outputs[slot].shape) - site.rank + 1


def _from(first: int, count: int) -> Order:
    return tuple(range(first, first + count))


class _Stacked(Move):
    """Renames its axis, which may stand anywhere among those of its inputs."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        new: int = site.layer.settings()["axis"]
        moved = [axis if axis < new else axis + 1 for axis in order]
        if wanted is not None and [axis for axis in wanted if axis != new] == moved:
            return wanted
        moved.insert(moved.index(new + 1) if new + 1 in moved else len(moved), new)
        return tuple(moved)

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        new: int = site.layer.settings()["axis"]
        return tuple(axis if axis < new else axis - 1 for axis in result if axis != new)

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        return site.layer.model_copy(update={"axis": results["y"].index(site.layer.settings()["axis"])})


class _Broadcast(_Everywhere):
    """Permutes its shape, where it adds no axes."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        if order == site.natural:
            return natural(len(site.outputs[slot].shape))
        return super().result(site, slot, order, wanted)

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        if order == site.natural:
            return site.layer
        shape = site.layer.settings()["shape"]
        shape = (1,) * (site.rank - len(shape)) + shape
        return site.layer.model_copy(update={"shape": tuple(shape[axis] for axis in order)})


class _Reshaped(Move):
    """Commutes where each group of axes that it merges or splits stays together and in order."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        before, after = site.inputs["x"].shape, site.outputs[slot].shape
        carried = _carried(_groups(before, after), before, order)
        if carried is None or wanted is None:
            return carried
        long = [[axis for axis in side if after[axis] != 1] for side in (carried, wanted)]
        return wanted if long[0] == long[1] else carried  # axes of length 1 can be put anywhere

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        before, after = site.inputs["x"].shape, site.outputs[slot].shape
        groups = _groups(before, after)
        return _carried(groups and [(right, left) for left, right in groups], after, result)

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        result, shape = results["y"], site.outputs["y"].shape
        stored = tuple(site.inputs["x"].shape[axis] for axis in order)
        turned = tuple(shape[axis] for axis in result)
        if isinstance(site.layer, Flatten) and turned[:-1] == stored[: len(turned) - 1]:
            return site.layer.model_copy(update={"start_axis": len(turned) - 1})
        unmoved = order == site.natural and result == natural(len(result))
        return site.layer if unmoved else Reshape(shape=turned, origin=site.layer.origin)


def _groups(before: Sequence[Dimension], after: Sequence[Dimension]) -> list[tuple[list[int], list[int]]] | None:
    """`factor_groups` for shapes with symbols: each symbol stands for a prime, so that products agree only if they are
    the same product."""
    numbers: dict[str, int] = _Primes()
    try:
        left, right = ([Size.of(size).value(numbers) for size in shape] for shape in (before, after))
    except KeyError:
        return None
    return factor_groups(left, right)


class _Primes(dict[str, int]):
    """A large prime for each symbol, the same every time it is asked for."""

    _LIST = (1000003, 1000033, 1000037, 1000039, 1000081, 1000099, 1000117, 1000121, 1000133, 1000151)

    def __missing__(self, symbol: str) -> int:
        if len(self) == len(self._LIST):
            raise KeyError(symbol)
        self[symbol] = self._LIST[len(self)]
        return self[symbol]


def _carried(
    groups: list[tuple[list[int], list[int]]] | None, shape: Sequence[Dimension], order: Order
) -> Order | None:
    """The order of one side of a reshape from that of the other, or None where a group is torn apart."""
    if groups is None:
        return None
    place = {axis: number for number, (side, _) in enumerate(groups) for axis in side if shape[axis] != 1}
    long = [axis for axis in order if shape[axis] != 1]
    seen = [place[axis] for axis in long]
    runs = [number for i, number in enumerate(seen) if i == 0 or seen[i - 1] != number]
    if len(runs) != len(set(runs)) or any(a > b for a, b in pairwise(long) if place[a] == place[b]):
        return None
    rest = [number for number in range(len(groups)) if number not in runs]
    return tuple(axis for number in _merged(runs, rest) for axis in groups[number][1])


def _merged(runs: list[int], rest: list[int]) -> list[int]:
    """Groups of length-1 axes alone go right behind the group that stands before them."""
    merged = list(runs)
    for number in rest:
        position = next((merged.index(n) + 1 for n in range(number - 1, -1, -1) if n in merged), 0)
        merged.insert(position, number)
    return merged


class _LastToChannels(Move):
    """Commutes with orders that leave its axis last, and, at rank 4 and above, with the one that puts it in the place
    of the channels: a lower rank is a sequence, which only got longer when this was tried."""

    def result(self, site: Site, slot: str, order: Order, wanted: Order | None = None) -> Order | None:
        return order if self._stays(site, order) or self._channels(site, order) else None

    def wanted(self, site: Site, slot: str, result: Order) -> Order | None:
        return result if self._stays(site, result) or self._channels(site, result) else None

    def _stays(self, site: Site, order: Order) -> bool:
        """Whether what the layer works on stays where it is, of a norm of several axes all."""
        axes = site.layer.settings().get("axes", (site.rank - 1,))
        return order[min(axes, default=0) :] == site.natural[min(axes, default=0) :]

    def _channels(self, site: Site, order: Order) -> bool:
        first = (0, site.rank - 1, *range(1, site.rank - 1))
        return site.rank >= 4 and order == first and site.layer.on_channels(site.rank) is not None

    def layer(self, site: Site, order: Order, results: Mapping[str, Order]) -> Layer:
        changed = site.layer.on_channels(site.rank) if self._channels(site, order) else None
        if changed is None:
            return site.layer
        kept = {"operands": site.layer.operands, "origin": site.layer.origin}
        return changed.layer.model_copy(update=kept)


_MOVES: Mapping[type[AxisBehaviour], Move] = {
    Pointwise: _Everywhere(),
    AxisFields: _Renamed(),
    ChannelFirst: _ChannelsKept(),
    Reduction: _Reduced(),
    Indexing: _Indexed(),
    NewAxis: _Stacked(),
    Broadcasting: _Broadcast(),
    FactorReshape: _Reshaped(),
    LastAxis: _LastToChannels(),
}
_FIXED = Move()


def move_of(site: Site) -> Move:
    """How a layer moves. One whose operands have axes of the activations' moves only if its behaviour says where to."""
    behaviour = site.layer.BEHAVIOUR
    given = [role for role in site.inputs if role in site.layer.PARAMETERS]
    if given and isinstance(behaviour, LastAxis):  # operands that are computed stay as they are
        changed = site.layer.on_channels(site.rank)
        return _FIXED if changed is None or not changed.axes.keys().isdisjoint(given) else _MOVES[LastAxis]
    ranks = {len(site.inputs[slot].shape) for slot in site.turning}
    if len(ranks) > 1 and not isinstance(behaviour, Pointwise):
        return _FIXED
    if site.layer.operands and not isinstance(behaviour, ChannelFirst | LastAxis):
        return _FIXED
    return _MOVES.get(type(behaviour), _FIXED)
