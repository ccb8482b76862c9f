"""Bundles as the two sides of an adoption."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from irconv.adoption.placing import Wanted
from irconv.adoption.weights import Weights
from irconv.align import Unit
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, UnusedOption
from irconv.frameworks.networks import network_of
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

_AVERAGED = re.compile(r"(^|_)(ema|swa|averaged?|shadow)(_|\d*$)")
_CHANNELS_LAST = ("keras", "tensorflow")
_NAMED = ("onnx", "tensorflow")
"""Frameworks whose files have a name for every tensor, which their users know."""


def source_of(bundle: Bundle, averaged: bool) -> Weights:
    """The weights that are taken: never moving averages, unless these were asked for.

    Raises `MissingFact` where a file has nothing else, or nothing of the kind that was asked for.
    """
    in_one_file = bundle.graph is None and bundle.source.framework == "torch"  # other readers tell averages themselves
    chosen = _chosen(bundle, averaged) if in_one_file else bundle
    return _weights(chosen)


def _weights(bundle: Bundle) -> Weights:
    """The network of a bundle and its tensors by the names of its parts: keys, or for PyTorch the state dict's."""
    network = replace(network_of(bundle), channels_last=bundle.source.framework in _CHANNELS_LAST)
    keys = names_to_keys(bundle)
    if bundle.graph is not None:  # its network has the keys
        network = replace(network, units=_renamed(network.units, {key: name for name, key in keys.items()}))
    tensors = {name: bundle.tensors[key].data for name, key in keys.items()}
    return Weights(network, tensors, {name: bundle.tensors[key].record.steps for name, key in keys.items()})


def _renamed(units: Sequence[Unit], names: Mapping[str, str]) -> tuple[Unit, ...]:
    return tuple(
        replace(unit, parts={role: replace(part, name=names[part.name]) for role, part in unit.parts.items()})
        for unit in units
    )


def names_to_keys(bundle: Bundle) -> dict[str, str]:
    """Name that a `Part` has -> key of the tensor: the file's own where its framework gives names, else the key. A tied
    tensor has its first name alone."""
    if bundle.graph is not None and bundle.source.framework in _NAMED:
        named = {key: tensor.record.source for key, tensor in bundle.tensors.items()}
        whole = {key: said.name for key, said in named.items() if said and not said.piece and not said.members}
        once = Counter(whole.values())
        unique = {key: name for key, name in whole.items() if once[name] == 1 and name not in bundle.tensors}
        return {unique.get(key, key): key for key in bundle.tensors}
    if bundle.graph is not None or bundle.source.framework != "torch":
        return {key: key for key in bundle.tensors}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for group in bundle.groups:
        for local, key in group.tensors.items():
            if key not in seen:
                found[f"{group.name}.{local}".lstrip(".")] = key
                seen.add(key)
    return found


def _chosen(bundle: Bundle, averaged: bool) -> Bundle:
    """The bundle without the averaged copies that stand among its weights, or with these alone, under their names.

    A group is an averaged copy if a word of its name says so and the name without this word is there, too.
    """
    names = {group.name for group in bundle.groups}
    copies = {name: bare for name in names if (bare := _without_word(name)) is not None}
    where = ", ".join(file.name for file in bundle.source.files)
    if averaged and not copies and not _read_averaged(bundle):
        raise MissingFact(f"{where}: --ema", "expected an averaged copy of the weights, but the file holds none")
    if not averaged and (_read_averaged(bundle) or (copies and len(copies) == len(names))):
        raise MissingFact(where, "holds moving averages of weights, and no others", "Give --ema to take these.")
    real = {name for name, bare in copies.items() if bare in names}
    if averaged and real:
        groups = tuple(replace(group, name=copies[group.name]) for group in bundle.groups if group.name in real)
    else:
        groups = tuple(group for group in bundle.groups if group.name not in real)
    return replace(bundle, groups=groups)


