"""Dtype policies: the floating types that the layers of a Keras model compute in.

A layer casts its floating inputs and its weights to the compute type of its policy, and gives that type;
``mixed_float16`` keeps the weights as float32. Some normalisations compute in float32 all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Precision
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.variables import MODELS
from irconv.ir.dtypes import FLOATS, HALVES

#: Layers that cast nothing themselves: their parts, or the operator of TensorFlow that they call, decide.
_WITHOUT = (*MODELS, "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

#: Native kinds that make or change a type by themselves.
_OF_THEIR_OWN = ("constant", "numbers", "ops.Cast", "full_like", "attention_mask", "Discretization")

#: Layers that take their inputs and weights as they are, and give the compute type.
_CAST_LAST = ("variable", "Embedding", "CategoryEncoding")


def policy(config: Mapping[str, Any]) -> str:
    """The name of a layer's policy; empty where the file has none."""
    said = config.get("dtype")
    if isinstance(said, Mapping):
        inner = said.get("config") or {}
        return str(inner.get("name") or inner.get("source_name") or "")
    return said if isinstance(said, str) else ""


def is_known(name: str) -> bool:
    """Whether irconv computes as a policy of this name says."""
    return name.removeprefix("mixed_") in (HALVES if name.startswith("mixed_") else FLOATS)


def computes_in(kind: str, config: Mapping[str, Any], outer: str) -> str:
    """The type a Keras layer computes in; that of the layer it is part of where its config does not say; empty for
    what takes values as they come."""
    if kind in _WITHOUT or kind.startswith("ops."):
        return ""
    name = policy(config).removeprefix("int8_from_").removeprefix("mixed_")
    return name if name in FLOATS else outer


def precision(facts: Facts, kind: str, compute: str) -> Precision | None:
    """What is cast round a native layer of a Keras layer that computes in this type."""
    if kind in _OF_THEIR_OWN:
        return None
    if not compute:
        return Precision() if kind.startswith("ops.") else None
    if kind in _CAST_LAST:
        return Precision("", (), compute)
    if compute in HALVES and kind == "BatchNormalization":
        return Precision("float32", ("float32",), compute)
    if compute in HALVES and kind in ("LayerNormalization", "GroupNormalization", "RMSNormalization"):
        rounded = facts.version >= 3 or kind == "GroupNormalization"  # weights of tf.keras' LayerNormalization are not
        return Precision("float32", (compute, "float32") if rounded else ("float32",), compute)
    return Precision(compute, (compute,))
