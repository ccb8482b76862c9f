"""``theano-arch/1``: a JSON (or YAML) file that says in Theano's own words what bare arrays are the weights of.

`irconv.frameworks.theano.kinds` has the kinds of layers; docs/theano.md describes the format for people.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import yaml
from pydantic import Field, ValidationError, create_model

from irconv.containers.watch import note
from irconv.edits import NO_LAYER
from irconv.errors import DamagedFile, MissingFact, Problem, Problems, Refused
from irconv.frameworks.theano.kinds import KINDS, Data, Described, Unread

FORMAT = "theano-arch/1"

_LARGEST = 64 * 2**20
_LARGEST_YAML = 2**20  # three seconds of work
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 80
_BRIEF.maxlevel = 2
_FLIP = (
    "expected filter_flip to be true or false: with true Theano turns every filter by 180 degrees before it slides it "
    "over the input (a convolution, T.nnet.conv2d's default); with false it does not (a cross-correlation, as in "
    "PyTorch, TensorFlow and cuDNN). The arrays look the same either way, and the wrong choice gives wrong predictions"
)
_FLIP_REMEDY = (
    'Write "filter_flip": true unless the model was built with filter_flip=False (Lasagne: flip_filters=False).'
)


class InputPort(Data):
    """An input of the graph."""

    name: str
    shape: list[int | None] = Field(description="The sizes of all axes; null where any size is taken, as the batch.")
    layout: str = Field("", description="A letter for each axis, such as NCHW, NTC or NC.")
    dtype: str = "float32"


class OutputPort(Data):
    """An output of the graph."""

    name: str
    layer: str
    layout: str = ""


class Place(Data):
    """Where an array lies in the files."""

    file: str = Field("", description="Relative to the architecture file; the path given to irconv stands in for it.")
    dataset: str | None = Field(None, description="HDF5: the path of the dataset inside the file.")
    key: str | None = Field(None, description="npz: the name of the array.")
    pickle: int | None = Field(None, description="Pickle: which of the pickles in the file, counted from 0.", ge=0)
    path: list[int | str] | None = Field(None, description="Pickle: indices, keys and attributes down to the array.")
    reshape: list[int] | None = Field(None, description="The shape the array is to have.")
    transpose: list[int] | None = Field(None, description="The order of the axes after that, as numpy's transpose.")


class Weights(Data):
    """The arrays of all layers."""

    storage: Literal["folder_of_h5", "h5", "npz", "npy", "pickle", "folder_of_npy"] | None = None
    arrays: dict[str, Place] = Field({})
    order: list[str] | None = Field(None, description="The order of the arrays in a list; nothing depends on it.")
    param_names: list[str] | None = Field(None, description="What the arrays were called; nothing depends on it.")


class Architecture(Data):
    """The whole file. `layers` holds records of `irconv.frameworks.theano.kinds`."""

    format: Literal["theano-arch/1"]
    framework: Literal["theano", "lasagne"] = "theano"
    version: str = ""
    floatX: Literal["float32", "float64"] = "float32"
    note: str = ""
    inputs: list[InputPort]
    layers: list[Described]
    outputs: list[OutputPort]
    weights: Weights = Weights()

    def owner(self, name: str, asked: str) -> str:
        """The layer of this name, or the one that is taken apart into a part of this name, ``conv.pre_pad``.

        Raises `MissingFact`, which begins with what was `asked`, where there is none.
        """
        owners = [layer.name for layer in self.layers if name == layer.name or name.startswith(f"{layer.name}.")]
        if not owners:
            raise MissingFact(asked, NO_LAYER)
        return max(owners, key=len)


def recognises(text: str) -> bool:
    """Whether the text of an architecture file is this format, and not another framework's."""
    return FORMAT in text


def _none(kind: str) -> bool:
    return False


