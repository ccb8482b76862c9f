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
from irconv.log import timed
from irconv.passes import bodies, remove_identity, unused
from irconv.passes.recompose import directions, one_row, pieces, recurrence, stacks, states, unrolled
from irconv.passes.recompose.activations import ACTIVATIONS
from irconv.passes.recompose.cuts import CUTS
from irconv.passes.recompose.instances import INSTANCES
from irconv.passes.recompose.linear import LINEAR
from irconv.passes.recompose.matcher import Rule, Work
from irconv.passes.recompose.norms import NORMS
from irconv.passes.recompose.wholes import WHOLES

RULES: Sequence[Rule] = (*NORMS, *INSTANCES, *LINEAR, *ACTIVATIONS, *CUTS, *WHOLES)


def _by_root(rules: Sequence[Rule]) -> Mapping[str, Sequence[Rule]]:
    roots = {root for rule in rules for root in rule.roots}
    return {root: [rule for rule in rules if root in rule.roots] for root in roots}


_BY_ROOT = _by_root(RULES)
_IN_LOOPS = _by_root(ACTIVATIONS)
"""What is looked for in the bodies of loops, which then become layers themselves."""
_ROUNDS = 8
"""More than any composite is nested deep."""


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with as many whole layers as the rules find."""
    if bundle.graph is None:
        return bundle
    bundle = one_row.run(bundle)
    assert bundle.graph is not None, "passes keep it"
    if bodies.scans(bundle.layers, bundle.graph):
        bundle = recurrence.run(
            states.ends(bodies.inside(_by_rules(bundle, _BY_ROOT), lambda body: _by_rules(body, _IN_LOOPS)))
        )
    bundle = states.run(stacks.run(unrolled.run(_by_rules(bundle, _BY_ROOT))))
    return pieces.run(directions.run(bundle))


def _by_rules(bundle: Bundle, rules: Mapping[str, Sequence[Rule]]) -> Bundle:
    for _ in range(_ROUNDS):
        work = Work.of(bundle)
        if not work.apply(rules):
            break
        bundle = remove_identity.left_over(unused.run(work.bundle()))
    return bundle
