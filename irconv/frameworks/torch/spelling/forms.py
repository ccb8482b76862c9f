"""How calls are written in Python. Each form turns the texts of its inputs and the settings into an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from irconv.data_classes import dataclass
from irconv.frameworks.torch.literals import collapsed
from irconv.python_source.literals import literal

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """The base of all forms."""

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The text; an input that is absent is ``None``."""
        raise NotImplementedError

    def statements(self, targets: Sequence[str], text: str) -> list[str]:
        """The lines that give the results of an expression their names; ``_`` is for those nobody wants."""
        return [f"{', '.join(targets)} = {text}"]

    @property
    def infix(self) -> bool:
        """Whether the expression needs brackets where it is the operand of an operator."""
        return False

    @property
    def binds(self) -> bool:
        """Whether inputs with operators of their own need brackets."""
        return False

    @property
    def results(self) -> int:
        """How many results the expression always has; 0 where it has as many as are used."""
        return 1

    @property
    def numbers_from(self) -> int | None:
        """The first input that may be a Python number, if one of those after it is a tensor; None where none may."""
        return None

    @property
    def nests(self) -> bool:
        """Whether an expression may stand inside it, instead of a variable."""
        return False


@dataclass(frozen=True)
class Call(Form):
    """A call with the settings that differ from their defaults.

    `positional` settings come first, without names; `kept` says that the call makes a submodule, which holds weights
    or has a state, instead of computing at once. A default that is a name in angle brackets is another setting's value.
    `numbers` is `Form.numbers_from`.
    """

    function: str
    positional: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False
    numbers: int | None = None
    count: int = 1
    inner: str = ""
    """A function applied to the input first."""
    extra: tuple[str, ...] = ()
    """Arguments that are always the same."""

    def arguments(self, config: Config) -> list[str]:
        """The settings as Python arguments."""
        given = dict(config)
        shown = [self._shown(name, given.pop(name)) for name in self.positional if name in given]
        for name, value in given.items():
            default = self.defaults.get(name)
            default = config[default[1:-1]] if isinstance(default, str) and default.startswith("<") else default
            if name not in self.defaults or collapsed(name, value) != collapsed(name, default):
                shown.append(f"{name}={self._shown(name, value)}")
        return shown

    def _shown(self, name: str, value: Any) -> str:
        """PyTorch's own calls, unlike most helpers, take one number for equal ones."""
        short = "." in self.function or self.function == "same_pad"
        return literal(collapsed(name, value) if short else value)

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The call on some inputs."""
        given = [f"{self.inner}({text})" for text in inputs] if self.inner else inputs
        return f"{self.function}({', '.join([*given, *self.arguments(config), *self.extra])})"

    def called(self, module: str, inputs: Sequence[str], config: Config) -> str:
        """The call of the submodule that the call makes."""
        return f"{module}({', '.join(inputs)})"

    @property
    def results(self) -> int:
        """See `Form`."""
        return self.count

    @property
    def numbers_from(self) -> int | None:
        """See `Form`."""
        return self.numbers

    @property
    def nests(self) -> bool:
        """See `Form`."""
        return True


@dataclass(frozen=True)
class Infix(Form):
    """``a + b``."""

    operator: str

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The inputs joined by the operator; a negative number that is added is subtracted."""
        if self.operator == "+" and len(inputs) == 2 and re.fullmatch(r"\(-[\d.e+-]+\)", inputs[1]):
            return f"{inputs[0]} - {inputs[1][2:-1]}"
        return f" {self.operator} ".join(inputs)

    @property
    def infix(self) -> bool:
        """See `Form`."""
        return True

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True

    @property
    def numbers_from(self) -> int | None:
        """See `Form`."""
        return None if self.operator == "@" else 0

    @property
    def nests(self) -> bool:
        """See `Form`."""
        return True


@dataclass(frozen=True)
class Template(Form):
    """Free text over the inputs ``{0}``, ``{1}`` and the settings; `operator` says that it is one outside brackets."""

    text: str
    operator: bool = False
    count: int = 1
    within: bool = False
    """Whether other expressions may stand inside it: it names each input once."""

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The text filled in."""
        settings = {name: literal(value) for name, value in config.items()}
        return self.text.format(*inputs, all=", ".join(inputs), **settings)

    @property
    def infix(self) -> bool:
        """See `Form`."""
        return self.operator

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True

    @property
    def results(self) -> int:
        """See `Form`."""
        return self.count

    @property
    def nests(self) -> bool:
        """See `Form`."""
        return self.within


@dataclass(frozen=True)
class Joined(Form):
    """A function of a list of inputs."""

    function: str

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The call."""
        settings = [f"{name}={literal(value)}" for name, value in config.items()]
        listed = f"[{', '.join(inputs)}]"
        return f"{self.function}({', '.join([listed, *settings])})"


