"""How a person would write each native layer in Theano: one expression on the values it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from irconv.codec import Native, NativeUse
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.theano.functions import ALL, REDUCTIONS, SEVERAL
from irconv.frameworks.theano.rows import border_pairs
from irconv.ir.dtypes import ELEMENT_TYPES, shortest_float32
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import Dimension
from irconv.python_source import literals as python_source


@dataclass(frozen=True)
class Call:
    """One layer to be spelt, with everything its expression needs."""

    native: Native
    inputs: tuple[str, ...]
    """The expressions of the values it takes, each fit to stand inside another."""
    given: tuple[ValueType, ...]
    result: ValueType
    use: NativeUse
    array: Callable[[str], str]
    """The expression of one of its arrays, by role."""
    size: Callable[[Dimension], str]
    """The expression of a dimension."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The native settings."""
        return self.native.config

    def has(self, role: str) -> bool:
        """Whether an array is there."""
        return role in self.native.tensors

    def shape(self, shape: Sequence[Dimension]) -> str:
        """A shape as a tuple."""
        return _tuple([self.size(n) for n in shape])


def spell(call: Call) -> str:
    """The expression. Raises `Refused` for a kind without one."""
    rule = _RULES.get(call.native.type)
    if rule is None:
        raise Refused(f"layer {call.native.name}", f"irconv does not write {call.native.type} as Theano source")
    return rule(call)


def literal(value: Any) -> str:
    """A setting as Python 2 and 3 read it: lists as tuples, float32 numbers by their shortest decimals."""
    return python_source.literal(_short(value), portable=True)


def _short(value: Any) -> Any:
    return tuple(map(_short, value)) if isinstance(value, list | tuple) else shortest_float32(value)


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _arguments(**settings: Any) -> str:
    return "".join(f", {name}={literal(value)}" for name, value in settings.items())


def _bias(call: Call, y: str, rank: int) -> str:
    """The sum with a vector along axis 1."""
    if not call.has("b"):
        return y
    vector = call.array("b")
    if rank == 2:
        return f"{y} + {vector}"
    around = ", ".join(['"x"', "0", *['"x"'] * (rank - 2)])
    return f"{y} + {vector}.dimshuffle({around})"


def _conv(call: Call) -> str:
    config, spatial = call.config, len(call.given[0].shape) - 2
    kernel = call.native.tensors["W"].data.shape[2:]
    mode, one = config["border_mode"], (1,) * spatial
    settings: dict[str, Any] = {}
    if spatial == 1:
        window = tuple((k - 1) * d + 1 for k, d in zip(kernel, config["dilation"], strict=True))
        ((before, after),) = border_pairs(mode, window)
        mode = (before, after)
    plain = mode == "valid" or all(n in (0, [0, 0]) for n in (mode if isinstance(mode, list | tuple) else [mode]))
    if not plain:
        settings["border_mode"] = mode
    if tuple(config["stride"]) != one:
        settings["subsample"] = config["stride"] if spatial > 1 else config["stride"][0]
    if tuple(config["dilation"]) != one:
        settings["filter_dilation"] = config["dilation"] if spatial > 1 else config["dilation"][0]
    if config["groups"] != 1:
        settings["num_groups"] = config["groups"]
    if not config["filter_flip"]:
        settings["filter_flip"] = False
    name = "conv1d" if spatial == 1 else f"T.nnet.conv{spatial}d"
    y = f"{name}({call.inputs[0]}, {call.array('W')}{_arguments(**settings)})"
    return _bias(call, y, spatial + 2)


def _conv_transpose(call: Call) -> str:
    config, spatial = call.config, len(call.given[0].shape) - 2
    shape = call.native.tensors["W"].data.shape
    window = tuple((k - 1) * d + 1 for k, d in zip(shape[2:], config["dilation"], strict=True))
    settings = {
        "W_shape": shape,
        "output_size": config["output_size"],
        "border_mode": border_pairs(config["border_mode"], window),
        "subsample": config["stride"],
        "filter_dilation": config["dilation"],
    }
    if config["groups"] != 1:
        settings["num_groups"] = config["groups"]
    if not config["filter_flip"]:
        settings["filter_flip"] = False
    y = f"conv_transpose({call.inputs[0]}, {call.array('W')}{_arguments(**settings)})"
    return _bias(call, y, spatial + 2)