def _without_word(name: str) -> str | None:
    parts = name.split(".")
    kept = [part for part in parts if not _AVERAGED.search(part.lower())]
    return ".".join(kept) if len(kept) < len(parts) else None


def _read_averaged(bundle: Bundle) -> bool:
    """Whether the reader found the weights under a name that says they are averages."""
    keys = [fact.value for fact in bundle.source.facts if fact.name == "key"]
    counted = any(omitted.reason == "the number of averaged models" for omitted in bundle.omitted)
    return counted or any(_AVERAGED.search(step.lower()) for key in keys for step in key.split("."))


def _size(size: object) -> int | str:
    return size if isinstance(size, int) else str(size)


@dataclass(frozen=True)
class BundleTarget:
    """A file whose names, shapes and layouts are wanted: a Keras model, a state dict, any that irconv reads."""

    bundle: Bundle
    weights: Weights
    wanted: Wanted
    path: Path | None = None

    @staticmethod
    def of(bundle: Bundle, path: Path | None = None) -> BundleTarget:
        """The target that a bundle is."""
        weights = _weights(bundle)
        parts = {part.name for unit in weights.network.units for part in unit.parts.values()}
        dtypes = {name: tensor.dtype for name, tensor in weights.tensors.items() if name in parts}
        kept = tuple(name for name in weights.tensors if name not in parts)
        return BundleTarget(bundle, weights, Wanted(dtypes, kept), path)

    @property
    def names(self) -> list[str]:
        """The names of its tensors."""
        return list(self.weights.tensors)

    def check_shapes(self, shapes: Sequence[str]) -> None:
        """Refuse shapes of inputs (``--input-shape``) that are not those the file says, or that it has no use for."""
        ports = self.bundle.graph.inputs if self.bundle.graph else ()
        for number, text in enumerate(shapes):
            sizes = [size.strip() for size in text.rpartition("=")[2].split(",")]
            if number >= len(ports):
                raise UnusedOption(f"--input-shape {text}", "neither source nor target has a graph with such an input")
            wanted = ports[number].shape
            known = [
                str(size) == said for size, said in zip(wanted[1:], sizes[1:], strict=False) if isinstance(size, int)
            ]
            if len(sizes) != len(wanted) or not all(known):
                got = ", ".join(map(str, wanted))
                raise MissingFact(f"--input-shape {text}", f"the target's input {ports[number].name} is ({got})")

    @property
    def shapes(self) -> Sequence[Sequence[int | str]] | None:
        """See `irconv.adoption.verify.Runs`."""
        graph = self.bundle.graph
        return None if graph is None else [[_size(size) for size in port.shape] for port in graph.inputs]

    def run(
        self, feeds: Sequence[Array], tensors: Mapping[str, LazyTensor], wanted: Sequence[str]
    ) -> tuple[Mapping[str, Array], Sequence[Array]]:
        """See `irconv.adoption.verify.Runs`."""
        from irconv.adoption.verify import computed

        filled = self.filled(tensors)
        assert filled.graph is not None, "the caller has looked"
        ports = filled.graph.inputs
        values = computed(filled, {port.name: array for port, array in zip(ports, feeds, strict=True)}, wanted)
        return values, [values[port.value] for port in filled.graph.outputs]

    def filled(self, tensors: Mapping[str, LazyTensor]) -> Bundle:
        """The bundle with other values in the places that were found, under the names that its file has."""
        keys = names_to_keys(self.bundle)
        changed = {keys[name]: data for name, data in tensors.items()}
        prefix = next((fact.value for fact in self.bundle.source.facts if fact.name == "prefix"), "")
        named = [(group, f"{prefix}{group.name}".rstrip(".")) for group in self.bundle.groups]
        return replace(
            self.bundle,
            groups=tuple(replace(group, name=name) for group, name in named),
            tensors={
                key: Tensor(tensor.record, changed[key]) if key in changed else tensor
                for key, tensor in self.bundle.tensors.items()
            },
        )
