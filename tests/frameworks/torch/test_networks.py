"""Six networks as people write them, as programs and as traces: what is written of them computes what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import irconv
from irconv.ir.bundle import Bundle
from irconv.layout import Array
from irconv.options import WriteOptions
from tests.frameworks.torch.networks import Causal, Mobile, Reader, ResNet18, UNet, ViT, filled
from tests.helpers import import_file, in_onnxruntime, turned, used_types


def image(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "ResNet18": (ResNet18, image(40, 48)),
    "Mobile": (Mobile, image(30, 26)),
    "ViT": (ViT, image(12, 16)),
    "UNet": (UNet, image(16, 20)),
    "Reader": (Reader, torch.arange(12).reshape(4, 3) * 7 % 23),
    "Causal": (Causal, torch.arange(14).reshape(2, 7) * 5 % 19),
}


def in_keras(file: Path, given: Array) -> Array:
    import keras

    return np.asarray(keras.models.load_model(file, compile=False)(given, training=False))


def in_tensorflow(file: Path, given: Array, output: str) -> Array:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(file.read_bytes())
    (entry,) = [node.name for node in definition.node if node.op == "Placeholder"]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return np.asarray(session.run(f"{output}:0", {f"{entry}:0": given}))


def read(module: nn.Module, given: Tensor, traced: bool, folder: Path) -> Bundle:
    if not traced:
        torch.export.save(torch.export.export(module, (given,)), folder / "model.pt2")
        return irconv.read(folder / "model.pt2")
    with torch.no_grad():
        torch.jit.trace(module, given, check_trace=False).save(str(folder / "model.pt"))
    return irconv.read(folder / "model.pt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_format_computes_what_the_network_does(name: str, traced: bool, tmp_path: Path) -> None:
    made, given = NETWORKS[name]
    module = filled(made())
    with torch.no_grad():
        wanted = module(given).numpy()
    bundle = read(module, given, traced, tmp_path)
    for suffix in ("onnx", "py", "keras", "pb"):
        file = tmp_path / f"m.{suffix}"
        written = irconv.write(bundle, file, WriteOptions(merge=suffix == "keras"))
        (fed,) = turned([given.numpy()], written.inputs, "native")
        if suffix == "onnx":
            (got,) = in_onnxruntime(file, [fed], optimised=True)
        elif suffix == "py":
            with torch.no_grad():
                got = import_file(file).load()(torch.from_numpy(fed)).numpy()
        elif suffix == "keras":
            got = in_keras(file, fed)
        else:
            got = in_tensorflow(file, fed, written.outputs[0].name)
        (got,) = turned([got], written.outputs, "source")
        assert np.abs(got - wanted).max() < 1e-5 * np.abs(wanted).max(), suffix


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_programs_and_traces_are_read_as_the_same_layers(tmp_path: Path) -> None:
    for name in ("ResNet18", "Mobile", "UNet", "Reader"):
        made, given = NETWORKS[name]
        module = filled(made())
        first, second = (sorted(used_types(read(module, given, traced, tmp_path))) for traced in (False, True))
        assert first == second
