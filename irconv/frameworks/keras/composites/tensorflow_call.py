"""One call of a function of TensorFlow while it becomes operators of `keras.ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs
from irconv.frameworks.keras.composites.operators import add

Arguments: TypeAlias = dict[str, Any]
Steps: TypeAlias = Callable[["Call", Arguments], Outputs]


@dataclass(frozen=True)
class Call:
    """One call of an operator while it is placed."""

    builder: Builder
    layer: KerasLayer
    index: int
    results: int = 1
    """How many results other layers take of it."""

    def add(self, kind: str, *tensors: Any, part: str = "", results: int = 0, **settings: Any) -> Outputs:
        """Place an operator of Keras; one that is a step on the way is a `part`."""
        return add(self.builder, self.layer, self.index, kind, tensors, settings, part, results)
