"""Emits an ``nn.Module`` as a person would write it: submodules for what holds weights, functions for the rest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irconv.codec import NativeWeight
from irconv.frameworks.torch import chains, nested
from irconv.frameworks.torch.blocks import BLOCK, Block, Structure
from irconv.frameworks.torch.classes import Classes, ModuleClass
from irconv.frameworks.torch.forward import Function, argument_names, attribute_key
from irconv.frameworks.torch.helpers import helpers, used_by
from irconv.frameworks.torch.hierarchy import Hierarchy
from irconv.frameworks.torch.literals import Dtype, collapsed
from irconv.frameworks.torch.loading import freezing, loading
from irconv.frameworks.torch.names import PACKING, WORDS, aliases, classes
from irconv.frameworks.torch.spelling import is_kept, module_call
from irconv.ir.dtypes import shortest_float32
from irconv.ir.graph import Port
from irconv.ir.tensors import LazyTensor
from irconv.python_source.literals import Code, docstring, literal, plain, quoted
from irconv.python_source.modules import checked, names_read
from irconv.python_source.statements import signature, wrapped
from irconv.translate import NativeModel

_WIDTH = 100

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def module_source(
    model: NativeModel,
    class_name: str,
    about: Sequence[str],
    weights_note: Sequence[str],
    form: Structure | Hierarchy | Sequence[chains.Part],
    frozen: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> str:
    """The text of the Python file: what `structured` made of the model, a tree of modules, or a chain as nested
    ``nn.Sequential``.

    Raises `Refused` for a size that cannot be computed from the inputs.
    """
    if isinstance(form, Hierarchy):
        return _file(_nested(form, class_name), class_name, about, weights_note, frozen, beside)
    if isinstance(form, Structure):
        structure, ties = form, _ties(dict(_keyed(model, form)))
    else:
        named = chains.with_attributes(model, form)
        if named is None:
            chain = _chain_class(class_name, _class_docstring(model), form)
            return _file([chain], class_name, about, weights_note, frozen)
        structure, ties = Structure(named, (), {}), {}
    renamed = {block.name: f"{block.name}_" for block in structure.blocks if block.name == class_name}
    names = attributes(structure.model)
    classes = [
        _block_class(block, renamed.get(block.name, block.name), _instances(structure, block, names))
        for block in structure.blocks
    ]
    outer = _class(
        class_name, _class_docstring(model), structure.model, names, _constructor(structure, names, renamed, ties)
    )
    return _file([*classes, outer], class_name, about, weights_note, frozen)


def _nested(tree: Hierarchy, class_name: str) -> list[list[str]]:
    """The classes of a tree, the model last."""
    found = Classes(tree, class_name)
    ties = _ties(dict(_keyed_of(tree)))
    texts = nested.Texts(tree, found, ties)
    written: list[list[str]] = []
    for each in found.all.values():
        module = each.instances[0]
        given = [f"{argument}: {_kind_of(each, argument)}" for argument in each.arguments]
        lines = texts.constructor(each)
        if module is tree.root:
            about = _class_docstring(tree.model)
            lines += [
                f"self.{nested.access(tuple(key.split('.')))} = self.{nested.access(tuple(kept.split('.')))}"
                for key, kept in ties.items()
            ]
        else:
            about = docstring(f"{_listed(['.'.join(part.path) for part in each.instances])}.")
        code = [
            *signature("__init__", ["self", *given], "None"),
            *_indent(["super().__init__()", *(piece for line in lines for piece in wrapped(line, 8))], 1),
        ]
        if module.body is not None:
            parameters, statements = texts.forward(each)
            code += ["", *_method("forward", parameters, _returns(module.body.outputs), statements)]
        written.append([f"class {each.name}(nn.Module):", *_indent([*about, "", *code], 1)])
    return written


def _kind_of(found: ModuleClass, argument: str) -> str:
    setting = next(setting for (_, setting), name in found.varying.items() if name == argument)
    return _kinds(setting, found.arguments[argument])


def frozen_keys(model: NativeModel, form: Structure | Hierarchy | Sequence[chains.Part]) -> list[str]:
    """The parameters that the source says training does not change, by their keys."""
    if isinstance(form, Structure):
        found = dict(_keyed(model, form))
    else:
        found = dict(_keyed_of(form) if isinstance(form, Hierarchy) else chains.keyed(form))
    ties = _ties(found)
    return [
        key
        for key, (native, weight) in found.items()
        if weight.trainable is False
        and not weight.literal
        and native != "buffer"
        and not key.endswith(_BUFFERS)
        and _trains(weight.data.dtype)
        and key not in ties
    ]


def _file(
    classes: Sequence[Sequence[str]],
    class_name: str,
    about: Sequence[str],
    weights_note: Sequence[str],
    frozen: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> str:
    """The text of the file with these classes, of which the last is the model."""
    code = "\n".join(line for lines in classes for line in lines)
    brought = [helpers()[name] for name in used_by(names_read(code))]
    load = [
        f'def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> {class_name}:',
        *_indent(docstring(*weights_note), 1),
        f"    model = {class_name}()",
        *_indent(loading(beside), 1),
        *_indent(freezing(frozen), 1),
        "    return model.eval()",
    ]
    parts = [*brought, *("\n".join(lines) for lines in classes), "\n".join(load)]
    head = "\n".join([*docstring(*about), "", *_imports(names_read("\n".join([*brought, code])))])
    return checked("\n\n\n".join([head, *parts]) + "\n")


def _chain_class(name: str, docstring: Sequence[str], chain: Sequence[chains.Part]) -> list[str]:
    variables = chains.shared(chain)
    again = {part.layer.name: part.layer for part in chains.leaves(chain) if part.layer is not None}
    lines = [f"{variable} = {chains.as_module(again[layer])}" for layer, variable in variables.items()]
    lines.append(f"super().__init__({chains.text(chain, variables)})")
    body = [piece for line in lines for piece in wrapped(line, 8)]
    code = [*docstring, "", "def __init__(self) -> None:", *_indent(body, 1)]
    return [f"class {name}(nn.Sequential):", *_indent(code, 1)]


def attributes(model: NativeModel) -> dict[str, str]:
    """The attribute of each layer that becomes a submodule (by layer), of each tensor that lies in none of them, and of
    the step of each loop (see `Function`). No two are the same."""
    wanted: dict[str, str] = {}
    for name, layer in model.layers.items():
        if is_kept(layer):
            wanted[name] = name
            continue
        for tensor, weight in layer.tensors.items():
            if not weight.literal or weight.data.shape:
                wanted[attribute_key(name, tensor)] = name if layer.type == "buffer" else f"{name}_{tensor}"
        if layer.type == "scan":
            wanted[f"{name}.step"] = f"{name}_step"
    return WORDS.identifiers(wanted)


def state_dict(model: NativeModel, structure: Structure | Hierarchy) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """Every tensor of the module under its key, such as ``conv1.weight`` or ``block1.conv1.weight``; and the keys that
    are one parameter with another: key -> the one it repeats. `structure` is what `structured` made of the model."""
    found = dict(_keyed(model, structure) if isinstance(structure, Structure) else _keyed_of(structure))
    return {key: weight.data for key, (_, weight) in found.items()}, _ties(found)


def _keyed_of(tree: Hierarchy) -> Iterator[tuple[str, tuple[str, NativeWeight]]]:
    for key, layer, slot in nested.keyed(tree):
        native = tree.layers[layer]
        yield key, (native.type, native.tensors[slot])


def _keyed(model: NativeModel, structure: Structure) -> Iterator[tuple[str, tuple[str, NativeWeight]]]:
    """Key, and the type and weight it is of; numbers that the constructor writes out are left out."""
    names = attributes(structure.model)
    bodies = {block.name: attributes(block.body) for block in structure.blocks}
    for name, layer in structure.model.layers.items():
        if layer.type == BLOCK:
            local = bodies[layer.config["class"]]
            for member, original in structure.members[name].items():
                if member in local:
                    inner = model.layers[original]
                    for tensor, weight in inner.tensors.items():
                        yield f"{names[name]}.{local[member]}.{tensor}", (inner.type, weight)
        for tensor, weight in layer.tensors.items():
            if name in names:
                yield f"{names[name]}.{tensor}", (layer.type, weight)
            elif not weight.literal:
                yield names[attribute_key(name, tensor)], (layer.type, weight)


def _ties(found: Mapping[str, tuple[str, NativeWeight]]) -> dict[str, str]:
    """The parameters that are one tensor in one layout; a buffer stays a copy, as no parameter can take its place."""
    first: dict[tuple[Any, ...], str] = {}
    ties: dict[str, str] = {}
    for key, (native, weight) in found.items():
        fixed = native == "buffer" and weight.trainable is not True
        if weight.literal or fixed or key.endswith(_BUFFERS) or not _trains(weight.data.dtype):
            continue
        kept = first.setdefault((weight.path, id(weight.data.source), weight.data.changes), key)
        if kept != key:
            ties[key] = kept
    return ties


def class_name(stem: str) -> str:
    """A file's stem as a class name.

    >>> class_name("lenet-5_v2"), class_name("3d")
    ('Lenet5V2', 'Model3d')
    >>> class_name("none"), class_name("f")  # None is Python's, and F what the file imports
    ('ModelNone', 'ModelF')
    """
    letters = unicodedata.normalize("NFKC", stem)
    word = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", letters) if part)
    return word if word and classes().identifier(word) == word else classes().identifier(f"Model{word}")


def _steps(model: NativeModel) -> list[tuple[str, NativeModel]]:
    """The bodies of all loops, inner ones after outer ones."""
    found: list[tuple[str, NativeModel]] = []
    for name, body in model.bodies.items():
        found += [(name, body), *_steps(body)]
    return found


def _class(
    name: str,
    docstring: Sequence[str],
    model: NativeModel,
    names: Mapping[str, str],
    lines: Sequence[str],
    arguments: Sequence[str] = (),
) -> list[str]:
    """A module: its constructor (of these lines), its forward and the steps of its loops."""
    code = [
        *signature("__init__", ["self", *arguments], "None"),
        *_indent(["super().__init__()", *(piece for line in lines for piece in wrapped(line, 8))], 1),
    ]
    for method, part in [("forward", model), *((names[f"{loop}.step"], body) for loop, body in _steps(model))]:
        function = Function(part, model.layers, names)
        body = function.lines()
        code += ["", *_method(method, function.parameters, _returns(part.outputs), body)]
    return [f"class {name}(nn.Module):", *_indent([*docstring, "", *code], 1)]


def _block_class(block: Block, name: str, instances: Sequence[str]) -> list[str]:
    names = attributes(block.body)
    given = [f"{argument}: {_annotation(block, argument)}" for argument in block.arguments]
    lines: list[str] = []
    for local, layer in block.body.layers.items():
        if local in names:
            varied = {key[1]: Code(argument) for key, argument in block.varying.items() if key[0] == local}
            lines.append(f"self.{names[local]} = {module_call(layer, {**layer.config, **varied})}")
    return _class(name, docstring(f"{_listed(instances)}."), block.body, names, lines, given)


def _annotation(block: Block, argument: str) -> str:
    setting = next(key[1] for key, value in block.varying.items() if value == argument)
    return _kinds(setting, block.values[argument])


def _kinds(setting: str, values: Sequence[Any]) -> str:
    """The types of some values of a setting."""
    kinds = {type(collapsed(setting, value)) for value in values}
    words = ["tuple[int, ...]" if kind is tuple else "None" if kind is type(None) else kind.__name__ for kind in kinds]
    return " | ".join(sorted(words, key=lambda word: (word == "None", word)))


def _instances(structure: Structure, block: Block, names: Mapping[str, str]) -> list[str]:
    """The attributes that are of the block's class."""
    every = structure.model.layers.items()
    return [names[name] for name, layer in every if layer.type == BLOCK and layer.config["class"] == block.name]


