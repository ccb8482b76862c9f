"""What is asked for, as jobs: sources by name, pattern or address, or the lines of a plan, and the names of outputs.

Every output is called after its source, ``DIR/<path below the pattern's folder, without its suffix>.<suffix>``, and
lies in DIR. Two outputs of one name are refused before anything is done.
"""

import csv
import glob
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from irconv.data_classes import dataclass
from irconv.errors import MissingFact, NoSuchFile, Problems, Refused, UnknownFormat
from irconv.fleet.job import Job, Limits, is_address
from irconv.frameworks import Writer, writers
from irconv.options import ReadOptions, WriteOptions, given

_MOST_TEXT = 64 * 2**20
_PLANS = (".json", ".csv")
_BESIDE: Mapping[str, tuple[str, ...]] = {"torch-source": (".safetensors",)}
"""The files that a format puts beside its own."""
_ALONE = ("tensorflow", "theano-h5")
"""The formats whose other files have names of their own, so that each output needs a folder: ``DIR/stem/stem.ckpt``."""
_MARKS = "*?["
_PATHS = ("arch", "plugins")
_Kind = TypeVar("_Kind", ReadOptions, WriteOptions)
_OWN = ("target_format", "dry_run", "force")
"""What is said for the whole fleet, and not in a line."""


class Line(BaseModel):
    """A line of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    to: str | tuple[str, ...] = ()
    """What to make of it, where that is not said for the whole fleet."""
    destination: str = ""
    """Its output's name below DIR, where there is one output."""
    options: dict[str, str | bool | int | tuple[str, ...]] = {}
    """Fields of `ReadOptions` and `WriteOptions`, called as the arguments of `irconv.convert`."""


_LINES = TypeAdapter(tuple[Line, ...])


@dataclass(frozen=True)
class Asked:
    """What is said for the whole fleet."""

    output: str
    to: tuple[str, ...] = ()
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    verify: bool = False
    check: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class _Target:
    word: str
    writer: Writer
    suffix: str


@dataclass(frozen=True)
class _Source:
    """A source, and what its outputs are called below DIR, without their suffix."""

    path: str
    stem: str
    line: Line
    folder: Path = Path()
    """Where the files that the line names are named from."""


def jobs(sources: Sequence[str], asked: Asked) -> tuple[Job, ...]:
    """The jobs of a fleet, in the order of what is said.

    Raises `MissingFact`, `UnknownFormat`, `NoSuchFile` and `Refused` with every line and name that will not do.
    """
    problems, found = Problems(), list[Job]()
    for source in _sources(sources, problems):
        with problems.collect():
            found += _jobs_of(source, asked)
    if not asked.check:
        _names_apart(found, problems)
    problems.raise_any()
    if not found:
        raise MissingFact("batch", "expected models: names, patterns, addresses or a plan")
    return tuple(dict.fromkeys(found))


# the sources -------------------------------------------------------------------------------------------------------


def _sources(said: Sequence[str], problems: Problems) -> Iterator[_Source]:
    for one in said:
        with problems.collect():
            if is_plan(one):
                yield from _planned(Path(one))
            else:
                for path, stem in _expanded(one):
                    yield _Source(path, stem, Line(source=path))


def is_plan(name: str) -> bool:
    """Whether an argument is a plan, and not a model: by its suffix, and because no pattern stands in it."""
    return name.lower().endswith(_PLANS) and not is_address(name) and not any(mark in name for mark in _MARKS)


def _expanded(said: str) -> Iterator[tuple[str, str]]:
    """The sources of a name, pattern or address, with their names below its folder."""
    if is_address(said):
        from irconv.fleet import remote

        found, root = remote.expanded(said), _root(said.split("::", maxsplit=1)[0])
    elif Path(said).exists() or not any(mark in said for mark in _MARKS):
        found, root = [said], str(Path(said).parent)
    else:
        found, root = sorted(glob.glob(said, recursive=True)), _root(said)
    if not found:
        raise NoSuchFile(said, "no file or folder is called so")
    for path in found:
        name = path.split("::")[0].split("?")[0] if is_address(path) else Path(path).as_posix()
        inside = name.removeprefix(root.rstrip("/") + "/") if root not in ("", ".") else name
        yield path, _stem(path, inside if _is_below(inside) else PurePosixPath(name).name)


