"""Chains of PyTorch's own modules as ``nn.Sequential``, so that the keys of the state dict stay those of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from irconv.codec import Native, NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.torch.literals import Symbolic
from irconv.frameworks.torch.names import WORDS, fits_sequential
from irconv.frameworks.torch.spelling import is_kept, module_call, spelling
from irconv.frameworks.torch.spelling.forms import Call
from irconv.python_source.literals import literal
from irconv.translate import NativeModel, NativeUse

SEQUENTIAL = "sequential"
"""The native type of a use that stands for a whole ``nn.Sequential``; `config` has ``parts``."""

_DEEPEST = 40
"""Of chains in chains: each takes four brackets, of which Python takes 200."""


@dataclass
class Part:
    """A module of a chain, or a chain of its own, by its name in the one around it."""

    name: str
    layer: Native | None = None
    parts: list[Part] = field(default_factory=list)


def chained(model: NativeModel, prefix: str) -> list[Part] | None:
    """The uses as nested chains by the dots in their names, without the prefix; None where they are no chain."""
    if len(model.inputs) != 1 or len(model.outputs) != 1 or not model.uses:
        return None
    value = model.inputs[0].value
    root: list[Part] = []
    waiting: list[Native] = []
    seen: set[str] = set()
    for use in model.uses:
        layer = model.layers[use.layer]
        if not _follows(use, layer, value):
            return None
        value = use.outputs[0]
        if layer.origin is None:
            waiting.append(layer)
            continue
        path = (value.removesuffix(".y") if use.layer in seen else use.layer).removeprefix(prefix)
        seen.add(use.layer)
        if not _placed(root, path.split("."), layer, waiting):
            return None
        waiting = []
    for number, layer in enumerate(waiting):
        root.append(Part(f"last_{number}", layer))
    return root if value == model.outputs[0].value else None


def _follows(use: NativeUse, layer: Native, value: str) -> bool:
    """Whether the use takes the last value alone, and is a module or a function without tensors of its own."""
    form = spelling(layer.type)
    single = len(use.outputs) == 1 and form.results == 1 and layer.type not in ("scan", "buffer")
    plain = is_kept(layer) or (not layer.tensors and not any(map(_symbolic, layer.config.values())))
    return single and plain and use.inputs == (value,)


def _symbolic(value: object) -> bool:
    return isinstance(value, Symbolic) or (isinstance(value, tuple | list) and any(map(_symbolic, value)))


def _placed(root: list[Part], path: Sequence[str], layer: Native, before: Sequence[Native]) -> bool:
    """Put the layer at its place, what was added before it beside it; False where another stands there."""
    if len(path) > _DEEPEST or not all(map(fits_sequential, path)):
        return False
    parts = root
    for name in path[:-1]:
        if not parts or parts[-1].name != name:
            if any(part.name == name for part in parts):
                return False  # its modules are called apart from one another
            parts.append(Part(name))
        if parts[-1].layer is not None:
            return False
        parts = parts[-1].parts
    if any(part.name == path[-1] for part in parts):
        return False
    parts += [Part(f"before_{path[-1]}_{number}", added) for number, added in enumerate(before)]
    parts.append(Part(path[-1], layer))
    names = [part.name for part in parts]
    return len(set(names)) == len(names) and all(names)


def keys(parts: Sequence[Part], path: str = "") -> Iterator[str]:
    """The keys of the state dict."""
    yield from (key for key, _ in keyed(parts, path))


def keyed(parts: Sequence[Part], path: str = "") -> Iterator[tuple[str, tuple[str, NativeWeight]]]:
    """The keys of the state dict, with the type of the layer and the weight."""
    for part in parts:
        if part.layer is not None and is_kept(part.layer):
            for tensor, weight in part.layer.tensors.items():
                yield f"{path}{part.name}.{tensor}", (part.layer.type, weight)
        yield from keyed(part.parts, f"{path}{part.name}.")


def shared(parts: Sequence[Part]) -> dict[str, str]:
    """The variable of each module that stands at several places, by layer."""
    places: dict[str, list[str]] = {}
    for part in leaves(parts):
        if part.layer is not None and is_kept(part.layer):
            places.setdefault(part.layer.name, []).append(part.name)
    return WORDS.identifiers({layer: f"shared_{names[0]}" for layer, names in places.items() if len(names) > 1})


def leaves(parts: Sequence[Part]) -> Iterator[Part]:
    """Every part, those of parts after them."""
    for part in parts:
        yield part
        yield from leaves(part.parts)


def text(parts: Sequence[Part], variables: Mapping[str, str]) -> str:
    """The arguments of ``nn.Sequential``, one on a line (see `wrapped`): modules, or an OrderedDict of them."""
    made = [_module(part, variables) for part in parts]
    if [part.name for part in parts] == [str(number) for number in range(len(parts))]:
        return "".join(f"{module}, " for module in made)
    pairs = "".join(f"({literal(part.name)}, {module}), " for part, module in zip(parts, made, strict=True))
    return f"OrderedDict([{pairs}])"


def _module(part: Part, variables: Mapping[str, str]) -> str:
    if part.layer is None:
        return f"nn.Sequential({text(part.parts, variables)})"
    return variables.get(part.layer.name) or as_module(part.layer)


def is_module(layer: Native) -> bool:
    """Whether PyTorch has a module for a function that holds no tensors and computes with no sizes."""
    known = layer.type.startswith("nn.") or layer.type == "torch.flatten"
    return known and not layer.tensors and not any(map(_symbolic, layer.config.values()))


def as_module(layer: Native) -> str:
    """The call that makes a module of a layer; a function that PyTorch has no module for is wrapped."""
    form = spelling(layer.type)
    if is_kept(layer):
        return module_call(layer, layer.config)
    if layer.type == "nn.Identity":
        return "nn.Identity()"
    if layer.type.startswith("nn.") and isinstance(form, Call):
        return replace(form, function=layer.type).expression([], layer.config)
    if layer.type == "torch.flatten":
        return Call("nn.Flatten", (), {"start_dim": 1}).expression([], layer.config)
    return f"Apply(lambda x: {form.expression(['x'], layer.config)})"


def with_attributes(model: NativeModel, parts: Sequence[Part]) -> NativeModel | None:
    """The model with a use for each chain at its top, where all parts there have names that a class can have."""
    names = WORDS.identifiers({part.name: part.name for part in parts})
    if any(key != name for key, name in names.items()) or shared(parts):
        return None
    layers: dict[str, Native] = {}
    uses: list[NativeUse] = []
    value, at = model.inputs[0].value, 0
    for part in parts:
        count = sum(leaf.layer is not None for leaf in leaves([part]))
        at += count
        result = model.uses[at - 1].outputs[0]
        if part.layer is None:
            layers[part.name] = Native(SEQUENTIAL, part.name, {"parts": part.parts})
        else:
            layers[part.name] = part.layer
        uses.append(NativeUse(part.name, (value,), (result,)))
        value = result
    return replace(model, layers=layers, uses=tuple(uses))
