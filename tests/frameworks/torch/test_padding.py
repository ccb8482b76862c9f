"""Zeros around an image become the padding of the convolution that takes it, where it can have them."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.execute import execute
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.tensor_ops import Pad
from tests.helpers import Builder, error, in_torch, numbers


@pytest.mark.parametrize(
    ("pads", "value", "written"),
    [
        (((2, 2), (1, 1)), 0.0, "nn.Conv2d(3, 4, (3, 2), padding=(2, 2), bias=False)"),
        (((2, 2), (1, 2)), 0.0, "nn.Conv2d(3, 4, (3, 2), padding=(0, 1), bias=False)"),
        (((2, 2), (1, 1)), 0.5, "nn.Conv2d(3, 4, (3, 2), padding=(0, 1), bias=False)"),
    ],
)
def test_alike_zeros_are_taken_in_and_others_stay(
    pads: tuple[tuple[int, int], ...], value: float, written: str, tmp_path: Path
) -> None:
    builder = Builder(x=("N", 3, 6, 7)).add("pad", Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=value), "x")
    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (1, 1)))
    bundle, x = builder.add("conv", layer, "pad", kernel=numbers(4, 3, 3, 2)).build(), numbers(2, 3, 6, 7, seed=3)
    irconv.write(bundle, tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    assert written.replace("(2, 2)", "2") in text
    assert ("F.pad" in text) == ("(0, 1)" in written)
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 2e-6


def test_zeros_that_another_layer_takes_too_stay(tmp_path: Path) -> None:
    pad = Pad(pads=((0, 0), (0, 0), (1, 1), (1, 1)), mode="constant", value=0.0)
    builder = Builder(x=("N", 3, 6, 7)).add("pad", pad, "x")
    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (0, 0)))
    builder.add("conv", layer, "pad", kernel=numbers(4, 3, 3, 2))
    irconv.write(builder.build("conv", "pad"), tmp_path / "m.py")
    assert "F.pad(x, (1, 1, 1, 1))" in (tmp_path / "m.py").read_text()
