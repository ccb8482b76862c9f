"""The records of `manifest.json`; `docs/format.md` is the same in words."""

import json
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
        data = self.model_dump(mode="json")
        for name in ("checks", "probe", "meta"):
            if not data[name]:
                del data[name]
        for layer in data["layers"].values():
            layer["operands"], layer["origin"] = layer.pop("operands"), layer.pop("origin")  # settings come first
        return _render(data, 0) + "\n"


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of the manifest, with the whole union of layer classes."""
    union: Any = Union.__getitem__(tuple(layer_class(name) for name in MODULES))
    layers: Any = dict[str, Annotated[union, Field(discriminator="type")]]
    model = create_model("Manifest", __base__=Manifest, layers=(layers, ...))
    schema = model.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"irconv manifest {FORMAT}"}
    return head | {key: value for key, value in schema.items() if key != "title"}


def _render(value: Any, indent: int) -> str:
    """JSON in which whatever fits on a line is on a line: people read it, and git diffs it."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(flat) + indent <= _LINE or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(key, ensure_ascii=False)}: {_render(v, indent + 1)}" for key, v in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + _render(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
