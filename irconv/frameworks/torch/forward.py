"""Writes the body of a function over tensors, ``forward`` or a step of a loop: short variable names, one statement for
a layer and its activation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from irconv.codec import Native, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.torch.literals import Counted, Dtype, Symbolic, counts, wanted_symbols
from irconv.frameworks.torch.names import WORDS, variables
from irconv.frameworks.torch.spelling import spelling
from irconv.frameworks.torch.spelling.forms import Call, Form, Pieces
from irconv.ir.dtypes import shortest_float32
from irconv.ir.graph import Port
from irconv.ir.shapes import Size
from irconv.python_source.literals import Code, literal
from irconv.python_source.sizes import size_code
from irconv.translate import NativeModel, NativeUse

_LONGEST = 64
_NO_WORD = re.compile(r"\W+")
_COUNTER = re.compile(r"_+\d+$")
_SHORT = ("x", "y")
_TRUTHS = {f"torch.{name}" for name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not")}
"""Native types whose results are truth values: a variable for one is called a mask."""
_DEFAULT_TYPES = ("float32", "int64", "bool")


@dataclass(frozen=True)
class _Expression:
    text: str
    depth: int
    infix: bool = False
    number: str = ""
    """The element type of a number that is written out."""


class Function:
    """One function: its arguments are the ports of the graph, `attributes` the names that the module has for layers
    (by name), loose tensors (``<layer>.<tensor>``) and steps (``<layer>.step``)."""

    def __init__(self, model: NativeModel, layers: Mapping[str, Native], attributes: Mapping[str, str]) -> None:
        self.model, self.layers, self.attributes = model, layers, attributes
        self.results = {port.value for port in model.outputs}
        self.uses = Counter(value for use in model.uses for value in set(use.inputs))
        self.uses.update(self.results)
        self.last = {value: index for index, use in enumerate(model.uses) for value in use.inputs}
        self.last |= dict.fromkeys(self.results, len(model.uses))
        self.parameters = argument_names(model.inputs)
        self.known: dict[str, _Expression] = {}
        self.holder: dict[str, str] = {}
        for port, name in zip(model.inputs, self.parameters, strict=True):
            self.known[port.value] = _Expression(name, 0)
            self.holder[name] = port.value
        self.places = self._places(model.inputs)
        self.sizes: dict[str, str] = {}
        self.wanted = {symbol for use in model.uses for symbol in wanted_symbols(layers[use.layer].config)}

    def lines(self) -> list[str]:
        """The statements. Raises `Refused` for a size that is no input's."""
        lines: list[str] = []
        for index, use in enumerate(self.model.uses):
            layer = self.layers[use.layer]
            result = use.outputs[0]
            if layer.type == "buffer":
                self.known[result] = self._constant(use.layer, "value", layer.tensors["value"])
                continue
            form, expression = self._expression(use, layer)
            counted = self._counted(layer)
            if form.results == 1 and not counted and self._inlined(index, result, expression):
                self.known[result] = expression
                continue
            last = index == len(self.model.uses) - 1
            if last and form.results == 1 and [result] == [port.value for port in self.model.outputs]:
                return [*self._prelude(), *lines, f"return {expression.text}"]
            targets = self._targets(index, use, form)
            lines += form.statements(targets, expression.text)
            lines += [f"{self._size(size)} = {targets[0]}.shape[{axis}]" for size, axis in counted]
        values = [self._tensor(self.known[port.value]) for port in self.model.outputs]
        return [*self._prelude(), *lines, f"return {', '.join(values)}"]

    def _prelude(self) -> list[str]:
        return [f"{name} = {self.places[size]}" for size, name in self.sizes.items() if size in self.places]

    def _counted(self, layer: Native) -> list[tuple[str, int]]:
        """The sizes that a layer makes and others want, each with the axis of its first result that has it."""
        found = [made for made in counts(layer.config) if made.size in self.wanted and made.size not in self.places]
        return [(made.size, made.axis) for made in found]

    def _targets(self, index: int, use: NativeUse, form: Form) -> list[str]:
        """A variable for each result; ``_`` for those that nobody uses."""
        single = form.results == 1
        targets: list[str] = []
        for value in use.outputs:
            if value and (self.uses[value] or single):
                truth = self.layers[use.layer].type in _TRUTHS
                word = "mask" if truth else self._word(use, value) if single else value
                variable = self._variable(index, word, may_be_x=single and not truth)
                self.known[value] = _Expression(variable, 0)
                self.holder[variable] = value
                targets.append(variable)
            else:
                targets.append("_")
        return targets + ["_"] * (form.results - len(targets))

    def _expression(self, use: NativeUse, layer: Native) -> tuple[Form, _Expression]:
        inputs = [self._input(layer, use.layer, value) for value in use.inputs]
        form = spelling(layer.type)
        texts = self._texts(inputs, form)
        if layer.type == "nn.Identity":
            return form, _Expression(self._tensor(inputs[0]), inputs[0].depth, inputs[0].infix)
        if layer.type == "scan":
            text = self._loop(use.layer, layer, texts)
        elif isinstance(form, Call) and form.kept:
            form = Pieces(form) if layer.type == "block" and len(use.outputs) > 1 else form
            module = f"self.{self.attributes[use.layer]}"
            text = (form.call if isinstance(form, Pieces) else form).called(module, texts, layer.config)
        else:
            text = form.expression(texts, self._settings(use, layer))
        deeper = 0 if any(e.number for e in inputs) else 1
        return form, _Expression(text, deeper + max((e.depth for e in inputs), default=0), form.infix)

    def _input(self, layer: Native, name: str, value: str) -> _Expression:
        if not value:
            return _Expression("None", 0)
        if value in self.known:
            return self.known[value]
        tensor = value.removeprefix(f"{name}.")
        return self._constant(name, tensor, layer.tensors[tensor])

    def _texts(self, inputs: Sequence[_Expression], form: Form) -> list[str]:
        first = form.numbers_from
        plain = first is not None and any(not e.number for e in inputs[first:])
        texts = []
        for place, e in enumerate(inputs):
            text = e.text if plain and first is not None and place >= first else self._tensor(e)
            negative = bool(e.number) and text.startswith("-")
            texts.append(f"({text})" if form.binds and (e.infix or negative) else text)
        return texts

    def _tensor(self, expression: _Expression) -> str:
        """The expression as a tensor, where it is a number."""
        if not expression.number:
            return expression.text
        typed = "" if expression.number in _DEFAULT_TYPES else f", dtype={Dtype(expression.number).text}"
        return f"torch.tensor({expression.text}{typed})"

    def _constant(self, layer: str, tensor: str, weight: NativeWeight) -> _Expression:
        """An attribute of the module, or a number written out."""
        if (key := attribute_key(layer, tensor)) in self.attributes:
            return _Expression(f"self.{self.attributes[key]}", 0)
        return _Expression(literal(shortest_float32(weight.data.numpy())), 0, number=weight.data.dtype)

    def _loop(self, name: str, layer: Native, texts: Sequence[str]) -> str:
        carried = layer.config["carried"]
        groups = [f"[{', '.join(part)}]" for part in (texts[:carried], texts[carried:])]
        step = f"self.{self.attributes[f'{name}.step']}"
        settings = [f"{key}={literal(layer.config[key])}" for key in ("reverse", "in_time")]
        return f"scan({', '.join([step, *groups, *settings])})"

    def _settings(self, use: NativeUse, layer: Native) -> dict[str, Any]:
        shown = {name: value for name, value in layer.config.items() if not isinstance(value, Counted)}
        return {name: self._resolved(use, value) for name, value in shown.items()}

    def _resolved(self, use: NativeUse, value: Any) -> Any:
        """A setting whose sizes are Python over the variables that hold them."""
        if isinstance(value, tuple | list):
            return type(value)(self._resolved(use, part) for part in value)
        if not isinstance(value, Symbolic):
            return value
        size = str(Size.of(value.size))
        if size in self.places or size in self.sizes:
            return Code(self._size(size))

        def variable(symbol: str) -> str:
            if symbol not in self.places and symbol not in self.sizes:
                raise Refused(f"layer {use.layer}", f"a size of it depends on {symbol}, which is no input's")
            return self._size(symbol)

        return Code(size_code(size, variable))

    def _places(self, ports: Sequence[Port]) -> dict[str, str]:
        """Where each unknown size of the inputs can be read."""
        found: dict[str, str] = {}
        derived: dict[str, str] = {}
        for port in ports:
            for axis, size in enumerate(port.shape):
                if isinstance(size, str):
                    text = f"{self.known[port.value].text}.shape[{axis}]"
                    found.setdefault(str(Size.of(size)), text)
                    derived |= _solved(Size.of(size), text)
        return {**derived, **found}

    def _size(self, size: str) -> str:
        if size not in self.sizes:
            taken = variables() | set(self.holder) | set(self.sizes.values()) | self._later()
            base = name = WORDS.identifier(size.lower()) if size.isidentifier() else "size"
            number = 1
            while name in taken or name in _SHORT:
                number += 1
                name = f"{base}_{number}"
            self.sizes[size] = name
        return self.sizes[size]

    def _later(self) -> set[str]:
        return {WORDS.identifier(value.split(".", maxsplit=1)[0]) for use in self.model.uses for value in use.outputs}

    def _inlined(self, index: int, result: str, expression: _Expression) -> bool:
        """Whether the expression goes into the next statement: a single use there, the only value it takes, and short.

        Numbers that stand between the two count for nothing. A block of layers gets a line of its own.
        """
        if self.uses[result] != 1 or result in self.results:
            return False
        numbers: set[str] = set()
        for following in self.model.uses[index + 1 :]:
            layer = self.layers[following.layer]
            if layer.type == "buffer" and attribute_key(following.layer, "value") not in self.attributes:
                numbers.add(following.outputs[0])
                continue
            form = spelling(layer.type)
            kept = self._is_module(layer)
            alone = tuple(value for value in following.inputs if value not in numbers) == (result,)
            blocks = layer.type == "block" or self.layers[self.model.uses[index].layer].type == "block"
            short = expression.depth < (2 if kept else 3) and len(expression.text) < _LONGEST
            return alone and form.nests and (short or layer.type == "nn.Identity") and not (kept and blocks)
        return False

    def _variable(self, index: int, result: str, may_be_x: bool) -> str:
        """``x`` where the value it holds is used up, ``y`` beside it, else the layer's own name."""
        if may_be_x and (free := [name for name in _SHORT if self._free(name, index)]):
            return free[0]
        base = variable = WORDS.identifier(result.split(".", maxsplit=1)[0])
        number = 1
        while not self._free(variable, index) or variable in _SHORT:
            number += 1
            variable = f"{base}_{number}"
        return variable

    def _word(self, use: NativeUse, value: str) -> str:
        """What a variable for the only result of a layer is called after: the module, or the operation, whose numbers
        are those of the source's graph and say nothing here."""
        layer = self.layers[use.layer]
        if layer.type == "block":
            return _NO_WORD.sub("_", self.attributes[use.layer]).strip("_")
        return value if self._is_module(layer) else _COUNTER.sub("", value) or value

    def _is_module(self, layer: Native) -> bool:
        form = spelling(layer.type)
        return isinstance(form, Call) and form.kept

    def _free(self, variable: str, index: int) -> bool:
        if variable in variables() or variable in self.sizes.values():
            return False
        return variable not in self.holder or self.last.get(self.holder[variable], -1) <= index


def _solved(size: Size, text: str) -> dict[str, str]:
    """The symbol of which a size is a multiple and a number more, as Python of the size; empty where it is not."""
    rest, factors = size.terms.get((), 0), {monomial: factor for monomial, factor in size.terms.items() if monomial}
    if len(factors) != 1:
        return {}
    ((monomial, factor),) = factors.items()
    if len(monomial) != 1 or not monomial[0].isidentifier() or factor < 1:
        return {}
    moved = f"({text} {'-' if rest > 0 else '+'} {abs(rest)})" if rest else text
    return {monomial[0]: f"{moved} // {factor}" if factor > 1 else moved}


def argument_names(ports: Sequence[Port]) -> list[str]:
    """The arguments of a function; a single input is plain ``x``."""
    if len(ports) == 1:
        return ["x"]
    wanted = {str(place): port.name for place, port in enumerate(ports)}
    return list(WORDS.identifiers(wanted, variables()).values())


def attribute_key(layer: str, tensor: str) -> str:
    """Under which key `attributes` has a tensor that is no part of a submodule."""
    return f"{layer}.{tensor}"
