"""Elements found by index: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Given, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.rows import Attribute, Fixed, Ignored, Input, LastAxis, Only, Output, Weight
from irconv.vocabularies.tensorflow.rows import (
    ALONG_LAST,
    AxisInput,
    NumberInput,
    NumbersInput,
    ResultType,
    given_or_constant,
    op,
)


@dataclass(frozen=True)
class _FirstAxis(NumbersInput):
    """The axis of a gather that is a look-up in a table: the first."""

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`."""
        given = native.taken(self)
        return given is not None and given.elements() in (0, [0])

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if not self.reads(native):
            raise draft.refuse(f"expected {self.native}=0")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields[self.field] = 0
        super().encode(draft, native)

    def write(self, value: object, draft: Draft) -> object:
        return value


@dataclass(frozen=True)
class _Table(Weight):
    """The rows of a table that is looked up in: stored, and of rank 2."""

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`."""
        given: Given | None = native.taken(self)
        return given is not None and given.stored is not None and len(given.type.shape) == 2


@dataclass(frozen=True)
class _Depth(NumbersInput):
    """The number of classes."""

    def read(self, value: object, draft: Draft) -> object:
        return value

    def write(self, value: object, draft: Draft) -> object:
        return value


@dataclass(frozen=True)
class _OneOrZero(NumbersInput):
    """A value that must be this number."""

    number: float = 1.0

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = native.taken(self)
        if given is None or given.elements() != self.number:
            raise draft.refuse(f"expected {self.native}={self.number}")
        draft.fields["dtype"] = given.type.dtype

    def encode(self, draft: Draft, native: Workpiece) -> None:
        dtype = draft.types["y"].dtype
        draft.fields.pop("dtype", None)
        given_or_constant(self.native, self.field, self.number, dtype, draft, native)

    def write(self, value: object, draft: Draft) -> object:
        return value


def _look_up(native: str, *rows: Row, types: str) -> Codec:
    table = _Table("params", "table", "vocabulary features", positional=True)
    return op(native, "Embedding", table, Input("x"), *rows, Only("padding_index", None), types=types)


CODECS: list[Codec] = [
    op("Const", "Constant", Weight("value", "value", "*a"), types="dtype=value"),
    _look_up(
        "GatherV2",
        _FirstAxis("axis", "axis"),
        Fixed("batch_dims", 0),
        types="Tparams=table Tindices=x Taxis=int32",
    ),
    op(
        "GatherV2",
        "Gather",
        Input("x"),
        Input("indices"),
        AxisInput("axis", "axis"),
        Fixed("batch_dims", 0),
        types="Tparams=x Tindices=indices Taxis=int32",
    ),
    _look_up("Gather", Ignored("validate_indices"), types="Tparams=table Tindices=x"),
    op(
        "Gather",
        "Gather",
        Input("x"),
        Input("indices"),
        Only("axis", 0),
        Ignored("validate_indices"),
        types="Tparams=x Tindices=indices",
    ),
    _look_up("ResourceGather", Ignored("validate_indices"), Fixed("batch_dims", 0), types="dtype=table Tindices=x"),
    op(
        "GatherNd",
        "GatherND",
        Input("x"),
        Input("indices"),
        Only("batch_axes", 0),
        types="Tparams=x Tindices=indices",
    ),
    op(
        "OneHot",
        "OneHot",
        Input("x"),
        _Depth("depth", "depth"),
        _OneOrZero("on_value", "on", 1.0),
        _OneOrZero("off_value", "off", 0.0),
        Fixed("axis", -1),
        types="T=y TI=x",
    ),
    op(
        "TopKV2",
        "TopK",
        ALONG_LAST,
        Input("x"),
        NumberInput("k", "k"),
        Attribute("sorted"),
        LastAxis(),
        Only("largest", True),
        Output("values"),
        Output("indices"),
        ResultType("indices", "int32"),
        Ignored("Tk index_type"),
    ),
    op(
        "ReverseSequence",
        "ReverseSequence",
        Input("x"),
        Input("lengths"),
        Attribute("seq_dim", "time_axis"),
        Attribute("batch_dim", "batch_axis"),
        types="T=x Tlen=lengths",
    ),
    *(
        op(
            native,
            "ScatterND",
            Input("x"),
            Input("indices"),
            Input("updates"),
            Only("reduction", reduction),
            types="T=x Tindices=indices",
        )
        for native, reduction in (("TensorScatterUpdate", "none"), ("TensorScatterAdd", "add"))
    ),
]
