"""A live PyTorch module as the target: what it wants, by running it once where that is possible; imports PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from irconv.adoption.placing import Wanted
from irconv.adoption.weights import Weights
from irconv.align import Network
from irconv.align.network import KERNEL
from irconv.data_classes import dataclass
from irconv.errors import MissingFact
from irconv.frameworks.torch import live, trace
from irconv.ir.bundle import Bundle
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Module, Tensor

_SIZES = (64, 224, 299, 32, 7)
"""Extents that are tried where the source leaves them open."""
_BATCH = 2


@dataclass(frozen=True)
class ModuleTarget:
    """A module of the user's."""

    module: Module
    weights: Weights
    wanted: Wanted
    ties: Mapping[str, str]
    """A second name of a parameter -> its first."""
    sample: Sequence[Tensor] | None = None
    """The inputs on which it ran."""

    @staticmethod
    def of(module: Module, source: Bundle, shapes: Sequence[str]) -> ModuleTarget:
        """The target that a module is. It is run on zeros of the shapes given, or of those that the source's inputs
        have, or that its own first layer takes."""
        live.import_torch()
        state = module.state_dict(keep_vars=True)
        first: dict[int, str] = {}
        ties = {n: first[id(t)] for n, t in state.items() if first.setdefault(id(t), n) != n}
        network, sample = trace.network_of(module, list(_samples(module, source, shapes)))
        parts = {part.name for unit in network.units for part in unit.parts.values()}
        dtypes = {name: _dtype(tensor) for name, tensor in state.items() if name in parts and name not in ties}
        kept = tuple(name for name in state if name not in parts and name not in ties)
        return ModuleTarget(module, Weights(network, {}), Wanted(dtypes, kept), ties, sample)

    @property
    def names(self) -> list[str]:
        """The names of its tensors."""
        return [*self.wanted.dtypes, *self.wanted.kept]

    def filled(self, tensors: Mapping[str, LazyTensor]) -> dict[str, LazyTensor]:
        """A state dict of what was found and of what is kept, in the module's order."""
        state = self.module.state_dict()
        found: dict[str, LazyTensor] = {}
        for name in state:
            if name in tensors:
                found[name] = tensors[name]
            elif self.ties.get(name) in tensors:
                found[name] = tensors[self.ties[name]]
            elif name in self.wanted.kept:
                found[name] = LazyTensor.of(state[name].detach().cpu().numpy())
        return found

    @property
    def shapes(self) -> Sequence[Sequence[int | str]] | None:
        """See `irconv.adoption.verify.Runs`."""
        return None if self.sample is None else [tuple(tensor.shape) for tensor in self.sample]

    def run(
        self, feeds: Sequence[Array], tensors: Mapping[str, LazyTensor], wanted: Sequence[str]
    ) -> tuple[Mapping[str, Array], Sequence[Array]]:
        """See `irconv.adoption.verify.Runs`: a copy is run."""
        torch, module = live.import_torch(), copy.deepcopy(self.module)
        replace(self, module=module).load(tensors)
        given = zip(feeds, self.sample or (), strict=True)
        values, results = trace.run(module, [torch.from_numpy(array).to(like.dtype) for array, like in given])
        return {name: values[name] for name in wanted if name in values}, results

    def load(self, tensors: Mapping[str, LazyTensor]) -> None:
        """Put the values into the module; what was not found stays as it is."""
        torch = live.import_torch()
        values = {name: torch.from_numpy(data.numpy().copy()) for name, data in self.filled(tensors).items()}
        self.module.load_state_dict(values, strict=False)


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _samples(module: Module, source: Bundle, shapes: Sequence[str]) -> Iterator[list[Tensor]]:
    """Inputs to run the module on, the likeliest first."""
    torch = live.import_torch()
    if shapes:
        given = [tuple(_extent(size) for size in text.rpartition("=")[2].split(",")) for text in shapes]
        yield [torch.zeros(shape) for shape in given]
        yield [torch.zeros(shape, dtype=torch.int64) for shape in given]
    elif source.graph is not None:
        ports = source.graph.inputs
        for size in _SIZES:
            kinds = [torch.int64 if port.dtype.startswith(("int", "uint")) else torch.float32 for port in ports]
            wanted = [_filled_in(port.shape, size) for port in ports]
            yield [torch.zeros(shape, dtype=kind) for shape, kind in zip(wanted, kinds, strict=True)]
            if all(isinstance(extent, int) for port in ports for extent in port.shape[1:]):
                break
    else:
        network = trace.network_of(module)[0]
        for shape in _guessed(network):
            yield [torch.zeros(shape)]
        if any(unit.kind == "Embedding" for unit in network.units):
            yield [torch.zeros((_BATCH, 7), dtype=torch.int64)]


def _extent(text: str) -> int:
    text = text.strip()
    if text.isdigit():
        return int(text)
    if text in ("N", "?", "None", "-1"):
        return _BATCH
    raise MissingFact(f"--input-shape {text}", "expected a number, or N for the batch")


def _filled_in(shape: Sequence[Any], size: int) -> tuple[int, ...]:
    return (_BATCH, *(extent if isinstance(extent, int) else size for extent in shape[1:]))


def _guessed(network: Network) -> Iterator[tuple[int, ...]]:
    """Shapes that a convolution of few channels, or the first matrix, would take."""
    channels = sorted({u.core[1] for u in network.units if u.family == KERNEL and u.core[1] <= 4})
    ranks = {len(u.core) - 2 for u in network.units if u.family == KERNEL}
    for size, channel, rank in product(_SIZES, channels, sorted(ranks)):
        yield (_BATCH, channel, *(size,) * rank)
    if not ranks and network.units:
        features = network.units[0].core[-1]
        yield (_BATCH, features)
        yield (_BATCH, 7, features)