def _listed(names: Sequence[str]) -> str:
    """What a block is: its places in the model."""
    shown = [*names]
    while len(shown) > 3 and sum(map(len, shown)) > _WIDTH // 2:
        shown[-3:] = ["...", shown[-1]]
    return f"What {', '.join(shown[:-1])} and {shown[-1]} are" if len(shown) > 1 else f"What {shown[0]} is"


def _constructor(
    structure: Structure, names: Mapping[str, str], renamed: Mapping[str, str], ties: Mapping[str, str]
) -> list[str]:
    lines: list[str] = []
    for name, layer in structure.model.layers.items():
        if layer.type == BLOCK:
            kind = layer.config["class"]
            given = layer.config["arguments"].items()
            arguments = [f"{key}={literal(_short(structure, kind, key, value))}" for key, value in given]
            lines.append(f"self.{names[name]} = {renamed.get(kind, kind)}({', '.join(arguments)})")
        elif layer.type == chains.SEQUENTIAL:
            lines.append(f"self.{names[name]} = nn.Sequential({chains.text(layer.config['parts'], {})})")
        elif name in names:
            lines.append(f"self.{names[name]} = {module_call(layer, layer.config)}")
        else:
            for tensor, weight in layer.tensors.items():
                if (key := attribute_key(name, tensor)) in names and names[key] not in ties:
                    lines.append(_loose(names[key], weight, layer.type != "buffer" or weight.trainable is True))
    return [*lines, *(f"self.{key} = self.{kept}" for key, kept in ties.items())]


