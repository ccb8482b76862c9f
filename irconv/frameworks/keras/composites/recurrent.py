"""Recurrent layers: their cells, initial states, masks, and which of their results they return."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from irconv.codec import NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.keras import masks
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.calls import leaves
from irconv.frameworks.keras.composites.fused import refuse_keywords
from irconv.frameworks.keras.spelling import spelling
from irconv.ir.tensors import stacked

#: Recurrent layers and their number of states.
STATES: Mapping[str, int] = {
    **dict.fromkeys(("LSTM", "CuDNNLSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), 2),
    **dict.fromkeys(("PeepholeLSTM", "LayerNormLSTM", "NAS"), 2),
    **dict.fromkeys(("GRU", "CuDNNGRU", "SimpleRNN", "LayerNormSimpleRNN"), 1),
}

_OF_ADDONS = ("PeepholeLSTM", "LayerNormLSTM", "LayerNormSimpleRNN", "NAS")
"""What a cell of TensorFlow Addons in an RNN is read as."""
_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell", *(f"Addons>{kind}Cell" for kind in _OF_ADDONS))
_CELL_FIRST = ("NAS",)
"""Layers that give, and are given, c before h."""

#: Settings of a layer that are not its cell's.
_OF_LAYER = ("go_backwards", "zero_output_for_mask", "time_major")

#: What Keras 1 called the arrays of its gates, in Keras 2's order, and the arrays it kept for all gates at once.
_GATES = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
_ARRAYS = {"W": "kernel", "U": "recurrent_kernel", "b": "bias"}


@dataclass(frozen=True)
class Cell:
    """One layer of a stack: the native layer it is, and how many states it has."""

    layer: str
    states: int
    reverse: bool
    cell_first: bool = False
    """Whether Keras has its states in the other order than the native layer."""


def expand(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A recurrent layer with the results that it returns."""
    refuse_keywords(builder, layer, "initial_state", "mask")
    cells = place_cells(builder, layer)
    made = []
    for call in layer.calls:
        mask, value = masks.mask_of(builder, call), value_name(layer.name, call.index)
        names = [value_name(layer.name, call.index, i + 1) for i in range(sum(cell.states for cell in cells))]
        states = initial_states(builder, layer.kind, layer.name, call)
        made.append(run(builder, layer, cells, call.inputs[0], states, mask, value, names))
    return made


def initial_states(builder: Builder, kind: str, name: str, call: KerasCall) -> list[Value]:
    """The states that a call starts with: further inputs, or given by name. Arrays in the call become constants."""
    images = re.fullmatch(r"ConvLSTM(\d)D", kind)
    rank = 2 + int(images[1]) if images else 2
    found: list[Value] = []
    for state in _states(call.keywords.get("initial_state"), rank):
        own = f"{value_name(name, call.index)}.initial_{len(found)}"
        found.append(state if isinstance(state, Value) else builder.constant(own, state))
    return [*call.inputs[1:], *found]


def _states(given: Any, rank: int) -> list[Any]:
    """The values and arrays of so many axes in nested lists."""
    if not isinstance(given, list | tuple):
        return [] if given is None else [given]
    alone = not any(isinstance(leaf, Value | None) for leaf in leaves(given)) and _depth(given) == rank
    return [given] if alone else [state for part in given for state in _states(part, rank)]


def _depth(given: Any) -> int:
    return 1 + _depth(given[0]) if isinstance(given, list | tuple) and given else 0


def place_cells(builder: Builder, layer: KerasLayer, in_time: bool = False) -> list[Cell]:
    """Add the native layers of a recurrent layer, several for stacked cells.

    With `in_time` the outputs of one that goes backwards stand in time order.
    """
    stack = _stack(builder, layer)
    cells = []
    for i, (kind, config, tensors) in enumerate(stack):
        name = layer.name if len(stack) == 1 else f"{layer.name}.{i}"
        own = {key: layer.config[key] for key in _OF_LAYER if key in layer.config}
        reverse = bool(own.get("go_backwards")) and i == 0
        order = "time" if in_time and len(stack) == 1 else "processing"
        settings = {"zero_output_for_mask": False, **config, **own, "go_backwards": reverse, "output_order": order}
        for key in ("activation", "recurrent_activation"):
            if key in settings:
                settings[key] = _activation(builder, name, settings[key])
        if kind.startswith("ConvLSTM"):
            settings |= _kernel_orders(builder, layer)
        origin = layer.origin if i == 0 else layer.part
        builder.place(kind, name, settings, _arrays(kind, tensors), origin, of=layer.name)
        cells.append(Cell(name, STATES[kind], reverse, kind in _CELL_FIRST))
    return cells


def _kernel_orders(builder: Builder, layer: KerasLayer) -> dict[str, str]:
    """Theano turns both kernels, and pads even ones as no other framework does."""
    theano = builder.facts.backend == "theano"
    if builder.facts.version == 1:
        return dict.fromkeys(("kernel_order", "recurrent_order"), "gates_apart")
    if theano and any(size % 2 == 0 for size in layer.config["kernel_size"]):
        builder.problem(layer.name, "has a kernel of even size, which Keras on Theano pads otherwise than irconv does")
    return dict.fromkeys(("kernel_order", "recurrent_order"), "convolution" if theano else "correlation")


