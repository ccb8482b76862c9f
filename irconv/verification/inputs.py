"""The arrays that both sides are given: the user's own, or seeded random ones that respect the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Problems
from irconv.ir.dtypes import numpy_dtype
from irconv.layout import Array, turned
from irconv.verification.domains import Domain
from irconv.verification.given import Inputs, Picture
from irconv.verification.slots import Slot, orders

_BATCHES = (3, 2, 1)
#: Sizes that are tried for what a model leaves open, unequal so that exchanged axes show: time, or height and width.
_OPEN_SIZES = ((7, 5), (16, 24), (64, 96), (224, 256))
_WORDS = 2
"""Integers of which nothing is known are 0 or 1, which every table and every mask has."""


@dataclass(frozen=True)
class Feed:
    """One set of inputs, in the axes of the first side."""

    name: str
    """What is said of it: the seed, or where it came from."""
    arrays: tuple[Array, ...]


def random_feeds(slots: Sequence[Slot], domains: Mapping[str, Domain], seeds: int, attempt: int) -> list[Feed]:
    """Seeded random inputs; `attempt` chooses how long the axes are that the model leaves open.

    Raises `MissingFact` where a shape is not known at all.
    """
    problems = Problems()
    for slot in slots:
        if slot.shape is None or not slot.dtype:
            problems.add(f"input {slot.name}", "its shape is not known", "Give --input.", kind=MissingFact)
    problems.raise_any()
    symbols: dict[str, int] = {}
    batch, size = ATTEMPTS[attempt]
    shapes = [_shape(slot, symbols, batch, size) for slot in slots]
    steps = min((shape[1] for shape in shapes if len(shape) > 2), default=1)
    feeds = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        made = [
            _random(rng, slot, shape, domains.get(slot.name, Domain()), seed, steps)
            for slot, shape in zip(slots, shapes, strict=True)
        ]
        feeds.append(Feed(f"seed {seed}", tuple(made)))
    return feeds


ATTEMPTS = (
    *((_BATCHES[0], sizes) for sizes in _OPEN_SIZES),
    *((batch, sizes) for batch in _BATCHES[1:] for sizes in _OPEN_SIZES[:2]),
)
"""What `random_feeds` can take for the batch and for the axes that a model leaves open, in the order to be tried."""


def _shape(slot: Slot, symbols: dict[str, int], batch: int, open_sizes: tuple[int, int]) -> tuple[int, ...]:
    shape = []
    for axis, size in enumerate(slot.shape or ()):
        if isinstance(size, int) and size > 0:
            shape.append(size)
        elif axis == 0:
            shape.append(symbols.setdefault(str(size or "batch"), batch))
        else:
            before = sum(not isinstance(other, int) for other in (slot.shape or ())[1:axis])
            shape.append(symbols.setdefault(str(size or f"axis {axis}"), open_sizes[before % 2]))
    return tuple(shape)


def _random(
    rng: np.random.Generator, slot: Slot, shape: tuple[int, ...], domain: Domain, seed: int, steps: int
) -> Array:
    """Random numbers for one input; `steps` is how long a sequence is where the graph does not say it."""
    dtype = numpy_dtype(slot.dtype)
    mask = "mask" in slot.name.lower() and domain.bound is None
    if slot.dtype == "bool" or (mask and slot.dtype.startswith(("int", "uint"))):
        found: Array = rng.random(shape) < 0.7
        if shape:
            found[..., 0] = True
    elif domain.lengths:
        found = rng.integers(1, domain.bound or steps + 1, shape)
    elif domain.bound is not None:
        found = _tokens(rng, shape, domain.bound)
    elif slot.dtype == "uint8":
        found = rng.integers(0, 256, shape)
    elif slot.dtype.startswith(("int", "uint")):
        found = rng.integers(0, _WORDS, shape)
    elif domain.image and (seed % 2 == 0 or domain.scale != 1.0):
        found = rng.random(shape) * domain.scale
    else:
        found = rng.standard_normal(shape)
    return found.astype(dtype)


def _tokens(rng: np.random.Generator, shape: tuple[int, ...], bound: int) -> Array:
    """Integers below the bound; every second sequence ends in zeros, which many models take for padding."""
    found = rng.integers(min(1, bound - 1), bound, shape)
    if len(shape) > 1 and shape[-1] > 2:
        found[1::2, ..., -(shape[-1] // 3) :] = 0
    return found


def given_feed(slots: Sequence[Slot], given: Inputs, domains: Mapping[str, Domain]) -> Feed:
    """The user's arrays by name or in order, in the axes of the first side; those with the other axes are turned, and
    images made what the input takes.

    Raises `MissingFact` for what does not fit.
    """
    names = [slot.name for slot in slots]
    if isinstance(given, Mapping):
        arrays = [given.get(name) for name in names]
        missing = [name for name in names if name not in given]
        unknown = [name for name in given if name not in names]
        if missing or unknown:
            raise MissingFact("--input", f"expected {', '.join(names)}, got {', '.join(given)}")
    else:
        arrays = list(given)
        if len(arrays) != len(slots):
            raise MissingFact("--input", f"expected {len(slots)} ({', '.join(names)}), got {len(arrays)}")
    problems, fitted = Problems(), []
    for slot, array in zip(slots, arrays, strict=True):
        assert array is not None, "what is missing has been refused"
        if isinstance(array, Picture):
            with problems.collect():
                fitted.append(array.array(slot, domains.get(slot.name, Domain()).scale))
            continue
        found = orders(array.shape, "", slot)
        if not found:
            wanted = ", ".join("?" if size is None else str(size) for size in slot.shape or ())
            axes = f" ({slot.axes})" if slot.axes else ""
            problems.add(f"input {slot.name}", f"expected shape ({wanted}){axes}, got {array.shape}", kind=MissingFact)
            continue
        fitted.append(turned(np.asarray(array, numpy_dtype(slot.dtype) if slot.dtype else None), found[0]))
    problems.raise_any()
    return Feed("given", tuple(fitted))


def nudged(feed: Feed, precision: str, seed: int = 0) -> Feed | None:
    """The same inputs with every number that is no integer rounded differently, by one unit of the precision that the
    model calculates in; None where no input has such numbers. Integers are codes, also those of a floating type."""
    rng, unit = np.random.default_rng(seed), _UNITS.get(precision, _UNITS["float32"])
    measured = [array.dtype.kind == "f" and bool((array % 1 != 0).any()) for array in feed.arrays]
    if not any(measured):
        return None
    arrays = [
        (array * (1 + unit * rng.choice((-1.0, 1.0), array.shape))).astype(array.dtype) if moves else array
        for array, moves in zip(feed.arrays, measured, strict=True)
    ]
    return Feed(feed.name, tuple(arrays))


_UNITS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""One unit in the last place of 1, by element type."""
