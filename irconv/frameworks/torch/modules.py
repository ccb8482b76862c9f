"""Whole modules in pickles, as trees of plain data: class, settings, parameters, buffers, children."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from irconv.containers.pickle import Global, Instance
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.frameworks.torch.pickles_tensors import InParts, PickledTensor, Unreadable

_DEEPEST = 100
_MOST = 200_000
_KEPT = "_parameters", "_buffers", "_modules"
_QUANTISED = re.compile(r"torch\.(ao\.)?nn\.(\w+\.)*quantized\.")
_HOOKS = "_forward_hooks", "_forward_pre_hooks"


@dataclass(frozen=True, eq=False)
class Module:
    """One ``nn.Module``; a module used at two places is one object at both."""

    cls: str
    """Dotted name of its class."""
    settings: Mapping[str, Any]
    """Its plain attributes."""
    parameters: Mapping[str, Any]
    """Tensors by name, None for those left out (``bias=False``)."""
    buffers: Mapping[str, Any]
    children: Mapping[str, Module | None]
    unsaved: frozenset[str] = frozenset()
    """Buffers that are no part of the state dict."""
    source: str = ""
    """The text of its class, where the file has it."""
    hooks: tuple[str, ...] = ()
    """The kinds of functions that are called before or after its own code."""

    @property
    def short(self) -> str:
        """The class as people write it: ``nn.Conv2d``, or the last word of another's name."""
        name = self.cls.rsplit(".", maxsplit=1)[-1]
        return f"nn.{name}" if self.cls.startswith("torch.nn.modules.") else name


@dataclass
class _Trees:
    where: str
    sources: Mapping[str, str]
    known: dict[int, Module] = field(default_factory=dict)

    def tree(self, value: Instance, depth: int) -> Module:
        if id(value) in self.known:
            return self.known[id(value)]
        if depth > _DEEPEST:
            raise DamagedFile(self.where, f"expected modules nested at most {_DEEPEST} deep")
        attributes = value.attributes
        kept = {name: attributes.get(name) or {} for name in _KEPT}
        if not all(isinstance(part, dict) for part in kept.values()):
            raise DamagedFile(self.where, f"expected the parts of a {value.cls.dotted} by name")
        children = {
            str(name): None if child is None else self._child(value, str(name), child, depth + 1)
            for name, child in kept["_modules"].items()
        }
        unsaved = attributes.get("_non_persistent_buffers_set") or ()
        found = Module(
            value.cls.dotted,
            {name: item for name, item in attributes.items() if not name.startswith("_")},
            {str(name): item for name, item in kept["_parameters"].items()},
            {str(name): item for name, item in kept["_buffers"].items()},
            children,
            frozenset(map(str, unsaved)) if isinstance(unsaved, set | frozenset | list | tuple) else frozenset(),
            self.sources.get(value.cls.dotted, ""),
            tuple(name for name in _HOOKS if attributes.get(name)),
        )
        self.known[id(value)] = found
        return found

    def _child(self, parent: Instance, name: str, value: Any, depth: int) -> Module:
        kind = value.cls.dotted if isinstance(value, Instance) else type(value).__name__
        if not is_module(value) or _QUANTISED.match(kind):
            what = f"its part {name} ({kind}) keeps its weights in a form of its own, as quantised modules do"
            raise Refused(f"{self.where}: {parent.cls.dotted}", what, "Save the state dict of the module.")
        return self.tree(value, depth)


def is_module(value: Any) -> bool:
    """Whether an inert object has what every ``nn.Module`` has."""
    return isinstance(value, Instance) and {"_parameters", "_modules"} <= value.attributes.keys()


def module_tree(value: Instance, sources: Mapping[str, str], where: str) -> Module:
    """The tree of a module. Raises `DamagedFile` for one that holds itself."""
    return _Trees(where, sources).tree(value, 0)


def walk(module: Module, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Module]]:
    """Every module at every place, with the prefix of its names (empty, or ending in a dot)."""
    yield prefix, module
    for name, child in module.children.items():
        if child is not None:
            yield from walk(child, f"{prefix}{name}.", depth + 1)


def state_dict(module: Module, where: str) -> dict[str, Any]:
    """Parameters and saved buffers by name, as ``Module.state_dict`` lists them; other tensors are left out."""
    found: dict[str, Any] = {}
    for number, (prefix, part) in enumerate(walk(module)):
        if number > _MOST:
            raise DamagedFile(where, f"expected at most {_MOST} modules, each at one place")
        found |= {f"{prefix}{name}": item for name, item in part.parameters.items() if item is not None}
        saved = {name: item for name, item in part.buffers.items() if item is not None and name not in part.unsaved}
        found |= {f"{prefix}{name}": item for name, item in saved.items()}
    return found


def unsaved(module: Module) -> dict[str, Any]:
    """The tensors that ``state_dict`` leaves out: buffers registered so, and plain attributes."""
    found: dict[str, Any] = {}
    for prefix, part in walk(module):
        hidden = {name: part.buffers.get(name) for name in part.unsaved}
        for name, item in {**hidden, **part.settings}.items():
            if isinstance(item, PickledTensor | InParts | Unreadable):
                found[f"{prefix}{name}"] = item
    return found


def described(module: Module) -> str:
    """The class and its settings in one line: evidence for people."""
    plain = [
        f"{name}={_text(value)}"
        for name, value in module.settings.items()
        if name != "training" and isinstance(value, bool | int | float | str | tuple | Global | None)
    ]
    text = f"{module.short}({', '.join(plain)})"
    return text if len(text) <= 200 else f"{text[:197]}..."


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        plain = len(value) < 16 and all(isinstance(item, int | float) for item in value)
        return repr(value) if plain else "..."
    return value.dotted if isinstance(value, Global) else repr(value)[:40]
