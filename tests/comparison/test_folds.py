"""What one side has merged is recognised as that, with the residual; what differs beyond it is not hidden by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from irconv.comparison.model import TensorDiff
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.recurrent import LSTM
from irconv.ir.layers.reparametrisation import WeightNorm
from irconv.ir.layers.tensor_ops import Constant
from tests.comparison.pairs import CONV, compared, network, statuses, with_tensor
from tests.helpers import Array, Builder, numbers, tensor
from tests.layers.cases.recurrent import LSTM_STANDARD, PLAIN


def weights(path: Path, arrays: Mapping[str, Array]) -> Path:
    """A state dict as a file."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


def entry(found: Any, name: str) -> TensorDiff:
    (one,) = (entry for entry in found.report.tensors if entry.name == name)
    assert isinstance(one, TensorDiff)
    return one


def folded(unfolded: Bundle, epsilon: float) -> Bundle:
    """`network` without its norm, which is in its first kernel; computed in float64 by the formula of TRAPS."""
    t = {key: tensor.data.numpy().astype(np.float64) for key, tensor in unfolded.tensors.items()}
    q = t["norm.gamma"] / np.sqrt(t["norm.variance"] + epsilon)
    made = network(norm=False)
    made = with_tensor(made, "conv.kernel", lambda _: (t["conv.kernel"] * q[:, None, None, None]).astype(np.float32))
    bias = (t["conv.bias"] - t["norm.mean"]) * q + t["norm.beta"]
    return with_tensor(made, "conv.bias", lambda _: bias.astype(np.float32))


NORM = ["norm.gamma", "norm.beta", "norm.mean", "norm.variance"]


@pytest.mark.parametrize("epsilon", [1e-3, 0.0437])
def test_a_folded_batch_norm_is_seen_with_the_models_epsilon(epsilon: float) -> None:
    found = compared(network(epsilon=epsilon), folded(network(), epsilon))
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(["conv.kernel", "conv.bias", *NORM, "norm"], ("folded",))
    assert statuses(found) == wanted
    fold = entry(found, "conv.kernel").fold
    assert fold is not None
    assert fold.residual < 1e-7
    assert (fold.kind, fold.side, fold.facts["epsilon"]) == ("BatchNorm", "b", epsilon)


def test_a_fold_with_another_epsilon_is_no_fold_alone() -> None:
    found = compared(network(epsilon=1e-3), folded(network(), epsilon=0.1))
    assert statuses(found)["conv.kernel"] == ("folded", "changed")
    fold = entry(found, "conv.kernel").fold
    assert fold is not None
    assert fold.residual > 1e-2


def test_the_side_that_folded_may_be_the_first() -> None:
    found = compared(folded(network(), 1e-3), network())
    assert set(statuses(found).values()) == {("folded",)}
    fold = entry(found, "norm.mean").fold
    assert fold is not None
    assert fold.side == "a"


def test_what_changed_beyond_the_fold_is_changed() -> None:
    second = with_tensor(folded(network(), 1e-3), "conv.kernel", lambda w: w * np.float32(1.01))
    found = compared(network(), second)
    assert statuses(found)["conv.kernel"] == ("folded", "changed")
    assert statuses(found)["conv.bias"] == ("folded",)
    assert entry(found, "conv.kernel").notes == ("more than the fold has changed it",)


def test_a_batch_norm_that_is_gone_and_nowhere_folded_is_missing() -> None:
    found = compared(network(), network(norm=False))
    assert statuses(found) == dict.fromkeys([*NORM, "norm"], ("missing",))


