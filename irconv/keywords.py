"""The fields of options as keyword arguments of the functions that take options, for people and type checkers; what
takes several values takes one, too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, TypedDict, TypeVar

from irconv.errors import Problem, UnusedOption
from irconv.options import AdoptOptions, Backend, DiffOptions, ReadOptions, WriteOptions

Runtime = Literal["onnxruntime", "numpy"]
Readable: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO"
"""What `irconv.api.read` takes."""

_Path = str | Path
_Names = str | Sequence[str]
_Kind = type[ReadOptions] | type[WriteOptions] | type[DiffOptions] | type[AdoptOptions]
_Options = TypeVar("_Options", ReadOptions, WriteOptions, DiffOptions, AdoptOptions)


class Facts(TypedDict, total=False):
    """The fields of `ReadOptions`, but for `inputs`, which are arrays to functions that run a model."""

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
    outputs: _Names
    signature: str | None
    tags: _Names
    fix: _Names
    recompose: bool
    digests: bool


class Reading(Facts, total=False):
    """The fields of `ReadOptions`."""

    inputs: _Names


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
    resume: bool
    probe: bool
    probe_input: _Names
    probe_output: _Names
    meta: _Names


class Converting(Reading, Writing, total=False):
    """The fields of both."""


class Counting(TypedDict, total=False):
    """The fields of `DiffOptions`."""

    rtol: float
    atol: float
    ignore: _Names


class Adopting(Converting, total=False):
    """The fields of `AdoptOptions`, and of what reads and writes."""

    flatten: _Names
    partial: bool
    map: _Path | None
    rename: _Names
    verify: bool


def taken(options: _Options, given: Mapping[str, Any]) -> tuple[_Options, dict[str, Any]]:
    """The options with the keywords that are fields of them, and the other keywords."""
    names = {field.name for field in fields(options)}
    mine = {name: value for name, value in given.items() if name in names}
    return replace(options, **mine), {name: value for name, value in given.items() if name not in names}


def facts_of(said: ReadOptions | Reading | None) -> ReadOptions:
    """The facts of reading one of two sides: options, or their fields as a dict. Raises `UnusedOption`."""
    return said if isinstance(said, ReadOptions) else reading(None, said or {})


def reading(options: ReadOptions | None, given: Mapping[str, Any]) -> ReadOptions:
    """The facts of reading, given as an object or as keywords, or both. Raises `UnusedOption` for other keywords."""
    found, unknown = taken(options or ReadOptions(), given)
    refuse_unknown(unknown, ReadOptions)
    return found


def adopting(
    options: AdoptOptions | None, read: ReadOptions | None, write: WriteOptions | None, given: Mapping[str, Any]
) -> tuple[AdoptOptions, ReadOptions, WriteOptions]:
    """What an adoption is told. Raises `UnusedOption` for keywords that are fields of none of the three."""
    own, others = taken(options or AdoptOptions(), given)
    facts, others = taken(read or ReadOptions(), others)
    wishes, unknown = taken(write or WriteOptions(), others)
    refuse_unknown(unknown, AdoptOptions, ReadOptions, WriteOptions)
    return own, facts, wishes


def refuse_unknown(given: Mapping[str, Any], *kinds: _Kind) -> None:
    """Raise `UnusedOption` naming every keyword that nothing takes, with those that are alike."""
    known = [field.name for kind in kinds for field in fields(kind)]
    problems = []
    for name in given:
        close = get_close_matches(name, known, 3)
        remedy = f"Try {' or '.join(f'{one}=' for one in close)}." if close else f"There are {', '.join(known)}."
        problems.append(Problem(f"{name}=", "there is no such argument", remedy))
    if problems:
        raise UnusedOption(problems)
