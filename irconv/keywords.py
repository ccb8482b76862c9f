"""The fields of options as keyword arguments of `irconv.read`, `irconv.write` and `irconv.convert`, for people and type
checkers; what takes several values takes one, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from irconv.errors import Problem, UnusedOption
from irconv.options import Backend, ReadOptions, WriteOptions

_Path = str | Path
_Names = str | Sequence[str]
_Options = TypeVar("_Options", ReadOptions, WriteOptions)


class Reading(TypedDict, total=False):
    """The fields of `ReadOptions`."""

    source_format: str | None
    backend: Backend | None
    dim_ordering: Literal["th", "tf"] | None
    arch: _Path | None
    submodel: str | None
    until: _Names
    replace: _Names
    plugins: _Path | Sequence[_Path]
    key: str | None
    ema: bool
    keep_optimizer: bool
    keep_opaque: bool
    opaque_shape: _Names
    input_shape: _Names
    module_map: _Names
    module: str | None
    inputs: _Names
    outputs: _Names
    signature: str | None
    tags: _Names
    fix: _Names
    recompose: bool
    digests: bool


class Writing(TypedDict, total=False):
    """The fields of `WriteOptions`."""

    target_format: str | None
    io: Literal["native", "source"]
    force: bool
    merge: bool
    fold_bn: bool
    dtype: Literal["f16", "bf16", "f32", "f64"] | None
    opset: int | None
    dry_run: bool
    target_version: str | None
    shard_size: str | int | None
    probe: bool
    probe_input: _Names
    probe_output: _Names
    meta: _Names


class Converting(Reading, Writing, total=False):
    """The fields of both."""


def taken(options: _Options, given: Mapping[str, Any]) -> tuple[_Options, dict[str, Any]]:
    """The options with the keywords that are fields of them, and the other keywords."""
    names = {field.name for field in fields(options)}
    mine = {name: value for name, value in given.items() if name in names}
    return replace(options, **mine), {name: value for name, value in given.items() if name not in names}


def refuse_unknown(given: Mapping[str, Any], *kinds: type[ReadOptions] | type[WriteOptions]) -> None:
    """Raise `UnusedOption` naming every keyword that nothing takes, with those that are alike."""
    known = [field.name for kind in kinds for field in fields(kind)]
    problems = []
    for name in given:
        close = get_close_matches(name, known, 3)
        remedy = f"Try {' or '.join(f'{one}=' for one in close)}." if close else f"There are {', '.join(known)}."
        problems.append(Problem(f"{name}=", "there is no such argument", remedy))
    if problems:
        raise UnusedOption(problems)
