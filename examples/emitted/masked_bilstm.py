"""masked_bilstm.keras (Keras 3.15.1) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

States = Tensor | tuple[Tensor, Tensor] | None


def run_packed(
    module: nn.RNNBase, x: Tensor, lengths: Tensor, states: States = None
) -> tuple[Tensor, Any]:
    """What a recurrent module gives for the first steps of each sequence: outputs, zeros behind them, and last states.

    A sequence of no steps keeps its states.
    """
    empty = lengths < 1
    counts = lengths.to("cpu", torch.int64).clamp(1, x.shape[1])
    packed = pack_padded_sequence(x, counts, batch_first=True, enforce_sorted=False)
    packed, after = module(packed, states)
    y, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    single = isinstance(after, Tensor)
    after = (after,) if single else after
    if states is None:
        states = tuple(torch.zeros_like(state) for state in after)
    before = (states,) if isinstance(states, Tensor) else states
    after = tuple(torch.where(empty[:, None], old, new) for old, new in zip(before, after))
    return y.masked_fill(empty[:, None, None], 0.0), after[0] if single else after


def run_masked(
    module: nn.RNNBase, x: Tensor, mask: Tensor, states: States = None, repeat: bool = False
) -> tuple[Tensor, Any]:
    """What a recurrent module gives for the steps that mask keeps: outputs, in their places, and last states.

    Masked steps keep the states; their outputs are zeros, or repeat the one of the step processed before.
    """
    order = torch.argsort((~mask).int(), dim=1, stable=True)  # the kept steps first
    kept = torch.take_along_dim(x, order[:, :, None], dim=1)
    y, states = run_packed(module, kept, mask.sum(dim=1), states)
    y = F.pad(y, (0, 0, 1, 0))  # zeros at place 0
    done = mask.cumsum(dim=1)
    places = [done if repeat else done * mask]
    if module.bidirectional:
        places.append(done + ~mask if repeat else places[0])
    parts = zip(y.chunk(len(places), dim=2), places)
    parts = [torch.take_along_dim(part, place[:, :, None], dim=1) for part, place in parts]
    return torch.cat(parts, dim=2), states


class MaskedBilstm(nn.Module):
    """Takes x: int32 (N, D1); returns head: float32 (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.first = nn.LSTM(128, 64, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(128, 64, batch_first=True, bidirectional=True)
        self.head = nn.Linear(128, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embedding(x)
        mask = x != 0
        first, _ = run_masked(self.first, y, mask)
        _, ((second, second_2), _) = run_masked(self.second, first, mask)
        return F.softmax(self.head(torch.cat([second, second_2], dim=1)), dim=1)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> MaskedBilstm:
    """The model in eval mode, with its weights from masked_bilstm.safetensors."""
    model = MaskedBilstm()
    model.load_state_dict(load_file(weights))
    return model.eval()
