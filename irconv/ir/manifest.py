"""The records of `manifest.json`; `docs/format.md` is the same in words."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, Union

from pydantic import BeforeValidator, ConfigDict, Field, SerializeAsAny, create_model
from pydantic.dataclasses import dataclass
from pydantic_core import to_jsonable_python

from irconv.ir.graph import Graph
from irconv.ir.layers import MODULES, layer_class, parse_layer
from irconv.ir.layers.base import Layer, Record

FORMAT = "1.3"
"""MAJOR.MINOR of the manifests written here. A reader refuses a newer MAJOR; a newer MINOR only adds."""

Role: TypeAlias = Literal["parameter", "buffer", "constant", "optimizer"]
"""What a tensor is to its model."""

_LINE = 120
_MANY = ConfigDict(extra="forbid", defer_build=True)
"""Of the records of which a model may have a hundred thousand: data classes take a third of the memory of models."""


class SourceFile(Record):
    """A file the bundle was read from."""

    name: str
    size: int
    sha256: str


class Fact(Record):
    """Something the layers alone do not say, such as the Keras backend, and how it is known."""

    name: str
    value: str
    evidence: str


_GIVEN = "given by the user"
_AGAINST = f"{_GIVEN}, against "
_ASSUMED = "assumed: "
_CHOSEN = "chosen: "
_MADE = "made: "
_BAKED = "baked in: "


def given_fact(name: str, value: str, against: str = "") -> Fact:
    """A fact that the user stated; `against` is the evidence of the file that says something else."""
    return Fact(name=name, value=value, evidence=_AGAINST + against if against else _GIVEN)


def assumed_fact(name: str, value: str, why: str) -> Fact:
    """A fact that nothing in the file shows, but hardly ever is otherwise."""
    return Fact(name=name, value=value, evidence=_ASSUMED + why)


def chosen_fact(name: str, value: str, why: str) -> Fact:
    """Which of several parts of a file was read, where the user did not say it."""
    return Fact(name=name, value=value, evidence=_CHOSEN + why)


def made_fact(name: str, value: str, how: str) -> Fact:
    """What irconv changed of the model because the user asked for it."""
    return Fact(name=name, value=value, evidence=_MADE + how)


def baked_fact(symbol: str, size: int, where: str, but: str = "") -> Fact:
    """A size that the file leaves open where it says shapes, and that a node takes as one number alone, `but` for
    another."""
    return Fact(name=symbol, value=str(size), evidence=f"{_BAKED}{where} takes no other size{but}")


TRAINING = "training_alone"
"""The name of facts about what training alone needs."""

UNVERIFIED = Fact(name="verified", value="no", evidence="--no-verify was given")
"""Of a bundle that was read without a look at its digests."""


class SourceRecord(Record):
    """Where the model came from."""

    framework: str
    version: str
    """Empty where the file does not say."""
    files: tuple[SourceFile, ...]
    facts: tuple[Fact, ...]

    def marks(self) -> dict[str, str]:
        """What every output says of its source, in the way of its format: that it was read unproved, where it was."""
        return {"source_verified": UNVERIFIED.value} if UNVERIFIED in self.facts else {}

    def training(self) -> tuple[Fact, ...]:
        """What training needs of the model and the IR has no word for: kept in a bundle and for its own framework."""
        return tuple(fact for fact in self.facts if fact.name == TRAINING)

    def to_tell(self) -> tuple[Fact, ...]:
        """The facts that whoever converts the model should hear of: stated against what the file says, assumed,
        chosen among several, changed by request, or of a size that only looks open."""
        told = (_AGAINST, _ASSUMED, _CHOSEN, _MADE, _BAKED)
        return tuple(fact for fact in self.facts if fact.evidence.startswith(told))


class LayoutStep(Record):
    """One change of layout, in the words of `irconv.layout`; swap the two sides to undo it."""

    source: str
    target: str
    orders: dict[str, tuple[str, str]]
    sizes: dict[str, int]

    def undo(self) -> "LayoutStep":
        """The step that takes this one back."""
        orders = {axis: (after, before) for axis, (before, after) in self.orders.items()}
        return LayoutStep(source=self.target, target=self.source, orders=orders, sizes=self.sizes)


class Piece(Record):
    """One of the equal pieces that a tensor of the source was cut into along its first axis."""

    index: int
    count: int
    whole: tuple[int, ...]
    """The shape of the source's tensor."""


@dataclass(frozen=True, slots=True, config=_MANY)
class NativeTensor:
    """How the source holds a tensor: file, unique name inside it, shape, axes in words (empty where unknown)."""

    file: str
    name: str
    shape: tuple[int, ...]
    axes: str
    piece: Piece | None = None
    """Where only a piece of the source's tensor is meant; `shape` is that of the piece, without a first axis of 1."""
    members: tuple[str, ...] = ()
    """Where tensors of the source, named here, were stacked along a new first axis, which `shape` counts; `name` lists
    them."""


@dataclass(frozen=True, slots=True, config=_MANY)
class TensorRecord:
    """What is known of a tensor besides its bytes, which stand in ``weights.safetensors`` under the same key."""

    role: Role
    trainable: bool | None
    dtype: str
    shape: tuple[int, ...]
    axes: str
    """Canonical axes in words; empty where unknown, and then the bytes are the source's own."""
    letters: str
    """The same as people write it: ``OIHW``."""
    source: NativeTensor | None
    """None for a tensor that irconv made."""
    steps: tuple[LayoutStep, ...]
    """The changes of layout since `source`, in order; undone backwards they give the source's bytes."""

    def document(self) -> dict[str, Any]:
        """It as JSON, as the manifest has it."""
        made: dict[str, Any] = to_jsonable_python(self)
        return made


