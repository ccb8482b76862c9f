"""Thirty pairs of files: ten of the same function, and twenty with a fault planted in the second.

The first is a model that Keras wrote (`fixtures/verification`), or what irconv wrote of it; the second is written by
irconv and then edited by onnx, by safetensors or as text. `first` is the layer at which the two part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

import irconv
from irconv.options import WriteOptions
from tests.helpers import ROOT, Array

MODELS = ROOT / "fixtures" / "verification"
CNN, RNN, TEXT = MODELS / "cnn.keras", MODELS / "rnn.h5", MODELS / "text.keras"

Plant = Callable[[Path], None]


@dataclass(frozen=True)
class Pair:
    """Two files to be compared."""

    name: str
    a: Path | str
    """A file, or the suffix of what irconv writes of the second's model."""
    model: Path
    suffix: str
    plant: Plant | None = None
    first: str = ""
    """The layer of the model at which the two part; empty where they are the same."""
    options: WriteOptions | None = None

    def made(self, folder: Path) -> tuple[Path, Path]:
        """Both files; what is written lies in the folder."""
        a = self.a if isinstance(self.a, Path) else folder / f"a{self.a}"
        if not isinstance(self.a, Path) and not a.exists():
            irconv.convert(self.model, a)
        b = folder / f"{self.name.replace('-', '_')}{self.suffix}"
        irconv.convert(self.model, b, write_options=self.options)
        if self.plant is not None:
            self.plant(b)
        return a, b


# faults -----------------------------------------------------------------------------------------------------------


def graph(change: Callable[[Any], None]) -> Plant:
    """A change of an ONNX graph."""

    def plant(path: Path) -> None:
        model = onnx.load(path)
        change(model.graph)
        onnx.save(model, path)

    return plant


def weight(name: str, change: Callable[[Array], Array]) -> Plant:
    """A change of one weight of an ONNX graph."""

    def edit(graph: Any) -> None:
        stored = next(one for one in graph.initializer if one.name == name)
        changed = change(numpy_helper.to_array(stored).copy())
        stored.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(changed), name))

    return graph(edit)


def setting(node: str, **settings: Any) -> Plant:
    """A change of the attributes of one node of an ONNX graph."""

    def edit(graph: Any) -> None:
        found = next(one for one in graph.node if node in one.output)
        for name, value in settings.items():
            for old in [one for one in found.attribute if one.name == name]:
                found.attribute.remove(old)
            found.attribute.append(onnx.helper.make_attribute(name, value))

    return graph(edit)


def operation(node: str, operation: str) -> Plant:
    """Another operation in the place of one of an ONNX graph."""

    def edit(graph: Any) -> None:
        found = next(one for one in graph.node if node in one.output)
        found.op_type = operation
        del found.attribute[:]

    return graph(edit)


def exchanged(array: Array, axis: int, one: int, other: int, size: int = 1) -> Array:
    """An array with two blocks of an axis exchanged."""
    order = np.arange(array.shape[axis]).reshape(-1, size)
    order[[one, other]] = order[[other, one]]
    return array.take(order.reshape(-1), axis)


def gates(layer: str, one: int, other: int, size: int) -> Plant:
    """Two gates of an ONNX recurrent layer exchanged, in its weights and biases."""

    def plant(path: Path) -> None:
        for role in ("W", "R", "B"):
            weight(f"{layer}.onnx.{role}", lambda array: exchanged(array, 1, one, other, size))(path)

    return plant


def in_rows_of(order: str, array: Array) -> Array:
    """The columns of a dense kernel after a Flatten of (6, 4, 3), channels first, in the order of channels last."""
    assert order == "hwc"
    return array[:, np.arange(72).reshape(6, 4, 3).transpose(1, 2, 0).reshape(-1)]


def stored(name: str, change: Callable[[Array], Array]) -> Plant:
    """A change of one weight beside an emitted PyTorch file."""

    def plant(path: Path) -> None:
        weights = load_file(path.with_suffix(".safetensors"))
        weights[name] = np.ascontiguousarray(change(weights[name]))
        save_file(weights, path.with_suffix(".safetensors"))

    return plant


def text(before: str, after: str) -> Plant:
    """A change of the text of an emitted file."""

    def plant(path: Path) -> None:
        source = path.read_text()
        assert source.count(before) == 1, source
        path.write_text(source.replace(before, after))

    return plant


