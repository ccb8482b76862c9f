"""The layers of Keras 1 in the words of Keras 2: tables by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.errors import MissingFact, Refused
from irconv.frameworks.keras.keras1_training import SETTINGS as TRAINING
from irconv.frameworks.keras.keras1_training import training
from irconv.frameworks.keras.variables import KINDS as VARIABLES

DATA_FORMATS = {"th": "channels_first", "tf": "channels_last"}

#: Kinds that Keras 2 calls otherwise.
KINDS: Mapping[str, str] = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}

#: What the modes of a Merge are.
MERGES: Mapping[str, str] = {
    "ave": "Average",
    "concat": "Concatenate",
    "cos": "CosineMerge",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}

#: Settings that Keras 2 calls otherwise, whatever the layer.
_RENAMED: Mapping[str, str] = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "filter_length": "kernel_size",
    "inner_activation": "recurrent_activation",
    "length": "size",
    "nb_filter": "filters",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}

#: How weights began, which a trained model does not need; sizes that the weights say as well.
_DROPPED = {
    *("init", "inner_init", "forget_bias_init"),
    *("alpha_init", "beta_init", "t_left_init", "a_left_init", "t_right_init", "a_right_init"),
    *("consume_less", "input_length", "weights", "mode", "input_dtype"),
}

#: Layers with one spatial axis, whose settings are numbers in Keras 1 and lists in Keras 2.
_ONE_AXIS = {"Convolution1D", "AtrousConvolution1D", "LocallyConnected1D", "MaxPooling1D", "AveragePooling1D"}
_LISTS = ("kernel_size", "strides", "dilation_rate", "pool_size")

#: Layers with weights whose kernels lie otherwise: name of the knob by kind, see the tables of convolutions.
_KERNELS = {"Convolution1D", "AtrousConvolution1D", "Convolution2D", "AtrousConvolution2D", "Convolution3D"}
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "ConvLSTM2D"}


def converted(kind: str, config: Mapping[str, Any], default: str | None, theano: bool, where: str) -> dict[str, Any]:
    """The settings of a layer as Keras 2 writes them; `default` is the data format of layers that do not say theirs.

    Raises `Refused` for a setting that Keras 2 cannot say, and `MissingFact` for an unknown data format.
    """
    left_out = _DROPPED | TRAINING
    spelt = {_RENAMED.get(key, key): value for key, value in config.items() if key not in left_out}
    spelt |= training(kind, config, config.get("dim_ordering") == "th")
    spelt["name"] = config["name"]
    if kind == "InputLayer":
        spelt["dtype"] = config.get("input_dtype") or "float32"
    if kind != "Embedding":
        spelt.pop("input_dim", None)
    if "dim_ordering" in spelt:
        spelt["data_format"] = DATA_FORMATS[spelt.pop("dim_ordering")]
    if "output_dim" in spelt and kind != "Embedding":
        spelt["units"] = spelt.pop("output_dim")
    for size in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if size[0] in spelt:
            spelt["kernel_size"] = [spelt.pop(word) for word in size]
    if kind in _ONE_AXIS:
        spelt |= {key: [spelt[key]] for key in _LISTS if isinstance(spelt.get(key), int)}
    if spelt.get("padding") == "full":
        raise Refused(where, "pads with border_mode='full', which Keras 2 does not have")
    if kind in _KERNELS or kind == "Deconvolution2D":
        spelt["kernel_order"] = _kernel_order(kind, spelt, theano)
    if kind == "ConvLSTM2D" and theano:
        raise Refused(where, "keeps turned kernels, which irconv does not read of Keras 1")
    if kind in _SPECIAL:
        _SPECIAL[kind](spelt, config, default, where)
    return spelt


def names_of(kind: str, name: str) -> str | None:
    """The local name of a variable that Keras 1 calls so; None where it has none of this name."""
    if kind in _OWN_NAMES:
        return _OWN_NAMES[kind].get(name)
    common = {"W": "kernel", "b": "bias", "U": "recurrent_kernel", "W1": "kernel"}
    if name in common:
        return common[name]
    if kind in _RECURRENT and len(name) == 3 and name[0] in "WUb" and name[1] == "_":
        return name
    return name if kind in ("Highway", "MaxoutDense") or kind not in _KNOWN else None


_NORMALISED = {
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}

_OWN_NAMES: Mapping[str, Mapping[str, str]] = {
    "BatchNormalization": _NORMALISED,
    "Embedding": {"W": "embeddings"},
    "Highway": {name: name for name in ("W", "W_carry", "b", "b_carry")},
    "MaxoutDense": {name: name for name in ("W", "b")},
    "ParametricSoftplus": {name: name for name in ("alphas", "betas")},
    "SReLU": {name: name for name in ("t_left", "a_left", "t_right", "a_right")},
    "NormalizedSamples": _NORMALISED,
    "PReLU": {"alphas": "alpha"},
    "SeparableConv2D": {"depthwise_kernel": "depthwise_kernel", "pointwise_kernel": "pointwise_kernel", "b": "bias"},
}


#: The kinds whose variables have names that irconv knows; those of others stay as they are.
_KNOWN = {*VARIABLES, *_OWN_NAMES}


def _kernel_order(kind: str, spelt: Mapping[str, Any], theano: bool) -> str:
    """How the kernel lies: the words of the tables of convolutions."""
    turned = "convolution" if theano else "correlation"
    if kind.endswith("1D"):
        return f"keras_1_{turned}"
    if kind == "Deconvolution2D":
        return f"keras_1_{'th' if spelt['data_format'] == 'channels_first' else 'tf'}_{turned}"
    return f"keras_1_th_{turned}" if spelt["data_format"] == "channels_first" else turned


def _batch_norm(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    if config.get("mode", 0) not in (0, 1):
        what = "expected mode 0, the running statistics of each channel, or 1, each sample's own"
        raise Refused(where, f"{what}, got mode {config['mode']}")
    spelt |= {"scale": True, "center": True}


def _embedding(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    spelt["input_length"] = config.get("input_length")


def _recurrent(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    spelt |= {"use_bias": True, "return_state": False}


def _conv_recurrent(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    """Keras 1 does not write the subsample, so that it loads its own files without one."""
    _recurrent(spelt, config, default, where)
    if spelt.get("data_format") != "channels_last":
        raise Refused(where, "keeps its kernels channels first, which irconv does not read of Keras 1")
    spelt |= {"strides": [1, 1], "dilation_rate": [1, 1]}


def _gru(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    _recurrent(spelt, config, default, where)
    spelt["reset_after"] = False


def _pairs(sides: tuple[str, ...]) -> Callable[[dict[str, Any], Mapping[str, Any], str | None, str], None]:
    """Padding or cropping of so many axes: one number for both sides of an axis, or one for each side."""

    def spell(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
        key = "padding" if "padding" in config else "cropping"
        given, axes = config[key], len(sides) // 2
        if isinstance(given, Mapping):
            given = [given.get(side, 0) for side in sides]
        given = [given] if isinstance(given, int) else list(given)
        if len(given) == axes and all(isinstance(n, int) for n in given) and not (axes == 1 and len(given) == 2):
            pairs = [[n, n] for n in given]
        elif all(isinstance(n, int) for n in given) and len(given) == 2 * axes:
            pairs = [list(given[2 * i : 2 * i + 2]) for i in range(axes)]
        else:
            pairs = [list(pair) for pair in given]
        spelt[key] = pairs[0] if axes == 1 else pairs
        if axes > 1:
            spelt["data_format"] = _stated(default, where)

    return spell


def _upsampling(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    spelt["data_format"] = _stated(default, where)
    spelt["size"] = list(config["size"])


def _stated(default: str | None, where: str) -> str:
    if default is None:
        raise MissingFact(where, "expected dim_ordering, which it does not write", "Give --dim-ordering th or tf.")
    return default


def _deconvolution(spelt: dict[str, Any], config: Mapping[str, Any], default: str | None, where: str) -> None:
    """The shape of the result is stated; it is checked, see `composites.keras1_layers`."""
    spelt["stated_shape"] = list(spelt.pop("output_shape"))


_SPECIAL: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any], str | None, str], None]] = {
    "BatchNormalization": _batch_norm,
    "ConvLSTM2D": _conv_recurrent,
    "Cropping1D": _pairs(("left", "right")),
    "Cropping2D": _pairs(("top", "bottom", "left", "right")),
    "Cropping3D": _pairs(("front", "back", "top", "bottom", "left", "right")),
    "Deconvolution2D": _deconvolution,
    "Embedding": _embedding,
    "GRU": _gru,
    "LSTM": _recurrent,
    "SimpleRNN": _recurrent,
    "UpSampling2D": _upsampling,
    "UpSampling3D": _upsampling,
    "ZeroPadding1D": _pairs(("left_pad", "right_pad")),
    "ZeroPadding2D": _pairs(("top_pad", "bottom_pad", "left_pad", "right_pad")),
    "ZeroPadding3D": _pairs(("a", "b", "c", "d", "e", "f")),
}