def _short(structure: Structure, kind: str, argument: str, value: Any) -> Any:
    block = next(block for block in structure.blocks if block.name == kind)
    setting = next(setting for (_, setting), name in block.varying.items() if name == argument)
    return collapsed(setting, value)


def _loose(attribute: str, weight: NativeWeight, parameter: bool) -> str:
    """A tensor of the module's own: a parameter, a buffer, or numbers written out."""
    dtype = weight.data.dtype
    typed = "" if dtype == "float32" else f", dtype={Dtype(dtype).text}"
    if weight.literal:
        values = literal(shortest_float32(weight.data.numpy()))
        return f"self.register_buffer({quoted(attribute)}, torch.tensor({values}{typed}), persistent=False)"
    empty = f"torch.empty({literal(weight.data.shape)}{typed})"
    if parameter and _trains(dtype):
        return f"self.{attribute} = nn.Parameter({empty})"
    return f"self.register_buffer({quoted(attribute)}, {empty})"


def _trains(dtype: str) -> bool:
    """Whether PyTorch takes tensors of a type as parameters."""
    return "float" in dtype and not dtype.startswith("float8")


def _method(name: str, arguments: Sequence[str], returns: str, lines: Sequence[str]) -> list[str]:
    given = ["self", *(f"{argument}: Tensor" for argument in arguments)]
    body = [f"{line[: _margin(line)]}{piece}" for line in lines for piece in wrapped(line.lstrip(), 8 + _margin(line))]
    return [*signature(name, given, returns), *_indent(body, 1)]


