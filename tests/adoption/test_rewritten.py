"""Networks that were rewritten with other modules, judged by running them in PyTorch: right, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.adoption.result import Adoption
from irconv.errors import MissingFact, Refused
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "adoption"
NETS = FOLDER / "rewritten_nets.py"
WORDS = (np.arange(14).reshape(2, 7) * 5 % 13).astype(np.int64)
IMAGE, SOUND = np.linspace(-1, 1, 2 * 3 * 7 * 5, dtype=np.float32).reshape(2, 3, 7, 5), np.sin(np.arange(2 * 4 * 9))
SOUND = SOUND.reshape(2, 4, 9).astype(np.float32)


pytestmark = [
    pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript-based ONNX export"),
    pytest.mark.filterwarnings("ignore:The feature will be removed"),
]


def made(cls: str) -> Any:
    """A network with values of its own."""
    import torch

    from irconv.frameworks.torch.live import build

    torch.manual_seed(len(cls))
    net = build(NETS, cls).eval()
    for tensor in dict.fromkeys(net.parameters()):
        torch.nn.init.normal_(tensor, 0.1, 0.4)
    return net


def saved(net: Any, x: Any, path: Path) -> Path:
    """The network as a file: its program, or its weights alone."""
    import torch

    if path.suffix == ".pt2":
        torch.export.save(torch.export.export(net, (torch.from_numpy(x),)), path)
    elif path.suffix == ".onnx":
        torch.onnx.export(net, (torch.from_numpy(x),), path, dynamo=False)
    else:
        torch.save(net.state_dict(), path)
    return path


def moved(source: str, target: str, x: Any, path: Path, **options: Any) -> tuple[Adoption, float]:
    """What was placed, and how far the target's results are then from the source's."""
    import torch

    old, new = made(source), made(target)
    found = irconv.adopt(saved(old, x, path), new, **options)
    with torch.no_grad():
        wanted, got = (net(torch.from_numpy(x)).numpy() for net in (old, new))
    return found, float(np.abs(got - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize(
    ("name", "cls"), [("directions", "Directions"), ("windows", "Windows"), ("columns", "Columns")]
)
def test_networks_of_keras_with_other_modules_predict_what_keras_did(name: str, cls: str) -> None:
    import torch

    net = made(cls)
    irconv.adopt(FOLDER / f"{name}.keras", net)
    x, y = np.load(FOLDER / f"{name}_x.npy"), np.load(FOLDER / f"{name}_y.npy")
    with torch.no_grad():
        got = net(torch.from_numpy(x)).numpy()
    assert np.abs(got - y).max() / np.abs(y).max() < 2e-6


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
@pytest.mark.parametrize("way", ["kv", "split", "turned", "slices", "unbound"])
def test_query_key_and_value_are_cut_and_joined_as_the_graphs_take_them(way: str, suffix: str, tmp_path: Path) -> None:
    for source, target in ((way, "apart"), ("apart", way)):
        found, error = moved(f"Words('{source}')", f"Words('{target}', False)", WORDS, tmp_path / f"{source}{suffix}")
        assert error < 2e-6, (source, target)
        assert not found.untouched


def test_two_orders_of_the_same_three_in_one_are_not_taken_for_each_other(tmp_path: Path) -> None:
    found, error = moved("Words('split')", "Words('turned')", WORDS, tmp_path / "m.pt2")
    assert error < 2e-6
    steps = {placed.name: placed.sources for placed in found.placed}
    assert steps["blocks.0.qkv.weight"] == ("blocks.0.qkv.kernel",)


@pytest.mark.parametrize(("source", "target"), [("apart", "heads"), ("heads", "apart"), ("split", "heads")])
def test_rows_by_heads_are_refused_where_the_other_side_has_them_whole(
    source: str, target: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=r"blocks\.0\.qkv"):
        moved(f"Words('{source}')", f"Words('{target}')", WORDS, tmp_path / "m.pt2")


def test_rows_by_heads_are_moved_where_both_have_them(tmp_path: Path) -> None:
    assert moved("Words('heads')", "Words('heads', False)", WORDS, tmp_path / "m.pt2")[1] < 2e-6


def test_three_in_one_that_its_name_alone_tells_is_said(tmp_path: Path) -> None:
    found, error = moved("Words('split')", "Words('apart')", WORDS, tmp_path / "m.pt")
    assert error < 2e-6
    said = "blocks.1.qkv.weight is taken for query, key and value, one after the other"
    assert f"{said}, as its name says and no graph shows" in found.notes


@pytest.mark.parametrize("suffix", [".pt", ".pt2", ".onnx"])
def test_weight_norm_is_computed_for_a_target_without_it(suffix: str, tmp_path: Path) -> None:
    found, error = moved("Sounds(True)", "Sounds(False)", SOUND, tmp_path / f"m{suffix}")
    assert error < 2e-6
    assert len(found.placed) == 6


@pytest.mark.parametrize("join", ["sum", "concatenation"])
@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 3, 2, 1), (0, 1, 3, 2)])
def test_columns_follow_the_order_in_which_each_side_flattens(
    order: tuple[int, ...], join: str, tmp_path: Path
) -> None:
    turned, plain = f"Images({order}, '{join}')", f"Images(None, '{join}')"
    for source, target in ((plain, turned), (turned, plain)):
        assert moved(source, target, IMAGE, tmp_path / "m.pt2")[1] < 2e-6


def test_weights_alone_are_refused_for_a_target_that_turns_what_it_flattens(tmp_path: Path) -> None:
    with pytest.raises(MissingFact, match="one side turns the axes of what it flattens, and the other's weights alone"):
        moved("Images()", "Images((0, 2, 3, 1))", IMAGE, tmp_path / "m.pt", input_shape=("N,3,7,5",))
