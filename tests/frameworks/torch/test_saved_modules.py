"""Whole modules of PyTorch's own classes, which need no source in the file, predict what PyTorch predicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import irconv
from tests.helpers import GOLDEN_ERROR, error

_IMAGE = (2, 6, 9, 7)
_MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "ChannelShuffle": (nn.ChannelShuffle(3), _IMAGE),
    "LPPool2d": (nn.LPPool2d(2, 3, stride=2), _IMAGE),
    "LPPool1d": (nn.LPPool1d(4, 3), (2, 6, 9)),
    "LocalResponseNorm": (nn.LocalResponseNorm(3, alpha=0.1, beta=0.6, k=2.0), _IMAGE),
    "RReLU": (nn.RReLU(0.1, 0.5), _IMAGE),
    "Unfold": (nn.Unfold((2, 3), stride=(1, 2), padding=1), _IMAGE),
    "Fold": (nn.Sequential(nn.Unfold(3), nn.Fold((9, 7), 3)), _IMAGE),
    "Unflatten": (nn.Unflatten(1, (2, -1)), _IMAGE),
    "Threshold": (nn.Threshold(0.1, 20.0), _IMAGE),
    "Threshold to zero": (nn.Threshold(0.1, 0.0), _IMAGE),
    "Upsample nearest": (nn.Upsample(scale_factor=2), _IMAGE),
    "Upsample to a size": (nn.Upsample(size=(11, 13), mode="nearest"), _IMAGE),
    "Upsample nearest-exact": (nn.Upsample(size=(11, 13), mode="nearest-exact"), _IMAGE),
    "Upsample bilinear": (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), _IMAGE),
    "Upsample bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), _IMAGE),
    "Upsample trilinear": (nn.Upsample(scale_factor=2, mode="trilinear"), (2, 6, 4, 5, 3)),
    "Upsample linear": (nn.Upsample(scale_factor=3, mode="linear", align_corners=True), (2, 6, 9)),
}


@pytest.mark.parametrize("name", sorted(_MODULES))
@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
def test_a_saved_module_predicts_the_same(name: str, runtime: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    module, shape = _MODULES[name]
    first = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[len(shape)](6, 6, 1)
    model, x = nn.Sequential(first, module).eval(), torch.randn(shape)
    torch.save(model, tmp_path / "m.pt")
    bundle = irconv.read(tmp_path / "m.pt", input_shape=("N," + ",".join(map(str, shape[1:])),))
    got = list(irconv.run(bundle, [x.numpy()], runtime="numpy" if runtime == "numpy" else "onnxruntime").values())
    assert error(got, [model(x).detach().numpy()]) < GOLDEN_ERROR


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ["pickle", "program", "trace"])
def test_slopes_that_training_draws_are_told(kind: str, tmp_path: Path) -> None:
    model, x = nn.Sequential(nn.Linear(6, 4), nn.RReLU(0.1, 0.5)).eval(), torch.ones(2, 6)
    if kind == "pickle":
        torch.save(model, tmp_path / "m.pt")
    elif kind == "program":
        torch.export.save(torch.export.export(model, (x,)), tmp_path / "m.pt2")
    else:
        torch.jit.trace(model, x).save(str(tmp_path / "m.pt"))
    path = next(tmp_path.glob("m.pt*"))
    for target in ("m.onnx", "m.keras", "m.py"):
        told = [fact.value for fact in irconv.convert(path, tmp_path / target).told if fact.name == "training_alone"]
        assert len(told) == 1
        assert told[0].endswith(": RReLU(slopes drawn at random around 0.3)")
    assert "RReLU(slopes drawn at random around 0.3)" in (tmp_path / "m.py").read_text()
