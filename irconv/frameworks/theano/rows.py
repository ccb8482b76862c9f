"""Rows and isos that only Theano needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.theano.functions import FUNCTIONS
from irconv.ir.layers import layer_class
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.convolution import ConvTranspose
from irconv.ir.layers.tensor_ops import Identity
from irconv.ir.shapes import static
from irconv.rows import ChannelAxis, Iso, through


def border_pairs(mode: Any, window: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """A border mode as (before, after) of each axis; `window` is the filter's size, with its dilation.

    Raises `ValueError`.
    """
    rank = len(window)
    words = {"valid": [0] * rank, "half": [w // 2 for w in window], "full": [w - 1 for w in window]}
    listed: Any = words[mode] if isinstance(mode, str) else [mode] * rank if isinstance(mode, int) else mode
    if len(listed) != rank:
        raise ValueError(f"expected a border for each of {rank} axes, got {mode}")
    return tuple((n, n) if isinstance(n, int) else (n[0], n[1]) for n in listed)


@dataclass(frozen=True)
class Border(Row):
    """``border_mode``: after the kernel and the dilation, which say what half and full are."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        kernel, dilation = draft.types["kernel"].shape[2:], draft.fields["dilation"]
        sizes = static(kernel)
        assert sizes is not None, "stored kernels have known sizes"
        window = tuple((k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True))
        try:
            draft.fields["padding"] = border_pairs(native.config.pop("border_mode"), window)
        except ValueError as error:
            raise draft.refuse(f"border_mode: {error}") from error

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if isinstance(padding, str):
            raise draft.refuse(f"its padding {padding} depends on sizes that are not known")
        native.config["border_mode"] = [b if b == a else [b, a] for b, a in padding]


@dataclass(frozen=True)
class GradientBorder(Row):
    """``border_mode`` and ``output_size`` of the gradient of a convolution; what they say twice must agree.

    It stands after the stride and the dilation.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        kernel, dilation = static(draft.types["kernel"].shape[2:]), draft.fields["dilation"]
        assert kernel is not None, "stored kernels have known sizes"
        window = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        sizes, wanted = static(draft.given[0].shape[2:]), native.config.pop("output_size")
        if sizes is None:
            raise draft.refuse("its input's size must be known: what output_size adds depends on it")
        try:
            padding = border_pairs(native.config.pop("border_mode"), window)
        except ValueError as error:
            raise draft.refuse(f"border_mode: {error}") from error
        more = []
        for n, s, w, (before, after), size in zip(sizes, draft.fields["stride"], window, padding, wanted, strict=True):
            more.append(size - ((n - 1) * s + w - before - after))
            if not 0 <= more[-1] < s:
                raise draft.refuse(
                    f"output_size {size} is not the size of an input whose convolution has {n} results: expected "
                    f"{size - more[-1]} to {size - more[-1] + s - 1}"
                )
        draft.fields |= {"padding": padding, "output_padding": tuple(more), "output_size": None}

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Known sizes, no negative padding, and fewer zeros at the end than the stride."""
        assert isinstance(layer, ConvTranspose)
        sizes, kernel = static(given["x"].shape[2:]), static(given["kernel"].shape[2:])
        if sizes is None or kernel is None:
            return False
        crops = layer.crops(sizes, kernel)
        return all(b >= 0 and -a < s for (b, a), s in zip(crops, layer.stride, strict=True))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        fields = {name: draft.fields.pop(name) for name in ("padding", "output_padding", "output_size")}
        stride, dilation = tuple(native.config["stride"]), tuple(native.config["dilation"])
        layer = ConvTranspose(groups=1, stride=stride, dilation=dilation, **fields)
        sizes, kernel = static(draft.types["x"].shape[2:]), static(draft.types["kernel"].shape[2:])
        if sizes is None or kernel is None:
            raise draft.refuse(f"its result's size depends on its input's, which is {draft.types['x'].shape[2:]}")
        crops = layer.crops(sizes, kernel)
        native.config["border_mode"] = [b if b == a else [b, max(a, 0)] for b, a in crops]
        native.config["output_size"] = [
            (n - 1) * s + (k - 1) * d + 1 - b - a
            for n, s, k, d, (b, a) in zip(sizes, layer.stride, kernel, layer.dilation, crops, strict=True)
        ]


@dataclass(frozen=True)
class Window(Row):
    """The padding of a pool, alike on both sides."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        pad, ceil, sizes = native.config.pop("pad"), draft.fields["ceil_mode"], draft.given[0].shape[2:]
        kernel = draft.fields["kernel"]
        if ceil and any(pad):
            raise draft.refuse(f"Theano pads only with ignore_border=True, got pad={list(pad)}")
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise draft.refuse(f"Theano's pad must be smaller than the window, got {list(pad)} and {list(kernel)}")
        draft.fields["padding"] = tuple((p, p) for p in pad)
        if not ceil:
            return
        # With ignore_border=False a window larger than the input is cut down to it.
        draft.fields["kernel"] = tuple(
            min(k, n) if isinstance(n, int) else k for k, n in zip(kernel, sizes, strict=True)
        )

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Not with a rule, more on one side, or both padding and partial windows."""
        fields = layer.settings()
        if fields["padding"] in ("same_upper", "same_lower") or isinstance(fields["padding"], str):
            return True  # `passes/padding` makes numbers of it, or decomposes it
        return self._says(fields)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        if isinstance(padding, str) or not self._says({**native.config, "padding": padding, "kernel": ()}):
            raise draft.refuse(f"Theano pads both sides alike, and only without partial windows, got {padding}")
        native.config["pad"] = [before for before, _ in padding]

    def _says(self, fields: Mapping[str, Any]) -> bool:
        ceil = fields.get("ceil_mode", not fields.get("ignore_border", True))
        alike = all(before == after for before, after in fields["padding"])
        return alike and not (ceil and any(map(any, fields["padding"])))


