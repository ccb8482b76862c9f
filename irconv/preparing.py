"""What the user asks of a model on its way into a file, whatever is written: ``--merge``, ``--fold-bn``, ``--dtype``,
``--io``. Each is a pass; this says in which order, and what is told of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irconv.errors import IrconvError
from irconv.frameworks import Writer, refuse_unmerged
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import made_fact
from irconv.layout import Array
from irconv.merging import merged
from irconv.options import WriteOptions

_ELEMENTS = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"}


def prepared(bundle: Bundle, writer: Writer, options: WriteOptions) -> Bundle:
    """The model as it is to be written. Raises `Refused` naming what stands in the way of a wish."""
    if not writer.loops and bundle.graph is not None:
        from irconv.passes import unroll_scans

        bundle = unroll_scans.run(bundle)
    if options.merge:
        from irconv.ir.kept import noted

        bundle = noted(bundle, merged(bundle))
    else:
        refuse_unmerged(bundle)
    if options.fold_bn:
        from irconv.ir.kept import noted
        from irconv.passes import fold_norms

        bundle = noted(bundle, fold_norms.run(bundle))
    if options.dtype is not None:
        bundle = _in_type(bundle, _ELEMENTS[options.dtype])
    if options.io == "source" and not writer.archives:
        from irconv.passes import boundary

        bundle = boundary.to_source_axes(bundle)
    return bundle


def _in_type(bundle: Bundle, dtype: str) -> Bundle:
    """The model in another element type, with what that costs as a fact."""
    from irconv.passes import element_type

    cast = element_type.run(bundle, dtype)
    told = [f"weights are rounded by {cast.rounding:.1e} of their tensor's largest at most"]
    if cast.clipped:
        told.append(f"numbers beyond the type became its largest in {', '.join(cast.clipped)}")
    if bundle.graph is not None:
        told.append(_cost(bundle, cast.bundle))
    fact = made_fact("element type", dtype, "; ".join(told))
    source = cast.bundle.source.model_copy(update={"facts": (*bundle.source.facts, fact)})
    return replace(cast.bundle, source=source)


def _cost(before: Bundle, after: Bundle) -> str:
    """How far the predictions of both are apart, on the same random inputs."""
    from irconv.execute import execute
    from irconv.verification.domains import domains
    from irconv.verification.inputs import ATTEMPTS, random_feeds
    from irconv.verification.slots import native_slots

    assert before.graph is not None, "only a graph predicts"
    slots, why = native_slots(before.graph)[0], ""
    for attempt in range(len(ATTEMPTS)):
        try:
            (feed,) = random_feeds(slots, domains(before), 1, attempt)
            named = {port.name: array for port, array in zip(before.graph.inputs, feed.arrays, strict=True)}
            wanted = execute(before, named, None)
        except (IrconvError, ArithmeticError, RuntimeError, ValueError) as error:
            why = str(error).splitlines()[0]
            continue
        try:
            got = execute(after, named, None)
        except Exception as error:  # noqa: BLE001 a runtime that lacks the type says so in its own way
            why = str(error).splitlines()[0]
            break
        worst = max(_apart(wanted[name], got[name]) for name in wanted)
        return f"predictions move by {worst:.1e} of the largest, on random inputs"
    return f"what predictions lose could not be measured ({why:.80})"


def _apart(wanted: Array, got: Array) -> float:
    a, b = wanted.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities that both have are no difference
        gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    largest = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    return float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0) / (largest or 1.0))
