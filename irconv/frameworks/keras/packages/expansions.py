"""The layers of all packages in one mapping."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.keras.composites.drawing import Expansion
from irconv.frameworks.keras.packages import addons, hub, hub_decoders, kecam, lambdas, sequences, tcn, unets

#: ``package>Class`` -> how it is placed.
EXPANSIONS: Mapping[str, Expansion] = {
    **addons.EXPANSIONS,
    **hub.EXPANSIONS,
    **hub_decoders.EXPANSIONS,
    **kecam.EXPANSIONS,
    **lambdas.EXPANSIONS,
    **sequences.EXPANSIONS,
    **tcn.EXPANSIONS,
    **unets.EXPANSIONS,
}
