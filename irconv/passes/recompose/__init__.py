"""Puts simpler layers together again to the layers they were written for: bias, norms, activations, attention.

Graph files hold arithmetic where people wrote layers. A rule is a pattern (`irconv.passes.recompose.patterns`), matched
from its last layer backwards, and what it becomes. What a match demands:

1. Values inside it have no other user and are no outputs of the graph.
2. Numbers, axes and element types are as the pattern says, and weights broadcast along the axes it says.
3. A layer that is used twice is left alone, because its other use would change.

The numbers do not change but for rounding. Running the pass twice changes nothing more; it is linear in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irconv.ir.bundle import Bundle
from irconv.passes import unused
from irconv.passes.recompose.activations import ACTIVATIONS
from irconv.passes.recompose.linear import LINEAR
from irconv.passes.recompose.matcher import Rule, Work
from irconv.passes.recompose.norms import NORMS

RULES: Sequence[Rule] = (*LINEAR, *NORMS, *ACTIVATIONS)
_BY_ROOT: Mapping[str, list[Rule]] = {
    root: [rule for rule in RULES if root in rule.roots] for root in {root for rule in RULES for root in rule.roots}
}
_ROUNDS = 8
"""More than any composite is nested deep."""


def run(bundle: Bundle) -> Bundle:
    """The same function with as many whole layers as the rules find."""
    if bundle.graph is None:
        return bundle
    for _ in range(_ROUNDS):
        work = Work.of(bundle)
        if not work.apply(_BY_ROOT):
            break
        bundle = unused.run(work.bundle())
    return bundle