def _pool(call: Call) -> str:
    config, spatial = call.config, len(call.config["ws"])
    names = ("ws", "stride", "pad")
    sizes = {name: config[name] if spatial > 1 else config[name][0] for name in names}
    settings = _arguments(**sizes, ignore_border=config["ignore_border"], mode=config["mode"])
    name = {1: "pool1d", 2: "pool_2d", 3: "pool_3d"}[spatial]
    return f"{name}({call.inputs[0]}{settings})"


def _dense(call: Call) -> str:
    y = f"T.dot({call.inputs[0]}, {call.array('W')})"
    return f"{y} + {call.array('b')}" if call.has("b") else y


def _batch_norm(call: Call) -> str:
    inverse = call.array("inv_std") if call.has("inv_std") else ""
    if call.has("std"):
        epsilon = call.config["epsilon"]  # with std: beside it, and 0 in Theano's own models
        inverse = f"1 / ({call.array('std')} + {literal(epsilon)})" if epsilon else f"1 / {call.array('std')}"
    elif call.has("var"):
        inverse = f"1 / T.sqrt({call.array('var')} + {literal(call.config['epsilon'])})"
    more = "".join(f", {role}={call.array(role)}" for role in ("gamma", "beta") if call.has(role))
    axis = call.config["axis"] % len(call.given[0].shape)
    more += f", axis={axis}" if axis != 1 else ""
    return f"batch_norm({call.inputs[0]}, {call.array('mean')}, {inverse}{more})"


def _instance_norm(call: Call) -> str:
    more = "".join(f", {role}={call.array(role)}" for role in ("gamma", "beta") if call.has(role))
    return f"instance_norm({call.inputs[0]}, {literal(call.config['epsilon'])}{more})"


def _recurrent(call: Call) -> str:
    config, kind = call.config, call.native.type
    arrays = [call.array("W"), call.array("U"), call.array("b") if call.has("b") else "0.0"]
    units = call.native.tensors["U"].data.shape[0]
    settings = [f"units={units}"]
    if "gate_order" in config:
        settings += [f"gate_order={literal(config['gate_order'])}", f"gate={_function(config['gate_activation'])}"]
    settings.append(f"act={_function(config['activation_in'])}")
    settings += [f"{name}={literal(config[name])}" for name in ("reset_after", "update") if name in config]
    if config["backwards"]:
        settings.append("backwards=True")
    slots = ("h0", "c0", "mask") if kind == "lstm" else ("h0", "mask")
    named = {"initial_h": "h0", "initial_c": "c0", "mask": "mask"}
    order = [slot for slot in (call.native.inputs or ("x", "initial_h", "initial_c", "mask")) if slot != "x"]
    order = [slot for slot in order if named.get(slot) in slots]
    settings += [f"{named[slot]}={value}" for slot, value in zip(order, call.inputs[1:], strict=False) if value]
    more = ("b_u", "peep_i", "peep_f", "peep_o")
    settings += [f"{role}={call.array(role)}" for role in more if call.has(role)]
    if config.get("outgate_peephole") == "after_nonlinearity" and call.has("peep_o"):
        settings.append("late_peephole=True")
    if config.get("forget_bias"):
        settings.append(f"forget_bias={literal(config['forget_bias'])}")
    y = f"{kind}({', '.join([call.inputs[0], *arrays, *settings])})"
    if len(call.use.outputs) == 2:
        return f"{y}[:, {0 if config['backwards'] else -1}]"
    return y


