"""How a layer of Keras finds what places it."""

from __future__ import annotations

from irconv.frameworks.keras.packages.expansions import EXPANSIONS
from irconv.frameworks.keras.placing import OF_PACKAGES, expansion


def test_every_class_of_a_package_is_found_though_packages_are_imported_late() -> None:
    assert {kind for kind in EXPANSIONS if ">" not in kind} == set(OF_PACKAGES)
    assert all(expansion(kind) is found for kind, found in EXPANSIONS.items())
