"""What is said of flags, in the words of Python: ``--arch`` is ``arch=`` there, and ``--merge`` is ``merge=True``."""

from __future__ import annotations

import re

_NAMES = {
    "--from": "source_format",
    "--to": "target_format",
    "--plugin": "plugins",
    "--no-verify": "digests",
    "--no-recompose": "recompose",
    "--input": "inputs",
    "--a": "read_a",
    "--b": "read_b",
}
"""The arguments that are not called as their flags are."""
_OFF = frozenset({"digests", "recompose"})
"""Those whose flags begin with ``--no-``."""
_FLAGS = _OFF | frozenset(
    "ema keep_optimizer keep_opaque force merge fold_bn dry_run probe partial verify layers resume".split()  # noqa: SIM905
)
_SEVERAL = frozenset(
    "until replace plugins input_shape module_map inputs outputs tags fix probe_input probe_output meta "  # noqa: SIM905
    "flatten rename ignore opaque_shape".split()
)
_ONE = frozenset(
    "source_format target_format backend dim_ordering arch submodel key module signature io opset dtype target_version "  # noqa: SIM905
    "map shard_size rtol atol runtime seeds tolerance read_a read_b".split()
)
ARGUMENTS = _FLAGS | _SEVERAL | _ONE
"""Every argument of the functions of `irconv.api`, and field of the options they take, that is a flag of a command."""
_NUMBERS = frozenset({"opset", "rtol", "atol", "seeds", "tolerance"})
_WORDS = frozenset(
    "native source onnxruntime numpy th tf tensorflow theano keras torch torchscript torch-program onnx irconv "  # noqa: SIM905
    "identity cntk jax".split()
)
"""The values of flags that are said in sentences and look like any other word."""
_FLAG = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?![\w-])")
_VALUE = re.compile(r"[ =]([^\s;]*[^\s;.,:)])")


def in_python(text: str, whole: bool = False) -> str:
    """Text that names flags, with arguments in their place; `whole` says that all behind a flag is its value.

    >>> in_python("--until a", whole=True)
    "until=('a',)"
    >>> in_python("Give --opset 20 or more, --merge, or the JSON with --arch, too.")
    'Give opset=20 or more, merge=True, or the JSON with arch=, too.'
    """
    found, end = "", 0
    for flag in _FLAG.finditer(text):
        if flag.start() < end:
            continue
        name = _NAMES.get(flag.group(), flag.group(1).replace("-", "_"))
        if name not in ARGUMENTS:
            continue
        found += text[end : flag.start()]
        end = flag.end()
        if name in _FLAGS:
            found += f"{name}={name not in _OFF}"
            continue
        value = _rest(text, end) if whole else _word(text, end)
        end += len(value) + 1 if value else 0
        found += f"{name}={_spelt(name, value)}"
    return found + text[end:]


def _rest(text: str, start: int) -> str:
    """All up to the next flag."""
    rest = _FLAG.split(text[start:])[0].rstrip()
    return rest[1:] if rest.startswith(" ") else ""


def _word(text: str, start: int) -> str:
    """The next word, where it is a value and no word of the sentence."""
    match = _VALUE.match(text, start)
    if match is None:
        return ""
    word = match.group(1)
    return word if word in _WORDS or re.search(r"[\dA-Z=\[]", word) else ""


def _spelt(name: str, value: str) -> str:
    if not value:
        return ""
    if name in _NUMBERS and re.fullmatch(r"[\d.e-]+", value):
        return value
    return f"({value!r},)" if name in _SEVERAL else repr(value)
