"""The words for each kind of evidence, and how much each is worth."""

from __future__ import annotations

from collections.abc import Sequence

SHAPE = "the only one of its type and shape"
TOLD = "told"
FED, TAKEN = "what feeds it", "what takes its value"
FED_THROUGH, TAKEN_THROUGH = "the activations before it", "the activations behind it"
FREE = "interchangeable"
SIGNATURE = "the shapes of all its parameters"
TYPE = "its type"
ATTENTION = "its part in attention"
DIRECTION = "its direction"
SAME_NAME = "the same name"
GRAPH_ORDER = "the order of the graph"
NUMBERS = "the numbers in names"
COMPANION = "the layer it belongs to"
WORDS = "the words in names"
SEQUENCE = "the sequence of all units"

GRAPHS = frozenset((FED, TAKEN, FED_THROUGH, TAKEN_THROUGH, FREE))
ORDERS = frozenset((GRAPH_ORDER, NUMBERS, f"{GRAPH_ORDER} and {NUMBERS}", f"{NUMBERS} and {GRAPH_ORDER}", SEQUENCE))
_OF_ITSELF = frozenset((SHAPE, SIGNATURE, TYPE))


def by_graphs_alone(why: Sequence[str]) -> bool:
    """Whether nothing but graphs told a unit from others of its type and shape."""
    return set(why) <= GRAPHS | _OF_ITSELF


def by_order(why: Sequence[str]) -> bool:
    """Whether order told a unit from others."""
    return bool(set(why) & ORDERS)


def strength(why: Sequence[str]) -> str:
    """`told`, `certain` (nothing else fits), `strong` (graphs or equal names say it) or `fair` (order or words do)."""
    if TOLD in why:
        return "told"
    if set(why) <= _OF_ITSELF:
        return "certain"
    return "strong" if set(why) <= GRAPHS | _OF_ITSELF | {SAME_NAME, ATTENTION, DIRECTION} else "fair"
