"""What people save beside the weights: found or asked for by rule, objects of any class left alone and never run."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import logging
import pathlib
import random
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import MissingFact, Refused
from irconv.options import ReadOptions, WriteOptions
from tests.frameworks.torch.test_read import assert_same, weights
from tests.helpers import rejection


class Colour(enum.Enum):
    RED = 1


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Settings(dict[str, Any]):
    """A dictionary of a class of its own, as configuration libraries make them."""


@dataclasses.dataclass
class State:
    params: dict[str, Any]
    step: int


Pair = collections.namedtuple("Pair", "a b")


def state() -> dict[str, Any]:
    import torch

    return {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}


def plain_objects() -> dict[str, Any]:
    """Objects that are no weights, one of each kind."""
    import torch

    return {
        "args": argparse.Namespace(lr=0.1, activation=torch.relu, device=torch.device("cuda:0"), kind=int, call=print),
        "path": pathlib.PurePosixPath("a/b"),
        "when": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
        "colour": Colour.RED,
        "flags": Flags.A | Flags.B,
        "make": functools.partial(torch.optim.Adam, lr=0.1),
        "lists": collections.defaultdict(list, a=[1]),
        "counts": collections.Counter("abc"),
        "pair": Pair(1, 2),
        "space": types.SimpleNamespace(a=1),
        "log": logging.getLogger("a"),
        "annotations": [typing.Any, list[int], list[int], type(None)],
        "types": [torch.bfloat16, torch.Size([1, 2]), np.dtype("f4"), np.float32(3)],
        "numbers": np.random.get_state(),
        "random": [random.getstate(), np.random.default_rng(0), np.random.RandomState(3), torch.Generator()],
        "error": ValueError("a"),
        "settings": Settings(a=Settings(b=1)),
        "objects": np.array([{"a": 1}, "b"], dtype=object),
        "names": np.array(["a", "b"]),
    }


@pytest.mark.parametrize("legacy", [True, False])
def test_objects_of_every_kind_beside_the_weights_are_left_alone(legacy: bool, tmp_path: Path) -> None:
    import torch

    value = {"model": state(), **plain_objects()}
    torch.save(value, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    bundle = irconv.read(tmp_path / "m.pt")
    assert_same(weights(bundle), {name: tensor.numpy() for name, tensor in state().items()})
    assert {omitted.name.split(".")[0] for omitted in bundle.omitted} == plain_objects().keys()


def _optimizer() -> dict[str, Any]:
    import torch

    return {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"params": [0]}]}


SAVED: dict[str, Callable[[], Any]] = {
    "plain": state,
    "a class of its own": lambda: Settings(state()),
    "nested in one": lambda: {"model": Settings(state()), "epoch": 1},
    "a dataclass": lambda: {"state": State(state(), 3), "epoch": 1},
    "fairseq": lambda: {
        "args": argparse.Namespace(arch="a"),
        "model": state(),
        "optimizer_history": [{"criterion_name": "a"}],
        "last_optimizer_state": _optimizer(),
    },
    "deepspeed": lambda: {"module": state(), "buffer_names": ["a"], "optimizer": None, "ds_version": "0.9"},
    "detectron": lambda: {"model": {name: tensor.numpy() for name, tensor in state().items()}, "__author__": "a"},
    "mmengine": lambda: {
        "meta": {"cfg": "a"},
        "state_dict": state(),
        "message_hub": {"log_scalars": {"train/lr": State({"a": np.arange(3.0)}, 1)}},
    },
    "lightning": lambda: {
        "pytorch-lightning_version": "2.1.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in state().items()},
        "callbacks": {"ModelCheckpoint{'monitor': 'val'}": {"best_model_score": state()["fc.bias"]}},
        "optimizer_states": [_optimizer()],
        "MixedPrecisionPlugin": {"scale": state()["fc.bias"]},
        "loops": {"fit_loop": {"state_dict": {}}},
    },
    "an optimizer of any name": lambda: {"net": state(), "solver": _optimizer()},
    "in a list with an optimizer": lambda: [state(), _optimizer(), 3],
    "history": lambda: {"model": state(), "history": {"val": state()["fc.bias"]}},
}


@pytest.mark.parametrize("name", SAVED)
def test_the_weights_are_found_in_what_people_save(name: str, tmp_path: Path) -> None:
    import torch

    torch.save(SAVED[name](), tmp_path / "m.pt")
    bundle = irconv.read(tmp_path / "m.pt")
    assert_same(weights(bundle), {name: tensor.numpy() for name, tensor in state().items()})


def test_two_modules_in_one_file_are_asked_for(tmp_path: Path) -> None:
    import torch
    from torch import nn

    value = {"encoder": nn.Sequential(nn.Linear(3, 4)), "decoder": nn.Linear(4, 3), "epoch": 1}
    torch.save(value, tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), MissingFact)
    assert text.endswith("m.pt: holds tensors under encoder, decoder. Give --key with one of them: encoder, decoder.")
    found = irconv.read(tmp_path / "m.pt", ReadOptions(key="decoder"))
    assert list(found.source_tensors()) == ["weight", "bias"]


def test_modules_in_a_list_are_read_under_their_numbers(tmp_path: Path) -> None:
    import torch
    from torch import nn

    torch.save([nn.Linear(3, 4), nn.Linear(4, 3)], tmp_path / "m.pt")
    assert list(weights(irconv.read(tmp_path / "m.pt"))) == [
        f"list.{number}.{name}" for number in (0, 1) for name in ("weight", "bias")
    ]


def test_the_averaged_module_is_read_where_the_plain_one_was_taken_out(tmp_path: Path) -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    torch.save({"epoch": -1, "model": None, "ema": net, "updates": 3}, tmp_path / "m.pt")
    bundle = irconv.read(tmp_path / "m.pt")
    assert bundle.graph is not None
    assert bundle.source_tensors().keys() == net.state_dict().keys()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_norm_in_a_whole_module_is_folded_on_request(tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import load_file
    from torch import nn

    net = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 3)), nn.Tanh())
    torch.save(net, tmp_path / "m.pt")
    assert weights(irconv.read(tmp_path / "m.pt")).keys() == {"0.bias", "0.weight_g", "0.weight_v"}
    api.convert(tmp_path / "m.pt", tmp_path / "o.safetensors", None, WriteOptions(merge=True))
    found = load_file(tmp_path / "o.safetensors")
    assert found.keys() == {"0.bias", "0.weight"}
    first: Any = net[0]
    assert float(np.abs(found["0.weight"] - first.weight.detach().numpy()).max()) < 1e-7


def test_a_part_that_is_no_module_is_refused_instead_of_left_out(tmp_path: Path) -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 4))
    net._modules["1"] = State(state(), 1)  # type: ignore[assignment]
    torch.save(net, tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert "Sequential: its part 1 (tests.frameworks.torch.test_read_saved.State) keeps its weights in a form" in text


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (eval, "builtins.eval"),
        (np.load, "numpy.load"),
        (pathlib.os.remove, "posix.remove"),  # type: ignore[attr-defined]
        (rejection, "tests.helpers.rejection"),
    ],
)
def test_a_call_of_a_function_beside_the_weights_is_refused_by_name(function: Any, name: str, tmp_path: Path) -> None:
    import torch

    torch.save({"model": state(), "extra": Call(function, "a")}, tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert f"the pickle calls {name}, which is not on the list of plain data." in text


def test_an_attribute_is_described_but_its_call_is_refused(tmp_path: Path) -> None:
    attribute = b"cbuiltins\ngetattr\n(cos\npath\nU\x06systemtR"
    (tmp_path / "m.pkl").write_bytes(b"ctorch\nTensor\n0" + attribute + b"(U\x01atR.")
    text = rejection(lambda: irconv.read(tmp_path / "m.pkl"), Refused)
    assert text.startswith(f"{tmp_path / 'm.pkl'}: the pickle calls a Instance, which is never done.")