def load(path: Path, more: Callable[[str], bool] = _none) -> Architecture:
    """The architecture in a file; `more` says of kinds that are none of the format whether they are taken, too.

    Raises `DamagedFile` for what is no JSON or YAML, `Refused` with the dotted path of everything that does not fit,
    and `MissingFact` for what is left open.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DamagedFile(str(path), f"expected an architecture of at most {_LARGEST} bytes")
        note(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFile(str(path), f"cannot be read as text: {error}") from error
    return parse(_plain(text, path), str(path), more)


def parse(data: Any, where: str, more: Callable[[str], bool] = _none) -> Architecture:
    """The architecture of parsed JSON. Raises as `load`."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise Refused(f"{where}: format", f"expected {FORMAT!r}, got {got!r}", "See docs/theano.md.")
    problems, others = Problems(), set[str]()
    listed = data.get("layers")
    layers = listed if isinstance(listed, list) else []
    for index, entry in enumerate(layers):
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if isinstance(kind, str) and kind not in KINDS and more(kind):
            others.add(kind)
        elif isinstance(entry, dict):
            _check_kind(entry, f"{where}: layers.{index}", problems)
    problems.raise_any()
    try:
        found = _model(sorted(others)).model_validate(data)
    except ValidationError as error:
        raise Refused(_reasons(error, layers, where)) from error
    assert isinstance(found, Architecture)
    for index, layer in enumerate(found.layers):
        _check_open(layer, f"{where}: layers.{index}", problems)
    _check_names(found, where, problems)
    problems.raise_any()
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema of the format."""
    found = _model().model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found | {"title": FORMAT}


def _model(others: Sequence[str] = ()) -> type[Architecture]:
    kinds = list(KINDS.values())
    if others:
        named: Any = Literal.__getitem__(tuple(others))
        kinds.append(create_model("Unread", __base__=Unread, kind=(named, ...)))
    union: Any = Union.__getitem__(tuple(kinds))
    layers: Any = list[Annotated[union, Field(discriminator="kind")]]
    return create_model("Architecture", __base__=Architecture, layers=(layers, ...))


def _plain(text: str, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "{":
            raise DamagedFile(str(path), f"expected JSON, got {error}") from error
    try:
        if len(text) > _LARGEST_YAML:
            raise ValueError(f"a text of {len(text)} letters, of which YAML may have {_LARGEST_YAML}")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _YAML)):
            raise ValueError("an alias: a few lines of them can mean more than any memory holds")
        return yaml.load(text, _YAML)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DamagedFile(str(path), f"expected JSON or YAML, got {error}") from error


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _check_kind(entry: dict[str, Any], where: str, problems: Problems) -> None:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        named = f"{where}.kind (layer {entry.get('name')!r})"
        problems.add(named, f"expected one of {', '.join(KINDS)}, got {kind!r}")


def _reasons(error: ValidationError, layers: list[Any], where: str) -> list[Problem]:
    """One problem for each of pydantic's, with the path in the file and the name of the layer."""
    found = []
    for each in error.errors():
        parts = [str(part) for part in each["loc"]]
        name = ""
        if parts[:1] == ["layers"] and len(parts) > 2:
            name = f" (layer {_BRIEF.repr(layers[int(parts[1])].get('name'))})"
            del parts[2]  # pydantic puts the kind between the index and the field
        got = "" if each["type"] == "missing" else f", got {_BRIEF.repr(each['input'])}"
        found.append(Problem(f"{where}: {'.'.join(parts)}{name}", f"{each['msg'][:1].lower()}{each['msg'][1:]}{got}"))
    return found


def _check_open(layer: Described, where: str, problems: Problems) -> None:
    """Notes what a layer leaves open that only its author knows."""
    for name in layer.STATED:
        if getattr(layer, name) is not None:
            continue
        place = f"{where}.{name} (layer {layer.name!r})"
        if name == "filter_flip":
            problems.add(place, _FLIP, _FLIP_REMEDY, kind=MissingFact)
        elif name in layer.model_fields_set:
            problems.add(place, "is left open", "Complete it; docs/theano.md says what it means.", kind=MissingFact)
    if layer.activation == "unknown":
        place = f"{where}.activation (layer {layer.name!r})"
        problems.add(place, "is left open", 'Say what follows the layer, such as "relu" or "linear".', kind=MissingFact)
    roles = layer.missing_roles()
    if roles:
        problems.add(f"{where}.arrays (layer {layer.name!r})", f"expected {' and '.join(roles)}", kind=MissingFact)
    if unknown := layer.unknown_roles():
        problems.add(
            f"{where}.arrays (layer {layer.name!r})", f"{layer.kind} has no {', '.join(unknown)}", kind=Refused
        )


def _check_names(found: Architecture, where: str, problems: Problems) -> None:
    """Notes names that stand twice, and inputs that are made nowhere before."""
    known: set[str] = set()
    for index, port in enumerate(found.inputs):
        _take(port.name, f"{where}: inputs.{index}.name", known, problems)
        if port.layout and len(port.layout) != len(port.shape):
            place = f"{where}: inputs.{index}.layout"
            problems.add(place, f"expected a letter for each of {len(port.shape)} axes, got {port.layout!r}")
    for index, layer in enumerate(found.layers):
        for name in layer.inputs:
            if name not in known:
                place = f"{where}: layers.{index}.inputs (layer {layer.name!r})"
                problems.add(place, f"expected inputs or layers that stand before it, got {name!r}")
        low, high = layer.INPUTS
        if not low <= len(layer.inputs) <= high:
            place = f"{where}: layers.{index}.inputs (layer {layer.name!r})"
            problems.add(place, f"expected {low if low == high else f'{low} or more'} inputs, got {len(layer.inputs)}")
        _take(layer.name, f"{where}: layers.{index}.name", known, problems)
    outputs: set[str] = set()
    for index, output in enumerate(found.outputs):
        if output.layer not in known:
            problems.add(f"{where}: outputs.{index}.layer", f"expected the name of a layer, got {output.layer!r}")
        _take(output.name, f"{where}: outputs.{index}.name", outputs, problems)


def _take(name: str, where: str, known: set[str], problems: Problems) -> None:
    if name in known:
        problems.add(where, f"the name {name!r} is taken already")
    known.add(name)
