"""What each variable of a checkpoint is: a weight, a slot of an optimizer, a moving average, a counter.

Evidence, strongest first: the operations of a graph that apply gradients name the variable and its slots; the graph of
objects lists slots; collections say what is trained; and the names that TensorFlow 1 gives to slots and averages, which
are made below the name of the variable that they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal

from irconv.data_classes import dataclass
from irconv.ir.tensors import LazyTensor

Role = Literal["weight", "buffer", "slot", "average", "counter"]

SLOTS = frozenset(
    (
        *("Adam", "AdaMax", "AdamW", "Momentum", "MomentumW", "RMSProp", "Adagrad", "Adadelta", "Ftrl", "AdagradDA"),
        *("ProximalAdagrad", "LARSOptimizer", "AddSignOptimizer", "PowerSignOptimizer", "gradient_accumulator"),
        *("gradient_squared_accumulator", "adam_m", "adam_v", "lamb_m", "lamb_v"),
        *("slot_vr", "slot_vc", "slot_v", "slot_m"),
    )
)
"""The last part of a slot's name, below that of its variable: the optimizer's, in TensorFlow and in what people copy
(BERT's Adam, mesh's Adafactor), without the number that further slots get."""
AVERAGE = "ExponentialMovingAverage"
_BUFFERS = re.compile(r"(^|_)(moving|running|population|pop)_(mean|variance|var|avg|std)$|^renorm_")
_POWERS = re.compile(r"(^|/)(beta[12]_power|(current_)?loss_scale|good_steps)(_\d+)?$")
_COUNTERS = re.compile(r"(^|/)(global_step|local_step|iterations?|iter|save_counter|step|epoch|global_epoch)(_\d+)?$")
_AVERAGING = re.compile(r"/(biased|local_step)(_\d+)?$")
_OPTIMIZERS = re.compile(r"^(training(_\d+)?/)?(Adam|SGD|RMSprop|Adagrad|Adadelta|Adamax|Nadam|Ftrl|optimizer)(_\d+)?/")
_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True)
class Variable:
    """What is known of one variable."""

    name: str
    role: Role
    evidence: str
    of: str = ""
    """The variable that a slot or an average belongs to."""
    slot: str = ""
    """Of a slot: the optimizer's name for it, such as ``Momentum``."""
    trainable: bool | None = None


@dataclass(frozen=True)
class Training:
    """What a graph, or a graph of objects, says of the variables of a checkpoint."""

    slots: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name -> (the variable that it serves, the slot's name, the evidence)."""
    averages: Mapping[str, str] = field(default_factory=dict)
    """Name of an average -> the variable."""
    state: Mapping[str, str] = field(default_factory=dict)
    """Name of other state of the training -> the evidence."""
    trainable: frozenset[str] | None = None
    """The variables that are trained, where that is known of all."""


def classify(tensors: Mapping[str, LazyTensor], training: Training | None = None) -> dict[str, Variable]:
    """Every variable of a checkpoint with what it is, by names alone where nothing else is known."""
    training = training or Training()
    owners = _owners(tensors)
    return {name: _one(name, tensor, owners.get(name, ""), training) for name, tensor in tensors.items()}


def _one(name: str, tensor: LazyTensor, owner: str, training: Training) -> Variable:
    if name in training.slots:
        of, slot, evidence = training.slots[name]
        return Variable(name, "slot", evidence, of, slot)
    if name in training.averages:
        return Variable(name, "average", "the graph averages a variable in it", training.averages[name])
    if training.trainable is not None and name in training.trainable:
        return Variable(name, "weight", "among the trainable variables", trainable=True)
    if owner:
        last = _NUMBER.sub("", name.rsplit("/", 1)[-1])
        if last == AVERAGE:
            return Variable(name, "average", f"named as the moving average of {owner}", owner)
        if last in SLOTS:
            return Variable(name, "slot", f"named as a slot of {owner}", owner, last)
    if name in training.state:
        return Variable(name, "counter", training.state[name])
    if _is_state(name, tensor):
        return Variable(name, "counter", "named as state of the training")
    if _BUFFERS.search(_NUMBER.sub("", name.rsplit("/", 1)[-1])):
        return Variable(name, "buffer", "named as a statistic of normalisation", trainable=False)
    known = training.trainable is not None
    evidence = "not among the trainable variables" if known else "nothing says that it serves the training alone"
    return Variable(name, "weight", evidence, trainable=False if known else None)


def _is_state(name: str, tensor: LazyTensor) -> bool:
    counts = tensor.shape == () and tensor.dtype in ("int32", "int64") and _COUNTERS.search(name)
    return bool(
        counts or (tensor.shape == () and _POWERS.search(name)) or _AVERAGING.search(name) or _OPTIMIZERS.search(name)
    )


def _owners(names: Iterable[str]) -> dict[str, str]:
    """Variable -> the one below whose name it is named, with a part of the optimizer's in between or not; what stands
    before it may be a scope of the training: ``OptimizeLoss/conv1/weights/Adam`` belongs to ``conv1/weights``."""
    known = set(names)
    found: dict[str, str] = {}
    for name in known:
        parts = name.split("/")
        below = ("/".join(parts[start:end]) for end in (len(parts) - 1, len(parts) - 2) for start in range(max(end, 0)))
        owner = next((candidate for candidate in below if candidate in known), None)
        if owner is not None:
            found[name] = owner
    return found
