"""The state of an optimizer, which a bundle keeps beside the model where it is asked for (``--keep-optimizer``).

Passes do not see it (`Bundle.state`): it belongs to the tensors as the source had them, and only the source's own
format can take it back. How it was put together there is the fact ``optimizer``, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from irconv.ir.bundle import STATE, Bundle, Tensor
from irconv.ir.manifest import Fact, NativeTensor, TensorRecord
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions, refuse_unused

REASON = "optimizer state"
"""Why a tensor is left out that is part of it."""
_FACT = "optimizer"


def kept(bundle: Bundle, state: Mapping[str, LazyTensor], structure: Any, options: ReadOptions) -> Bundle:
    """The bundle with the state of an optimizer, by native name, and how its source put that together.

    Raises `UnusedOption` where there is none.
    """
    if not state:
        refuse_unused(options, ("keep_optimizer",), "the file has no state of an optimizer beside its weights")
        return bundle
    file = bundle.source.files[0].name if bundle.source.files else ""
    tensors = {f"{STATE}{name}": Tensor(_record(file, name, data), data) for name, data in state.items()}
    fact = Fact(name=_FACT, value=json.dumps(structure), evidence="kept with --keep-optimizer")
    source = bundle.source.model_copy(update={"facts": (*bundle.source.facts, fact)})
    omitted = tuple(one for one in bundle.omitted if one.name not in state)
    return replace(bundle, source=source, state=tensors, omitted=omitted)


def state_of(bundle: Bundle) -> dict[str, LazyTensor]:
    """The state by its names in the source."""
    return {key.removeprefix(STATE): tensor.data for key, tensor in bundle.state.items()}


def structure_of(bundle: Bundle) -> Any:
    """How the source put it together; None where nobody knows."""
    texts = [fact.value for fact in bundle.source.facts if fact.name == _FACT]
    try:
        return json.loads(texts[0]) if texts else None
    except (ValueError, RecursionError):  # a fact of a bundle is any text
        return None


def lost(bundle: Bundle, written: bool) -> tuple[Fact, ...]:
    """What is told of a state that was not written."""
    if written or not bundle.state:
        return ()
    return (Fact(name=_FACT, value=f"{len(bundle.state)} tensors of its state", evidence=""),)


def _record(file: str, name: str, data: LazyTensor) -> TensorRecord:
    return TensorRecord(
        role="optimizer",
        trainable=None,
        dtype=data.dtype,
        shape=data.shape,
        axes="",
        letters="",
        source=NativeTensor(file=file, name=name, shape=data.shape, axes=""),
        steps=(),
    )
