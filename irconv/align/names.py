"""What the names of layers say: their words, the order of their numbers, what they call the same thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

Token = str | int

_PIECE = re.compile(r"[A-Za-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

#: Words for what a layer is, whatever it is called in its place.
_TYPE_WORDS = sorted(
    {
        *("batch", "batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "batchnormalization", "bn"),
        *("cnv", "conv", "conv1d", "conv2d", "conv3d", "convolution", "convolution2d", "dense", "fc", "kernel"),
        *("layer", "layernorm", "lin", "linear", "ln", "norm", "normalization"),
    },
    key=len,
    reverse=True,
)

#: What the projections of attention are called, but for words that every layer may have.
_ATTENTION: dict[str, str] = {
    **dict.fromkeys(("q", "query", "wq"), "q"),
    **dict.fromkeys(("k", "key", "wk"), "k"),
    **dict.fromkeys(("v", "value", "wv"), "v"),
    **dict.fromkeys(("o", "out", "output", "wo"), "o"),
    **dict.fromkeys(("qkv", "wqkv"), "qkv"),
}
_FILLERS = frozenset(("proj", "projection", "lin", "linear", "to", "w", "dense", "layer", "c"))


def attention_word(name: str) -> str:
    """What a projection of attention is by its last words: ``q k v o`` or ``qkv``; empty for others. Its siblings must
    be so, too, before that counts.

    >>> [attention_word(name) for name in ("a.query", "k_proj", "to_v", "wo", "a.to_out.0", "qkv", "a/proj", "fc1")]
    ['q', 'k', 'v', 'o', 'o', 'qkv', 'o', '']
    """
    scope, last = parent(name)
    words = tokens(parent(scope)[1] if last == "0" else last)
    rest = [word for word in words if word not in _FILLERS]
    if not rest and words:
        return "o"
    return _ATTENTION.get(str(rest[0]), "") if len(rest) == 1 else ""


def goes_back(name: str) -> bool:
    """Whether a name says that a recurrent layer goes from the last step to the first: ``backward_lstm``, ``bw``."""
    return bool({"backward", "reverse", "bw"} & {*tokens(name)})


@lru_cache(maxsize=65536)
def tokens(name: str) -> tuple[Token, ...]:
    """The words and numbers of a name; a letter that counts (``5b``) is a number, too.

    >>> tokens("block1_conv2/kernel"), tokens("Mixed_5b.branch3x3dbl_1"), tokens("conv2d")
    (('block', 1, 'conv', 2, 'kernel'), ('mixed', 5, 2, 'branch3x3dbl', 1), ('conv2d',))
    """
    found: list[Token] = []
    for piece in _PIECE.findall(name):
        for word in _CAMEL.split(piece):
            found += _split(word)
    return tuple(found)


def _split(word: str) -> list[Token]:
    if re.fullmatch(r"\d+[a-z]", word):
        return [int(word[:-1]), ord(word[-1]) - 96]
    if re.fullmatch(r"(.*[a-z])?\d+x\d+", word, re.IGNORECASE):
        return [word.lower()]
    match = re.fullmatch(r"(.*?)(\d+)", word)
    if match is None:
        return [word.lower()]
    head, number = match.groups()
    return [*([head.lower()] if head else []), int(number)]


def compare(first: str, second: str) -> int | None:
    """Which of two names counts first: -1 or 1; 0 for one name; None where words, not numbers, tell them apart.

    Keras numbers the first layer of a type by no number.

    >>> compare("block2_conv1", "block10_conv1"), compare("conv2d.q", "conv2d_1.q"), compare("block1_dw", "block1_pw")
    (-1, -1, None)
    """
    for one, other in zip(_components(first), _components(second), strict=False):
        if one != other:
            return _compare(tokens(one), tokens(other))
    return 0 if first == second else None


def _components(name: str) -> list[str]:
    return name.replace("/", ".").split(".")


def _compare(first: Sequence[Token], second: Sequence[Token]) -> int | None:
    for one, other in zip_longest(first, second):
        if one == other:
            continue
        if isinstance(one, int) and isinstance(other, int):
            return -1 if one < other else 1
        if one is None and isinstance(other, int):
            return -1
        return 1 if other is None and isinstance(one, int) else None
    return 0


def without_type(name: str) -> tuple[Token, ...]:
    """The tokens of a name with ``@`` for each run of words that say what the layer is.

    >>> without_type("block2_conv_dw"), without_type("block2_bn_dw"), without_type("stages.1.normdw")
    (('block', 2, '@', 'dw'), ('block', 2, '@', 'dw'), ('stages', 1, '@', 'dw'))
    """
    found: list[Token] = []
    for token in tokens(name):
        for part in _typed(token):
            if part != "@" or found[-1:] != ["@"]:
                found.append(part)
    return tuple(found)


def _typed(token: Token) -> list[Token]:
    if isinstance(token, int):
        return [token]
    if token in _TYPE_WORDS:
        return ["@"]
    start = next((word for word in _TYPE_WORDS if len(word) > 1 and token.startswith(word)), "")
    return ["@", token[len(start) :]] if start else [token]


def parent(name: str) -> tuple[str, str]:
    """A name in two: the scope it lies in and its own last word.

    >>> parent("blocks.1.attn.query"), parent("down0/a/conv"), parent("conv1")
    (('blocks.1.attn', 'query'), ('down0/a', 'conv'), ('', 'conv1'))
    """
    scope, _, last = name.replace("/", ".").rpartition(".")
    return (name[: len(scope)] if scope else ""), last


def common_prefix(names: Sequence[str]) -> int:
    """How many leading tokens all names share, the last token of each left out."""
    split = [tokens(name) for name in names]
    shortest = min((len(parts) for parts in split), default=1) - 1
    return next((i for i in range(max(shortest, 0)) if len({parts[i] for parts in split}) > 1), max(shortest, 0))
