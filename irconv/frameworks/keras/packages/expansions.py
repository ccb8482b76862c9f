"""The layers of all packages in one mapping."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.keras.packages import hub
from irconv.frameworks.keras.packages.drawing import Expansion

#: ``package>Class`` -> how it is placed.
EXPANSIONS: Mapping[str, Expansion] = {**hub.EXPANSIONS}