class Omitted(Record):
    """A tensor of the source that is not in the bundle, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, config=_MANY)
class Group:
    """Weights that belong together in a file without a graph."""

    name: str
    type: str | None
    """The layer type where names and shapes leave no doubt."""
    evidence: str
    tensors: dict[str, str]
    """The name inside the group -> key of the tensor."""


class Check(Record):
    """A comparison of what the bundle predicts with what its source predicts, made when it was converted."""

    by: str
    """What compared them: ``irconv 0.1.0``."""
    runtime: str
    """What ran the bundle, with its version."""
    source_runtime: str
    """What ran the source."""
    source_as_read: bool
    """Whether the source ran as irconv had read it, because its framework was not there."""
    inputs: tuple[str, ...]
    """The inputs it ran on: ``seed 0`` and so on."""
    relative: float
    """The largest difference over the largest value, of the worst output; two digits."""
    tolerance: float


class Probe(Record):
    """Inputs, and what the source made of them in a runtime of its own: ``probe.safetensors`` has the arrays, in the
    bundle's axes, so that whoever runs the bundle can tell whether it is still the same function."""

    by: str
    """What recorded it: ``irconv 0.1.0``."""
    runtime: str
    """What ran the source, with its version; "given" where the user gave the outputs."""
    as_read: bool
    """Whether the source ran as irconv had read it, because its framework was not there."""
    feed: str
    """The inputs: ``seed 0``, or ``given``."""
    inputs: dict[str, str]
    """Name of an input of the graph -> key in ``probe.safetensors``."""
    outputs: dict[str, str]
    tolerance: float
    """The largest difference over the largest value of an output that is the same function."""


class Meta(Record):
    """What people say of a model; nothing of it is computed, and nothing computes with it."""

    title: str = ""
    description: str = ""
    author: str = ""
    licence: str = ""
    url: str = ""
    preprocessing: str = ""
    """How an input is made: sizes, order of colours, range, mean and deviation."""
    labels: tuple[str, ...] = ()
    """What each index of the output means."""


class Manifest(Record):
    """Everything about a model but the bytes of its tensors."""

    format: str
    source: SourceRecord
    layers: dict[str, Annotated[SerializeAsAny[Layer], BeforeValidator(parse_layer)]]
    graph: Graph | None
    tensors: dict[str, TensorRecord]
    groups: tuple[Group, ...]
    omitted: tuple[Omitted, ...]
    checks: tuple[Check, ...] = ()
    probe: Probe | None = None
    meta: Meta | None = None

    def text(self) -> str:
        """The manifest as JSON: the same manifest gives the same text, one short record to a line."""
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """The text piece by piece: of a hundred thousand tensors no more than one record at a time is written out."""
        start = "{"
        for name in type(self).model_fields:
            held = getattr(self, name)
            if name in _NOT_SAID_EMPTY and not held:
                continue
            yield f"{start}\n {_string(name)}: "
            start = ","
            if isinstance(held, dict) and len(held) > _LINE:
                yield from _members("{}", (f"{_string(key)}: {_render(_data(item), 2)}" for key, item in held.items()))
            elif isinstance(held, tuple) and len(held) > _LINE:
                yield from _members("[]", (_render(_data(item), 2) for item in held))
            else:
                data = self.model_dump(mode="json", include={name})[name]
                yield _render(_settings_first(data) if name == "layers" else data, 1)
        yield "\n}\n"


_NOT_SAID_EMPTY = ("checks", "probe", "meta")
"""Left out where a model has none of them."""


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of the manifest, with the whole union of layer classes."""
    union: Any = Union.__getitem__(tuple(layer_class(name) for name in MODULES))
    layers: Any = dict[str, Annotated[union, Field(discriminator="type")]]
    model = create_model("Manifest", __base__=Manifest, layers=(layers, ...))
    schema = model.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"irconv manifest {FORMAT}"}
    return head | {key: value for key, value in schema.items() if key != "title"}


def _settings_first(layers: dict[str, Any]) -> dict[str, Any]:
    return {name: _reordered(layer) for name, layer in layers.items()}


def _reordered(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer with its settings before what it shares with all layers."""
    layer["operands"], layer["origin"] = layer.pop("operands"), layer.pop("origin")
    return layer


def _data(item: object) -> Any:
    """What JSON can say, of a record or layer."""
    data = to_jsonable_python(item)
    return _reordered(data) if isinstance(item, Layer) else data


def _members(brackets: str, members: Iterable[str]) -> Iterator[str]:
    """The members of a field of the manifest, each on lines of its own."""
    start = f"{brackets[0]}\n  "
    for member in members:
        yield start + member
        start = ",\n  "
    yield f"\n {brackets[1]}"


_string = json.JSONEncoder(ensure_ascii=False).encode
_number = json.JSONEncoder(allow_nan=False).encode
_key = lru_cache(1024)(_string)


def _render(value: Any, indent: int) -> str:
    """JSON in which whatever fits on a line is on a line: people read it, and git diffs it."""
    if isinstance(value, str):
        return _string(value)
    if not isinstance(value, dict | list):
        return _number(value)
    if isinstance(value, dict):
        parts = [f"{_key(key)}: {_render(member, indent + 1)}" for key, member in value.items()]
    else:
        parts = [_render(member, indent + 1) for member in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    flat = f"{first}{', '.join(parts)}{last}"
    if not value or (len(flat) + indent <= _LINE and "\n" not in flat):
        return flat
    pad = "\n" + " " * (indent + 1)
    return f"{first}{pad}{f',{pad}'.join(parts)}\n{' ' * indent}{last}"
