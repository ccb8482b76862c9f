"""Weights that a model keeps in parts (weight norm, spectral norm, pruning masks), whole."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks import merged_groups
from irconv.ir.bundle import Bundle
from irconv.layout import Array


def merged(bundle: Bundle) -> Bundle:
    """The model with every weight computed that it keeps in parts. Raises `Refused` for what is not known."""
    from irconv.passes import dequantised, fold_constants

    return merged_groups(fold_constants.run(dequantised.run(bundle), _evaluate), _evaluate)


def _evaluate(part: Bundle) -> Mapping[str, Array]:
    from irconv.execute import execute

    return execute(part, {}, "numpy")
