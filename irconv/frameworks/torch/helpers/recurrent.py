"""Recurrent modules over some steps, and with settings that ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU`` do not have."""

TEXT = '''\
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


class CustomRNN(CustomRecurrent):
    """h' = activation(W x + U h)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Activation = torch.tanh,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, 1, **settings)
        self.activation = activation

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return (self.activation(x + F.linear(h, self.weight_hh, self.bias_hh)),)

    def forward(
        self, x: Tensor, h: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        return self.run(x, [h], mask)


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


class CustomGRU(CustomRecurrent):
    """A GRU whose gates stand in the order r z n; the reset gate acts before or after the product with U."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        reset_after: bool = False,
        update_keeps: str = "old",
        **settings: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, 3, **settings)
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.reset_after, self.update_keeps = reset_after, update_keeps

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        sizes = (2 * self.hidden_size, self.hidden_size)
        of_gates, of_candidate = x.split(sizes, dim=1)
        u_gates, u_candidate = self.weight_hh.split(sizes)
        b_gates, b_candidate = (None, None) if self.bias_hh is None else self.bias_hh.split(sizes)
        r, z = self.recurrent_activation(of_gates + F.linear(h, u_gates, b_gates)).chunk(2, dim=1)
        if self.reset_after:
            n = self.activation(of_candidate + r * F.linear(h, u_candidate, b_candidate))
        else:
            n = self.activation(of_candidate + F.linear(r * h, u_candidate, b_candidate))
        return (z * h + (1 - z) * n if self.update_keeps == "old" else (1 - z) * h + z * n,)

    def forward(
        self, x: Tensor, h: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        return self.run(x, [h], mask)
'''
