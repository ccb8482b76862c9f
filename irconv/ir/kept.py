"""The names that a network of PyTorch's had, kept in files of other formats for the way back.

A state dict is read by its keys, and code is written by the modules that they name. A file of another framework has
names of its own; beside them irconv writes which tensor had which key, and which call stood in which module. A reader
makes a fact of it, so that it survives a bundle, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from itertools import permutations
from typing import Any

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.manifest import Fact, LayoutStep, Omitted
from irconv.ir.tensors import LazyTensor
from irconv.layout import Relayout, relayout

KEY = "irconv_state_dict"
"""What the entry is called in every format that has names for such things."""
_FACT = "state dict"
_FRAMEWORK = "torch"
TIED = "is one tensor with "
"""How the reason begins why a tensor is left out that has another key, too."""
_PARTS = ("tensors", "turned", "scopes")
_MOST_AXES = 4

Names = Mapping[str, tuple[str, ...]]
"""A tensor -> its keys in a state dict: one, or those of which it was put together."""


@dataclass(frozen=True)
class Kept:
    """What a file keeps of a network of PyTorch's."""

    tensors: Names = field(default_factory=dict)
    """The name of a tensor in the file -> its keys."""
    turned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The name of a tensor in the file -> how its axes lie there: an index of one in the state dict for each, but for
    axes of one behind those of a matrix."""
    constants: tuple[str, ...] = ()
    """The tensors of the file that the state dict has not, and training does not change."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """The name of a layer in the file -> the module that it was called in, its names joined by ``/``."""
    left: tuple[str, ...] = ()
    """Keys whose tensors the file has not as they were: inference does not read them, or others were made of them."""

    def text(self) -> str:
        """As JSON: the same names give the same text."""
        tensors = {name: keys[0] if len(keys) == 1 else list(keys) for name, keys in self.tensors.items()}
        found: dict[str, Any] = {"tensors": tensors}
        found |= {name: dict(part) for name, part in (("turned", self.turned), ("scopes", self.scopes)) if part}
        found |= {name: list(part) for name, part in (("constants", self.constants), ("left", self.left)) if part}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    def fact(self, evidence: str) -> Fact:
        """As a fact of a bundle; `evidence` says where it stood."""
        return Fact(name=_FACT, value=self.text(), evidence=evidence)


def parsed(text: Any) -> Kept | None:
    """What an entry says; None where it is not of that form, as anybody can write one."""
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else text
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(part, {}), dict) for part in _PARTS):
        return None
    tensors, turned, scopes = (found.get(part, {}) for part in _PARTS)
    constants, left = (found.get(part, []) for part in ("constants", "left"))
    if not all(isinstance(part, list) and all(map(_is_text, part)) for part in (constants, left)):
        return None
    keys = {name: (said,) if isinstance(said, str) else said for name, said in tensors.items()}
    lists = all(isinstance(said, list | tuple) and said and all(map(_is_text, said)) for said in keys.values())
    if not lists or not all(map(_is_text, scopes.values())) or not all(map(_is_order, turned.values())):
        return None
    orders = {name: tuple(order) for name, order in turned.items()}
    return Kept({name: tuple(said) for name, said in keys.items()}, orders, tuple(constants), scopes, tuple(left))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_order(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_AXES
        and sorted(map(str, value)) == sorted(str(axis) for axis in range(len(value)))
    )


def names_of(bundle: Bundle) -> Names | None:
    """The keys of each tensor of a bundle that had some, by its own key; None where it never was PyTorch's."""
    kept = _kept(bundle)
    if kept is None and bundle.source.framework != _FRAMEWORK:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for key, tensor in bundle.tensors.items():
        source = tensor.record.source
        if source is None:
            continue
        if kept is not None:
            said = tuple(name for part in source.members or (source.name,) for name in kept.tensors.get(part, ()))
        else:
            said = source.members or (source.name,)
        if said:
            found[key] = said
    return found


def _kept(bundle: Bundle) -> Kept | None:
    texts = [fact.value for fact in bundle.source.facts if fact.name == _FACT]
    return parsed(texts[0]) if texts and bundle.source.framework != _FRAMEWORK else None


