"""The text of a hierarchy's classes: constructors that make modules in modules, and each class's forward."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from irconv.codec import Native, NativeWeight
from irconv.frameworks.torch.chains import as_module
from irconv.frameworks.torch.classes import Classes, ModuleClass, local_body, places
from irconv.frameworks.torch.forward import Function
from irconv.frameworks.torch.hierarchy import Hierarchy, Module, Path
from irconv.frameworks.torch.literals import Dtype, collapsed
from irconv.frameworks.torch.names import WORDS, variables
from irconv.frameworks.torch.spelling import is_kept, module_call
from irconv.ir.dtypes import shortest_float32
from irconv.python_source.literals import Code, literal, quoted

_HERE = "\0"
_LONGEST_TURN = 8
"""Statements of a loop's body."""


def keyed(tree: Hierarchy) -> Iterator[tuple[str, str, str]]:
    """Every tensor of the state dict: its key, the layer it is of, and its slot there."""
    here = places(tree.root)
    again = {key for module in tree.root.modules() for key in module.again}
    for layer, native in tree.layers.items():
        for slot, weight in native.tensors.items():
            if layer in here and f"{layer}.{slot}" not in here:
                yield f"{'.'.join(here[layer])}.{slot}", layer, slot
            elif f"{layer}.{slot}" in here and not weight.literal and (layer, slot) not in again:
                yield ".".join(here[f"{layer}.{slot}"]), layer, slot


def beside(tree: Hierarchy) -> list[str]:
    """The buffers that the network's own state dict has not."""
    own = {key for module in tree.root.modules() for key in module.tensors.values()}
    weights = ((key, tree.layers[layer], slot) for key, layer, slot in keyed(tree) if (layer, slot) in own)
    return [
        key
        for key, native, slot in weights
        if native.tensors[slot].role == "constant"
        and not (native.type != "buffer" and trains(native.tensors[slot].data.dtype))
    ]


def attributes(module: Module) -> dict[str, str]:
    """How a module says the layers, modules and tensors in it, after ``self.``."""
    return {name: access(place) for name, place in places(module).items()}


def access(place: Path) -> str:
    """A place within a module as Python.

    >>> access(("layers", "0", "norm")), access(("block1", "block1-0"))
    ('layers[0].norm', 'block1.get_submodule("block1-0")')
    """
    return "".join(f"[{name}]" if name.isdigit() else f".{_member(name)}" for name in place).lstrip(".")


def _member(name: str) -> str:
    return name if name.isidentifier() else f"get_submodule({quoted(name)})"


class Texts:
    """Writes the classes of a tree."""

    def __init__(self, tree: Hierarchy, classes: Classes, ties: Mapping[str, str]) -> None:
        self.tree, self.classes, self.ties = tree, classes, ties

    def constructor(self, found: ModuleClass) -> list[str]:
        """The statements that make what a class holds."""
        module = found.instances[0]
        lines: list[str] = []
        for name, child in module.children.items():
            made = self._made(found, child, (name,))
            lines.append(f"self.{name} = {made}" if name.isidentifier() else f"self.add_module({quoted(name)}, {made})")
        for name, key in module.tensors.items():
            if not (module is self.tree.root and name in self.ties):
                lines.append(self._tensor(found, name, key))
        return lines

    def forward(self, found: ModuleClass) -> tuple[list[str], list[str]]:
        """The parameters and statements of its forward."""
        module = found.instances[0]
        body, layers = (
            local_body(module, self.tree) if module is not self.tree.root else (module.body, self.tree.layers)
        )
        assert body is not None, "only functions have one"
        function = Function(body, layers, attributes(module))
        return function.parameters, rolled(function.lines(), module)

    def _made(self, found: ModuleClass, child: Module | str, place: Path) -> str:
        if isinstance(child, str):
            layer = self.tree.layers[child]
            return module_call(layer, self._settings(found, place, layer)) if is_kept(layer) else as_module(layer)
        if child.kind in ("function", "holder"):
            inner = self.classes.of(child)
            config = self._settings(found, place, Native("class", child.key, inner.given(child)))
            arguments = [f"{name}={literal(_short(inner, name, value))}" for name, value in config.items()]
            return f"{inner.name}({', '.join(arguments)})"
        if child.tensors:
            made = [self._empty(found, (*place, name), key) for name, key in _in_order(child.tensors)]
            return f"nn.ParameterList([{', '.join(made)}])"
        made = []
        for name, part in _in_order(child.children):
            made += ["nn.Identity()"] * (int(name) - len(made))
            made.append(self._made(found, part, (*place, name)))
        return _repeated(made, "nn.Sequential" if child.kind == "chain" else "nn.ModuleList")

    def _settings(self, found: ModuleClass, place: Path, layer: Native) -> dict[str, Any]:
        """The settings of what stands at a place, arguments of the class in the place of those that differ."""
        varied = {setting: Code(argument) for (at, setting), argument in found.varying.items() if at == place}
        return {**layer.config, **varied}

    def _tensor(self, found: ModuleClass, name: str, key: tuple[str, str]) -> str:
        layer, slot = key
        native = self.tree.layers[layer]
        weight = native.tensors[slot]
        if weight.literal:
            values = literal(shortest_float32(weight.data.numpy()))
            typed = _typed(weight)
            return f"self.register_buffer({quoted(name)}, torch.tensor({values}{typed}), persistent=False)"
        empty = self._empty(found, (name,), key)
        if empty.startswith("nn.Parameter"):
            return f"self.{name} = {empty}"
        kept = ", persistent=False" if weight.role == "constant" else ""
        return f"self.register_buffer({quoted(name)}, {empty}{kept})"

    def _empty(self, found: ModuleClass, place: Path, key: tuple[str, str]) -> str:
        layer, slot = key
        native = self.tree.layers[layer]
        weight = native.tensors[slot]
        shape = found.varying.get((place, "shape")) or literal(tuple(weight.data.shape))
        empty = f"torch.empty({shape}{_typed(weight)})"
        parameter = native.type != "buffer" or weight.trainable is True
        return f"nn.Parameter({empty})" if parameter and trains(weight.data.dtype) else empty