def _margin(line: str) -> int:
    """The spaces in front of a statement."""
    return len(line) - len(line.lstrip())


def _returns(ports: Sequence[Port]) -> str:
    return "Tensor" if len(ports) == 1 else f"tuple[{', '.join(['Tensor'] * len(ports))}]"


def _imports(read: frozenset[str]) -> list[str]:
    """The imports of a file that reads these names, and the names for types that its helpers use."""
    named = aliases(read)
    read |= names_read("\n".join(named))
    lines = ["from __future__ import annotations", ""]
    if "math" in read:
        lines.append("import math")
    if "OrderedDict" in read:
        lines.append("from collections import OrderedDict")
    if abstract := [name for name in ("Callable", "Sequence") if name in read]:
        lines.append(f"from collections.abc import {', '.join(abstract)}")
    lines += ["from pathlib import Path", *(["from typing import Any"] if "Any" in read else []), ""]
    if "torch" in read:
        lines.append("import torch")
    if "F" in read:
        lines.append("import torch.nn.functional as F")
    typed = "Tensor, " if "Tensor" in read else ""
    lines += ["from safetensors.torch import load_file", f"from torch import {typed}nn"]
    if packing := [name for name in PACKING if name in read]:
        lines.append(f"from torch.nn.utils.rnn import {', '.join(packing)}")
    return [*lines, *([""] if named else []), *named]


def _class_docstring(model: NativeModel) -> list[str]:
    def described(ports: Sequence[Port], names: Sequence[str]) -> list[str]:
        shapes = ["(" + ", ".join(map(str, port.shape)) + ("," if len(port.shape) == 1 else "") + ")" for port in ports]
        axes = [f" {port.axes}" if port.axes and len(port.axes) > 2 else "" for port in ports]
        each = zip(names, ports, shapes, axes, strict=True)
        return [plain(f"{name}: {port.dtype} {shape}{letters}") for name, port, shape, letters in each]

    takes = described(model.inputs, argument_names(model.inputs))
    gives = described(model.outputs, [port.name for port in model.outputs])
    lines = [*(f"takes {text}" for text in takes), *(f"returns {text}" for text in gives)]
    lines = [line[0].upper() + line[1:] + ("." if i == len(lines) - 1 else ";") for i, line in enumerate(lines)]
    if sum(map(len, lines)) < _WIDTH:
        return docstring(" ".join([lines[0], *(line[0].lower() + line[1:] for line in lines[1:])]))
    return [*docstring(lines[0], *(line[0].lower() + line[1:] for line in lines[1:]))]


def _indent(lines: Sequence[str], levels: int) -> list[str]:
    return [f"{'    ' * levels}{line}" if line else line for line in lines]