def left_of(bundle: Bundle, found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The keys of a bundle's state dict that are none of those found."""
    there = {key for keys in found for key in keys}
    kept = _kept(bundle)
    named = names_of(bundle) or {}
    own = (key for name, keys in named.items() if bundle.tensors[name].record.role != "constant" for key in keys)
    omitted = tuple(item.name for item in bundle.omitted if not item.reason.startswith(TIED))
    rest = kept.left if kept is not None else omitted
    return tuple(dict.fromkeys(key for key in (*own, *rest) if key not in there))


def noted(before: Bundle, merged: Bundle) -> Bundle:
    """A bundle whose weights were merged, with the keys that they had in a state dict among what is left out."""
    there = {omitted.name for omitted in merged.omitted}
    lost = [key for key in left_of(before, (names_of(merged) or {}).values()) if key not in there]
    reason = "is merged into other tensors"
    return replace(merged, omitted=(*merged.omitted, *(Omitted(name=key, reason=reason) for key in lost)))


def lost_of(bundle: Bundle) -> frozenset[str]:
    """The keys of the state dict whose tensors a bundle has not as they were."""
    kept = _kept(bundle)
    return frozenset() if kept is None else frozenset(kept.left)


def axes_of(bundle: Bundle, key: str, data: LazyTensor) -> tuple[int, ...] | None:
    """How the axes of a tensor's data lie beside those in the state dict: an index of one there for each axis. None
    where they are no transpose of it."""
    source = bundle.tensors[key].record.source
    if source is None or source.piece is not None or source.members:
        return None
    own = bundle.tensors[key].native()
    kept = _kept(bundle)
    before = kept.turned.get(source.name) if kept is not None else None
    count = len(own.shape)
    rest = data.shape[count:]
    if count == 2 and rest and set(rest) == {1} and data.shape[:2] == own.shape:
        return (0, 1) if all(change.is_identity for change in data.changes) else None
    if before is not None and len(before) < count:
        return None
    names = [f"a{axis}" for axis in range(count)]
    for order in permutations(range(count)) if count <= _MOST_AXES else ():
        turned = tuple(own.shape[axis] for axis in order)
        if turned != data.shape or (before is not None and len(before) != count):
            continue
        change = relayout(" ".join(names), " ".join(names[axis] for axis in order), own.shape)
        if _same(own if order == tuple(range(count)) else own.relayout(change), data):
            return order if before is None else tuple(before[axis] for axis in order)
    return None


def _same(one: LazyTensor, other: LazyTensor) -> bool:
    return one.source is other.source and [c for c in one.changes if not _idle(c)] == [
        c for c in other.changes if not _idle(c)
    ]


def _idle(change: Relayout) -> bool:
    return change.is_identity and change.source_shape == change.shape


def without_ones(bundle: Bundle) -> Bundle:
    """The bundle with kernels that are matrices in the state dict as the last step of reading a Linear's would be: its
    matrix, with axes of one behind."""
    kept = _kept(bundle)
    if kept is None or not kept.turned:
        return bundle
    tensors = dict(bundle.tensors)
    for key, tensor in bundle.tensors.items():
        source, shape = tensor.record.source, tensor.data.shape
        order = kept.turned.get(source.name, ()) if source is not None and source.piece is None else ()
        if order != (0, 1) or len(shape) < 3 or set(shape[2:]) != {1} or tensor.record.steps:
            continue
        units = " ".join(f"u{axis}" for axis in range(len(shape) - 2))
        here, there, sizes = f"out in {units}", f"out (in {units})", dict.fromkeys(units.split(), 1)
        matrix = tensor.data.relayout(relayout(here, there, shape, None, sizes))
        record = replace(tensor.record, shape=matrix.shape, axes="out in")
        step = LayoutStep(source=there, target=here, orders={}, sizes=sizes)
        tensors[key] = Tensor(record, matrix).relayout(step)
    return replace(bundle, tensors=tensors)
