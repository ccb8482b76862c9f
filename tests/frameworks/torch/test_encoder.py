"""What PyTorch fuses where no gradients are wanted, as traces hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import irconv
from tests.frameworks.torch.networks import filled

STEPS = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
KEYS = torch.tensor([[False, False, False, True, True], [False, False, True, False, False]])


class Attends(nn.Module):
    """Attention to itself, under a mask of steps or one of keys."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 4, batch_first=True)
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False, **self.options)[0]


class Encodes(nn.Module):
    """Encoder layers."""

    def __init__(self, given: dict[str, Tensor], **options: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 4, 20, batch_first=True, **options)
        self.layers, self.given = nn.ModuleList([layer, nn.TransformerEncoderLayer(12, 4, 20, batch_first=True)]), given

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, **self.given)
        return x


CASES: dict[str, nn.Module] = {
    "attention": Attends(),
    "attention under a mask of steps": Attends(attn_mask=STEPS),
    "attention under a mask of keys": Attends(key_padding_mask=KEYS),
    "attention under both masks": Attends(attn_mask=STEPS, key_padding_mask=KEYS),
    "encoder": Encodes({}),
    "encoder with norms first": Encodes({}, norm_first=True, activation="gelu"),
    "encoder under a mask of steps": Encodes({"src_mask": STEPS}),
    "encoder under a mask of keys": Encodes({"src_key_padding_mask": KEYS}),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", CASES)
def test_fused_layers_are_read_as_what_they_compute(name: str, tmp_path: Path) -> None:
    module, given = filled(CASES[name]), torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        trace = torch.jit.trace(module, given, check_trace=False)
        wanted = module(given).numpy()
    trace.save(str(tmp_path / "model.pt"))
    assert any(fused in str(trace.inlined_graph) for fused in ("_native_multi_head", "_transformer_encoder_layer"))
    (got,) = irconv.run(irconv.read(tmp_path / "model.pt"), [given.numpy()]).values()
    assert np.abs(got - wanted).max() < 3e-6 * np.abs(wanted).max()