def _function(said: Any) -> str:
    """An activation as a function."""
    name = said if isinstance(said, str) else said["kind"]
    settings = {} if isinstance(said, str) else {k: literal(v) for k, v in said.items() if k != "kind"}
    plain = {"tanh": "T.tanh", "sigmoid": "T.nnet.sigmoid", "relu": "T.nnet.relu", "softplus": "T.nnet.softplus"}
    return plain.get(name) or f"lambda v: {ALL[name].text.format('v', **settings)}"


def _elementwise(call: Call) -> str:
    op = call.config["op"]
    function = ALL[op]
    if op in SEVERAL and len(call.inputs) != 2:
        if op == "mean":
            return f"({' + '.join(call.inputs)}) / {len(call.inputs)}"
        return reduce(lambda left, right: f"T.{op}({left}, {right})", call.inputs)
    return function.text.format(*call.inputs, **{name: literal(call.config[name]) for name in function.settings})


def _subtensor(call: Call) -> str:
    config, rank = call.config, len(call.given[0].shape)
    parts = [":"] * rank
    for axis, start, stop, step in zip(*(config[n] for n in ("axes", "starts", "stops", "steps")), strict=True):
        bounds = ["" if bound is None else call.size(bound) for bound in (start, stop)]
        parts[axis] = ":".join(bounds) + (f":{literal(step)}" if step != 1 else "")
    return f"{call.inputs[0]}[{', '.join(parts)}]"


def _select(call: Call) -> str:
    axis = call.config["axis"] % len(call.given[0].shape)
    return f"{call.inputs[0]}[{', '.join([':'] * axis + [literal(call.config['index'])])}]"


def _reduce(call: Call) -> str:
    config, rank = call.config, len(call.given[0].shape)
    listed = [config["axis"]] if isinstance(config["axis"], int) else config["axis"]
    axes = [axis % rank for axis in listed]
    keep = ", keepdims=True" if config["keepdims"] else ""
    how = f"axis={literal(axes[0] if len(axes) == 1 else axes)}{keep}"
    return REDUCTIONS[config["op"]].format(call.inputs[0], how=how)


def _reshape(call: Call) -> str:
    shape = call.config["shape"]
    return f"{call.inputs[0]}.reshape({call.shape(shape)}, ndim={len(shape)})"


def _dimshuffle(call: Call) -> str:
    return f"{call.inputs[0]}.dimshuffle({', '.join(map(literal, call.config['pattern']))})"


def _squeeze(call: Call) -> str:
    rank, gone = len(call.given[0].shape), call.config["axes"]
    return f"{call.inputs[0]}[{', '.join('0' if axis in gone else ':' for axis in range(rank))}]"


def _unsqueeze(call: Call) -> str:
    old = iter(range(len(call.given[0].shape)))
    rank, new = len(call.result.shape), call.config["axes"]
    pattern = ['"x"' if axis in new else str(next(old)) for axis in range(rank)]
    return f"{call.inputs[0]}.dimshuffle({', '.join(pattern)})"


def _pad(call: Call) -> str:
    pads = _tuple([_tuple([call.size(n) for n in pair]) for pair in call.config["pads"]])
    value = f", {literal(call.config['value'])}" if call.config["value"] else ""
    return f"pad({call.inputs[0]}, {pads}{value})"


def _prelu(call: Call) -> str:
    x = call.inputs[0]
    shape, rank = call.native.tensors["alpha"].data.shape, len(call.result.shape)
    axes = [axis for axis, n in enumerate(shape) if n == 1]
    shared = f", {', '.join(map(str, axes))}" if axes else ""
    alpha = f"T.addbroadcast({call.array('alpha')}{shared})" if axes else call.array("alpha")
    if len(shape) < rank - 1:  # it lies along the first axes after the samples, and numpy would take the last
        pattern = ['"x"', *map(str, range(len(shape))), *['"x"'] * (rank - 1 - len(shape))]
        alpha = f"{alpha}.dimshuffle({', '.join(pattern)})"
    return f"T.switch({x} > 0, {x}, {alpha} * {x})"