@dataclass(frozen=True)
class Neighbours(Row):
    """``n`` channels around each: n // 2 before, the rest after."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        n = native.config.pop("n")
        draft.fields |= {"before": n // 2, "after": n - 1 - n // 2}

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        fields = layer.settings()
        n = fields["before"] + fields["after"] + 1
        return bool(fields["before"] == n // 2)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["n"] = draft.fields.pop("before") + draft.fields.pop("after") + 1


@dataclass(frozen=True)
class LiteralValue(Row):
    """A number, or nested lists of them, that stands in the file itself."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        value, dtype = native.config.pop("value"), native.config.pop("dtype")
        draft.literals["value"] = LiteralOperand(literal=value, dtype=dtype)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        weight = draft.data.get("value")
        if weight is None or not weight.literal:
            raise draft.refuse("is no literal")
        native.config |= {"value": draft.data.pop("value").data.numpy().tolist(), "dtype": weight.data.dtype}


@dataclass(frozen=True)
class Dot(Row):
    """Matrices, with the same axes before them on both sides."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        left, right = given["left"].shape, given["right"].shape
        return 0 < len(right) <= 2 or (len(left) == len(right) and left[:-2] == right[:-2])

    def encode(self, draft: Draft, native: Workpiece) -> None:
        left, right = draft.types["left"].shape, draft.types["right"].shape
        if len(right) > 2 and (len(left) != len(right) or left[:-2] != right[:-2]):
            raise draft.refuse(f"matrices in {left} and {right} do not go together in Theano")


@dataclass(frozen=True)
class Floats(Row):
    """Numbers with fractions only: Theano's ``/`` makes such of integers, too."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        return all("float" in value.dtype for value in given.values())

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if any("float" not in value.dtype for value in draft.types.values()):
            raise draft.refuse("Theano divides integers into a number with a fraction")


def _to_layer(word: Any) -> Layer:
    settings = {"kind": word} if isinstance(word, str) else dict(word or {"kind": "linear"})
    name = settings.pop("kind")
    if name not in FUNCTIONS:
        raise ValueError(f"expected one of {', '.join(FUNCTIONS)}, got {name!r}")
    function = FUNCTIONS[name]
    given = {field: settings.pop(setting) for setting, field in function.settings.items()}
    if settings:
        raise ValueError(f"{name} has no {', '.join(settings)}")
    return layer_class(function.layer)(**given, **function.fixed)


def _from_layer(layer: Layer) -> Any:
    if isinstance(layer, Identity):
        return "linear"
    for name, function in FUNCTIONS.items():
        if function.layer != layer.type:
            continue
        fields = layer.settings()
        if all(fields[field] == value for field, value in function.fixed.items()):
            given = {setting: fields[field] for setting, field in function.settings.items()}
            return {"kind": name, **given} if given else name
    raise ValueError(f"Theano's recurrent layers have no {layer.type} here")


STEP = Iso(_to_layer, _from_layer)
"""An activation inside a recurrent layer."""
LIST = Iso(tuple, list)
PAIRS = Iso(lambda pairs: tuple(map(tuple, pairs)), lambda pairs: [list(pair) for pair in pairs])
FLIPPED = Iso(lambda flag: not flag, lambda flag: not flag)


@dataclass(frozen=True)
class Steps(Row):
    """``activation_in``: one activation for the candidate and, in an LSTM, for the cell when it is given out."""

    fields: tuple[str, ...]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        found = through(draft, "activation_in", STEP.decode, native.config.pop("activation_in"))
        draft.fields |= dict.fromkeys(self.fields, found)

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """The same for both."""
        settings = layer.settings()
        return all(settings[field] == settings[self.fields[0]] for field in self.fields)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        found = [draft.fields.pop(field) for field in self.fields]
        if any(layer != found[0] for layer in found):
            raise draft.refuse(f"its {' and '.join(self.fields)} must be the same")
        native.config["activation_in"] = through(draft, "activation", STEP.encode, found[0])


@dataclass(frozen=True)
class Absent(Row):
    """An operand that Theano's function does not have."""

    role: str

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self.role not in given

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if self.role in draft.types:
            raise draft.refuse(f"Theano's function has no {self.role}")


@dataclass(frozen=True)
class Stored(Row):
    """An operand that must be stored, not computed by the graph."""

    role: str

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return self.role in layer.operands


@dataclass(frozen=True)
class Masked(Row):
    """Masks repeat the output of the step before; the first ones give zeros, so no other state may come first."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields |= {"masked_output": "repeat", "input_dropout": 0.0, "recurrent_dropout": 0.0}

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        if "lengths" in given:
            return False
        return "mask" not in given or (layer.settings()["masked_output"] == "repeat" and "initial_h" not in given)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        rule = draft.fields.pop("masked_output")
        del draft.fields["input_dropout"], draft.fields["recurrent_dropout"]
        if "lengths" in draft.types or ("mask" in draft.types and (rule != "repeat" or "initial_h" in draft.types)):
            raise draft.refuse("its masks have another meaning than irconv writes for Theano")


@dataclass(frozen=True)
class ChannelsFirst(ChannelAxis):
    """The axis of the channels, which is written as the IR has it."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = 1
