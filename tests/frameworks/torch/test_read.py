"""PyTorch's files give the arrays that PyTorch says are in them, bit for bit, and go out under the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.ir.bundle import Bundle
from irconv.ir.validate import validate
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import ROOT, rejection

TORCH = ROOT / "fixtures" / "torch"
STATES = [
    path.stem
    for path in sorted(TORCH.glob("*.pt"))
    if path.with_suffix(".npz").exists() and path.stem not in ("pair", "parts")
]
RAW = {"bfloat16": np.int16, "float8_e4m3fn": np.uint8, "float8_e5m2": np.uint8}
"""What stands in the .npz for element types that numpy lacks."""


def wanted(name: str) -> dict[str, Any]:
    arrays = np.load(TORCH / f"{name}.npz")
    return {key: arrays[key] for key in arrays.files if key not in ("x", "y")}


def weights(bundle: Bundle) -> dict[str, Any]:
    """The arrays of a bundle without a graph by name."""
    return {
        f"{group.name}.{local}".lstrip("."): bundle.tensors[key].data.numpy()
        for group in bundle.groups
        for local, key in group.tensors.items()
    }


def assert_same(got: dict[str, Any], want: dict[str, Any]) -> None:
    assert got.keys() == want.keys()
    for name, array in want.items():
        kind = RAW.get(str(got[name].dtype))
        found = got[name].view(kind) if kind and array.dtype == kind else got[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape), name
        assert found.tobytes() == array.tobytes(), name


@pytest.mark.parametrize("name", STATES)
def test_every_array_is_read_bit_for_bit(name: str) -> None:
    bundle = irconv.read(TORCH / f"{name}.pt")
    assert not validate(bundle)
    assert_same(weights(bundle) if bundle.graph is None else _with_source_names(bundle), wanted(name))


def _with_source_names(bundle: Bundle) -> dict[str, Any]:
    prefix = next((fact.value for fact in bundle.source.facts if fact.name == "prefix"), "")
    return {name.removeprefix(prefix): tensor.numpy() for name, tensor in bundle.source_tensors().items()}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_pytorch_and_safetensors_load_what_is_written(name: str, suffix: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    destination = tmp_path / f"out{suffix}"
    api.convert(TORCH / f"{name}.pt", destination)
    found = torch.load(destination, weights_only=True) if suffix == ".pt" else load_file(destination)
    raw = {torch.bfloat16: torch.int16, torch.float8_e4m3fn: torch.uint8, torch.float8_e5m2: torch.uint8}
    assert_same({k: (v.view(raw[v.dtype]) if v.dtype in raw else v).numpy() for k, v in found.items()}, wanted(name))


@pytest.mark.parametrize("name", ["views", "dtypes", "parts"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".irconv"])
def test_what_is_written_is_read_back(name: str, suffix: str, tmp_path: Path) -> None:
    first = irconv.read(TORCH / f"{name}.pt")
    api.write(first, tmp_path / f"a{suffix}")
    assert_same(weights(irconv.read(tmp_path / f"a{suffix}")), weights(first))


def test_tied_tensors_are_one_tensor_and_stay_tied(tmp_path: Path) -> None:
    import torch

    bundle = irconv.read(TORCH / "views.pt")
    places = {group.name: group.tensors.get("weight") for group in bundle.groups}
    assert places["emb"] == places["dec"] == "emb.weight"
    assert [fact.value for fact in bundle.source.facts if fact.name == "tied"] == ["dec.weight = emb.weight"]
    api.write(bundle, tmp_path / "a.pt")
    found = torch.load(tmp_path / "a.pt", weights_only=True)
    assert found["emb.weight"].data_ptr() == found["dec.weight"].data_ptr()


def test_a_name_that_safetensors_left_out_for_a_tie_comes_back(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_model

    net = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3, bias=False), "b": torch.nn.Linear(3, 3, bias=False)})
    net["b"].weight = net["a"].weight
    save_model(net, str(tmp_path / "m.safetensors"))
    assert_same(weights(irconv.read(tmp_path / "m.safetensors")), {k: v.numpy() for k, v in net.state_dict().items()})


@pytest.mark.parametrize(
    ("name", "facts", "reasons"),
    [
        ("training", {"key": "model_state_dict"}, {"optimizer state", "state of the training", "no tensor"}),
        ("parallel", {"key": "state_dict", "prefix": "module."}, {"no tensor", "not part of state_dict"}),
        ("compiled", {"prefix": "_orig_mod."}, set()),
        ("averaged", {"key": "state_dict"}, {"an averaged copy of the weights, which --ema reads"}),
        ("lightning", {"key": "state_dict", "prefix": "model."}, {"optimizer state", "no tensor"}),
    ],
)
def test_the_weights_are_found_among_what_is_saved_with_them(
    name: str, facts: dict[str, str], reasons: set[str]
) -> None:
    bundle = irconv.read(TORCH / f"{name}.pt")
    assert {fact.name: fact.value for fact in bundle.source.facts} == facts
    assert {omitted.reason for omitted in bundle.omitted} == reasons


def test_the_averaged_copy_is_read_on_request() -> None:
    plain, averaged = (weights(irconv.read(TORCH / "averaged.pt", ReadOptions(ema=ema))) for ema in (False, True))
    assert np.array_equal(averaged["0.weight"], plain["0.weight"] * 0.5)


def test_several_state_dicts_are_refused_with_their_names() -> None:
    text = rejection(lambda: irconv.read(TORCH / "pair.pt"), MissingFact)
    assert text == (
        f"{TORCH / 'pair.pt'}: holds tensors under generator, discriminator. "
        "Give --key with one of them: generator, discriminator."
    )
    assert_same(weights(irconv.read(TORCH / "pair.pt", ReadOptions(key="generator"))), wanted("pair"))


def test_a_key_that_is_not_there_is_refused_with_those_that_are() -> None:
    text = rejection(lambda: irconv.read(TORCH / "pair.pt", ReadOptions(key="critic")), MissingFact)
    assert "pair.pt: --key critic: there is nothing of this name, but generator, discriminator. Give --key" in text


def test_tensors_that_cannot_be_kept_are_refused_all_at_once() -> None:
    text = rejection(lambda: irconv.read(TORCH / "unreadable.pt"), Refused)
    assert [line.split(": ", 1)[1] for line in text.splitlines()] == [
        "meta: is a tensor without data (device meta), which irconv does not keep. Save it as a plain tensor.",
        "own: is a tensor of the class make_torch.Own, which irconv does not keep. Save it as a plain tensor.",
    ]


def test_a_view_that_claims_far_more_than_it_has_is_refused() -> None:
    text = rejection(lambda: irconv.read(TORCH / "claims.pt"), Refused)
    assert ": w: is a view of 24 bytes that claims 4398046511104, showing the same elements again and again." in text


def test_types_are_named_where_the_tensors_leave_no_doubt(tmp_path: Path) -> None:
    import torch
    from torch import nn

    parts: dict[str, nn.Module] = {
        "lstm": nn.LSTM(3, 4, proj_size=2),
        "gru": nn.GRU(3, 4),
        "rnn": nn.RNN(3, 4),
        "cell": nn.LSTMCell(3, 4),
        "attention": nn.MultiheadAttention(4, 2),
        "norm": nn.BatchNorm1d(3),
        "conv": nn.Conv2d(3, 4, 1),
    }
    torch.save(nn.ModuleDict(parts).state_dict(), tmp_path / "m.pt")
    kinds = {group.name: group.type for group in irconv.read(tmp_path / "m.pt").groups}
    assert kinds == {
        "lstm": "LSTM",
        "gru": "GRU",
        "rnn": "RNN",
        "cell": None,
        "attention": "MultiHeadAttention",
        "attention.out_proj": None,
        "norm": None,
        "conv": None,
    }


def test_a_plain_pickle_of_tensors_is_read(tmp_path: Path) -> None:
    import pickle

    import torch

    state = {"torch": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2, dtype=torch.int64)}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(state))
    assert_same(weights(irconv.read(tmp_path / "m.pkl")), {k: np.ascontiguousarray(v) for k, v in state.items()})


@pytest.mark.parametrize("safe", [True, False])
def test_a_folder_of_shards_is_read_as_one_state_dict(safe: bool, tmp_path: Path) -> None:
    import json

    import torch
    from safetensors.torch import save_file

    shards = [{"a.weight": torch.randn(2, 3)}, {"b.weight": torch.randn(3)}]
    stem, suffix = ("model", "safetensors") if safe else ("pytorch_model", "bin")
    names = [f"{stem}-{number:05}-of-00002.{suffix}" for number in (1, 2)]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, tmp_path / name) if safe else torch.save(shard, tmp_path / name)
    placed = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    index = tmp_path / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    (tmp_path / "config.json").write_text("{}")
    for source in (tmp_path, index):
        assert_same(weights(irconv.read(source)), {k: v.numpy() for shard in shards for k, v in shard.items()})
    (tmp_path / names[1]).unlink()
    text = rejection(lambda: irconv.read(tmp_path), DamagedFile)
    assert text == f"{index}: expected the shard {names[1]}, which is missing."


def test_large_weights_become_shards_with_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from irconv.frameworks.torch import state_dict

    monkeypatch.setattr(state_dict, "SHARD_BYTES", 100)
    written = api.convert(TORCH / "torch213-state.pt", tmp_path / "m.safetensors")
    assert len(written.files) > 3
    assert_same(weights(irconv.read(tmp_path / "m.safetensors.index.json")), wanted("torch213-state"))


def test_weights_in_parts_are_computed_on_request(tmp_path: Path) -> None:
    api.convert(TORCH / "parts.pt", tmp_path / "m.safetensors", None, WriteOptions(merge=True))
    got, want = weights(irconv.read(tmp_path / "m.safetensors")), wanted("parts")
    assert got.keys() == want.keys()
    assert max(float(np.abs(got[name] - want[name]).max()) for name in want) < 5e-7


def test_an_unknown_parametrization_is_refused_when_it_is_to_be_merged(tmp_path: Path) -> None:
    import torch
    from torch.nn.utils import parametrizations

    torch.save(parametrizations.orthogonal(torch.nn.Linear(3, 4)).state_dict(), tmp_path / "m.pt")
    merge = WriteOptions(merge=True)
    text = rejection(lambda: api.convert(tmp_path / "m.pt", tmp_path / "m.safetensors", None, merge), Refused)
    assert text.startswith("weight: is computed from 0.base, original by a parametrization that irconv does not know.")
