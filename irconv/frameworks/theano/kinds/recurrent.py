"""Recurrent layers."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from irconv.frameworks.theano.kinds.base import Described

Step: TypeAlias = str | dict[str, str | float]


class _Recurrent(Described):
    LETTERS: ClassVar[str] = ""
    MORE: ClassVar[tuple[str, ...]] = ("h0",)
    STATED: ClassVar[tuple[str, ...]] = ("gate_order", "gate_activation", "activation_in")
    INPUTS: ClassVar[tuple[int, float]] = (1, 4)

    backwards: bool = Field(False, description="From the last step to the first; results stand in order of time again.")
    return_sequences: bool = True
    activation_in: Step | None = "tanh"
    inputs_are: list[Literal["x", "initial_h", "initial_c", "mask"]] | None = Field(
        None, description="What the inputs are, where there are more than the sequence; irconv writes this."
    )

    def missing_roles(self) -> list[str]:
        """W and U, or a pair for each gate."""
        if "W" in self.arrays or not self.LETTERS:
            return [role for role in ("W", "U") if role not in self.arrays]
        return [role for g in self.LETTERS for role in (f"{g}_W", f"{g}_U") if role not in self.arrays]

    def unknown_roles(self) -> list[str]:
        """Packed and gate by gate do not go together."""
        packed, each = ("W", "U", "b", "b_u"), [f"{g}_{r}" for g in self.LETTERS for r in "WUb"]
        known = (*(packed if "W" in self.arrays else each), *self.MORE)
        return [role for role in self.arrays if role not in known]


class Lstm(_Recurrent):
    """An LSTM; W (in, gates), U (units, gates), b (gates), or one matrix a gate: i_W, i_U, i_b and so on."""

    LETTERS: ClassVar[str] = "ifco"
    MORE: ClassVar[tuple[str, ...]] = ("h0", "c0", "peep_i", "peep_f", "peep_o")

    kind: Literal["lstm"]
    gate_order: str | None = Field("ifco", description="The order of the gates in packed arrays: i, f, c, o.")
    gate_activation: Step | None = "sigmoid"
    outgate_peephole: Literal["before_nonlinearity", "after_nonlinearity"] = "before_nonlinearity"
    forget_bias: float = 0.0


class Gru(_Recurrent):
    """A GRU; arrays as in an LSTM, with the gates r, u, c."""

    LETTERS: ClassVar[str] = "ruc"
    STATED: ClassVar[tuple[str, ...]] = (*_Recurrent.STATED, "update")

    kind: Literal["gru"]
    gate_order: str | None = "ruc"
    gate_activation: Step | None = "sigmoid"
    reset_after: bool = Field(True, description="c = act(x W + r (h U)), else act(x W + (r h) U).")
    update: Literal["u_takes_new", "u_keeps_old"] | None = Field(
        "u_keeps_old", description="u_takes_new: h = (1 - u) h + u c, else h = u h + (1 - u) c."
    )


class Rnn(_Recurrent):
    """``h = activation_in(x W + b + h U)``."""

    STATED: ClassVar[tuple[str, ...]] = ("activation_in",)

    kind: Literal["rnn"]