def trains(dtype: str) -> bool:
    """Whether PyTorch takes tensors of a type as parameters."""
    return "float" in dtype and not dtype.startswith("float8")


def _typed(weight: NativeWeight) -> str:
    return "" if weight.data.dtype == "float32" else f", dtype={Dtype(weight.data.dtype).text}"


def _in_order(children: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(children.items(), key=lambda pair: int(pair[0]))


def _short(inner: ModuleClass, argument: str, value: Any) -> Any:
    setting = next(setting for (_, setting), name in inner.varying.items() if name == argument)
    return value if isinstance(value, Code) else collapsed(setting, value)


def _repeated(made: Sequence[str], call: str) -> str:
    """A chain or a list, three or more equal modules in a row by a comprehension."""
    runs = [(text, len(list(group))) for text, group in groupby(made)]
    listed = [
        part
        for text, count in runs
        for part in ([text] * count if count < 3 else [f"*[{text} for _ in range({count})]"])
    ]
    single = len(runs) == 1 and len(listed) == 1
    if call == "nn.ModuleList":
        if single and listed[0].startswith("*"):
            return f"nn.ModuleList({listed[0][1:]})"
        return f"nn.ModuleList([{', '.join(listed)}])" if single else f"nn.ModuleList([{_each(listed)}])"
    return f"{call}({listed[0]})" if single else f"{call}({_each(listed)})"


def _each(parts: Sequence[str]) -> str:
    """Arguments, one on a line."""
    return "".join(f"{part}, " for part in parts)


def rolled(lines: list[str], module: Module) -> list[str]:
    """The statements with those that come again for each module of a list as a loop."""
    for place, count in _lists(module, ()):
        named = access(place)
        whole = _rolled(lines, named, count)
        if whole is lines and (spread := _with_name(lines, named)) is not None:
            again = _rolled(spread, named, count)
            whole = lines if again is spread else again
        lines = whole
    return lines


def _with_name(lines: list[str], named: str) -> list[str] | None:
    """The statements with what is returned under the name that an earlier turn gave it; None where none did."""

    def unmarked(text: str) -> str:
        return re.sub(re.escape(f"self.{named}[") + r"\d+\]", _HERE, text)

    wanted = unmarked(lines[-1].removeprefix("return "))
    for target, _, value in (line.partition(" = ") for line in lines[:-1]):
        if target.isidentifier() and unmarked(value) == wanted:
            return [*lines[:-1], f"{target} = {lines[-1].removeprefix('return ')}", f"return {target}"]
    return None


def _lists(module: Module, at: Path) -> Iterator[tuple[Path, int]]:
    """The lists whose modules are called one by one, with how many they have."""
    for name, child in module.children.items():
        if isinstance(child, Module) and child.kind in ("list", "holder"):
            if child.kind == "list" and not child.tensors and len(child.children) > 1:
                yield (*at, name), len(child.children)
            yield from _lists(child, (*at, name))


def _rolled(lines: list[str], named: str, count: int) -> list[str]:
    """The statements with a loop over one list; the same object where there is none."""
    pattern = f"self.{named}["
    first = next((i for i, line in enumerate(lines) if f"{pattern}0]" in line), None)
    if first is None:
        return lines
    for start in range(max(0, first - _LONGEST_TURN + 1), first + 1):
        for size in range(first - start + 1, _LONGEST_TURN + 1):
            end = start + size * count
            if end > len(lines) or any(line.startswith("return") for line in lines[start:end]):
                break
            body = _turn([lines[start + size * i : start + size * (i + 1)] for i in range(count)], pattern)
            if body is None or any(pattern in line for line in [*lines[:start], *lines[end:]]):
                continue
            item = _item(named, lines)
            body = [f"    {line.replace(_HERE, item)}" for line in body]
            return [*lines[:start], f"for {item} in self.{named}:", *body, *lines[end:]]
    return lines


def _turn(turns: Sequence[Sequence[str]], pattern: str) -> list[str] | None:
    """The statements of every turn, with a mark where they say the module; None where they differ in more."""
    marked = [[line.replace(f"{pattern}{i}]", _HERE) for line in turn] for i, turn in enumerate(turns)]
    alike = all(turn == marked[0] for turn in marked) and not any(pattern in line for line in marked[0])
    return marked[0] if alike and any(_HERE in line for line in marked[0]) else None


def _item(named: str, lines: Sequence[str]) -> str:
    """What one of a list is called: no other variable."""
    word = re.sub(r"\W", "_", named.rpartition(".")[2])
    item = WORDS.identifier(word[:-1] if word.endswith("s") and len(word) > 2 else f"each_{word}")
    while item in variables() or any(re.search(rf"(?<![.\w]){item}\b", line) for line in lines):
        item = f"{item}_"
    return item