@dataclass(frozen=True)
class Folded(Form):
    """A function of two inputs, applied over any number of them from the left."""

    function: str

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The nested calls."""
        text = inputs[0]
        for more in inputs[1:]:
            text = f"{self.function}({text}, {more})"
        return text


@dataclass(frozen=True)
class Mean(Form):
    """``(a + b + c) / 3``."""

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The sum over the count."""
        return f"({' + '.join(inputs)}) / {len(inputs)}"

    @property
    def infix(self) -> bool:
        """See `Form`."""
        return True

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True

    @property
    def numbers_from(self) -> int | None:
        """See `Form`."""
        return 0


@dataclass(frozen=True)
class Method(Form):
    """A method of the first input: ``x.flatten(1)``, or a chain of them made by a function of the settings."""

    chain: Callable[[Config], str]

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The input and its methods."""
        return f"{inputs[0]}{self.chain(config)}"

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True


@dataclass(frozen=True)
class Indexing(Form):
    """``x[:, 1:-2]``."""

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The value indexed by a slice for each axis up to the last that is cut."""
        cuts = dict(
            zip(config["axes"], zip(config["starts"], config["ends"], config["steps"], strict=True), strict=True)
        )
        parts = [self._part(*cuts.get(axis, (None, None, 1))) for axis in range(max(cuts, default=0) + 1)]
        return f"{inputs[0]}[{', '.join(parts)}]"

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True

    def _part(self, start: Any, end: Any, step: int) -> str:
        """One slice; formatters set the colon apart from sums and products."""
        bounds = [literal(start) if start else "", "" if end is None else literal(end)]
        bounds += [] if step == 1 else [literal(step)]
        if all(re.fullmatch(r"-?\w*", bound) for bound in bounds):
            return ":".join(bounds)
        first, *rest = bounds
        return "".join([first, *(f" : {bound}" if bound else " :" for bound in rest)]).strip()


@dataclass(frozen=True)
class Picking(Form):
    """A template whose second input holds indices, which become int64 where they are not; ``{axes}`` are the axes
    before the one that is indexed."""

    text: str

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The text filled in."""
        given = [*inputs]
        if config["long"]:
            given[1] = f"{given[1]}.long()"
        settings = {name: literal(value) for name, value in config.items()}
        return self.text.format(*given, axes=":, " * config.get("axis", 0), **settings)

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True


@dataclass(frozen=True)
class Pieces(Form):
    """A call that gives a tuple with a name for each part, however many there are."""

    call: Call

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The call."""
        return self.call.expression(inputs, config)

    def statements(self, targets: Sequence[str], text: str) -> list[str]:
        """A single part is taken out of the tuple."""
        return [f"({targets[0]},) = {text}"] if len(targets) == 1 else [f"{', '.join(targets)} = {text}"]

    @property
    def results(self) -> int:
        """See `Form`."""
        return 0


@dataclass(frozen=True)
class Recurrent(Call):
    """A module of ``nn``'s recurrent family: states have a first axis of layers and directions, of the size
    `directions`, and come as one or as a pair. `over` is the function that runs the module where its second input says
    which steps count."""

    states: int = 1
    directions: int = 1
    over: str = ""

    def _groups(self, states: Sequence[str]) -> list[Sequence[str]]:
        """Those that are one tensor together."""
        return [states[i : i + self.directions] for i in range(0, len(states), self.directions)]

    def arguments(self, config: Config) -> list[str]:
        """Those of the module, not of the function that runs it."""
        return super().arguments({name: value for name, value in config.items() if name != "repeat"})

    def expression(self, inputs: Sequence[str], config: Config) -> str:
        """The call that makes the module."""
        return super().expression(inputs, config)

    def called(self, module: str, inputs: Sequence[str], config: Config) -> str:
        """The call of the module, or of what runs it."""
        count = 2 if self.over else 1
        given = [*inputs[:count], *self._states(inputs[count:])]
        if not self.over:
            return super().called(module, given, config)
        repeat = ["repeat=True"] if config.get("repeat") else []
        return f"{self.over}({', '.join([module, *given, *repeat])})"

    def _states(self, given: Sequence[str]) -> list[str]:
        """The states as the module takes them."""
        if self.directions == 1:
            states = [f"{state}.unsqueeze(0)" for state in given]
        else:
            states = [f"torch.stack([{', '.join(group)}])" for group in self._groups(given)]
        return states if len(states) < 2 else [f"({', '.join(states)})"]

    def statements(self, targets: Sequence[str], text: str) -> list[str]:
        """``y, (h, c) = ...``; the states lose their first axis."""
        y, *states = targets
        wanted = [state for state in states if state != "_"]
        if not wanted:
            return [f"{y}, _ = {text}"]
        if self.directions > 1:
            groups = self._groups(states)
            states = ["_" if set(group) == {"_"} else f"({', '.join(group)})" for group in groups]
        all_states = states[0] if self.states == 1 else f"({', '.join(states)})"
        apart = [f"{state} = {state}[0]" for state in wanted] if self.directions == 1 else []
        return [f"{y}, {all_states} = {text}", *apart]

    @property
    def binds(self) -> bool:
        """See `Form`."""
        return True

    @property
    def results(self) -> int:
        """See `Form`."""
        return 1 + self.states * self.directions

    @property
    def nests(self) -> bool:
        """See `Form`."""
        return False
