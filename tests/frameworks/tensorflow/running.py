"""What real TensorFlow 2 makes of files that irconv wrote, as a graph of TensorFlow 1 and as a SavedModel of 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.helpers import Array


def in_graph(
    path: Path, feeds: Sequence[Array], outputs: Sequence[str] | None = None, optimised: bool = True
) -> list[Array]:
    """The outputs of a frozen graph, by name or what nothing takes, of what the placeholders give.

    Not `optimised`, nothing is computed beforehand: with constants TensorFlow multiplies by one over a divisor.
    """
    import tensorflow

    v1 = tensorflow.compat.v1
    settings = v1.ConfigProto()
    settings.graph_options.rewrite_options.disable_meta_optimizer = not optimised
    with v1.Graph().as_default(), v1.Session(config=settings) as session:
        definition = v1.GraphDef.FromString(path.read_bytes())
        v1.import_graph_def(definition, name="")
        taken = {name.partition(":")[0] for node in definition.node for name in node.input}
        inputs = [f"{node.name}:0" for node in definition.node if node.op == "Placeholder"]
        ends = [node.name for node in definition.node if node.name not in taken and node.op != "Placeholder"]
        wished = [f"{name}:0" for name in (ends if outputs is None else outputs)]
        return list(session.run(wished, dict(zip(inputs, feeds, strict=True))))


def in_session(path: Path, feeds: Sequence[Array], inputs: Sequence[str], outputs: Sequence[str]) -> list[Array]:
    """The outputs of a checkpoint with its graph, or of a SavedModel by TensorFlow 1's loader, in the order named."""
    import tensorflow

    v1 = tensorflow.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        if path.suffix == ".ckpt":
            v1.train.import_meta_graph(f"{path}.meta").restore(session, str(path))
            meta = v1.MetaGraphDef.FromString(Path(f"{path}.meta").read_bytes())
        else:
            meta = v1.saved_model.load(session, ["serve"], str(path))
        signature = meta.signature_def["serving_default"]
        given = {signature.inputs[name].name: feed for name, feed in zip(inputs, feeds, strict=True)}
        return list(session.run([signature.outputs[name].name for name in outputs], given))


def in_version_2(path: Path, feeds: Sequence[Array], inputs: Sequence[str], outputs: Sequence[str]) -> list[Array]:
    """The outputs of a SavedModel by TensorFlow 2's loader."""
    import tensorflow

    model: Any = tensorflow.saved_model.load(str(path))
    function = model.signatures["serving_default"]
    found = function(**{name: tensorflow.constant(feed) for name, feed in zip(inputs, feeds, strict=True)})
    return [found[name].numpy() for name in outputs]
