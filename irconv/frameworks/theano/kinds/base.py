"""What all kinds of layers have."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class Data(BaseModel):
    """Frozen data that refuses what it does not know, and takes no text for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Positive: TypeAlias = Annotated[int, Field(ge=1)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Pair: TypeAlias = Annotated[list[Count], Field(min_length=2, max_length=2)]
Sizes: TypeAlias = list[int | str]
BorderMode: TypeAlias = Literal["valid", "full", "half"] | Count | list[Count | Pair]
ActivationName: TypeAlias = Literal[
    "linear",
    "relu",
    "leaky_relu",
    "tanh",
    "scaled_tanh",
    "sigmoid",
    "hard_sigmoid",
    "softplus",
    "softmax",
    "elu",
    "selu",
    "abs",
    "unknown",
]


class ActivationSettings(Data):
    """An activation with a number: leaky_relu and elu have an alpha."""

    kind: ActivationName
    alpha: float | None = None


class Described(Data):
    """What every layer has."""

    ROLES: ClassVar[tuple[str, ...]] = ()
    """The arrays it must have."""
    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    STATED: ClassVar[tuple[str, ...]] = ()
    """Fields whose null says that somebody has yet to complete them."""
    INPUTS: ClassVar[tuple[int, float]] = (1, 1)

    name: str
    kind: str
    inputs: list[str]
    arrays: dict[str, str] = Field({}, description="What the layer calls an array -> its name among weights.arrays.")
    array_shapes: dict[str, list[int]] = Field({}, description="The shapes the arrays must have.")
    activation: ActivationName | ActivationSettings | None = Field(
        None, description='Applied last; "unknown" is to be completed.'
    )
    note: str = Field("", description="For people.")

    def missing_roles(self) -> list[str]:
        """The arrays it should have and has not."""
        return [role for role in self.ROLES if role not in self.arrays]

    def unknown_roles(self) -> list[str]:
        """The arrays it has and should not."""
        return [role for role in self.arrays if role not in (*self.ROLES, *self.OPTIONAL)]


class Unread(Described):
    """A layer of a kind that is no kind of the format: one that a plugin teaches, or that is kept as it is."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    INPUTS: ClassVar[tuple[int, float]] = (0, float("inf"))

    def unknown_roles(self) -> list[str]:
        """None: its arrays have the names that its author gave them."""
        return []

    @property
    def settings(self) -> dict[str, Any]:
        """Its own fields."""
        return dict(self.model_extra or {})
