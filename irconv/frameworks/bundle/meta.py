"""What people say of a model, as they say it on the command line: ``author=...``, ``labels=@labels.txt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irconv.errors import MissingFact, Problems
from irconv.ir.manifest import Meta

_LABELS = "labels"
_MOST = 1 << 24


def described(texts: Sequence[str], before: Meta | None = None) -> Meta:
    """The record of ``KEY=VALUE`` texts, added to what was said before; ``@FILE`` is the file's text, and labels are
    its lines, or stand with commas between them.

    Raises `MissingFact` for a key that is none, twice there or without a value, and a file that cannot be read.
    """
    said: dict[str, str | tuple[str, ...]] = {}
    problems = Problems()
    for text in texts:
        key, equals, value = text.partition("=")
        with problems.collect():
            if not equals or key not in Meta.model_fields:
                known = ", ".join(Meta.model_fields)
                raise MissingFact(f"--meta {text}", f"expected KEY=VALUE with one of {known}")
            if key in said:
                raise MissingFact(f"--meta {text}", f"says {key} a second time")
            said[key] = _value(key, value)
    problems.raise_any()
    return (before or Meta()).model_copy(update=said)


def _value(key: str, value: str) -> str | tuple[str, ...]:
    file = value.startswith("@")
    if file:
        value = _content(value[1:], f"--meta {key}={value}")
    if key != _LABELS:
        return value.strip()
    return tuple(part.strip() for part in (value.splitlines() if file else value.split(",")) if part.strip())


def _content(name: str, where: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > _MOST:
            raise MissingFact(where, f"expected at most {_MOST} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MissingFact(where, f"expected a text file, got {error}") from error
