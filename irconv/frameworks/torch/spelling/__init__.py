"""How a person would write each native type in Python: which call, which arguments, which of them may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from irconv.codec import Native
from irconv.errors import Refused
from irconv.frameworks.torch.literals import Dtype
from irconv.frameworks.torch.spelling.forms import (
    Call,
    Config,
    Folded,
    Form,
    Indexing,
    Infix,
    Joined,
    Mean,
    Method,
    Picking,
    Pieces,
    Recurrent,
    Template,
)
from irconv.python_source.literals import Code, literal

_CONV = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}
_NORM = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
_INSTANCE = {"eps": 1e-5, "affine": False, "track_running_stats": False}
_MAX_POOL = {"stride": "<kernel_size>", "padding": 0, "dilation": 1, "ceil_mode": False}
_AVERAGE_POOL = {"stride": "<kernel_size>", "padding": 0, "ceil_mode": False, "count_include_pad": True}
_CHANNELS = ("in_channels", "out_channels", "kernel_size")
_KEEPDIM = {"keepdim": False}
_RECURRENT = {"num_layers": 1, "bias": True, "dropout": 0.0, "bidirectional": False}
_UNITS = ("input_size", "hidden_size")
_CUSTOM = {
    "activation": Code("torch.tanh"),
    "recurrent_activation": Code("torch.sigmoid"),
    "output_activation": Code("torch.tanh"),
    "bias_ih": True,
    "bias_hh": False,
    "reverse": False,
    "in_time": True,
    "zero_masked": False,
}
_INTERPOLATE = {"align_corners": False, "antialias": False, "size": None, "mode": "nearest"}


def _unsqueezed(config: Config) -> str:
    return "".join(f".unsqueeze({axis})" for axis in sorted(config["axes"]))


def _expanded(config: Config) -> str:
    return f".expand({', '.join(map(literal, config['sizes']))})"


def _method(name: str, *settings: str) -> Method:
    return Method(lambda config: f".{name}({', '.join(literal(config[setting]) for setting in settings)})")


_DROPOUTS = (
    *("nn.Dropout", *(f"nn.Dropout{n}d" for n in (1, 2, 3)), "nn.AlphaDropout", "nn.FeatureAlphaDropout"),
    "GaussianDropout",
)

_MODULES: Mapping[str, Form] = {
    **{f"nn.Conv{n}d": Call(f"nn.Conv{n}d", _CHANNELS, _CONV, kept=True) for n in (1, 2, 3)},
    **{
        f"nn.ConvTranspose{n}d": Call(f"nn.ConvTranspose{n}d", _CHANNELS, {**_CONV, "output_padding": 0}, kept=True)
        for n in (1, 2, 3)
    },
    **{f"nn.BatchNorm{n}d": Call(f"nn.BatchNorm{n}d", ("num_features",), _NORM, kept=True) for n in (1, 2, 3)},
    **{
        f"nn.InstanceNorm{n}d": Call(f"nn.InstanceNorm{n}d", ("num_features",), _INSTANCE, kept=True) for n in (1, 2, 3)
    },
    "nn.Linear": Call("nn.Linear", ("in_features", "out_features"), {"bias": True}, kept=True),
    "nn.Bilinear": Call("nn.Bilinear", ("in1_features", "in2_features", "out_features"), {"bias": True}, kept=True),
    "nn.Embedding": Call("nn.Embedding", ("num_embeddings", "embedding_dim"), {"padding_idx": None}, kept=True),
    "nn.LayerNorm": Call("nn.LayerNorm", ("normalized_shape",), {"eps": 1e-5, "elementwise_affine": True}, kept=True),
    "nn.RMSNorm": Call("nn.RMSNorm", ("normalized_shape",), {"elementwise_affine": True}, kept=True),
    "nn.GroupNorm": Call("nn.GroupNorm", ("num_groups", "num_channels"), {"eps": 1e-5, "affine": True}, kept=True),
    "CustomLSTM": Call("CustomLSTM", _UNITS, {**_CUSTOM, "forget_bias": 0.0}, kept=True, count=3),
    "CustomGRU": Call(
        "CustomGRU", _UNITS, {**_CUSTOM, "reset_after": False, "update_keeps": "old"}, kept=True, count=2
    ),
    "CustomRNN": Call("CustomRNN", _UNITS, _CUSTOM, kept=True, count=2),
    "block": Call("block", kept=True),
    "sequential": Call("nn.Sequential", kept=True),
    "nn.PReLU": Call("nn.PReLU", ("num_parameters",), kept=True),
    **{name: Call(name, ("p",), kept=True) for name in _DROPOUTS},
    "SharedDropout": Call("SharedDropout", ("p", "axes"), {"alpha": False}, kept=True),
    "GaussianNoise": Call("GaussianNoise", ("deviation",), kept=True),
    **{
        f"nn.{name}{steps}{where}": Recurrent(
            f"nn.{name}",
            _UNITS,
            {**_RECURRENT, **more},
            kept=True,
            states=2 if name == "LSTM" else 1,
            directions=count,
            over=over,
        )
        for name, more in (("LSTM", {"proj_size": 0}), ("GRU", {}), ("RNN", {"nonlinearity": "tanh"}))
        for steps, over in (("", ""), (" over lengths", "run_packed"), (" over a mask", "run_masked"))
        for where, count in (("", 1), (" in both directions", 2))
    },
}

_ACTIVATIONS: Mapping[str, Form] = {
    "nn.Identity": Template("{0}", within=True),
    "nn.ReLU": Call("F.relu"),
    "nn.ReLU6": Call("F.relu6"),
    "nn.LeakyReLU": Call("F.leaky_relu", (), {"negative_slope": 0.01}),
    "nn.Threshold": Call("F.threshold", ("threshold", "value")),
    "nn.ELU": Call("F.elu", (), {"alpha": 1.0}),
    "nn.CELU": Call("F.celu", (), {"alpha": 1.0}),
    "nn.SELU": Call("F.selu"),
    "nn.Sigmoid": Call("torch.sigmoid"),
    "nn.LogSigmoid": Call("F.logsigmoid"),
    "nn.Hardsigmoid": Call("F.hardsigmoid"),
    "nn.Tanh": Call("torch.tanh"),
    "nn.Tanhshrink": Call("F.tanhshrink"),
    "nn.Hardshrink": Call("F.hardshrink", (), {"lambd": 0.5}),
    "nn.Softshrink": Call("F.softshrink", (), {"lambd": 0.5}),
    "nn.Softplus": Call("F.softplus", (), {"beta": 1.0}),
    "nn.Softsign": Call("F.softsign"),
    "nn.SiLU": Call("F.silu"),
    "nn.Mish": Call("F.mish"),
    "nn.GELU": Call("F.gelu", (), {"approximate": "none"}),
    "nn.GLU": Call("F.glu", (), {"dim": -1}),
    "nn.Hardswish": Call("F.hardswish"),
    "nn.Softmax": Call("F.softmax"),
    "nn.Softmin": Call("F.softmin"),
    "nn.LogSoftmax": Call("F.log_softmax"),
    "hard_sigmoid": Template("torch.clamp({slope} * {0} + {offset}, 0, 1)"),
    "torch.clamp": Call("torch.clamp", (), {"min": None, "max": None}),
}

_OPERATORS = {
    "add": "+",
    "mul": "*",
    "sub": "-",
    "div": "/",
    "matmul": "@",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "logical_and": "&",
    "logical_or": "|",
    "logical_xor": "^",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
}

_ARITHMETIC: Mapping[str, Form] = {
    **{f"torch.{name}": Infix(operator) for name, operator in _OPERATORS.items()},
    "torch.neg": Template("-{0}", operator=True),
    "torch.logical_not": Template("~{0}", operator=True),
    "torch.bitwise_not": Template("~{0}", operator=True),
    "torch.pow": Call("torch.pow", numbers=0),
    "torch.where": Call("torch.where", numbers=1),
    "truncated_div": Template('torch.div({0}, {1}, rounding_mode="trunc")'),
    "atan2": Template("torch.atan2({0} + 0.0, {1} + 0.0)"),
    "torch.maximum": Folded("torch.maximum"),
    "torch.minimum": Folded("torch.minimum"),
    "mean of values": Mean(),
    "to": _method("to", "dtype"),
    "view_bits": _method("view", "dtype"),
}

_WINDOWS: Mapping[str, Form] = {
    **{f"nn.MaxPool{n}d": Call(f"F.max_pool{n}d", ("kernel_size",), _MAX_POOL) for n in (1, 2, 3)},
    **{f"F.max_pool{n}d": Call(f"F.max_pool{n}d", ("kernel_size",), _MAX_POOL, count=2) for n in (1, 2, 3)},
    **{f"nn.AvgPool{n}d": Call(f"F.avg_pool{n}d", ("kernel_size",), _AVERAGE_POOL) for n in (1, 2, 3)},
    **{f"F.avg_pool{n}d": Call(f"F.avg_pool{n}d", ("kernel_size",), _AVERAGE_POOL) for n in (2, 3)},
    **{
        f"nn.Adaptive{kind}Pool{n}d": Call(f"F.adaptive_{kind.lower()}_pool{n}d", ("output_size",))
        for n in (1, 2, 3)
        for kind in ("Avg", "Max")
    },
    **{
        f"F.lp_pool{n}d": Call(
            f"F.lp_pool{n}d", ("norm_type", "kernel_size"), {"stride": "<kernel_size>", "ceil_mode": False}
        )
        for n in (1, 2)
    },
    **{f"F.conv{n}d": Call(f"F.conv{n}d", (), _CONV) for n in (1, 2, 3)},
    **{f"F.conv_transpose{n}d": Call(f"F.conv_transpose{n}d", (), {**_CONV, "output_padding": 0}) for n in (1, 2, 3)},
    "F.interpolate": Call("F.interpolate", (), _INTERPOLATE),
    "F.unfold": Call("F.unfold", ("kernel_size",), {"dilation": 1, "padding": 0, "stride": 1}),
    "F.layer_norm": Template("F.layer_norm({0}, {normalized_shape}, {1}, {2}, eps={eps})"),
    "F.fold": Call("F.fold", ("output_size", "kernel_size"), {"dilation": 1, "padding": 0, "stride": 1}),
    "F.pixel_shuffle": Call("F.pixel_shuffle", ("upscale_factor",)),
    "F.pixel_unshuffle": Call("F.pixel_unshuffle", ("downscale_factor",)),
    "F.channel_shuffle": Call("F.channel_shuffle", ("groups",)),
    "same_pad": Call("same_pad", ("kernel_size",), {"dilation": 1, "value": 0.0}),
    "F.pad": Call("F.pad", ("pad",), {"value": 0.0, "mode": "constant"}),
}

_SHAPES: Mapping[str, Form] = {
    "torch.flatten": Call("torch.flatten", ("start_dim",)),
    "torch.reshape": Call("torch.reshape", ("shape",)),
    "torch.permute": Call("torch.permute", ("dims",)),
    "torch.cat": Joined("torch.cat"),
    "torch.stack": Joined("torch.stack"),
    "torch.squeeze": Call("torch.squeeze", ("dim",)),
    "torch.tile": Call("torch.tile", ("dims",)),
    "torch.repeat_interleave": Call("torch.repeat_interleave", ("repeats",)),
    "torch.flip": Call("torch.flip", ("dims",)),
    "torch.roll": Call("torch.roll", ("shifts", "dims")),
    "torch.full": Call("torch.full", ("size", "value")),
    "torch.arange": Call("torch.arange", ("start", "limit", "step")),
    "torch.split": Pieces(Call("torch.split", ("sizes",))),
    "torch.unbind": Pieces(Call("torch.unbind")),
    "torch.triu": Call("torch.triu", ("diagonal",)),
    "torch.tril": Call("torch.tril", ("diagonal",)),
    "slice": Indexing(),
    "select": _method("select", "dim", "index"),
    "unsqueeze": Method(_unsqueezed),
    "expand": Method(_expanded),
    "size_of": Template("torch.tensor([{0}.shape[{axis}]])"),
    "shape_of": Template("torch.tensor({0}.shape)"),
    "eye_like": Template("torch.triu(torch.tril(torch.ones_like({0}), {diagonal}), {diagonal})"),
}

_REDUCTIONS: Mapping[str, Form] = {
    **{
        f"torch.{name}": Call(f"torch.{name}", (), _KEEPDIM)
        for name in ("mean", "sum", "amax", "amin", "all", "any", "logsumexp", "var", "std", "argmax", "argmin")
    },
    "torch.linalg.vector_norm": Call("torch.linalg.vector_norm", (), _KEEPDIM),
    "l1_norm": Call("torch.sum", (), _KEEPDIM, inner="torch.abs"),
    "sum_of_squares": Call("torch.sum", (), _KEEPDIM, inner="torch.square"),
    "log_of_sum": Template("torch.log(torch.sum({0}, dim={dim}, keepdim={keepdim}))"),
    "torch.gather": Picking("torch.gather({0}, {dim}, {1})"),
    "torch.scatter": Picking("torch.scatter({0}, {dim}, {1}, {2})"),
    "torch.scatter_reduce": Picking("torch.scatter_reduce({0}, {dim}, {1}, {2}, reduce={reduction})"),
    "gather": Picking("{0}[{axes}{1}]"),
    "torch.sort": Call("torch.sort", (), {"descending": False}, count=2, extra=("stable=True",)),
    "prelu": Template("torch.where({0} > 0, {0}, {1} * {0})"),
    "max_pool_with_indices": Call("max_pool_with_indices", count=2),
    "top_k": Call("top_k", ("k", "dim", "largest"), count=2),
    "nonzero": Template("torch.nonzero({0}).T"),
    "unique": Call("unique", ("dim", "ordered"), count=4),
    "dynamic_quantize": Call("dynamic_quantize", count=3),
    "torch.einsum": Template("torch.einsum({equation}, {all})"),
    "scan": Pieces(Call("scan")),
}

SPELLINGS: Mapping[str, Form] = {
    **_MODULES,
    **_ACTIVATIONS,
    **_ARITHMETIC,
    **_WINDOWS,
    **_SHAPES,
    **_REDUCTIONS,
}
"""The native types that are written otherwise than as a call of their own name."""


def is_kept(layer: Native) -> bool:
    """Whether a layer becomes a submodule."""
    form = spelling(layer.type)
    return isinstance(form, Call) and form.kept


def spelling(native: str) -> Form:
    """How a native type is written; ``nn.LSTM of 4`` is a module of several layers or directions, of so many states.

    Raises `Refused` for a module without a form.
    """
    module, several, count = native.partition(" of ")
    if several and isinstance(form := SPELLINGS.get(module), Recurrent):
        return replace(form, directions=int(count))
    found = SPELLINGS.get(native)
    if found is None and native.startswith("nn."):  # its bare call makes a module, and computes nothing
        raise Refused(
            native, "has a row, and no form that writes it", "Give it one in irconv/frameworks/torch/spelling."
        )
    return found or Call(native)


def module_call(layer: Native, config: Mapping[str, Any]) -> str:
    """The call that makes a submodule, of the element type of its weights."""
    settings = dict(config)
    types = {w.data.dtype for w in layer.tensors.values() if "float" in w.data.dtype} - {"float32"}
    if types:
        settings["dtype"] = Dtype(min(types))
    return spelling(layer.type).expression([], settings)
