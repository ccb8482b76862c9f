"""Names as two frameworks spell them, and the tree of modules that names make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"[a-z0-9]+")
_IN_LIST = re.compile(r"(^|/)([^/]+)/(?=\2\.)")
_STEP = re.compile(r"[./:]+")


def spelt_alike(name: str) -> str:
    """What stays of a name whatever its framework allows in names.

    >>> spelt_alike("block1/conv_1"), spelt_alike("/block1.conv_1")
    ('block1.conv.1', 'block1.conv.1')
    >>> spelt_alike("/layer1/layer1.0/conv2/Conv")  # as PyTorch's exporter writes modules in lists
    'layer1.0.conv2.conv'
    """
    return ".".join(_WORD.findall(_IN_LIST.sub(r"\1", name.lower()))) or name


def same_words(name: str) -> str:
    """What stays of a name where a framework groups layers into modules: its numbers in their order, and its words.

    >>> same_words("conv2_block1_1_conv") == same_words("conv2_block1.conv1")
    True
    >>> same_words("conv2_block1_2_bn") == same_words("conv2_block2.bn1")
    False
    """
    parts = re.findall(r"[a-z]+|[0-9]+", name.lower())
    numbers = [str(int(part)) for part in parts if part.isdigit()]
    return " ".join([*sorted(part for part in parts if not part.isdigit()), *numbers])


def nested(a: str, b: str) -> bool:
    """Whether one name is the other inside one more module, or beside one.

    >>> nested("outer/layer", "layer"), nested("both/forward", "both"), nested("outer", "inner")
    (True, True, False)
    """
    a, b = f".{spelt_alike(a)}.", f".{spelt_alike(b)}."
    return a != b and any(x.startswith(y) or x.endswith(y) for x, y in ((a, b), (b, a)))


def module_paths(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Where each name stands in a tree of modules: by its dots and slashes; where a level is one long list, by the
    words that its names have in common, too.

    >>> module_paths(["net/a_conv", "net/a_bn", "net/b"])["net/a_conv"]
    ('net', 'a_conv')
    """
    paths = {name: tuple(part for part in _STEP.split(name) if part) or (name,) for name in names}
    return _split_long(paths)


_LONG = 24
"""Names on one level from which on the words in them are looked at."""


def _split_long(paths: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The paths with the steps of crowded levels cut at underscores, as far as the pieces group names."""
    levels: dict[tuple[str, ...], set[str]] = {}
    for path in paths.values():
        for depth, step in enumerate(path):
            levels.setdefault(path[:depth], set()).add(step)
    cuts = {level: _cut(steps) for level, steps in levels.items() if len(steps) > _LONG}
    return {
        name: tuple(piece for depth, step in enumerate(path) for piece in cuts.get(path[:depth], {}).get(step, (step,)))
        for name, path in paths.items()
    }


def _cut(steps: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each step as the words that several steps begin with, and the rest.

    >>> cut = _cut(["conv2_block1_1_conv", "conv2_block1_1_bn", "conv2_block1_add", "conv2_block2_add", "fc"])
    >>> cut["conv2_block1_1_bn"], cut["conv2_block2_add"], cut["fc"]
    (('conv2', 'block1', '1_bn'), ('conv2', 'block2_add'), ('fc',))
    """
    words = {step: step.split("_") for step in steps}
    begun: dict[tuple[str, ...], set[str]] = {}
    for parts in words.values():
        for count in range(1, len(parts)):
            begun.setdefault(tuple(parts[:count]), set()).add("_".join(parts))
    found = {}
    for step, parts in words.items():
        pieces: list[str] = []
        start = 0
        for count in range(1, len(parts)):
            inside = begun[tuple(parts[:count])]
            outside = begun.get(tuple(parts[:start])) if start else None
            if len(inside) > 2 and (outside is None or len(inside) < len(outside)):
                pieces.append("_".join(parts[start:count]))
                start = count
        found[step] = (*pieces, "_".join(parts[start:]))
    return found
