"""Writes TensorFlow's checkpoints of variables."""

from __future__ import annotations

from pathlib import Path

from irconv.containers import tensor_bundle_write
from irconv.containers.files import Progress
from irconv.containers.outputs import Output
from irconv.errors import Problems, Refused
from irconv.ir.bundle import Bundle
from irconv.options import WriteOptions


def write_checkpoint(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the variables of TensorFlow's own file under the names they have there, bit for bit; training included.

    Raises `Refused` for models, and for another framework's weights, whose axes are not known.
    """
    source = bundle.source
    names = ", ".join(file.name for file in source.files)
    if bundle.graph is not None:
        what = "is a model, and a checkpoint holds variables without a graph"
        raise Refused(names, what, "Write .onnx, .py or .keras; irconv does not write graphs of TensorFlow yet.")
    if source.framework != "tensorflow":
        what = "holds weights without a graph, so that their axes are not known"
        raise Refused(names, what, bundle.graph_remedy("Write .irconv, or read the model's own file."))
    tensors = {name.removesuffix(":0"): tensor for name, tensor in bundle.source_tensors().items()}
    problems = Problems()
    for name in sorted(tensors):
        if not name or "\0" in name:
            problems.add(f"{names}: {name!r}", "is no name that a checkpoint can hold")
    problems.raise_any()
    types = dict(fact.value.rsplit(": ", 1) for fact in source.facts if fact.name == "type")
    return tensor_bundle_write.write(output, destination, tensors, None, types, progress, source.marks())