def test_a_fold_is_seen_without_any_graph_and_says_the_epsilon_that_it_shows(tmp_path: Path) -> None:
    first, second = network(), folded(network(), 2e-3)
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}

    def state(bundle: Bundle) -> dict[str, Array]:
        keys = {key: key.split(".") for key in bundle.tensors}
        return {f"{u}.{names.get(r, r)}": bundle.tensors[k].data.numpy() for k, (u, r) in keys.items()}

    a, b = weights(tmp_path / "a.safetensors", state(first)), weights(tmp_path / "b.safetensors", state(second))
    found = compared(a, b)
    assert set(statuses(found).values()) == {("folded",)}
    fold = entry(found, "conv.weight").fold
    assert fold is not None
    assert fold.facts == {"epsilon": 2e-3, "epsilon is": "what the kernel shows"}
    assert fold.residual < 1e-6


@pytest.mark.parametrize("layer", [Linear(), CONV.model_copy(update={"padding": ((0, 0), (0, 0))})])
def test_a_batch_norm_folded_into_the_layer_after_it_is_seen(layer: Layer) -> None:
    convolves = isinstance(layer, Conv)
    shape = (7, 5, 3, 2) if convolves else (7, 5)
    kernel, bias = numbers(*shape), numbers(7, seed=1)
    norm = {"gamma": numbers(5, seed=2), "beta": numbers(5, seed=3), "mean": numbers(5, seed=4)}
    variance = np.abs(numbers(5, seed=5)) + np.float32(0.5)
    given = ("N", 5, 6, 6) if convolves else ("N", 5)
    first = Builder(x=given).add("bn", BatchNorm(epsilon=1e-2, momentum=0.9), "x", **norm, variance=variance)
    first.add("after", layer, "bn", kernel=kernel, bias=bias)
    q = norm["gamma"] / np.sqrt(variance.astype(np.float64) + 1e-2)
    along = q.reshape(1, 5, *[1] * (kernel.ndim - 2))
    shift = (norm["beta"] - norm["mean"] * q).reshape(along.shape)
    moved = bias + (kernel.astype(np.float64) * shift).reshape(7, -1).sum(1)
    merged = {"kernel": (kernel * along).astype(np.float32), "bias": moved.astype(np.float32)}
    found = compared(first.build(), Builder(x=given).add("after", layer, "x", **merged).build())
    assert set(statuses(found).values()) == {("folded",)}
    assert len(statuses(found)) == 7


def test_two_biases_of_an_lstm_merged_into_one_are_seen() -> None:
    layer = LSTM(**{**LSTM_STANDARD, **PLAIN})
    kernels = {"kernel": numbers(24, 5), "recurrent_kernel": numbers(24, 6, seed=2)}
    biases = {"bias_input": numbers(24, seed=3), "bias_recurrent": numbers(24, seed=4)}

    def made(**operands: Array) -> Bundle:
        builder = Builder(x=("N", 7, 5))
        builder.tensors = {f"lstm.{role}": tensor(array) for role, array in operands.items()}
        stored = {role: StoredOperand(tensor=f"lstm.{role}") for role in operands}
        builder.layers["lstm"] = layer.model_copy(update={"operands": stored})
        builder.nodes.append(Node(layer="lstm", scope="", inputs={"x": "x"}, outputs={"y": "lstm"}))
        return builder.build()

    found = compared(made(**kernels, **biases), made(**kernels, bias_input=sum(biases.values())))
    assert statuses(found) == dict.fromkeys(["lstm.bias_input", "lstm.bias_recurrent"], ("folded",))
    fold = entry(found, "lstm.bias_input").fold
    assert fold is not None
    assert (fold.kind, fold.side) == ("bias pair", "b")


