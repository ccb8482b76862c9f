"""The weights of a cell as operands of its layer: kernels, biases, peepholes and projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.passes.recompose.cells import Cell, Gate
from irconv.passes.recompose.gathering import Gathered
from irconv.passes.recompose.sums import Matrix

CLASSES: Mapping[str, type[LSTM | GRU | RNN]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


def weighed(cell: Cell, gathered: Gathered) -> bool:
    """Gather all weights of a cell; False where its products do not lie side by side."""
    kind = CLASSES[cell.type]
    order = kind.ORDERS.get("gate", "")
    kernels = [_kernel(gate) for gate in cell.gates]
    recurrent = [gate.states[0].weight for gate in cell.gates]
    if any(part is None for part in (*kernels, *recurrent)):
        return False
    units = recurrent[0].outs[1] - recurrent[0].outs[0] if recurrent[0] is not None else 0
    gathered.matrices("kernel", [k for k in kernels if k is not None], order)
    gathered.matrices("recurrent_kernel", [r for r in recurrent if r is not None], order)
    dtype = gathered.body.types[cell.raw].dtype
    _biases(cell, gathered, units, dtype, order)
    for role, place in (("peephole_input", 0), ("peephole_forget", 1), ("peephole_output", 3)):
        vector = cell.gates[place].peephole if cell.type == "LSTM" else None
        if vector is not None:
            gathered.vectors(role, [vector], units, dtype, "")
    if cell.projection is not None and cell.projection.weight is not None:
        gathered.matrices("projection", [cell.projection.weight], "")
    return True


def _kernel(gate: Gate) -> Matrix | None:
    """The matrix of a gate's products with the step; those of several sequences side by side, where they lie so."""
    weights = [product.weight for product in gate.inputs]
    first = weights[0]
    for other in weights[1:]:
        if first is None or other is None or (first.base, first.turned, first.outs) != (
            other.base, other.turned, other.outs
        ) or first.ins[1] != other.ins[0]:  # fmt: skip
            return None
        first = replace(first, ins=(first.ins[0], other.ins[1]))
    return first


def _biases(cell: Cell, gathered: Gathered, units: int, dtype: str, order: str) -> None:
    """One vector a gate is `bias_input`, of two the second is `bias_recurrent`."""
    vectors = [list(gate.vectors) for gate in cell.gates]
    own = [list(gate.state_vectors) for gate in cell.gates]
    if any(own):
        for place, (gate, others) in enumerate(zip(vectors, own, strict=True)):
            if not others and len(gate) == 2 and place < 2:
                own[place], vectors[place] = [gate[1]], [gate[0]]
    elif all(len(gate) == 2 for gate in vectors):
        vectors, own = [[gate[0]] for gate in vectors], [[gate[1]] for gate in vectors]
    for role, found in (("bias_input", vectors), ("bias_recurrent", own)):
        if any(len(gate) > 1 for gate in found):
            gathered.sums_of_vectors(role, found, units, dtype)
        else:
            gathered.vectors(role, [gate[0] if gate else None for gate in found], units, dtype, order)
