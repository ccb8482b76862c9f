"""Emits an ``nn.Module`` as a person would write it: submodules for what holds weights, functions for the rest, short
variable names, one statement for a layer and its activation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irconv.codec import Native
from irconv.errors import Refused
from irconv.frameworks.torch.names import identifier, identifiers
from irconv.frameworks.torch.spelling import SPELLINGS, Call, Indexing, Infix
from irconv.ir.dtypes import shortest_float32
from irconv.ir.graph import Port
from irconv.translate import NativeModel, NativeUse

_WIDTH = 100

_SAME_PAD = '''


def same_pad(x: Tensor, kernel_size: Size, stride: Size, dilation: Size = 1, value: float = 0.0) -> Tensor:
    """Pads as TensorFlow's SAME does: enough for ceil(size / stride) windows, the odd element at the end."""
    pads: list[int] = []
    spatial = x.dim() - 2
    spread = [n if isinstance(n, tuple) else (n,) * spatial for n in (kernel_size, stride, dilation)]
    for size, k, s, d in reversed(list(zip(x.shape[2:], *spread))):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)'''


@dataclass(frozen=True)
class _Expression:
    text: str
    depth: int
    infix: bool = False


def module_source(model: NativeModel, class_name: str, about: str, weights_note: str) -> str:
    """The text of the Python file. Raises `Refused` for a native type without a spelling."""
    modules = module_names(model)
    forward = _Forward(model, modules).lines()
    pad = any(layer.type == "same_pad" for layer in model.layers.values())
    head = [
        f'"""{about}"""',
        "",
        "from __future__ import annotations",
        "",
        "from pathlib import Path",
        "",
        "import torch",
    ]
    if any("F." in line for line in forward) or pad:
        head.append("import torch.nn.functional as F")
    head += ["from safetensors.torch import load_file", "from torch import Tensor, nn"]
    if pad:
        head += ["", "Size = int | tuple[int, ...]"]
    if not any("torch." in line for line in [*forward, *_constructor(model, modules)]):
        head.remove("import torch")
    arguments = ", ".join(f"{name}: Tensor" for name in _parameters(model.inputs))
    returns = "Tensor" if len(model.outputs) == 1 else f"tuple[{', '.join(['Tensor'] * len(model.outputs))}]"
    body = [
        f"class {class_name}(nn.Module):",
        *_indent(_class_docstring(model), 1),
        "",
        *_indent(
            ["def __init__(self) -> None:", *_indent(["super().__init__()", *_constructor(model, modules)], 1)], 1
        ),
        "",
        *_indent([f"def forward(self, {arguments}) -> {returns}:", *_indent(forward, 1)], 1),
        "",
        "",
        f'def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> {class_name}:',
        *_indent([f'"""{weights_note}"""', f"model = {class_name}()", "model.load_state_dict(load_file(weights))"], 1),
        *_indent(["return model.eval()"], 1),
    ]
    return "\n".join(head) + (_SAME_PAD if pad else "") + "\n\n\n" + "\n".join(body) + "\n"


def module_names(model: NativeModel) -> dict[str, str]:
    """The attribute of each layer that becomes a submodule or a buffer."""
    kept = [name for name, layer in model.layers.items() if _is_kept(layer)]
    return identifiers(kept)


def class_name(stem: str) -> str:
    """A file's stem as a class name.

    >>> class_name("lenet-5_v2"), class_name("3d")
    ('Lenet5V2', 'Model3d')
    """
    word = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", stem) if part)
    return word if word.isidentifier() else f"Model{word}"


def _is_kept(layer: Native) -> bool:
    spelling = SPELLINGS.get(layer.type)
    if layer.type == "buffer":
        return not layer.tensors["value"].literal
    return isinstance(spelling, Call) and spelling.kept


def _constructor(model: NativeModel, modules: Mapping[str, str]) -> list[str]:
    lines = []
    for name, attribute in modules.items():
        layer = model.layers[name]
        if layer.type == "buffer":
            shape = layer.tensors["value"].data.shape
            lines.append(f'self.register_buffer("{attribute}", torch.empty({shape}))')
        else:
            spelling = SPELLINGS[layer.type]
            lines.append(f"self.{attribute} = {spelling.expression([], layer.config)}")
    return lines


def _class_docstring(model: NativeModel) -> list[str]:
    def described(ports: Sequence[Port], names: Sequence[str]) -> list[str]:
        shapes = ["(" + ", ".join(map(str, port.shape)) + ("," if len(port.shape) == 1 else "") + ")" for port in ports]
        axes = [f" {port.axes}" if port.axes and len(port.axes) > 2 else "" for port in ports]
        return [f"{n}: {p.dtype} {s}{a}" for n, p, s, a in zip(names, ports, shapes, axes, strict=True)]

    takes = described(model.inputs, _parameters(model.inputs))
    gives = described(model.outputs, [port.name for port in model.outputs])
    lines = [*(f"takes {text}" for text in takes), *(f"returns {text}" for text in gives)]
    lines = [line[0].upper() + line[1:] + ("." if i == len(lines) - 1 else ";") for i, line in enumerate(lines)]
    if sum(map(len, lines)) < _WIDTH:
        return [f'"""{lines[0]} {" ".join(line[0].lower() + line[1:] for line in lines[1:])}"""']
    return [f'"""{lines[0]}', *(line[0].lower() + line[1:] for line in lines[1:]), '"""']


def _parameters(ports: Sequence[Port]) -> list[str]:
    """The arguments of forward; a single input is plain ``x``."""
    return ["x"] if len(ports) == 1 else list(identifiers(port.name for port in ports).values())


class _Forward:
    """Writes the body of forward: each value in order as an expression, a variable, or part of the next expression."""

    def __init__(self, model: NativeModel, modules: Mapping[str, str]) -> None:
        self.model, self.modules = model, modules
        self.results = {port.value for port in model.outputs}
        self.uses = Counter(value for use in model.uses for value in set(use.inputs))
        self.last = {value: index for index, use in enumerate(model.uses) for value in use.inputs}
        self.last |= dict.fromkeys(self.results, len(model.uses))
        names = _parameters(model.inputs)
        self.known: dict[str, _Expression] = {
            port.value: _Expression(name, 0) for port, name in zip(model.inputs, names, strict=True)
        }
        self.holder: dict[str, str] = {name: port.value for port, name in zip(model.inputs, names, strict=True)}

    def lines(self) -> list[str]:
        lines: list[str] = []
        for index, use in enumerate(self.model.uses):
            layer = self.model.layers[use.layer]
            result = use.outputs[0]
            if layer.type == "buffer":
                self.known[result] = _Expression(self._constant(use.layer, layer), 0)
                continue
            expression = self._expression(use, layer)
            if self._inlined(index, result, expression):
                self.known[result] = expression
                continue
            if index == len(self.model.uses) - 1 and [result] == [port.value for port in self.model.outputs]:
                return [*lines, f"return {expression.text}"]
            variable = self._variable(index, result)
            lines.append(f"{variable} = {expression.text}")
            self.known[result] = _Expression(variable, 0)
            self.holder[variable] = result
        return [*lines, f"return {', '.join(self.known[port.value].text for port in self.model.outputs)}"]

    def _expression(self, use: NativeUse, layer: Native) -> _Expression:
        if layer.type not in SPELLINGS:
            raise Refused(f"layer {use.layer}", f"irconv does not write {layer.type} as PyTorch source")
        inputs = [self.known[value] for value in use.inputs]
        spelling = SPELLINGS[layer.type]
        texts = [f"({e.text})" if e.infix and isinstance(spelling, Infix | Indexing) else e.text for e in inputs]
        if use.layer in self.modules:
            text = f"self.{self.modules[use.layer]}({', '.join(texts)})"
        else:
            text = spelling.expression(texts, layer.config)
        return _Expression(text, 1 + max((e.depth for e in inputs), default=0), isinstance(spelling, Infix))

    def _constant(self, name: str, layer: Native) -> str:
        """A buffer of the module, or a number (or nested lists of them) written out."""
        if name in self.modules:
            return f"self.{self.modules[name]}"
        values = shortest_float32(layer.tensors["value"].data.numpy())
        return repr(values) if isinstance(values, float | int) else f"torch.tensor({values!r})"

    def _inlined(self, index: int, result: str, expression: _Expression) -> bool:
        """Whether the expression goes into the next statement: a single use there, as its only input, and short."""
        if self.uses[result] != 1 or result in self.results or index + 1 >= len(self.model.uses):
            return False
        following = self.model.uses[index + 1]
        nests = SPELLINGS.get(self.model.layers[following.layer].type)
        calls = isinstance(nests, Call) and (not nests.kept or not expression.text.startswith("self."))
        return following.inputs == (result,) and calls and expression.depth < 2 and len(expression.text) < _WIDTH // 2

    def _variable(self, index: int, result: str) -> str:
        """``x`` where the value it holds is used up, else the layer's own name."""
        if self._free("x", index):
            return "x"
        base = variable = identifier(result.split(".", maxsplit=1)[0])
        number = 1
        while not self._free(variable, index) or variable in ("torch", "self"):
            number += 1
            variable = f"{base}_{number}"
        return variable

    def _free(self, variable: str, index: int) -> bool:
        return variable not in self.holder or self.last.get(self.holder[variable], -1) <= index


def _indent(lines: Sequence[str], levels: int) -> list[str]:
    return [f"{'    ' * levels}{line}" if line else line for line in lines]
