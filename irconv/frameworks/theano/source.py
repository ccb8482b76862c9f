"""Emits ``model.py``: the graph as a person would write it for Theano 1.0.5, in Python 2 and 3 alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from irconv.data_classes import dataclass
from irconv.errors import Problems, Refused
from irconv.frameworks.theano.helpers import HELPERS
from irconv.frameworks.theano.spelling import Call, spell
from irconv.ir.graph import Port
from irconv.ir.layers.base import ValueType
from irconv.ir.shapes import Dimension
from irconv.python_source.literals import docstring, quoted
from irconv.python_source.modules import checked, names_read
from irconv.python_source.names import Words
from irconv.python_source.sizes import size_code
from irconv.python_source.statements import wrapped
from irconv.translate import NativeModel, NativeUse

_LETTERS = {"float32": "f", "float64": "d", "int32": "i", "int64": "l", "int16": "w", "int8": "b"}
_RANKS = {0: "scalar", 1: "vector", 2: "matrix", 3: "tensor3", 4: "tensor4", 5: "tensor5"}
_IMPORTED = "T np os h5py theano conv2d_grad_wrt_inputs conv3d_grad_wrt_inputs pool_2d pool_3d".split()  # noqa: SIM905
_READ = "build load HERE abs float slice sum len print exec None True False".split()  # noqa: SIM905
WORDS = Words(frozenset([*_IMPORTED, *_READ, *HELPERS]), ascii=True)
"""Variables of ``build``: not what the file imports and defines, nor words of Python 2."""
_BROADCASTS = ("add", "mul", "elementwise")
_KNOWN = ("unsqueeze", "reshape", "number")
"""Kinds whose axes of length 1 Theano knows to be such."""


@dataclass(frozen=True)
class Source:
    """What the text is made of."""

    model: NativeModel
    types: Mapping[str, ValueType]
    arrays: Mapping[str, str]
    """The path of a weight -> the expression that loads it."""
    about: str
    load: str
    """The text of the function ``load``."""


def module_source(source: Source) -> str:
    """The text. Raises `Refused` naming every layer without a spelling."""
    body = _Body(source).lines()
    text = "\n".join(body)
    used = _helpers(text)
    head = [
        "# -*- coding: utf-8 -*-",
        *docstring(source.about),
        "from __future__ import absolute_import, division, print_function",
        "",
        "import os",
        "",
        "import h5py",
        "import numpy as np",
        "import theano",
        "import theano.tensor as T",
    ]
    read = names_read("\n".join([text, *used]))
    if "conv2d_grad_wrt_inputs" in read:
        head.append("from theano.tensor.nnet.abstract_conv import conv2d_grad_wrt_inputs, conv3d_grad_wrt_inputs")
    if pools := [name for name in ("pool_2d", "pool_3d") if name in read]:
        head.append(f"from theano.tensor.signal.pool import {', '.join(pools)}")
    head += ["", "HERE = os.path.dirname(os.path.abspath(__file__))", "", "", source.load.strip(), ""]
    parts = ["\n".join(head), *(f"\n{helper.strip()}\n" for helper in used)]
    return checked("\n".join(parts) + f"\n\n{text}\n")


def _helpers(text: str) -> list[str]:
    names = names_read(text)
    if names & {"lstm", "gru", "rnn"}:
        names |= {"scanned"}
    return [HELPERS[name] for name in HELPERS if name in names]


class _Body:
    """Writes the function ``build``: one statement for each layer."""

    def __init__(self, source: Source) -> None:
        self.source, self.model = source, source.model
        self.symbols: dict[str, tuple[str, int]] = {}
        for port in self.model.inputs:
            for axis, size in enumerate(port.shape):
                if isinstance(size, str) and size.isidentifier():
                    self.symbols.setdefault(size, (port.value, axis))
        self.needed: set[str] = set()
        results = {port.value for port in self.model.outputs}
        self.last = {value: index for index, use in enumerate(self.model.uses) for value in use.inputs}
        self.last |= dict.fromkeys(results, len(self.model.uses))
        self.sizes = WORDS.identifiers({name: f"size_{name}" for name in self.symbols})
        self.names: dict[str, str] = {}
        self.holder = {variable: variable for variable in self.sizes.values()}
        self.last |= dict.fromkeys(self.holder, len(self.model.uses))
        self.texts: dict[str, str] = {}
        self.known: set[str] = set()
        """Values whose axes of length 1 Theano knows."""

    def lines(self) -> list[str]:
        problems = Problems()
        inputs = [self._input(port, problems) for port in self.model.inputs]
        statements: list[str] = []
        for index, use in enumerate(self.model.uses):
            with problems.collect():
                statements += self._statement(index, use)
        problems.raise_any()
        given = ", ".join(self.names[port.value] for port in self.model.inputs)
        made = ", ".join(self.texts.get(port.value) or self.names[port.value] for port in self.model.outputs)
        sizes = [
            f"{self.sizes[name]} = {self.names[value]}.shape[{axis}]"
            for name, (value, axis) in self.symbols.items()
            if name in self.needed
        ]
        written = [*inputs, *sizes, *statements, f"return [{given}], [{made}]"]
        body = [*self._about(), *(piece for line in written for piece in wrapped(line, 4))]
        return ["def build():", *(f"    {line}" for line in body)]

    def _about(self) -> list[str]:
        def listed(ports: Sequence[Port]) -> str:
            return ", ".join(f"{p.name} {p.dtype} ({', '.join(map(str, p.shape))}) {p.axes}".rstrip() for p in ports)

        return docstring(f"The inputs ({listed(self.model.inputs)}) and outputs ({listed(self.model.outputs)}).")

    def _input(self, port: Port, problems: Problems) -> str:
        rank = len(port.shape)
        variable = self._named(port.name, port.value, -1)
        if port.dtype in _LETTERS and rank in _RANKS:
            return f"{variable} = T.{_LETTERS[port.dtype]}{_RANKS[rank]}({quoted(port.name, portable=True)})"
        if port.dtype not in ("bool", "uint8", "uint16", "uint32", "uint64", *_LETTERS):
            problems.add(f"input {port.name}", f"Theano has no element type {port.dtype}")
        name = quoted(port.name, portable=True)
        return f"{variable} = T.TensorType({quoted(port.dtype)}, (False,) * {rank})({name})"

    def _statement(self, index: int, use: NativeUse) -> list[str]:
        native, result = self.model.layers[use.layer], use.outputs[-1]
        types = self.source.types
        given, made = tuple(types[value] for value in use.inputs if value), types[result]
        inputs = tuple(self._value(value, native.type, made) if value else "" for value in use.inputs)
        call = Call(native, inputs, given, made, use, self._array(native.tensors), self._size)
        text = spell(call)
        if native.type in _KNOWN or (native.type == "reduce" and native.config["keepdims"]):
            self.known.add(result)
        inner = native.type in ("number", "dropout") and (native.type == "dropout" or len(text) < 60)
        if inner and result not in {port.value for port in self.model.outputs}:
            self.texts[result] = text if native.type == "dropout" else f"({text})" if text.startswith("-") else text
            if native.type == "dropout":
                self._passes_on(text, use, result)
            return []
        variable = self._named(result, result, index)
        return [] if text == variable else [f"{variable} = {text}"]

    def _passes_on(self, variable: str, use: NativeUse, result: str) -> None:
        """Keep the variable of a value for as long as the one that is the same lives."""
        holder = self.holder.get(variable, "")
        self.last[holder] = max(self.last.get(holder, -1), self.last.get(result, -1))
        if use.inputs[0] in self.known:
            self.known.add(result)

    def _array(self, tensors: Mapping[str, object]) -> Callable[[str], str]:
        paths = {role: weight.path for role, weight in tensors.items()}  # type: ignore[attr-defined]
        return lambda role: self.source.arrays[paths[role]]

    def _value(self, value: str, kind: str, made: ValueType) -> str:
        """The expression of an input; axes of length 1 that are to be repeated are said to be so."""
        text = self.texts.get(value) or self.names[value]
        if kind not in _BROADCASTS or value in self.known:
            return text
        shape = self.source.types[value].shape
        wide = made.shape[len(made.shape) - len(shape) :]
        axes = [axis for axis, (n, m) in enumerate(zip(shape, wide, strict=True)) if n == 1 and m != 1]
        return f"T.addbroadcast({text}, {', '.join(map(str, axes))})" if axes else text

    def _size(self, size: Dimension) -> str:
        def variable(symbol: str) -> str:
            if symbol not in self.symbols:
                raise Refused(f"size {size}", f"depends on {symbol}, which no input has")
            self.needed.add(symbol)
            return self.sizes[symbol]

        return size_code(size, variable)

    def _named(self, name: str, value: str, index: int) -> str:
        """A variable for a value: the layer's name, also for its activation, as soon as the one before is used up."""
        base = variable = WORDS.identifier(re.sub(r"\.activation\d*$", "", name))
        number = 1
        while variable in self.holder and self.last.get(self.holder[variable], -1) > index:
            number += 1
            variable = f"{base}_{number}"
        self.names[value] = variable
        self.holder[variable] = value
        return variable
