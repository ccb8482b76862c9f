"""Settings of PyTorch's modules and calls by the names of the IR's fields, as far as both have words for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Module

Settings = dict[str, object]

#: Attributes of modules -> fields of the IR.
_ATTRIBUTES = {
    "stride": "stride",
    "padding": "padding",
    "dilation": "dilation",
    "groups": "groups",
    "output_padding": "output_padding",
    "eps": "epsilon",
    "num_groups": "groups",
}

_SIGMOID, _TANH = {"type": "Sigmoid"}, {"type": "Tanh"}
_LSTM: Settings = {
    "activation": _TANH,
    "recurrent_activation": _SIGMOID,
    "output_activation": _TANH,
    "forget_bias": 0.0,
    "couple_input_forget": False,
    "cell_clip": None,
    "projection_clip": None,
}
_GRU: Settings = {
    "activation": _TANH,
    "recurrent_activation": _SIGMOID,
    "reset_after": True,
    "update_keeps": "old",
}


def of_module(part: Module, unit: str) -> Settings:
    """The settings of a module, of which a unit of this name is a part: a layer and direction of a recurrent one."""
    found: Settings = {word: getattr(part, name) for name, word in _ATTRIBUTES.items() if hasattr(part, name)}
    kind = next((cls.__name__ for cls in type(part).__mro__ if cls.__module__.startswith("torch.nn")), "")
    kind = kind.removesuffix("Cell")
    if kind == "MultiheadAttention":
        return {"heads": part.num_heads, "scale": 1 / sqrt(int(part.head_dim))}  # type: ignore[arg-type]
    if kind in ("LSTM", "GRU", "RNN"):
        activation = {"type": "Relu"} if getattr(part, "nonlinearity", "tanh") == "relu" else _TANH
        fixed: Mapping[str, Settings] = {"LSTM": _LSTM, "GRU": _GRU, "RNN": {"activation": activation}}
        return {**fixed[kind], "reverse": unit.endswith("_reverse")}
    return found


def of_call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    """The settings of a call of a function that is no layer; `name` is the common one."""
    rule = _CALLS.get(name)
    return rule(args, kwargs) if rule is not None and args else {}


def _given(args: Sequence[Any], kwargs: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments behind the first, by name."""
    return {**defaults, **dict(zip(defaults, args[1:], strict=False)), **kwargs}


def _numbers(**words: tuple[str, float]) -> Callable[[Sequence[Any], Mapping[str, Any]], Settings]:
    """A function whose arguments, each with its default, are fields of the IR."""

    def rule(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
        given = _given(args, kwargs, {name: default for name, (_, default) in words.items()})
        return {word: _number(given[name]) for name, (word, _) in words.items()}

    return rule


def _number(value: Any) -> object:
    return float(value) if isinstance(value, int | float) else value


def _gelu(_args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    return {"approximation": kwargs.get("approximate", "none")}


def _hard_sigmoid(_args: Sequence[Any], _kwargs: Mapping[str, Any]) -> Settings:
    return {"slope": 1 / 6, "offset": 0.5}


def _axis(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    """Of softmax and its like: the axis, counted from the front."""
    dim = _given(args, kwargs, {"dim": None})["dim"]
    return {"axis": dim % args[0].ndim} if isinstance(dim, int) else {}


def _concat(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    dim, parts = _given(args, kwargs, {"dim": 0})["dim"], args[0]
    return {"axis": dim % parts[0].ndim} if isinstance(dim, int) and isinstance(parts, list | tuple) and parts else {}


def _resize(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    names = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
    given = _given(args, kwargs, names)
    mode = str(given["mode"])
    found: Settings = {"mode": "nearest" if "nearest" in mode else "cubic" if "cubic" in mode else "linear"}
    if found["mode"] != "nearest":
        found["coordinates"] = "align_corners" if given["align_corners"] else "half_pixel"
    scale, rank = given["scale_factor"], args[0].ndim - 2
    if scale is not None:
        scales = tuple(scale) if isinstance(scale, list | tuple) else (scale,) * rank
        found["scales"] = tuple(float(s) for s in scales)
    return found


def _attention(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    """Of queries, keys and values with an axis of heads in front of steps and features."""
    query = args[0]
    names = {"key": None, "value": None, "attn_mask": None, "dropout_p": 0.0, "is_causal": False, "scale": None}
    given = _given(args, kwargs, names)
    scale = 1 / sqrt(query.shape[-1]) if given["scale"] is None else float(given["scale"])
    found: Settings = {"scale": scale}
    if query.ndim == 4:
        found["heads"] = query.shape[1]
    if given["attn_mask"] is None:
        found["causal"] = "first" if given["is_causal"] else "none"
    return found


def _packed_attention(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    names = ("key", "value", "embed_dim_to_check", "num_heads")
    heads, features = _given(args, kwargs, dict.fromkeys(names))["num_heads"], args[0].shape[-1]
    return {"heads": heads, "scale": 1 / sqrt(features // heads)} if isinstance(heads, int) else {}


def _product(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
    """Of a product of values with four axes, which in a module's own attention is one for each head."""
    return {"heads": args[0].shape[1]} if getattr(args[0], "ndim", 0) == 4 else {}


_CALLS: Mapping[str, Callable[[Sequence[Any], Mapping[str, Any]], Settings]] = {
    "leakyrelu": _numbers(negative_slope=("slope", 0.01)),
    "elu": _numbers(alpha=("alpha", 1.0)),
    "clip": _numbers(min=("low", float("-inf")), max=("high", float("inf"))),
    "hardsigmoid": _hard_sigmoid,
    "gelu": _gelu,
    "softmax": _axis,
    "logsoftmax": _axis,
    "concat": _concat,
    "resize": _resize,
    "matmul": _product,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _packed_attention,
}
"""Common name of a function -> what reads its arguments."""
