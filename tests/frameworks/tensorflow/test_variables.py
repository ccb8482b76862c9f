"""What each variable of a training is, by graph, by objects, and by names alone."""

from __future__ import annotations

import numpy as np
import pytest

from irconv.containers.checkpoint_files import find
from irconv.containers.graph_def_read import read_meta_graph
from irconv.frameworks.tensorflow.training import of_graph
from irconv.frameworks.tensorflow.variables import Variable, classify
from irconv.ir.tensors import LazyTensor
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "tensorflow" / "training"
WEIGHTS = {f"net/{name}" for name in ("conv/kernel", "conv/bias", "bn/gamma", "bn/beta", "fc/weights", "fc/frozen")}
BUFFERS = {"net/bn/moving_mean", "net/bn/moving_variance"}
TRAINED = WEIGHTS - {"net/fc/frozen"}
SLOTS = {
    "adam": {"Adam", "Adam_1"},
    "momentum": {"Momentum"},
    "rmsprop": {"RMSProp", "RMSProp_1", "RMSProp_2"},
    "named": {"Mine", "Mine_1"},
}


def variables(name: str, graph: bool) -> dict[str, Variable]:
    files = find(FOLDER / f"{name}.ckpt.index")
    assert files is not None
    assert files.meta is not None
    return classify(files.read().tensors, of_graph(read_meta_graph(files.meta)) if graph else None)


def of_role(found: dict[str, Variable], role: str) -> set[str]:
    return {name for name, variable in found.items() if variable.role == role}


@pytest.mark.parametrize("name", SLOTS)
def test_a_graph_says_which_variables_are_slots(name: str) -> None:
    found = variables(name, graph=True)
    prefix = "saved/" if name == "named" else ""
    assert of_role(found, "weight") == {prefix + weight for weight in WEIGHTS}
    assert of_role(found, "buffer") == {prefix + buffer for buffer in BUFFERS}
    wanted = {f"{prefix}{weight}/{slot}": prefix + weight for weight in TRAINED for slot in SLOTS[name]}
    slots = {key: variable.of for key, variable in found.items() if variable.role == "slot"}
    assert slots == wanted
    assert all(found[prefix + weight].trainable for weight in TRAINED)
    assert found[f"{prefix}net/fc/frozen"].trainable is False
    counters = {"global_step"} | ({"beta1_power", "beta2_power"} if name in ("adam", "named") else set())
    assert of_role(found, "counter") == {prefix + counter for counter in counters}


def test_the_evidence_names_the_operation() -> None:
    found = variables("adam", graph=True)["net/conv/kernel/Adam_1"]
    assert found.evidence == "ApplyAdam keeps it for net/conv/kernel"
    assert found.slot == "Adam_1"
    assert variables("adam", graph=True)["beta1_power"].evidence == "ApplyAdam reads it"


@pytest.mark.parametrize("name", ["adam", "momentum", "rmsprop"])
def test_names_alone_tell_the_same_of_tensorflows_own_optimizers(name: str) -> None:
    by_graph, by_name = variables(name, graph=True), variables(name, graph=False)
    assert {key: variable.role for key, variable in by_name.items()} == {
        key: variable.role for key, variable in by_graph.items()
    }
    assert {key: variable.of for key, variable in by_name.items()} == {
        key: variable.of for key, variable in by_graph.items()
    }


def test_averages_are_told_from_slots() -> None:
    for graph in (True, False):
        found = variables("adam", graph)
        averages = {name: variable.of for name, variable in found.items() if variable.role == "average"}
        assert averages == {f"{name}/ExponentialMovingAverage": name for name in TRAINED}


def test_a_name_that_nothing_explains_is_a_weight() -> None:
    found = variables("named", graph=False)
    assert found["saved/net/conv/kernel/Mine"].role == "weight"
    assert found["saved/net/conv/kernel/Mine"].evidence == "nothing says that it serves the training alone"


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (["OptimizeLoss/conv/weights/Adam", "conv/weights"], "slot"),
        (["bert/dense/kernel/adam_m", "bert/dense/kernel"], "slot"),
        (["bert/dense/kernel/AdamWeightDecayOptimizer/adam_v", "bert/dense/kernel"], "slot"),
        (["conv/weights/Momentum", "other"], "weight"),
        (["conv/kernel/mask", "conv/kernel"], "weight"),
        (["training/Adam/conv/kernel/m", "conv/kernel"], "counter"),
        (["bn/moving_mean/biased", "bn/moving_mean"], "counter"),
        (["conv/moving_variance_1", "x"], "buffer"),
    ],
)
def test_names_of_other_programs(names: list[str], role: str) -> None:
    tensors = {name: LazyTensor.of(np.zeros((2, 3), "float32")) for name in names}
    assert classify(tensors)[names[0]].role == role


def test_one_number_is_a_counter_only_where_it_counts() -> None:
    tensors = {
        "global_step": LazyTensor.of(np.zeros((), "int64")),
        "scale/step": LazyTensor.of(np.zeros((), "float32")),
        "beta1_power": LazyTensor.of(np.zeros((), "float32")),
    }
    assert [found.role for found in classify(tensors).values()] == ["counter", "weight", "counter"]