def _root(pattern: str) -> str:
    """The folder that all matches of a pattern lie in."""
    parts = pattern.split("/")
    first = next((at for at, part in enumerate(parts) if any(mark in part for mark in _MARKS)), len(parts) - 1)
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else "")


def _is_below(name: str) -> bool:
    plain = not (name.startswith("/") or "\\" in name or ":" in name or "\0" in name)
    return plain and all(part not in ("", ".", "..") for part in name.split("/"))


def _stem(source: str, name: str) -> str:
    if not _is_below(name):
        raise Refused(source, f"expected a name that an output can be called after, got {name!r}")
    suffixes = sorted((suffix for writer in writers() for suffix in writer.suffixes), key=len, reverse=True)
    known = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), PurePosixPath(name).suffix)
    return name[: len(name) - len(known)] if known and len(known) < len(posixpath.basename(name)) else name


# the plan ----------------------------------------------------------------------------------------------------------


def _planned(path: Path) -> Iterator[_Source]:
    """The lines of a plan; what has no address is named from the plan's folder.

    Raises `NoSuchFile` and `UnknownFormat`.
    """
    if not path.is_file():
        raise NoSuchFile(str(path), "there is no such file")
    if path.stat().st_size > _MOST_TEXT:
        raise UnknownFormat(str(path), f"expected a plan of at most {_MOST_TEXT} bytes, got {path.stat().st_size}")
    try:
        text = path.read_text(encoding="utf-8")
        said = json.loads(text) if path.suffix.lower() == ".json" else list(_of_csv(text))
        lines = _LINES.validate_python(said.get("models") if isinstance(said, dict) else said)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        problems = Problems()
        for place, message in found:
            problems.add(f"{path}: line {place}", message, "See docs/batch.md.", UnknownFormat)
        problems.raise_any()
    except (ValueError, RecursionError, csv.Error) as error:
        raise UnknownFormat(str(path), f"expected a plan: {error}", "See docs/batch.md.") from error
    for line in lines:
        if is_address(line.source):
            stem = next(_expanded(line.source))[1]
            yield _Source(line.source, stem, line, path.parent)
            continue
        inside = Path(line.source).as_posix()
        source = path.parent / line.source
        yield _Source(str(source), _stem(line.source, inside if _is_below(inside) else source.name), line, path.parent)


