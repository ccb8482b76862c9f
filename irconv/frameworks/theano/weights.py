"""Finds the arrays of an architecture in the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from irconv.codec import NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.theano.architecture import Architecture, Place
from irconv.frameworks.theano.arrays import Arrays, Stored
from irconv.frameworks.theano.kinds import Described
from irconv.ir.manifest import LayoutStep
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array, relayout


@dataclass(frozen=True)
class Used:
    """An array as a layer uses it: where it is stored, and the steps that the architecture asks for."""

    stored: Stored
    steps: tuple[LayoutStep, ...] = ()
    asked: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The same as the architecture has them: reshape, transpose."""

    @property
    def data(self) -> LazyTensor:
        """The array after the steps."""
        data = self.stored.data
        for step in self.steps:
            data = data.relayout(relayout(step.source, step.target, data.shape, {}, step.sizes))
        return data


@dataclass(frozen=True)
class Joined(AtOnce):
    """Arrays side by side along the last axis: the gates of a recurrent layer. A `irconv.ir.tensors.Source`."""

    parts: tuple[LazyTensor, ...]

    @property
    def dtype(self) -> str:
        """The element type of all parts."""
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all parts together."""
        return (*self.parts[0].shape[:-1], sum(part.shape[-1] for part in self.parts))

    @cached_property
    def _whole(self) -> Array:
        return np.concatenate([part.numpy() for part in self.parts], axis=-1)


class Weights:
    """The arrays of an architecture by their names there."""

    def __init__(self, architecture: Architecture, arrays: Arrays, where: str) -> None:
        self.architecture, self.arrays, self.where = architecture, arrays, where
        self.used: dict[str, Used] = {}
        """Native path -> the array, of those that a layer has asked for."""
        self.joined: dict[str, tuple[str, ...]] = {}
        """Native path of what is put together from several -> theirs."""

    def weight(self, name: str) -> NativeWeight:
        """The array of this name in the architecture. Raises `MissingFact` and `Refused`."""
        place, stored = self.architecture.weights.arrays.get(name), self._stored(name)
        steps = _steps(place, stored.data.shape, f"{self.where}: weights.arrays.{name}") if place else ()
        path = stored.name
        asked = tuple((n, tuple(v)) for n in ("reshape", "transpose") if place and (v := getattr(place, n)) is not None)
        used = Used(stored, steps, asked)
        while self.used.get(path, used) != used:
            path += "'"  # one array in several shapes
        self.used[path] = used
        return NativeWeight(path, used.data)

    def place(self, path: str) -> dict[str, Any]:
        """What to say of an array that is not used as it is stored, by its own name; empty for any other."""
        used = self.used[path]
        if not used.asked and path == used.stored.name:
            return {}
        return {"dataset": used.stored.name, **{name: list(value) for name, value in used.asked}}

    def side_by_side(self, names: Sequence[str]) -> NativeWeight:
        """Several arrays as one. Raises `Refused` where their shapes do not go together."""
        parts = [self.weight(name) for name in names]
        if len({(part.data.shape[:-1], part.data.dtype) for part in parts}) > 1 or not parts[0].data.shape:
            listed = ", ".join(f"{name} {part.data.shape}" for name, part in zip(names, parts, strict=True))
            raise Refused(f"{self.where}: arrays", f"expected gates of one shape and element type, got {listed}")
        path = "+".join(part.path for part in parts)
        self.joined[path] = tuple(part.path for part in parts)
        return NativeWeight(path, LazyTensor(Joined(tuple(part.data for part in parts))))

    def unused(self) -> list[Stored]:
        """The arrays that no layer has asked for."""
        names = {used.stored.name for used in self.used.values()}
        return [stored for stored in self.arrays.found if stored.name not in names]

    def names_of(self, layers: Iterable[Described]) -> set[str]:
        """What the arrays of layers are called where they are stored, as far as they are there."""
        found, missing = set[str](), Problems()
        for name in (array for layer in layers for array in layer.arrays.values()):
            with missing.collect():
                found.add(self._stored(name).name)
        return found

    def _stored(self, name: str) -> Stored:
        place = self.architecture.weights.arrays.get(name)
        return self._named(name) if place is None else self._placed(name, place)

    def _named(self, name: str) -> Stored:
        """An array whose place the architecture does not say: it has the name itself."""
        found = self.arrays.by_name.get(name) or self._in_list(name)
        if found is None:
            raise MissingFact(
                f"{self.where}: weights.arrays.{name}",
                f"no array has this name in {self.arrays.path.name}, which has {self._listed()}",
                "Say in weights.arrays where it is.",
            )
        return found

    def _in_list(self, name: str) -> Stored | None:
        """An array of a list, which has no names but numbers: by the order that the architecture gives, or numpy's
        ``arr_3``."""
        order = self.architecture.weights.order
        number = name.removeprefix("arr_")
        index = order.index(name) if order and name in order else int(number) if number.isdecimal() else None
        lists = self.arrays.by_name.get(str(index)) or self.arrays.by_name.get(f"arr_{index}")
        return lists if index is not None else None

    def _placed(self, name: str, place: Place) -> Stored:
        candidates = self._in_file(place.file)
        addresses: set[tuple[int | str, ...]]
        if place.dataset is not None:
            addresses = {(place.dataset.strip("/"),)}
        elif place.key is not None:
            addresses = {(place.key,)}
        else:
            inner = tuple(place.path or ())
            addresses = {inner, (place.pickle or 0, *inner)} if place.pickle is not None or inner else {()}
        fitting = [stored for stored in candidates if stored.address in addresses]
        if not fitting:
            alias = self.arrays.by_name.get((place.dataset or "").strip("/"))
            fitting = [stored for stored in (alias, self._in_list(place.key or name)) if stored is not None][:1]
        if len(fitting) != 1:
            said = place.model_dump(exclude_none=True, exclude_defaults=True)
            what = f"expected one array at {said}, found {len(fitting)} in {self.arrays.path.name}: {self._listed()}"
            raise MissingFact(f"{self.where}: weights.arrays.{name}", what)
        return fitting[0]

    def _in_file(self, file: str) -> list[Stored]:
        """The arrays of a file; a single file that was given stands in for every one."""
        if not self.arrays.path.is_dir() or not file:
            return list(self.arrays.found)
        parts = PurePosixPath(file.replace("\\", "/")).parts
        for start in range(len(parts)):
            inner = str(PurePosixPath(*parts[start:]))
            if found := [stored for stored in self.arrays.found if stored.file == inner]:
                return found
        return []

    def _listed(self) -> str:
        names = [stored.name for stored in self.arrays.found]
        return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def check_shapes(
    said: Mapping[str, list[int]], tensors: Mapping[str, NativeWeight], where: str, problems: Problems
) -> None:
    """Note every array that does not have the shape the architecture says."""
    for role, shape in said.items():
        if role in tensors and tuple(shape) != tensors[role].data.shape:
            got = tensors[role].data.shape
            problems.add(f"{where}: array_shapes.{role}", f"expected shape {tuple(shape)}, got {got}")


def _steps(place: Place, shape: tuple[int, ...], where: str) -> tuple[LayoutStep, ...]:
    """A reshape and a transpose as changes of layout, which can be undone."""
    steps: list[LayoutStep] = []
    if place.reshape is not None and tuple(place.reshape) != shape:
        target = list(place.reshape)
        if target.count(-1) == 1:
            target[target.index(-1)] = prod(shape) // max(1, prod(n for n in target if n != -1))
        if prod(target) != prod(shape) or min(target, default=1) < 0:
            raise Refused(f"{where}.reshape", f"an array of shape {shape} does not take the shape {place.reshape}")
        steps += _merge(_words("a", len(shape)), shape)
        steps += [step.undo() for step in _merge(_words("b", len(target)), target)]
        shape = tuple(target)
    if place.transpose is not None:
        if sorted(place.transpose) != list(range(len(shape))):
            raise Refused(f"{where}.transpose", f"{place.transpose} is no order of the axes of shape {shape}")
        words = _words("a", len(shape))
        turned = [words[axis] for axis in place.transpose]
        steps.append(LayoutStep(source=" ".join(words), target=" ".join(turned), orders={}, sizes={}))
    return tuple(steps)


def _words(letter: str, count: int) -> list[str]:
    return [f"{letter}{axis}x" for axis in range(count)]


def _merge(words: list[str], shape: Sequence[int]) -> list[LayoutStep]:
    if len(shape) == 1:
        return []
    sizes = dict(zip(words, shape, strict=False))
    return [LayoutStep(source=" ".join(words), target=f"({' '.join(words)})", orders={}, sizes=sizes)]
