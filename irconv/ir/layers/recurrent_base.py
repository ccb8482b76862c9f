"""What the recurrent layers share; `irconv.ir.layers.recurrent` says what it means."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

from irconv.ir.layers import parse_layer
from irconv.ir.layers.base import (
    AxisBehaviour,
    Barrier,
    Decomposition,
    Layer,
    LiteralOperand,
    Parameter,
    Pointwise,
    ValueType,
)
from irconv.ir.layers.comparisons import Cast, Less, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.ranges import Rate
from irconv.ir.layers.scan_builder import ScanBuilder
from irconv.ir.layers.shape_ops import Full, Range, Unsqueeze
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.shapes import Dimension, Size, product


def _activation(value: Any) -> Layer:
    layer = parse_layer(value)
    if not isinstance(layer.BEHAVIOUR, Pointwise) or layer.VARIADIC or layer.PARAMETERS:
        raise ValueError(f"{layer.type} is no activation: a pointwise function of one value without weights")
    return layer


def _spelt(layer: Layer) -> dict[str, Any]:
    return {"type": layer.type, **layer.settings()}


Activation: TypeAlias = Annotated[Layer, BeforeValidator(_activation), PlainSerializer(_spelt)]
"""A pointwise layer with its settings, such as ``HardSigmoid`` with slope 0.2 and offset 0.5; ``Identity`` is none."""


UNDROPPED: Mapping[str, float] = {"input_dropout": 0.0, "recurrent_dropout": 0.0}
"""The settings of a layer in which training drops nothing."""


class Recurrent(Layer):
    """The base of the recurrent layers: their sequences, states, masks and order."""

    SLOTS: ClassVar[Mapping[str, str]] = {
        "x": "n t in",
        "initial_h": "n hidden",
        "mask": "n t",
        "lengths": "n",
    }
    INTEGERS: ClassVar[tuple[str, ...]] = ("lengths",)
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n t hidden", "h": "n hidden"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("(gate unit) in"),
        "recurrent_kernel": Parameter("(gate unit) hidden"),
        "bias_input": Parameter("(gate unit)", 0.0),
        "bias_recurrent": Parameter("(gate unit)", 0.0),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ORDERS: ClassVar[Mapping[str, str]] = {}
    GATES: ClassVar[int] = 1

    reverse: bool
    order: Literal["time", "processing"]
    masked_output: Literal["repeat", "zero"]
    input_dropout: Rate
    recurrent_dropout: Rate

    def units(self, given: Mapping[str, ValueType]) -> int:
        """The number of units, from the kernel."""
        rows = given["kernel"].shape[0]
        assert isinstance(rows, int), "kernels have known sizes"
        return rows // self.GATES

    def state_shapes(self, given: Mapping[str, ValueType]) -> dict[str, tuple[Dimension, ...]]:
        """The shape of each state, h first."""
        return {"h": (given["x"].shape[0], self.units(given))}

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, states = given["x"], self.state_shapes(given)
        self._check(given)
        for name, shape in states.items():
            start = given.get(f"initial_{name}")
            if start is not None and differ(start.shape, shape):
                raise ValueError(f"initial_{name} of shape {start.shape} is no state of shape {shape}")
        if "mask" in given and "lengths" in given:
            raise ValueError("expected a mask or lengths, got both")
        sequence = (*x.shape[:2], *states["h"][1:])
        return {
            "y": ValueType(x.dtype, sequence),
            **{name: ValueType(x.dtype, shape) for name, shape in states.items()},
        }

    def multiply_adds(self, given: Mapping[str, ValueType]) -> Size:
        """Of both kernels, at each step of each sequence."""
        return product(given["x"].shape[:2]) * (
            product(given["kernel"].shape) + product(given["recurrent_kernel"].shape)
        )

    def _check(self, given: Mapping[str, ValueType]) -> None:
        kernel, recurrent = given["kernel"].shape, given["recurrent_kernel"].shape
        hidden, x = self.state_shapes(given)["h"][1], given["x"].shape
        if len(x) != 3 or (isinstance(x[2], int) and x[2] != kernel[1]):
            raise ValueError(f"a kernel of shape {kernel} does not take a sequence of shape {x}")
        if differ(recurrent, (kernel[0], hidden)) or self.units(given) * self.GATES != kernel[0]:
            raise ValueError(f"kernels of shape {kernel} and {recurrent} do not belong to {self.GATES} gates")
        wanted: dict[str, tuple[Dimension, ...]] = {"mask": x[:2], "lengths": x[:1]}
        wanted |= dict.fromkeys(("bias_input", "bias_recurrent"), kernel[:1])
        for name, shape in wanted.items():
            if name in given and differ(given[name].shape, shape):
                raise ValueError(f"expected {name} of shape {shape}, got {given[name].shape}")

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        build, states = ScanBuilder(self, given), self.state_shapes(given)
        for name in states:
            self._start(build, name, states[name])
        self._scan_input(build)
        mask = self._mask(build, rank=len(states["h"]))
        after = self.step(build)
        output = after["h"]
        if mask:
            after = {name: build.inner(Where(), condition=mask, x0=new, x1=name) for name, new in after.items()}
            output = self._masked(build, mask, output, after)
        y = (output, ValueType(given["x"].dtype, states["h"]))
        return build.finish(after, {"y": y}, {name: name for name in states}, self.reverse, self.order)

    def step(self, build: ScanBuilder) -> dict[str, str]:
        """One step in the body: the new states, h first, from those before (``h``, ``c``) and ``x``."""
        raise NotImplementedError

    def _scan_input(self, build: ScanBuilder) -> None:
        """All steps' products with the kernel at once; the body knows them as ``x``."""
        x, kernel = build.given["x"], build.given["kernel"].shape
        product = build.outer(Linear(), {"kernel": "kernel", "bias": "bias_input"}, x="x")
        build.scan("x", product, ValueType(x.dtype, (x.shape[0], kernel[0])))

    def _start(self, build: ScanBuilder, name: str, shape: tuple[Dimension, ...]) -> None:
        dtype, start = build.given["x"].dtype, f"initial_{name}"
        if not build.has(start):
            start = build.outer(Full(shape=shape, value=0.0, dtype=dtype))
        build.carry(name, start, ValueType(dtype, shape))

    def _mask(self, build: ScanBuilder, rank: int) -> str:
        """The mask of a step in the body, with axes of length 1 for all but the batch; empty where there is none."""
        mask, (batch, steps) = "mask", build.given["x"].shape[:2]
        if build.has("lengths"):
            numbers = build.outer(Range(start=0, limit=steps, step=1))
            lengths = build.outer(Unsqueeze(axes=(1,)), x=build.outer(Cast(dtype="int64"), x="lengths"))
            mask = build.outer(Less(), x0=numbers, x1=lengths)
        elif not build.has("mask"):
            return ""
        wide = build.outer(Unsqueeze(axes=tuple(range(2, rank + 1))), x=mask)
        return build.scan("mask", wide, ValueType("bool", (batch, *(1,) * (rank - 1))))

    def _masked(self, build: ScanBuilder, mask: str, output: str, after: dict[str, str]) -> str:
        """What y holds for a step that may be masked. The output repeated is not the state where that started with
        something else than zeros."""
        if self.masked_output == "repeat" and not build.has("initial_h"):
            return after["h"]
        dtype, shape = build.given["x"].dtype, self.state_shapes(build.given)["h"]
        if self.masked_output == "zero":
            zero = build.inner(Constant(operands={"value": LiteralOperand(literal=0.0, dtype=dtype)}))
            return build.inner(Where(), condition=mask, x0=output, x1=zero)
        before = build.carry("output", build.outer(Full(shape=shape, value=0.0, dtype=dtype)), ValueType(dtype, shape))
        after["output"] = build.inner(Where(), condition=mask, x0=output, x1=before)
        return after["output"]


def differ(shape: Sequence[Dimension], wanted: Sequence[Dimension]) -> bool:
    """Whether two shapes are known to be different."""
    if len(shape) != len(wanted):
        return True
    pairs = zip(shape, wanted, strict=True)
    return any(a != b and isinstance(a, int) and isinstance(b, int) for a, b in pairs)
