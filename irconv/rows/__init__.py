"""The row types that tables are made of. Each is written once and runs both ways; see `irconv.codec`."""

from __future__ import annotations

from irconv.rows.axes import Axes, AxisNumber, AxisNumbers, ChannelAxis, KernelGroups, LastAxis, Rank, channels_last
from irconv.rows.inputs import Input, InputCount, Inputs, Output
from irconv.rows.operands import ConstantInput, Created, Present, Weight, known_input
from irconv.rows.settings import (
    SAME,
    TUPLE,
    Attribute,
    Counted,
    Derived,
    Fixed,
    Forgotten,
    Ignored,
    Iso,
    Only,
    OptionalAttribute,
    Selects,
    choices,
    through,
)

__all__ = [
    "SAME",
    "TUPLE",
    "Attribute",
    "Axes",
    "AxisNumber",
    "AxisNumbers",
    "ChannelAxis",
    "ConstantInput",
    "Counted",
    "Created",
    "Derived",
    "Fixed",
    "Forgotten",
    "Ignored",
    "Input",
    "InputCount",
    "Inputs",
    "Iso",
    "KernelGroups",
    "LastAxis",
    "Only",
    "OptionalAttribute",
    "Output",
    "Present",
    "Rank",
    "Selects",
    "Weight",
    "channels_last",
    "choices",
    "known_input",
    "through",
]