def _stack(builder: Builder, layer: KerasLayer) -> list[tuple[str, dict[str, Any], dict[str, NativeWeight]]]:
    """The kind, settings and weights of each cell."""
    if layer.kind in STATES:
        return [(layer.kind, dict(layer.config), _under("cell", layer.tensors))]
    cell = layer.config["cell"]
    listed, inside = [cell], ["cell"]
    if cell.get("class_name") == "StackedRNNCells":
        listed = cell["config"]["cells"]
        inside = [f"cell/cells/{i}" for i in range(len(listed))]
        if cell["config"].get("reverse_state_order"):
            builder.problem(layer.name, "keeps the states of its cells in reverse order, which irconv does not read")
    found = []
    for entry, path in zip(listed, inside, strict=True):
        kind = str(entry.get("class_name")).rpartition(">")[2].removesuffix("Cell")
        if str(entry.get("class_name")) not in _CELLS:
            builder.problem(layer.name, f"has a cell of class {entry.get('class_name')}, which irconv does not know")
            continue
        prefix = f"{path}/"
        tensors = {key[len(prefix) :]: value for key, value in layer.tensors.items() if key.startswith(prefix)}
        found.append((kind, dict(entry["config"]), tensors))
    return found


def _under(path: str, tensors: Mapping[str, NativeWeight]) -> dict[str, NativeWeight]:
    return {key.removeprefix(f"{path}/"): value for key, value in tensors.items()}


def _arrays(kind: str, tensors: Mapping[str, NativeWeight]) -> dict[str, NativeWeight]:
    """The weights under the names of Keras 2; one array for each gate (Keras 1) become one."""
    found = {_ARRAYS.get(name, name): weight for name, weight in tensors.items()}
    for short, name in _ARRAYS.items():
        parts = [found.pop(f"{short}_{gate}") for gate in _GATES.get(kind, "") if f"{short}_{gate}" in found]
        if parts:
            members = tuple(part.path for part in parts)
            data = stacked([part.data for part in parts])
            found[name] = NativeWeight(", ".join(members), data, parts[0].trainable, members=members)
    return found


def _activation(builder: Builder, name: str, said: Any) -> Any:
    """An activation as the tables have it: the meaning of some words depends on the version."""
    if isinstance(said, Mapping) and isinstance(said.get("config"), Mapping):
        kind, config = str(said["class_name"]), said["config"]
        return {
            "class_name": kind,
            "config": spelling(builder.facts, kind, config, lambda what: builder.problem(name, what)),
        }
    word = "linear" if said is None else str(said)
    return spelling(builder.facts, "Activation", {"activation": word}, lambda _: None)["activation"]


def run(
    builder: Builder,
    layer: KerasLayer,
    cells: Sequence[Cell],
    x: Value,
    states: Sequence[Value],
    mask: Value | None,
    value: Value,
    names: Sequence[Value],
) -> Outputs:
    """One call: the sequence or the last output, `value`, then, if the layer returns them, the states, `names`."""
    counts = [cell.states for cell in cells]
    if len(states) not in (0, sum(counts)):
        builder.problem(layer.name, f"has {sum(counts)} states, but is called with {len(states)} values for them")
        states = []
    wanted, results = bool(layer.config.get("return_state")), list[Value]()
    steps = mask
    for i, cell in enumerate(cells):
        own = slice(sum(counts[:i]), sum(counts[: i + 1]))
        turn = -1 if cell.cell_first else 1
        start, last = list(states[own])[::turn], i == len(cells) - 1
        base = value if last else Value(f"{value}.{i}")
        given = (x, *(start or [Value("")] * cell.states), steps or Value(""))
        whole = not last or bool(layer.config.get("return_sequences"))
        frozen = steps is not None and (bool(start) or bool(layer.config.get("zero_output_for_mask")))
        named = list(names[own])[::turn] if wanted else ()
        results += _use(builder, layer, cell, given, base, named, (whole, frozen))[::turn]
        x = base
        if cell.reverse and mask is not None and not last:
            steps = masks.operator(builder, layer.name, "Flip", f"{value}.mask", (mask,), axis=1)
    return (x, *results)


def _use(
    builder: Builder,
    layer: KerasLayer,
    cell: Cell,
    given: Sequence[Value],
    value: Value,
    names: Sequence[Value],
    kept: tuple[bool, bool],
) -> list[Value]:
    """Use a native layer: `value` is its sequence or its last output, `names` its states, which are returned.

    `kept` says whether the sequence is wanted whole, and whether the last output may differ from the state h, as it
    does where steps are masked; else they are one value.
    """
    whole, frozen = kept
    y = value if whole else Value(f"{value}.sequence") if frozen else Value("")
    h = (names[0] if names else Value("")) if y else value
    builder.use(cell.layer, _trimmed(given), _trimmed((y, h, *names[1:])))
    if y and not whole:
        last = f"{cell.layer}.last"
        builder.place("last_step", last, {}, origin=layer.part, of=layer.name)
        builder.use(last, (y,), (value,))
    return [h, *names[1:]] if names else []


def _trimmed(values: Sequence[Value]) -> tuple[Value, ...]:
    """Without the empty names at the end."""
    kept = list(values)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


EXPANSIONS = {**dict.fromkeys(STATES.keys() - {*_OF_ADDONS}, expand), "RNN": expand}
