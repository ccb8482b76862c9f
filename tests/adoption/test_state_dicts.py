"""State dicts into state dicts: what is placed, by which evidence, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv import AdoptOptions
from irconv.adoption.result import Adoption
from irconv.errors import MissingFact, Refused
from tests.adoption.files import arrays, loaded, norm, saved

NUMBERED = {"block1_conv.weight": (8, 3, 3, 3), "block2_conv.weight": (8, 8, 3, 3), "block10_conv.weight": (8, 8, 3, 3)}


def adopted(folder: Path, source: dict, target: dict, options: AdoptOptions | None = None) -> tuple[Adoption, dict]:
    """What comes out of adopting one state dict into the names and shapes of another."""
    src, like = saved(folder / "src.safetensors", source), saved(folder / "like.safetensors", target)
    found = irconv.adopt(src, like, folder / "out.safetensors", options)
    return found, loaded(folder / "out.safetensors")


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    source = arrays(1, NUMBERED)
    shapes = {"features.0.weight": (8, 3, 3, 3), "features.2.weight": (8, 8, 3, 3), "features.11.weight": (8, 8, 3, 3)}
    found, out = adopted(tmp_path, source, arrays(2, shapes))
    np.testing.assert_array_equal(out["features.2.weight"], source["block2_conv.weight"])
    np.testing.assert_array_equal(out["features.11.weight"], source["block10_conv.weight"])
    placed = {p.name: p for p in found.placed}
    assert placed["features.0.weight"].sure == "certain"
    assert placed["features.2.weight"].sure == "fair"
    assert placed["features.2.weight"].others == ("block10_conv",)
    assert placed["features.2.weight"].why == ("the numbers in names",)


def test_names_that_say_nothing_are_refused_with_what_they_could_be_and_nothing_is_written(tmp_path: Path) -> None:
    shapes = {"amber.weight": (8, 8, 3, 3), "birch.weight": (8, 3, 3, 3), "cedar.weight": (8, 8, 3, 3)}
    with pytest.raises(Refused) as error:
        adopted(tmp_path, arrays(1, NUMBERED), arrays(2, shapes))
    assert str(error.value) == (
        "target amber, cedar: could be block10_conv, block2_conv of the source: types, shapes, graphs, names and order "
        "do not tell them apart. Say which with map=; --plan writes a file to begin with."
    )
    assert not (tmp_path / "out.safetensors").exists()


def test_one_shared_word_is_no_evidence(tmp_path: Path) -> None:
    source = arrays(1, {"leaf.willow.weight": (6, 6, 3, 3), "olive.weight": (6, 6, 3, 3)})
    with pytest.raises(Refused, match=r"could be leaf.willow, olive of the source"):
        adopted(tmp_path, source, arrays(2, {"nectar.weight": (6, 6, 3, 3), "willow.weight": (6, 6, 3, 3)}))


def test_the_same_names_deeper_are_the_same(tmp_path: Path) -> None:
    source = arrays(1, {"layer0.conv.weight": (8, 8, 3, 3), "layer1.conv.weight": (8, 8, 3, 3), **norm("bn", 8)})
    target = arrays(2, {f"module.net.{name}": a.shape for name, a in source.items()})
    found, out = adopted(tmp_path, source, target)
    assert out.keys() == target.keys()
    for name, array in source.items():
        np.testing.assert_array_equal(out[f"module.net.{name}"], array)
    assert not found.untouched


def test_moving_averages_are_not_taken_for_weights_unless_asked(tmp_path: Path) -> None:
    weights, averages = arrays(1, {"fc.weight": (4, 3)}), arrays(2, {"ema_model.fc.weight": (4, 3)})
    target = arrays(3, {"head.weight": (4, 3)})
    _, out = adopted(tmp_path, weights | averages, target)
    np.testing.assert_array_equal(out["head.weight"], weights["fc.weight"])
    src, like = tmp_path / "src.safetensors", tmp_path / "like.safetensors"
    saved(src, averages)
    with pytest.raises(MissingFact, match=r"holds moving averages of weights, and no others. Give ema=True"):
        irconv.adopt(src, like, tmp_path / "other.safetensors")


def test_a_source_without_running_statistics_is_refused_but_for_partial(tmp_path: Path) -> None:
    source = arrays(1, {"bn.weight": (8,), "bn.bias": (8,)})
    target = arrays(2, norm("norm", 8))
    with pytest.raises(Refused, match=r"target norm.running_mean: the source has no mean for it"):
        adopted(tmp_path, source, target)
    found, out = adopted(tmp_path, source, target, AdoptOptions(partial=True))
    assert found.untouched == ("norm.running_mean", "norm.running_var")
    np.testing.assert_array_equal(out["norm.running_var"], target["norm.running_var"])
    np.testing.assert_array_equal(out["norm.weight"], source["bn.weight"])


def test_another_head_is_refused_on_both_sides_and_left_with_partial(tmp_path: Path) -> None:
    source = arrays(1, {"body.weight": (8, 6), "head.weight": (5, 8)})
    target = arrays(2, {"trunk.weight": (8, 6), "classifier.weight": (7, 8)})
    with pytest.raises(Refused) as error:
        adopted(tmp_path, source, target)
    assert [str(problem) for problem in error.value.problems] == [
        "target classifier (matrix 7x8): the source has nothing of this type and shape. "
        "With --partial it stays as it is.",
        "source head (matrix 5x8): the target has no use for it. With --partial it is left out.",
    ]
    found, out = adopted(tmp_path, source, target, AdoptOptions(partial=True))
    assert (found.untouched, found.left) == (("classifier.weight",), ("head.weight",))
    np.testing.assert_array_equal(out["classifier.weight"], target["classifier.weight"])


def attention(scope: str, names: tuple[str, ...], joined: bool = False) -> dict[str, tuple[int, ...]]:
    rows = 18 if joined else 6
    shapes = {f"{scope}.{name}.weight": (rows, 6) for name in names[:-1]} | {f"{scope}.{names[-1]}.weight": (6, 6)}
    return shapes | {f"{name.removesuffix('weight')}bias": shape[:1] for name, shape in shapes.items()}


def test_query_key_and_value_are_joined_and_cut_apart(tmp_path: Path) -> None:
    source = arrays(1, attention("layer1.attn", ("q_proj", "k_proj", "v_proj", "o_proj")))
    packed = {"blocks.0.att.in_proj_weight": (18, 6), "blocks.0.att.in_proj_bias": (18,)}
    packed |= {"blocks.0.att.out_proj.weight": (6, 6), "blocks.0.att.out_proj.bias": (6,)}
    found, out = adopted(tmp_path, source, arrays(2, packed))
    rows = [source[f"layer1.attn.{name}_proj.weight"] for name in "qkv"]
    np.testing.assert_array_equal(out["blocks.0.att.in_proj_weight"], np.concatenate(rows))
    np.testing.assert_array_equal(out["blocks.0.att.out_proj.bias"], source["layer1.attn.o_proj.bias"])
    assert found.placed[1].steps == ("3 joined along the first axis",)
    saved(tmp_path / "packed.safetensors", out)
    like = saved(tmp_path / "split.safetensors", arrays(3, attention("x.att", ("to_q", "to_k", "to_v", "to_out"))))
    irconv.adopt(tmp_path / "packed.safetensors", like, tmp_path / "split_out.safetensors")
    back = loaded(tmp_path / "split_out.safetensors")
    np.testing.assert_array_equal(back["x.att.to_k.bias"], source["layer1.attn.k_proj.bias"])


def test_projections_whose_names_say_nothing_are_refused(tmp_path: Path) -> None:
    source = arrays(1, attention("attn", ("query", "key", "value", "out")))
    with pytest.raises(Refused, match=r"could be attn.key, attn.out, attn.query, attn.value of the source"):
        adopted(tmp_path, source, arrays(2, attention("attn", ("elm", "fjord", "grove", "heron"))))