def _number(call: Call) -> str:
    value, dtype = call.config["value"], call.config["dtype"]
    shown = python_source.literal(_shortest(value) if dtype == "float32" else value, portable=True)
    if isinstance(value, list):
        return f"T.constant(np.asarray({shown}, {literal(dtype)}))"
    if dtype in ("float32", "bool"):
        return shown
    if dtype not in ELEMENT_TYPES:
        raise Refused(f"layer {call.native.name}", f"expected an element type, got {dtype}")
    return f"np.{dtype}({shown})"


def _shortest(value: Any) -> Any:
    return [_shortest(item) for item in value] if isinstance(value, list) else shortest_float32(value)


def _argument(call: Call) -> str:
    keep = ", keepdims=True" if call.config["keepdims"] else ""
    rank = len(call.given[0].shape)
    return f"T.{call.native.type}({call.inputs[0]}, axis={call.config['axis'] % rank}{keep})"


def _softmax(call: Call) -> str:
    rank, kind = len(call.given[0].shape), call.native.type
    axis = call.config["axis"] % rank
    if kind == "softmax" and (rank, axis) == (2, 1):
        return f"T.nnet.softmax({call.inputs[0]})"
    return f"{kind}({call.inputs[0]}, axis={axis})"


def _full(call: Call) -> str:
    value = f"np.asarray({literal(call.config['value'])}, {literal(call.config['dtype'])})"
    return f"T.alloc({value}, {_sizes(call, call.config['shape'])})"


def _sizes(call: Call, shape: Sequence[Dimension]) -> str:
    return ", ".join(call.size(n) for n in shape)


_Rule = Callable[[Call], str]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv1d_transpose", "conv2d_transpose", "conv3d_transpose"), _conv_transpose),
    **dict.fromkeys(("pool1d", "pool2d", "pool3d"), _pool),
    **dict.fromkeys(("lstm", "gru", "rnn"), _recurrent),
    "dense": _dense,
    "bias": lambda call: _bias(call, call.inputs[0], len(call.given[0].shape)),
    "batch_norm": _batch_norm,
    "lrn": lambda call: f"lrn({call.inputs[0]}{_arguments(**call.config)})",
    "instance_norm": _instance_norm,
    "embedding": lambda call: f"{call.array('W')}[{call.inputs[0]}]",
    "dropout": lambda call: call.inputs[0],
    "flatten": lambda call: f"{call.inputs[0]}.flatten({literal(call.config['outdim'])})",
    "reshape": _reshape,
    "dimshuffle": _dimshuffle,
    "reduce": _reduce,
    "concat": lambda call: f"T.concatenate([{', '.join(call.inputs)}], axis={literal(call.config['axis'])})",
    "add": lambda call: " + ".join(call.inputs),
    "mul": lambda call: " * ".join(call.inputs),
    "pad": _pad,
    "upscale": lambda call: f"upscale({call.inputs[0]}, {literal(call.config['factor'])})",
    "softmax": _softmax,
    "log_softmax": _softmax,
    "prelu": _prelu,
    "number": _number,
    "parameter": lambda call: call.array("value"),
    "full": _full,
    "broadcast": lambda call: f"T.alloc({call.inputs[0]}, {_sizes(call, call.result.shape)})",
    "tile": lambda call: f"T.tile({call.inputs[0]}, {call.shape(call.config['reps'])}, ndim={len(call.result.shape)})",
    "repeat": lambda call: (
        f"T.extra_ops.repeat({call.inputs[0]}, {literal(call.config['repeats'])}, axis={literal(call.config['axis'])})"
    ),
    "slice": _select,
    "subtensor": _subtensor,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "cast": lambda call: f"T.cast({call.inputs[0]}, {literal(call.config['dtype'])})",
    "take": lambda call: f"T.take({call.inputs[0]}, {call.inputs[1]}, axis={literal(call.config['axis'])})",
    "dot": lambda call: f"dot({call.inputs[0]}, {call.inputs[1]})",
    "argmax": _argument,
    "argmin": _argument,
    "elementwise": _elementwise,
}
"""Native kind -> its expression."""
