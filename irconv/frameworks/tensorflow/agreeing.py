"""Open sizes of several inputs, or several of one, that have to be the same for the graph to run at all.

TensorFlow gives no names to sizes that are not known: ``[None, None]`` twice says nothing about whether the lengths are
equal. They are read as different ones first. Where the graph's operations do not fit so, but do where the sizes are the
same, they are the same, which is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import Feed
from irconv.ir.bundle import Bundle
from irconv.ir.inference import MISFIT, infer_types
from irconv.ir.layers.control import Scan
from irconv.ir.manifest import Fact

_BATCH = "N"


def read(feeds: Sequence[Feed], attempt: Callable[[Sequence[Feed]], Bundle]) -> Bundle:
    """What an attempt gives with the inputs as they are, else with as few sizes taken to be the same as will do.

    Raises what the first attempt raised where none succeeds, or where it says more than that shapes do not fit.
    """
    try:
        return _sound(attempt(feeds))
    except Refused as refusal:
        if not all(problem.what.startswith(MISFIT) for problem in refusal.problems):
            raise
        for same, fact in _fewer(feeds):
            try:
                bundle = _sound(attempt(same))
            except Refused:
                continue
            source = bundle.source.model_copy(update={"facts": (*bundle.source.facts, fact)})
            return replace(bundle, source=source)
        raise refusal from None


def _sound(bundle: Bundle) -> Bundle:
    """The bundle. Raises `Refused` where its types do not fit, bodies of loops included."""
    for graph in (None, *(layer.body for layer in bundle.layers.values() if isinstance(layer, Scan))):
        infer_types(bundle, graph)
    return bundle


def _fewer(feeds: Sequence[Feed]) -> Iterator[tuple[list[Feed], Fact]]:
    """The inputs with those open sizes that have the same letter as one, then with all of them as the batch size."""
    before = feeds
    for name in (_letter, _batch):
        same = [replace(feed, shape=tuple(s if isinstance(s, int) else name(s) for s in feed.shape)) for feed in feeds]
        if same != list(before):
            pairs = {
                f"{old} is {new}"
                for feed, other in zip(feeds, same, strict=True)
                for old, new in zip(feed.shape, other.shape, strict=True)
                if old != new
            }
            evidence = "the graph's operations do not fit otherwise"
            yield same, Fact(name="open sizes", value=", ".join(sorted(pairs)), evidence=evidence)
        before = same


def _letter(size: str) -> str:
    """The size without the number of its input."""
    return size.partition("_")[0]


def _batch(_: str) -> str:
    return _BATCH
