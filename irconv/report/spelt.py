"""A model that irconv cannot read as a whole: its layers as its framework spells them, those without a rule marked;
and a first plugin for these (`docs/plugins.md`), which raises until somebody has completed it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from irconv.codec import Native, NativeModel, Table
from irconv.python_source.literals import Code, docstring, literal, quoted
from irconv.python_source.names import Words
from irconv.terminal import shown

_WORDS = Words(frozenset({"Any", "Codec", "Decomposition", "Formula", "Layer", "Parameter", "ValueType", "CODECS"}))
_OF_EVERY_LAYER = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape", "autocast", "activity_regularizer")
_OF_TRAINING = re.compile(r".*_(initializer|regularizer|constraint)$")
_MARK = "irconv has no rule for it"
_MOST = 60


def rows(model: NativeModel, table: Table) -> Iterator[tuple[str, str, str, str, str]]:
    """Layer, class, what it is connected to, its weights, and the mark of one without a rule."""
    makers = {value: use.layer for use in model.uses for value in use.outputs}
    taken: dict[str, list[str]] = {}
    for use in model.uses:
        taken.setdefault(use.layer, []).extend(makers.get(value, value) for value in use.inputs)
    for layer in model.layers.values():
        weights = ", ".join(f"{name} {_shape(weight.data.shape)}" for name, weight in layer.tensors.items())
        mark = "" if layer.type in table.natives else _MARK
        yield layer.name, layer.type, ", ".join(dict.fromkeys(taken.get(layer.name, ()))), weights, mark


def print_spelt(model: NativeModel, table: Table) -> None:
    """The layers as a table in plain text, a line each; nothing where every class has a rule."""
    if not unknown(model, table):
        return
    found = [("layer", "class", "connected to", "weights", ""), *rows(model, table)]
    widths = [max(len(shown(cell)) for cell in column) for column in zip(*found, strict=True)]
    for row in found:
        click.echo("  ".join(shown(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def unknown(model: NativeModel, table: Table) -> dict[str, list[Native]]:
    """The layers without a rule, by class."""
    found: dict[str, list[Native]] = {}
    for layer in model.layers.values():
        if layer.type not in table.natives:
            found.setdefault(layer.type, []).append(layer)
    return found


def skeleton(model: NativeModel, table: Table, source: str) -> str:
    """A plugin with a class and a codec for each class without a rule; empty where there is none."""
    found = unknown(model, table)
    if not found:
        return ""
    names = _WORDS.identifiers({kind: re.split(r"[>.]", kind)[-1] for kind in found})
    places = {use.layer: use.inputs for use in reversed(model.uses)} if table.framework == "ONNX" else {}
    lines = docstring(
        f"Teaches irconv the layers of {source} that it has no rule for: complete each decompose, and check each row.",
        "",
        "Often a layer of the IR does it already (docs/layers.md): import it from irconv.ir.layers, name it in the",
        "codec, and drop the class.",
        "irconv convert MODEL OUT --plugin FILE",
    )
    lines += ["", "from typing import Any, ClassVar, Literal", "", "from irconv.codec import Codec"]
    lines += ["from irconv.ir.layers.base import Decomposition, Layer, Parameter, ValueType"]
    rows_used = "Attribute, Input, Weight" if places else "Attribute, Ignored, Weight"
    lines += ["from irconv.ir.layers.formula import Formula", f"from irconv.rows import {rows_used}"]
    for kind, layers in found.items():
        lines += ["", "", *_class(names[kind], kind, layers)]
    lines += ["", "", "CODECS = {", f"    {quoted(table.framework.lower())}: ["]
    for kind, layers in found.items():
        lines += _codec(names[kind], kind, layers, places.get(layers[0].name))
    return "\n".join([*lines, "    ]", "}"]) + "\n"


def _class(name: str, kind: str, layers: list[Native]) -> Iterator[str]:
    first = layers[0]
    used = ", ".join(layer.name for layer in layers[:3]) + (", ..." if len(layers) > 3 else "")
    roles, settings = _roles(first), _settings(first)
    yield f"class {name}(Layer):"
    yield from (f"    {line}" for line in docstring(f"What {kind} computes: {len(layers)} of them ({used})."))
    yield ""
    if roles:
        yield "    PARAMETERS: ClassVar[dict[str, Parameter]] = {"
        for native, role in roles.items():
            shape = _shape(first.tensors[native].data.shape)
            axes = " ".join("abdefghij"[: len(first.tensors[native].data.shape)])
            yield f"        {quoted(role)}: Parameter({quoted(axes)}),  # {shape}; the channels' axis is c"
        yield "    }"
        yield ""
    yield f"    type: Literal[{quoted(f'plugin.{name}')}] = {quoted(f'plugin.{name}')}"
    for word, value in settings.items():
        yield f"    {word[1]}: {_type(value)}  # {_said(value)} in {quoted(first.name)}"
    yield ""
    yield "    def infer(self, given: dict[str, ValueType]) -> dict[str, ValueType]:"
    yield '        """The shape stays."""  # if it does not, say what it is'
    yield '        return {"y": given["x"]}'
    yield ""
    yield "    def decompose(self, given: dict[str, ValueType]) -> Decomposition:"
    operands = ", ".join(f"f.operand({quoted(role)})" for role in roles.values()) or "f.number(2.0)"
    yield f'        # f = Formula(self, given); return f.ends(Mul(), "x", {operands}), for instance'
    yield f"        raise NotImplementedError({quoted(f'{name}: say what it is made of')})"


def _codec(name: str, kind: str, layers: list[Native], places: tuple[str, ...] | None) -> Iterator[str]:
    """`places` are the inputs in their order, of an operator that takes its weights among them."""
    first = layers[0]
    ignored = [key for key in first.config if key in _OF_EVERY_LAYER or _OF_TRAINING.match(key)]
    yield "        Codec("
    yield f"            {quoted(kind)},"
    yield f"            {name},"
    if places is None:
        yield f"            Ignored({quoted(' '.join(dict.fromkeys([*_OF_EVERY_LAYER[:3], *ignored])))}),"
    for (key, word), value in _settings(first).items():
        yield f"            Attribute({quoted(key)}, {quoted(word)}),  # {_said(value)}"
    roles, free = _roles(first), iter(["x", *(f"x{number}" for number in range(1, len(places or ())))])
    for native in roles if places is None else places:
        if native not in roles:
            yield f"            Input({quoted(next(free))}),"
            continue
        axes = " ".join("abdefghij"[: len(first.tensors[native].data.shape)])
        placed = "" if places is None else ", positional=True"
        yield f"            Weight({quoted(native)}, {quoted(roles[native])}, {quoted(axes)}{placed}),"
    yield "        ),"


def _roles(layer: Native) -> dict[str, str]:
    """Weight in the file -> the operand's name."""
    bare = {name: name.rpartition("/")[2].partition(":")[0] for name in layer.tensors}
    wanted = {name: f"weight_{word}" if word.isdigit() else word for name, word in bare.items()}
    return _WORDS.identifiers(wanted, ("x", "y"))


def _settings(layer: Native) -> Mapping[tuple[str, str], Any]:
    """Setting in the file and field -> its value here."""
    kept = [key for key in layer.config if key not in _OF_EVERY_LAYER and not _OF_TRAINING.match(key)]
    words = _WORDS.identifiers({key: key for key in kept}, (*_roles(layer).values(), "x", "y", "type", "origin"))
    return {(key, words[key]): layer.config[key] for key in kept}


def _type(value: Any) -> str:
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind.__name__
    return "Any"


def _said(value: Any) -> str:
    """A value in a comment: on one line, and of a length that can be read."""
    try:
        text = literal(Code(repr(value)) if isinstance(value, dict) else value)
    except TypeError:
        text = repr(value)
    text = quoted(text)[1:-1].replace('\\"', '"')
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
