"""A probe: inputs, and what a model's own runtime makes of them, recorded beside a bundle; and the check of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from irconv import __version__
from irconv.errors import Disagreement, MissingFact, Problem
from irconv.execute import execute
from irconv.ir.bundle import Bundle, Probed
from irconv.ir.dtypes import logical_name
from irconv.ir.manifest import Probe
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array
from irconv.verification.check import Request, ran_both, turned_output
from irconv.verification.compare import difference, power, tolerance
from irconv.verification.given import Inputs
from irconv.verification.inputs import given_feed
from irconv.verification.process import Processes
from irconv.verification.sides import Given, opened
from irconv.verification.slots import native_slots

_GIVEN = "given"


def recorded(source: Given, inputs: Inputs | None) -> Probed:
    """A probe of a model: inputs that are given or random, and what its own framework predicts; where that is not here,
    what irconv has read predicts in another runtime than the check's.

    Raises `MissingFact` where it cannot be run, and `Disagreement` where what irconv has read predicts something else.
    """
    bundle = source.bundle
    assert bundle is not None, "the caller has looked"
    with Processes() as processes:
        a = opened(source, processes, 0)
        b = opened(Given(source.path, bundle, reader="irconv"), processes, 1)
        found = ran_both(a, b, Request(inputs, seeds=1))
    worst = max((one.tolerance for one in found.outputs), default=0.0)
    if not found.agrees:
        what = "; ".join(
            [*found.structure, *(f"output {one.name} {one.said()}" for one in found.outputs if not one.agrees)]
        )
        raise Disagreement(f"{source.name} in {a.runtime}", f"predicts something else than irconv has read: {what}")
    run = found.runs[0]
    axes = [slot.axes for slot in a.outputs] if len(a.outputs) == len(run.predicted) else [""] * len(run.predicted)
    outputs = [
        turned_output(got, wanted, slot.axes, own)[0]
        for wanted, got, own, slot in zip(run.predicted, run.got, axes, b.outputs, strict=True)
    ]
    record = _record(bundle, a.runtime, not a.own, run.feed.name, worst)
    _look(source.name, outputs)
    return _kept(record, run.taken, outputs)


def stated(bundle: Bundle, inputs: Inputs, outputs: Inputs) -> Probed:
    """A probe whose outputs are given, too, in the axes of the source or of the bundle; nothing is run.

    Raises `MissingFact` where arrays are missing or do not fit.
    """
    assert bundle.graph is not None, "the caller has looked"
    slots = native_slots(bundle.graph)
    taken, made = (given_feed(one, said, {}).arrays for one, said in zip(slots, (inputs, outputs), strict=True))
    allowed = tolerance(_least(made), 0.0)
    _look(_GIVEN, made)
    return _kept(_record(bundle, _GIVEN, False, _GIVEN, allowed), taken, made)


def problems(bundle: Bundle, runtime: Literal["onnxruntime", "numpy"] | None = None) -> list[Problem]:
    """What a bundle predicts otherwise than its probe says; one whose function was changed is found so."""
    if bundle.probe is None:
        return []
    record, wanted = bundle.probe.record, bundle.probe.outputs()
    got = execute(bundle, bundle.probe.inputs(), runtime)
    found = []
    for name, array in wanted.items():
        apart = difference(array, got[name])
        if not apart.relative <= record.tolerance:
            what = f"differs by {apart.relative:.1e} of the largest value; {power(record.tolerance)} is allowed"
            where = f"probe: output {name}"
            by = "the predictions that were given" if record.runtime == _GIVEN else f"what {record.runtime} predicted"
            found.append(Problem(where, f"{what}, against {by} on the inputs {record.feed}"))
    return found


def _record(bundle: Bundle, runtime: str, as_read: bool, feed: str, allowed: float) -> Probe:
    assert bundle.graph is not None, "the caller has looked"
    return Probe(
        by=f"irconv {__version__}",
        runtime=runtime,
        as_read=as_read,
        feed=feed,
        inputs={port.name: f"input{place}" for place, port in enumerate(bundle.graph.inputs)},
        outputs={port.name: f"output{place}" for place, port in enumerate(bundle.graph.outputs)},
        tolerance=allowed,
    )


def _look(where: str, outputs: Sequence[Array]) -> None:
    """Refuse predictions in which no number is finite: whatever becomes of the weights, they stay what they are."""
    kinds = [array for array in outputs if array.dtype.kind in "fc" or array.dtype.name == "bfloat16"]
    if kinds and len(kinds) == len(outputs) and not any(np.isfinite(array).any() for array in kinds):
        what = "a probe of it proves nothing: every number that it predicts is NaN or infinite"
        raise MissingFact(
            f"{where}: --probe", what, "Give --probe-input with inputs that it was made for, or no probe."
        )


def _kept(record: Probe, inputs: Sequence[Array], outputs: Sequence[Array]) -> Probed:
    keys = [*record.inputs.values(), *record.outputs.values()]
    return Probed(record, {key: LazyTensor.of(array) for key, array in zip(keys, [*inputs, *outputs], strict=True)})


def _least(arrays: Sequence[Array]) -> str:
    kinds = {logical_name(array.dtype) or "float32" for array in arrays}
    return next((kind for kind in ("bfloat16", "float16", "float32", "float64") if kind in kinds), "float32")