def test_weight_norm_spectral_norm_and_pruning_merged_by_pytorch_are_seen(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch import nn
    from torch.nn.utils import parametrizations, parametrize, prune

    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.Linear(7, 4), nn.Linear(4, 6), nn.ConvTranspose2d(5, 3, 2)).eval()
    with torch.no_grad():
        for module in (net[0], net[3]):
            parametrizations.weight_norm(module, "weight", dim=0)
            module.parametrizations.weight.original0.mul_(1.7)
        parametrizations.spectral_norm(net[1])
        prune.random_unstructured(net[2], "weight", 0.3)
        arrays = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
        a = weights(tmp_path / "a.safetensors", arrays)
        for module in (net[0], net[1], net[3]):
            parametrize.remove_parametrizations(module, "weight")
        prune.remove(net[2], "weight")
        b = weights(tmp_path / "b.safetensors", {name: tensor.numpy() for name, tensor in net.state_dict().items()})
    found = compared(a, b)
    assert set(statuses(found).values()) == {("folded",)}
    kinds = {one.fold.into: one.fold.kind for one in found.report.tensors if one.fold is not None}
    assert kinds == {"0": "weight norm", "1": "spectral norm", "2": "pruning", "3": "weight norm"}
    assert all(one.fold.residual < 1e-6 for one in found.report.tensors if one.fold is not None)
    assert all(one.status == ("equal",) for one in found.report.tensors if one.name.endswith(".bias"))


def test_a_weight_norm_of_a_graph_is_seen_in_the_whole_weight() -> None:
    v, g = numbers(6, 5), np.abs(numbers(6, 1, seed=2)) + np.float32(0.3)
    first = Builder(x=("N", 5)).add("v", Constant(), value=v).add("g", Constant(), value=g)
    first.add("norm", WeightNorm(axes=(1,)), "v", "g")
    first.add("fc", Linear(), "x", bias=numbers(6, seed=3))
    first.nodes[-1] = first.nodes[-1].model_copy(update={"inputs": {"x": "x", "kernel": "norm"}})
    kernel = v.astype(np.float64) * g / np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True)
    second = Builder(x=("N", 5)).add("fc", Linear(), "x", kernel=kernel.astype(np.float32), bias=numbers(6, seed=3))
    found = compared(first.build(), second.build())
    assert {name: status for name, status in statuses(found).items() if "." in name} == {
        "v.value": ("folded",),
        "g.value": ("folded",),
        "fc.kernel": ("folded",),
    }


def test_a_merged_lora_is_seen_with_the_scale_that_it_shows(tmp_path: Path) -> None:
    base, a, b = numbers(12, 9), numbers(3, 9, seed=1), numbers(12, 3, seed=2)
    prefix = "base_model.model.fc"
    first = {
        f"{prefix}.base_layer.weight": base,
        f"{prefix}.base_layer.bias": numbers(12, seed=4),
        f"{prefix}.lora_A.default.weight": a,
        f"{prefix}.lora_B.default.weight": b,
    }
    second = {"fc.weight": base + np.float32(0.25) * (b @ a), "fc.bias": numbers(12, seed=4)}
    found = compared(weights(tmp_path / "a.safetensors", first), weights(tmp_path / "b.safetensors", second))
    folds = {one.name: one.fold for one in found.report.tensors if one.fold is not None}
    assert set(folds) == set(first) - {f"{prefix}.base_layer.bias"}
    fold = folds[f"{prefix}.lora_A.default.weight"]
    assert (fold.kind, fold.facts["rank"], fold.facts["scale"]) == ("LoRA", 3, 0.25)
    assert fold.residual < 1e-6


def test_kernels_that_stand_end_to_end_in_one_are_joined(tmp_path: Path) -> None:
    q, k, v, out = (numbers(8, 6, seed=i) for i in range(4))
    first = {"a.q.weight": q, "a.k.weight": k, "a.v.weight": v, "a.out_proj.weight": out}
    second = {"a.in_proj_weight": np.concatenate([q, k, v]), "a.out_proj.weight": out}
    found = compared(weights(tmp_path / "a.safetensors", first), weights(tmp_path / "b.safetensors", second))
    tensors = {name: status for name, status in statuses(found).items() if "weight" in name}
    assert tensors == dict.fromkeys(["a.q.weight", "a.k.weight", "a.v.weight", "a.in_proj_weight"], ("folded",))