def _of_csv(text: str) -> Iterator[dict[str, Any]]:
    """The lines of a table: ``source``, ``to``, ``destination``, and a column for each option; ``;`` parts several."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"line {rows.line_num}: expected {len(rows.fieldnames or ())} columns")
        said: dict[str, Any] = {name: value for name, value in row.items() if value}
        options = {name: _cell(said.pop(name)) for name in list(said) if name not in Line.model_fields}
        if "to" in said:
            said["to"] = said["to"].split(";")
        yield {**said, "options": options}


def _cell(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.isdigit():
        return int(text)
    return text.split(";") if ";" in text else text


def _options(source: _Source, asked: Asked) -> tuple[ReadOptions, WriteOptions]:
    """The options of a line: its own, before those of the whole fleet. Raises `MissingFact` naming what is none."""
    problems, line = Problems(), source.line
    known = [one.name for kind in (ReadOptions, WriteOptions) for one in fields(kind) if one.name not in _OWN]
    for name in line.options.keys() - {*known}:
        problems.add(f"{line.source}: {name}", f"expected one of {', '.join(known)}", "", MissingFact)
    problems.raise_any()
    read = _filled(ReadOptions, asked.read, source, problems)
    write = _filled(WriteOptions, asked.write, source, problems)
    problems.raise_any()
    assert read is not None, "else a problem has been raised"
    assert write is not None, "else a problem has been raised"
    return read, write


def _filled(kind: type[_Kind], whole: _Kind, source: _Source, problems: Problems) -> _Kind | None:
    """The options of one kind, with what a line says of them."""
    said = {one.name: one for one in fields(kind) if one.name in source.line.options}
    values: dict[str, Any] = {}
    for name, one in said.items():
        value: Any = source.line.options[name]
        several = one.default == ()
        value = (value,) if several and not isinstance(value, tuple) else value
        if name in _PATHS:
            value = tuple(source.folder / part for part in value) if several else source.folder / value
        values[name] = value
    try:
        return TypeAdapter(kind).validate_python({**given(whole), **values})
    except ValidationError as error:
        for one_error in error.errors(include_url=False):
            problems.add(f"{source.path}: {'.'.join(map(str, one_error['loc']))}", one_error["msg"], "", MissingFact)
        return None


# the outputs -------------------------------------------------------------------------------------------------------


def _jobs_of(source: _Source, asked: Asked) -> Iterator[Job]:
    line = source.line
    read, write = _options(source, asked)
    if asked.check:
        if line.to or line.destination:
            raise MissingFact(source.path, "expected no target, as it is checked and not converted")
        yield Job(source.path, read=read, write=write, limits=asked.limits)
        return
    words = (line.to.split(",") if isinstance(line.to, str) else line.to) if line.to else asked.to
    if not words:
        raise MissingFact(source.path, "expected what to convert it to", "Give --to onnx, or a target in the plan.")
    if line.destination and len(words) != 1:
        raise MissingFact(source.path, f"expected one target for the destination {line.destination}, got {len(words)}")
    for word in words:
        target = _target(word.strip())
        name = line.destination or _name(source.stem, target)
        if not _is_below(name):
            raise Refused(f"{source.path}: destination {name}", f"expected a name below {asked.output}")
        destination = (
            f"{asked.output.rstrip('/')}/{name}" if is_address(asked.output) else str(Path(asked.output, name))
        )
        writing = replace(write, target_format=target.writer.name)
        yield Job(source.path, destination, target.word, read, writing, asked.verify, asked.limits)


def _name(stem: str, target: _Target) -> str:
    if target.writer.name in _ALONE:
        return f"{stem}/{posixpath.basename(stem)}{target.suffix}"
    return f"{stem}{target.suffix}"


def _target(word: str) -> _Target:
    """The writer that a word of ``--to`` means: its name, or a suffix. Raises `UnknownFormat`."""
    suffix = f".{word.lstrip('.')}".lower()
    for writer in writers():
        if writer.name == word:
            return _Target(word, writer, writer.suffixes[0])
    for writer in writers():
        if suffix in writer.suffixes:
            return _Target(word, writer, suffix)
    names = ", ".join([writer.name for writer in writers()] + [s[1:] for writer in writers() for s in writer.suffixes])
    raise UnknownFormat(f"--to {word}", f"expected one of {names}")


def _names_apart(found: Iterable[Job], problems: Problems) -> None:
    """Note every name of a file that two outputs would have, as file systems compare them that know no capitals."""
    owners: dict[str, Job] = {}
    for job in dict.fromkeys(found):
        stem = job.destination[: -len(_suffix(job))] if _suffix(job) else job.destination
        beside = [stem + suffix for suffix in _BESIDE.get(job.write.target_format or "", ())]
        for name in (job.destination, *beside):
            other = owners.setdefault(name.casefold(), job)
            if other is not job:
                what = f"two outputs would have this name: of {other.source} and of {job.source}"
                problems.add(name, what, "Give one of them a destination in a plan, or convert them apart.")


def _suffix(job: Job) -> str:
    return PurePosixPath(job.destination).suffix
