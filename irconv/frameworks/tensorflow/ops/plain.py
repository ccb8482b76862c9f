"""Constants, variables, placeholders, and nodes that give on what they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irconv.codec import NativeWeight
from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.ends import is_switch
from irconv.frameworks.tensorflow.importing import GraphReader, Reference, constant

_LITERAL = 64


def _constant(reader: GraphReader, node: NodeDef) -> None:
    """Numbers of the graph: small ones are literals, large floating ones weights that somebody froze."""
    tensor = constant(node)
    if tensor is None:
        raise Refused(reader.where(node), "holds text, which no layer of irconv takes")
    frozen = "float" in tensor.dtype and len(tensor.shape) > 0 and int(np.prod(tensor.shape)) > 1
    if frozen:
        reader.weight(node, NativeWeight(node.name, tensor, trainable=None))
    else:
        reader.weight(node, NativeWeight(node.name, tensor, literal=True, role="constant"))


def _variable(reader: GraphReader, node: NodeDef) -> None:
    reader.weight(node, reader.variables(node))


def _same(reader: GraphReader, node: NodeDef) -> None:
    reader.gives(node, reader.given(node, 0))


def _all_the_same(reader: GraphReader, node: NodeDef) -> None:
    reader.gives(node, *reader.all_given(node))


def _placeholder(reader: GraphReader, node: NodeDef) -> None:
    """A placeholder that is no input: the switch of training is off, everything else has to be said."""
    if node.attrs.get("dtype") == "bool" and is_switch(node.name):
        reader.gives(node, reader.number(node, False, "bool", "off"))
        reader.assume(node.name, "False", "a switch of training, which is off at inference; --fix says otherwise")
        return
    what = "is fed when the model runs, and is not among the inputs"
    remedy = f"Name it in --inputs, or say its value: --fix {node.name}=VALUE."
    raise reader.missing(node, what, remedy)


def _with_default(reader: GraphReader, node: NodeDef) -> None:
    """What it is where nobody feeds it."""
    reader.gives(node, reader.given(node, 0))
    reader.assume(node.name, "its default", "a placeholder with a default that is not among the inputs")


def _no_needs(reader: GraphReader, node: NodeDef) -> Sequence[Reference]:
    return ()


HANDLERS = {
    "Const": _constant,
    **dict.fromkeys(("VariableV2", "Variable", "VarHandleOp"), _variable),
    **dict.fromkeys(
        (
            "Identity",
            "StopGradient",
            "PreventGradient",
            "Snapshot",
            "CheckNumerics",
            "EnsureShape",
            "ReadVariableOp",
            "RefIdentity",
            "DisableCopyOnRead",
            "Enter",
            "Print",
        ),
        _same,
    ),
    "IdentityN": _all_the_same,
    "Placeholder": _placeholder,
    "PlaceholderV2": _placeholder,
    "PlaceholderWithDefault": _with_default,
}
NEEDS = dict.fromkeys(("Const", "VariableV2", "Variable", "VarHandleOp", "Placeholder", "PlaceholderV2"), _no_needs)
