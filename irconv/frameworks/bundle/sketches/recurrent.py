"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def recurrence(
    x: Any,
    states: Any,
    step: Callable[..., Any],
    mask: Any,
    lengths: Any,
    reverse: bool,
    order: str,
    masked_output: str,
) -> Any:
    """Runs a recurrence over (n, t, in); `step` makes the new states, h first."""
    if lengths is not None:
        mask = np.arange(x.shape[1]) < np.reshape(lengths, (-1, 1))
    output, made = np.zeros_like(states[0]), []
    for t in range(x.shape[1])[:: -1 if reverse else 1]:
        new = step(x[:, t], *states)
        if mask is None:
            states, shown = new, new[0]
        else:
            on = mask[:, t].astype(bool)[:, None]
            states = [np.where(on, a, b) for a, b in zip(new, states)]
            output = np.where(on, new[0], output)
            shown = np.where(on, new[0], output if masked_output == "repeat" else 0)
        made.append(shown)
    if reverse and order == "time":
        made.reverse()
    return np.stack(made, 1), *states


def RNN(
    x: Any,
    initial_h: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    *,
    activation: Any,
    reverse: bool,
    order: str,
    masked_output: str,
    **training_alone: Any,
) -> Any:
    h = np.zeros((len(x), recurrent_kernel.shape[1]), x.dtype) if initial_h is None else initial_h

    def step(x: Any, h: Any) -> Any:
        return [activation(x @ kernel.T + bias_input + h @ recurrent_kernel.T + bias_recurrent)]

    return recurrence(x, [h], step, mask, lengths, reverse, order, masked_output)


def GRU(
    x: Any,
    initial_h: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    *,
    activation: Any,
    recurrent_activation: Any,
    reset_after: bool,
    update_keeps: str,
    reverse: bool,
    order: str,
    masked_output: str,
    **training_alone: Any,
) -> Any:
    units = recurrent_kernel.shape[1]
    h = np.zeros((len(x), units), x.dtype) if initial_h is None else initial_h
    cut = slice(2 * units, None)
    b_new = bias_recurrent[cut] if np.ndim(bias_recurrent) else bias_recurrent

    def step(x: Any, h: Any) -> Any:
        wx, uh = x @ kernel.T + bias_input, h @ recurrent_kernel.T + bias_recurrent
        r, z = np.split(recurrent_activation(wx[:, : 2 * units] + uh[:, : 2 * units]), 2, 1)
        again = r * uh[:, cut] if reset_after else (r * h) @ recurrent_kernel[cut].T + b_new
        n = activation(wx[:, cut] + again)
        return [z * h + (1 - z) * n if update_keeps == "old" else (1 - z) * h + z * n]

    return recurrence(x, [h], step, mask, lengths, reverse, order, masked_output)


def LSTM(
    x: Any,
    initial_h: Any = None,
    initial_c: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    peephole_input: Any = 0.0,
    peephole_forget: Any = 0.0,
    peephole_output: Any = 0.0,
    projection: Any = None,
    *,
    activation: Any,
    recurrent_activation: Any,
    output_activation: Any,
    forget_bias: float,
    couple_input_forget: bool,
    output_peephole: str,
    cell_clip: Any,
    projection_clip: Any,
    reverse: bool,
    order: str,
    masked_output: str,
    **training_alone: Any,
) -> Any:
    h = np.zeros((len(x), recurrent_kernel.shape[1]), x.dtype) if initial_h is None else initial_h
    c = np.zeros((len(x), len(kernel) // 4), x.dtype) if initial_c is None else initial_c

    def step(x: Any, h: Any, c: Any) -> Any:
        i, f, g, o = np.split(x @ kernel.T + bias_input + h @ recurrent_kernel.T + bias_recurrent, 4, 1)
        i = recurrent_activation(i + peephole_input * c)
        f = 1 - i if couple_input_forget else recurrent_activation(f + x.dtype.type(forget_bias) + peephole_forget * c)
        c = f * c + i * activation(g)
        c = c if cell_clip is None else np.clip(c, -cell_clip, cell_clip)
        if output_peephole == "after_activation":
            o = recurrent_activation(o) + peephole_output * c
        else:
            o = recurrent_activation(o + peephole_output * c)
        h = o * output_activation(c)
        h = h if projection is None else h @ projection.T
        return [h if projection_clip is None else np.clip(h, -projection_clip, projection_clip), c]

    return recurrence(x, [h, c], step, mask, lengths, reverse, order, masked_output)


def Scan(body: Callable[..., Any], *, carried: int, scanned: int, reverse: bool, order: str, **given: Any) -> Any:
    states = [given[f"carried{place}"] for place in range(carried)]
    steps = [given[f"scanned{place}"] for place in range(scanned)]
    made = []
    for t in range(steps[0].shape[1])[:: -1 if reverse else 1]:
        results = body(*states, *(x[:, t] for x in steps))
        states, stacked = results[:carried], results[carried:]
        made.append(stacked)
    if reverse and order == "time":
        made.reverse()
    return *states, *(np.stack(one, 1) for one in zip(*made))
