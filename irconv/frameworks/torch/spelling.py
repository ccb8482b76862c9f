"""How a person would write each native type in Python: which call, which arguments, which of them may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call with the settings that differ from their defaults.

    `positional` settings come first, without names; `kept` says that the call makes a submodule, which holds weights
    or has a state, instead of computing at once. A default that is a name in angle brackets is another setting's value.
    """

    function: str
    positional: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False

    def arguments(self, config: Mapping[str, Any]) -> list[str]:
        """The settings as Python arguments."""
        given = dict(config)
        shown = [_literal(name, given.pop(name)) for name in self.positional]
        for name, value in given.items():
            default = self.defaults.get(name)
            default = config[default[1:-1]] if isinstance(default, str) and default.startswith("<") else default
            if name not in self.defaults or _collapsed(name, value) != _collapsed(name, default):
                shown.append(f"{name}={_literal(name, value)}")
        return shown

    def expression(self, inputs: Sequence[str], config: Mapping[str, Any]) -> str:
        """The call on some inputs."""
        return f"{self.function}({', '.join([*inputs, *self.arguments(config)])})"


@dataclass(frozen=True)
class Infix:
    """``a + b``."""

    operator: str

    def expression(self, inputs: Sequence[str], config: Mapping[str, Any]) -> str:
        """The inputs joined by the operator."""
        return f" {self.operator} ".join(inputs)


@dataclass(frozen=True)
class Template:
    """Free text over ``{x}`` and the settings."""

    text: str

    def expression(self, inputs: Sequence[str], config: Mapping[str, Any]) -> str:
        """The text filled in."""
        return self.text.format(x=inputs[0], **{name: _literal(name, value) for name, value in config.items()})


@dataclass(frozen=True)
class Joined:
    """A function of a list of inputs."""

    function: str

    def expression(self, inputs: Sequence[str], config: Mapping[str, Any]) -> str:
        """The call."""
        settings = [f"{name}={_literal(name, value)}" for name, value in config.items()]
        listed = f"[{', '.join(inputs)}]"
        return f"{self.function}({', '.join([listed, *settings])})"


@dataclass(frozen=True)
class Indexing:
    """``x[:, 1:-2]``."""

    def expression(self, inputs: Sequence[str], config: Mapping[str, Any]) -> str:
        """The value indexed by a slice for each axis up to the last that is cut."""
        cuts = dict(
            zip(config["axes"], zip(config["starts"], config["ends"], config["steps"], strict=True), strict=True)
        )
        parts = [self._part(*cuts.get(axis, (None, None, 1))) for axis in range(max(cuts) + 1)]
        return f"{inputs[0]}[{', '.join(parts)}]"

    def _part(self, start: int | None, end: int | None, step: int) -> str:
        bounds = f"{start or ''}:{'' if end is None else end}"
        return bounds if step == 1 else f"{bounds}:{step}"


_CONV = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "padding_mode": "zeros"}
_NORM = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
_MAX_POOL = {"stride": "<kernel_size>", "padding": 0, "dilation": 1, "ceil_mode": False}
_AVERAGE_POOL = {"stride": "<kernel_size>", "padding": 0, "ceil_mode": False, "count_include_pad": True}
_CHANNELS = ("in_channels", "out_channels", "kernel_size")

#: Native type -> how it is written.
SPELLINGS: Mapping[str, Call | Infix | Template | Joined | Indexing] = {
    **{f"nn.Conv{n}d": Call(f"nn.Conv{n}d", _CHANNELS, _CONV, kept=True) for n in (1, 2, 3)},
    **{f"nn.BatchNorm{n}d": Call(f"nn.BatchNorm{n}d", ("num_features",), _NORM, kept=True) for n in (1, 2, 3)},
    **{f"nn.MaxPool{n}d": Call(f"F.max_pool{n}d", ("kernel_size",), _MAX_POOL) for n in (1, 2, 3)},
    **{f"nn.AvgPool{n}d": Call(f"F.avg_pool{n}d", ("kernel_size",), _AVERAGE_POOL) for n in (1, 2, 3)},
    "nn.Linear": Call("nn.Linear", ("in_features", "out_features"), {"bias": True}, kept=True),
    "nn.LayerNorm": Call("nn.LayerNorm", ("normalized_shape",), {"eps": 1e-5, "elementwise_affine": True}, kept=True),
    "nn.Dropout": Call("nn.Dropout", ("p",), kept=True),
    "nn.Identity": Template("{x}"),
    "nn.ReLU": Call("F.relu"),
    "nn.ReLU6": Call("F.relu6"),
    "nn.LeakyReLU": Call("F.leaky_relu", (), {"negative_slope": 0.01}),
    "nn.Threshold": Call("F.threshold", ("threshold", "value")),
    "nn.ELU": Call("F.elu", (), {"alpha": 1.0}),
    "nn.SELU": Call("F.selu"),
    "nn.Sigmoid": Call("torch.sigmoid"),
    "nn.Hardsigmoid": Call("F.hardsigmoid"),
    "nn.Tanh": Call("torch.tanh"),
    "nn.Softplus": Call("F.softplus", (), {"beta": 1.0}),
    "nn.Softsign": Call("F.softsign"),
    "nn.SiLU": Call("F.silu"),
    "nn.GELU": Call("F.gelu", (), {"approximate": "none"}),
    "nn.Softmax": Call("F.softmax"),
    "torch.exp": Call("torch.exp"),
    "torch.clamp": Call("torch.clamp", (), {"min": None, "max": None}),
    "torch.flatten": Call("torch.flatten", ("start_dim",)),
    "torch.reshape": Call("torch.reshape", ("shape",)),
    "torch.permute": Call("torch.permute", ("dims",)),
    "torch.mean": Call("torch.mean", (), {"keepdim": False}),
    "torch.sum": Call("torch.sum", (), {"keepdim": False}),
    "torch.amax": Call("torch.amax", (), {"keepdim": False}),
    "torch.amin": Call("torch.amin", (), {"keepdim": False}),
    "torch.cat": Joined("torch.cat"),
    "torch.add": Infix("+"),
    "torch.mul": Infix("*"),
    "torch.sub": Infix("-"),
    "torch.div": Infix("/"),
    "torch.sqrt": Call("torch.sqrt"),
    "torch.square": Call("torch.square"),
    "nn.Hardswish": Call("F.hardswish"),
    "slice": Indexing(),
    "F.pad": Call("F.pad", ("pad",), {"value": 0.0}),
    "same_pad": Call("same_pad", ("kernel_size",), {"dilation": 1, "value": 0.0}),
    "hard_sigmoid": Template("torch.clamp({slope} * {x} + {offset}, 0, 1)"),
}

_WINDOW = ("kernel_size", "stride", "padding", "dilation")


def _collapsed(name: str, value: Any) -> Any:
    """One number for a window's tuple of equal ones, as PyTorch takes it."""
    return value[0] if name in _WINDOW and isinstance(value, tuple) and len(set(value)) == 1 else value


def _literal(name: str, value: Any) -> str:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return repr(_collapsed(name, value)).replace("'", '"')
