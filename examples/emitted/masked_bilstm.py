"""masked_bilstm.keras (Keras 3.15.1) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


class CustomRecurrent(nn.Module):
    """What the recurrent modules below share: they read (n, t, features) and return the outputs and the last states.

    A masked step keeps the states; its output is the one before it, or zeros. In reverse, outputs stand in the order of
    time with in_time, else in that of processing.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        gates: int,
        bias_ih: bool = True,
        bias_hh: bool = False,
        reverse: bool = False,
        in_time: bool = True,
        zero_masked: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size, self.reverse, self.in_time, self.zero_masked = (
            hidden_size,
            reverse,
            in_time,
            zero_masked,
        )
        rows = gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, dtype=dtype))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size, dtype=dtype))
        self.bias_ih = nn.Parameter(torch.empty(rows, dtype=dtype)) if bias_ih else None
        self.bias_hh = nn.Parameter(torch.empty(rows, dtype=dtype)) if bias_hh else None

    def run(
        self, x: Tensor, states: Sequence[Tensor | None], mask: Tensor | None
    ) -> tuple[Tensor, ...]:
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        states = [zeros if state is None else state for state in states]
        x, output, made = F.linear(x, self.weight_ih, self.bias_ih), zeros, []
        times = range(x.shape[1])
        for t in reversed(times) if self.reverse else times:
            after = self.step(x[:, t], *states)
            if mask is None:
                output = after[0]
            else:
                valid = mask[:, t, None]
                output = torch.where(valid, after[0], zeros if self.zero_masked else output)
                after = [torch.where(valid, new, old) for new, old in zip(after, states)]
            states = after
            made.append(output)
        if self.reverse and self.in_time:
            made.reverse()
        return torch.stack(made, dim=1), *states


class CustomLSTM(CustomRecurrent):
    """An LSTM whose gates stand in the order i f g o."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        output_activation: Activation = torch.tanh,
        forget_bias: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, 4, **settings)
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.output_activation, self.forget_bias = output_activation, forget_bias

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (x + F.linear(h, self.weight_hh, self.bias_hh)).chunk(4, dim=1)
        kept = self.recurrent_activation(f + self.forget_bias) * c
        c = kept + self.recurrent_activation(i) * self.activation(g)
        return self.recurrent_activation(o) * self.output_activation(c), c

    def forward(
        self,
        x: Tensor,
        h: Tensor | None = None,
        c: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return self.run(x, [h, c], mask)


class MaskedBilstm(nn.Module):
    """Takes x: int32 (N, D1); returns head: float32 (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.first_forward_layer = CustomLSTM(128, 64, zero_masked=True)
        self.first_backward_layer = CustomLSTM(128, 64, reverse=True, zero_masked=True)
        self.second_forward_layer = CustomLSTM(128, 64)
        self.second_backward_layer = CustomLSTM(128, 64, in_time=False, reverse=True)
        self.head = nn.Linear(128, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embedding(x)
        not_equal_in1_cast = torch.tensor(0.0).to(torch.int32)
        x = x != not_equal_in1_cast
        first, _, _ = self.first_forward_layer(y, None, None, x)
        first_2, _, _ = self.first_backward_layer(y, None, None, x)
        y = torch.cat([first, first_2], dim=2)
        _, second, _ = self.second_forward_layer(y, None, None, x)
        _, second_2, _ = self.second_backward_layer(y, None, None, x)
        return F.softmax(self.head(torch.cat([second, second_2], dim=1)), dim=1)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> MaskedBilstm:
    """The model in eval mode, with its weights from masked_bilstm.safetensors."""
    model = MaskedBilstm()
    model.load_state_dict(load_file(weights))
    return model.eval()
