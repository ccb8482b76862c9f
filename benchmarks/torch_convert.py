"""One conversion, in a process of its own, so that what it costs is measured."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import irconv
from benchmarks.torch_worker import limited
from irconv.errors import IrconvError
from irconv.frameworks import readers, writers
from irconv.options import WriteOptions


def measured(source: Path, target: Path) -> dict[str, Any]:
    """What is known of the file that was written, with the CPU seconds and the peak memory in MB of a process that
    begins where irconv is loaded; or the reasons of a refusal, or how it failed.

    Keras' files are written with ``--merge`` where they are refused without.
    """
    said = target.with_name(target.name + ".json")
    said.unlink(missing_ok=True)
    assert readers()
    assert writers()
    child = os.fork()
    if not child:
        limited(said, lambda: _converted(source, target))
    _, status, usage = os.wait4(child, 0)
    if not said.exists():
        return {"failed": f"ended with code {os.waitstatus_to_exitcode(status)}"}
    found = json.loads(said.read_text())
    assert isinstance(found, dict)
    cost = {"cpu": round(usage.ru_utime + usage.ru_stime, 2), "peak": round(usage.ru_maxrss / 2**10)}
    return {**found, **cost} if "types" in found else found


def _converted(source: Path, target: Path) -> dict[str, Any]:
    """What is known of the file that was written."""
    merge = False
    try:
        bundle = irconv.read(source)
        try:
            written = irconv.write(bundle, target, WriteOptions(force=True))
        except IrconvError:
            if target.suffix != ".keras":
                raise
            merge = True
            written = irconv.write(bundle, target, WriteOptions(force=True, merge=True))
    except IrconvError as error:
        return {"refused": [str(problem) for problem in error.problems]}
    assert bundle.graph is not None
    types = Counter(bundle.layers[node.layer].type for node in bundle.graph.nodes)
    ports = {"inputs": written.inputs, "outputs": written.outputs}
    axes = {side: [(port.name, port.source_axes, port.axes) for port in found] for side, found in ports.items()}
    return {"layers": types.total(), "types": dict(types), "merge": merge, **axes}