def folded(path: Path) -> None:
    """The BatchNorm of an ONNX graph put into the convolution before it, as exporters do."""
    model = onnx.load(path)
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    factor = arrays["bn1.gamma"] / np.sqrt(arrays["bn1.variance"] + np.float32(2e-2))
    kernel = arrays["conv1.kernel"] * factor[:, None, None, None]
    bias = (arrays["conv1.bias"] - arrays["bn1.mean"]) * factor + arrays["bn1.beta"]
    for one in model.graph.initializer:
        if one.name in ("conv1.kernel", "conv1.bias"):
            new = kernel if one.name.endswith("kernel") else bias
            one.CopyFrom(numpy_helper.from_array(new.astype(np.float32), one.name))
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    model.graph.node.remove(norm)
    next(node for node in model.graph.node if "act1" in node.output).input[0] = "conv1"
    onnx.save(model, path)


def renamed(path: Path) -> None:
    """Every value and weight of an ONNX graph under another name."""
    model = onnx.load(path)
    ports = {port.name for port in (*model.graph.input, *model.graph.output)}
    names = {name: name if name in ports else f"v{i}" for i, name in enumerate(_names(model.graph))}
    for node in model.graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.name = ""
    for one in model.graph.initializer:
        one.name = names[one.name]
    onnx.save(model, path)


def _names(graph: Any) -> list[str]:
    found = [name for node in graph.node for name in (*node.input, *node.output)]
    return list(dict.fromkeys([*found, *(one.name for one in graph.initializer)]))


def half(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


RIGHT = (
    Pair("cnn-onnx", CNN, CNN, ".onnx"),
    Pair("cnn-onnx-source-axes", CNN, CNN, ".onnx", options=WriteOptions(io="source")),
    Pair("cnn-onnx-folded", CNN, CNN, ".onnx", folded),
    Pair("cnn-onnx-renamed", CNN, CNN, ".onnx", renamed),
    Pair("cnn-torch", CNN, CNN, ".py"),
    Pair("cnn-bundle", CNN, CNN, ".irconv"),
    Pair("rnn-onnx", RNN, RNN, ".onnx"),
    Pair("rnn-onnx-torch", ".onnx", RNN, ".py"),
    Pair("text-onnx", TEXT, TEXT, ".onnx"),
    Pair("text-onnx-torch", ".onnx", TEXT, ".py"),
)
FAULTS = (
    Pair("flip", CNN, CNN, ".onnx", weight("conv2.kernel", lambda w: w[:, :, ::-1, ::-1]), "conv2"),
    Pair("channels-out", CNN, CNN, ".onnx", weight("conv1.kernel", lambda w: exchanged(w, 0, 2, 5)), "conv1"),
    Pair("channels-in", CNN, CNN, ".onnx", weight("conv1.kernel", lambda w: w[:, ::-1]), "conv1"),
    Pair("epsilon", CNN, CNN, ".onnx", setting("bn1", epsilon=1e-3), "bn1"),
    Pair("statistics", CNN, CNN, ".onnx", weight("bn1.variance", np.sqrt), "bn1"),
    Pair("padding", CNN, CNN, ".onnx", setting("conv3", pads=[1, 0, 0, 0]), "conv3"),
    Pair("counted-padding", CNN, CNN, ".onnx", setting("pool1", count_include_pad=1), "pool1"),
    Pair("dilation", CNN, CNN, ".onnx", setting("conv2", dilations=[1, 1], pads=[1, 1, 1, 1]), "conv2"),
    Pair("slope", CNN, CNN, ".onnx", setting("act1", alpha=0.3), "act1"),
    Pair("gelu", CNN, CNN, ".onnx", setting("act3", approximate="tanh"), "act3"),
    Pair("activation", CNN, CNN, ".onnx", operation("fc2", "Sigmoid"), "fc2"),
    Pair("flatten-order", CNN, CNN, ".onnx", weight("fc1.kernel", lambda w: in_rows_of("hwc", w)), "fc1"),
    Pair("square-transposed", CNN, CNN, ".onnx", weight("fc2.kernel", np.transpose), "fc2"),
    Pair("half", CNN, CNN, ".onnx", weight("conv2.kernel", half), "conv2"),
    Pair("bias", CNN, CNN, ".py", stored("conv3.bias", np.zeros_like), "conv3"),
    Pair("softmax", CNN, CNN, ".py", text("F.softmax(", "F.log_softmax("), "head"),
    Pair("lstm-gates", RNN, RNN, ".onnx", gates("second", 1, 2, 4), "second"),
    Pair("gru-reset", RNN, RNN, ".onnx", setting("middle.backward.onnx", linear_before_reset=0), "middle"),
    Pair("table", ".onnx", TEXT, ".py", stored("table.weight", lambda w: np.roll(w, 1, 0)), "table"),
    Pair("mask", TEXT, TEXT, ".onnx", weight("attention.9.4.value", np.zeros_like), "attention"),
)
PAIRS = (*RIGHT, *FAULTS)
