"""The inputs and outputs that a graph shows where nobody names them.

Inputs are the placeholders that the outputs need. Outputs are the values that nothing takes, of all that data comes to
from an input, where nothing but the model is there. Where losses, gradients and metrics lie behind the model, nothing
in the graph says which of its values is meant: it is asked for, and the candidates are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from irconv.containers.graph_def import NodeDef
from irconv.errors import MissingFact
from irconv.frameworks.tensorflow.graph import Nodes, consumers, data_inputs, needed, split

PLACEHOLDERS = ("Placeholder", "PlaceholderV2")
ITERATORS = frozenset(
    [
        *("IteratorGetNext", "IteratorGetNextSync", "ReaderReadV2"),
        *("QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2"),
    ]
)
"""What feeds a model from elsewhere: its results become inputs."""
_TRAINING = re.compile(
    r"(Resource)?(Sparse)?Apply[A-Z]\w+|\w+Grad(V\d|Ext|Input|Filter)?|\w*Backprop(Filter|Input)?(V\d)?"
    r"|\w*CrossEntropyWithLogits|InTopK(V2)?|L2Loss|ConfusionMatrix"
)
"""Operations that serve training alone."""
_MODELS = ("Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNativeBackpropInput")
"""Transposed convolutions, which are named as gradients."""
_SWITCHES = ("is_training", "training", "phase", "phase_train", "train", "train_phase", "learning_phase", "train_mode")
"""What people call the switch between training and inference."""
_REPORTS = re.compile(r"\w*Summary(V2)?|Print(V2)?")
_KEEPING = re.compile(r"Assign\w*|(Resource)?Scatter\w+|Assert|NoOp|Save\w*|Restore\w*|Queue\w+|Shape|ShapeN|Size|Rank")
"""Operations that are no part of a model's result: they keep averages, check, or look at sizes alone."""
_GRADIENTS = re.compile(r"(^|/)gradients?(_\d+)?/")
_KEEPERS = re.compile(r"(^|/)(save|AssignMovingAvg|report_uninitialized_variables|init)(_\d+)?/")
"""Scopes of nodes that keep averages and variables."""
_INNER = re.compile(r"(^|/)(switch_[tf]|pred_id)(_\d+)?$")
_RESULTS = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh", "BiasAdd", "MatMul", "Identity", "ArgMax", "Reshape", "Squeeze")
_MOST_NAMED = 12


def is_switch(name: str) -> bool:
    """Whether a placeholder of a truth value switches training, by its name."""
    last = name.rsplit("/", 1)[-1].lower().rstrip("_0123456789")
    return last in _SWITCHES or any(word in last for word in ("is_train", "learning_phase", "phase_train"))


def infer_inputs(nodes: Nodes, outputs: Sequence[str]) -> tuple[str, ...]:
    """The placeholders and the results of iterators and queues that some values need.

    A placeholder of one number is no input: it switches training, or is the rate of a dropout.
    """
    found: dict[str, None] = {}
    for node in needed(nodes, outputs, _iterator_values(nodes)):
        if node.op in PLACEHOLDERS and node.attrs.get("shape", None) != ():
            found[node.name] = None
        for value in data_inputs(node):
            if nodes.maker(value)[0].op in ITERATORS:
                found[value] = None
    return tuple(found)


def infer_outputs(nodes: Nodes, starts: Sequence[str]) -> tuple[str, ...]:
    """The values that nothing takes, of all that data comes to. Raises `MissingFact` naming the candidates where
    training lies behind the model, and where there are none."""
    reached = _reached(nodes, starts)
    taken_by = consumers(reached.values())
    in_loops = _in_loops(reached, taken_by)
    ends = [name for name, node in reached.items() if _is_end(node, taken_by.get(name, ())) and name not in in_loops]
    ends = [name for name in ends if reached[name].op != "Exit"] or ends
    trains = [name for name, node in reached.items() if _trains(node)]
    if ends and not trains:
        return tuple(ends)
    shown = ", ".join(_candidates(reached, ends)[:_MOST_NAMED]) or "none that comes from an input"
    what = f"{trains[0]} and others lie behind the model" if trains else "nothing comes from an input"
    remedy = f"Name them with --outputs; candidates are {shown}."
    raise MissingFact(f"{nodes.where}: outputs", f"{what}, so that its outputs cannot be told", remedy)


def _is_end(node: NodeDef, consuming: Sequence[NodeDef]) -> bool:
    """Whether a value is a result: nothing but reports takes it, and it is no inner value of a branch or an average."""
    if _trains(node) or _KEEPING.fullmatch(node.op) or _REPORTS.fullmatch(node.op):
        return False
    if _INNER.search(node.name) or _KEEPERS.search(node.name) or node.op in PLACEHOLDERS:
        return False
    return all(_REPORTS.fullmatch(other.op) for other in consuming)


def _in_loops(reached: Mapping[str, NodeDef], taken_by: Mapping[str, Sequence[NodeDef]]) -> set[str]:
    """The nodes between where loops are entered and where they are left: what nothing takes there is no result."""
    found: set[str] = set()
    waiting = [name for name, node in reached.items() if node.op in ("Enter", "RefEnter")]
    while waiting:
        name = waiting.pop()
        if name not in found and reached[name].op not in ("Exit", "RefExit"):
            found.add(name)
            waiting += [other.name for other in taken_by.get(name, ())]
    return found


def _trains(node: NodeDef) -> bool:
    return (bool(_TRAINING.fullmatch(node.op)) and node.op not in _MODELS) or bool(_GRADIENTS.search(node.name))


def _candidates(reached: Mapping[str, NodeDef], ends: Sequence[str]) -> list[str]:
    """The values that a result may be, those nearest to the end first: what activations, matrices and names give."""
    inside = [name for name, node in reached.items() if not _trains(node) and not _INNER.search(name)]
    named = [name for name in reversed(inside) if reached[name].op in _RESULTS and not _KEEPING.match(reached[name].op)]
    return list(dict.fromkeys([*named, *ends]))


def _reached(nodes: Nodes, starts: Sequence[str]) -> dict[str, NodeDef]:
    """The nodes to which data, and not only sizes, comes from placeholders, iterators or the inputs that are named."""
    sources = (*PLACEHOLDERS, *ITERATORS, "PlaceholderWithDefault")
    begin = [split(value)[0] for value in starts] or [n.name for n in nodes.by_name.values() if n.op in sources]
    begin = [name for name in begin if name in nodes.by_name and nodes.by_name[name].attrs.get("shape", None) != ()]
    taken_by = consumers(nodes.by_name.values())
    found: set[str] = set()
    waiting = list(begin)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if nodes.by_name[name].op not in ("Shape", "ShapeN", "Size", "Rank"):
            waiting += [other.name for other in taken_by.get(name, ())]
    return {name: node for name, node in nodes.by_name.items() if name in found}


def _iterator_values(nodes: Nodes) -> list[str]:
    """Every value that an iterator or a queue gives, beyond which nothing is needed."""
    found: dict[str, None] = {}
    for node in nodes.by_name.values():
        for value in data_inputs(node):
            if (maker := nodes.by_name.get(split(value)[0])) is not None and maker.op in ITERATORS:
                found[value] = None
    return list(found)
