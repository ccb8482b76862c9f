"""Layers that are a few operators, or another layer and what goes round it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from irconv.codec import NativeWeight
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites.fused import activate, before_activation, plain, refuse_keywords


class Steps:
    """Operators that make up one call of a layer; the last has the layer's own name and origin."""

    def __init__(self, builder: Builder, layer: KerasLayer, call: KerasCall) -> None:
        self.builder, self.layer, self.result = builder, layer, value_name(layer.name, call.index)
        self.first = call.index == layer.calls[0].index

    def __call__(self, kind: str, part: str, *inputs: Value, **settings: Any) -> Value:
        """One operator, shared by all calls; its value."""
        value = Value(f"{self.result}.{part}")
        self._use(kind, f"{self.layer.name}.{part}", inputs, value, settings)
        return value

    def ends(self, kind: str, *inputs: Value, result: Value | None = None, **settings: Any) -> Value:
        """The last operator."""
        value = result or self.result
        self._use(kind, self.layer.name, inputs, value, settings)
        return value

    def number(self, name: str, value: Any) -> Value:
        """A number as a value of the graph."""
        return self.builder.constant(f"{self.layer.name}.{name}", value)

    def variable(self, name: str, weight: NativeWeight) -> Value:
        """A weight as a value of the graph; the same for all calls."""
        made = Value(f"{self.layer.name}.{name}")
        if made not in self.builder.layers:
            self.builder.place("variable", made, {}, {"value": weight}, origin=self.layer.part, of=self.layer.name)
            self.builder.use(made, (), (made,))
        return made

    def _use(self, kind: str, name: str, inputs: Sequence[Value], value: Value, settings: dict[str, Any]) -> None:
        if name not in self.builder.layers:
            origin = self.layer.origin if name == self.layer.name else self.layer.part
            self.builder.place(kind, name, settings, origin=origin, of=self.layer.name)
        self.builder.use(name, inputs, (value,))


def each_call(builder: Builder, layer: KerasLayer) -> list[tuple[KerasCall, Steps]]:
    """The calls of a layer, each with the operators that make it up; arguments by name are refused."""
    refuse_keywords(builder, layer)
    return [(call, Steps(builder, layer, call)) for call in layer.calls]


def _repeat_vector(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """(n, f) as (n, times, f)."""
    return [
        (
            step.ends(
                "ops.Repeat", step("ops.ExpandDims", "step", *call.inputs, axis=1), axis=1, repeats=layer.config["n"]
            ),
        )
        for call, step in each_call(builder, layer)
    ]


def _dot(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """With `normalize`, of values of length 1."""
    if not layer.config.get("normalize"):
        return plain(builder, layer)
    axes = layer.config["axes"]
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    settings: dict[str, Any] = {} if builder.facts.version < 3 else {"order": 2}
    kind = "ops.Normalize" if settings else "ops.L2Normalize"
    if builder.facts.backend == "theano":
        settings["epsilon"] = 1e-7
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        x, y = (
            step(kind, part, value, axis=axis, **settings)
            for part, value, axis in zip(("left", "right"), call.inputs, pair, strict=True)
        )
        made.append((step.ends("Dot", x, y, axes=axes, normalize=False),))
    return made


def _spectral(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """The layer it wraps, whose kernel in the file is divided already; the other weight is of training alone."""
    refuse_keywords(builder, layer)
    if layer.config["layer"].get("class_name") == "Embedding":
        what = "wraps an Embedding: Keras casts what that makes to the integers that it is given, and nothing is left"
        builder.problem(layer.name, what, "Export the model without the wrapper.")
    calls = tuple(replace(call, keywords={}) for call in layer.calls)
    made = builder.add(builder.sublayer(layer, layer.config["layer"], "layer", calls))
    found = layer.tensors.get("vector_u") or layer.tensors.get("sn_u")  # Keras 3, Keras 2
    own = {"vector_u": found} if found else {}
    builder.place(layer.kind, layer.name, layer.config, own, layer.origin)
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for (inner,), value in zip(made, values, strict=True):
        builder.use(layer.name, (inner,), (value,))
    return [(value,) for value in values]


def _normalization(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Without an axis, one mean and one variance for all elements: ``(x - mean) / max(sqrt(variance), 1e-7)``."""
    if layer.config.get("axis", -1) not in (None, []):
        return plain(builder, layer)
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        mean, variance = (
            step.variable(name, layer.tensors[name]) if name in layer.tensors else step.number(name, layer.config[name])
            for name in ("mean", "variance")
        )
        spread = step("ops.Maximum", "spread", step("ops.Sqrt", "root", variance), step.number("least", 1e-7))
        if layer.config.get("invert"):
            made.append((step.ends("ops.Add", step("ops.Multiply", "wide", *call.inputs, spread), mean),))
        else:
            made.append((step.ends("ops.TrueDivide", step("ops.Subtract", "centred", *call.inputs, mean), spread),))
    return made


def _layer_normalization(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """With `rms_scaling`, ``gamma x / sqrt(variance + epsilon)``: the mean counts in the variance alone (Keras 3)."""
    if not layer.config.get("rms_scaling"):
        return plain(builder, replace(layer, config={"rms_scaling": False} | layer.config))
    axis = layer.config["axis"]
    if axis not in (-1, [-1]) and not (isinstance(axis, list) and axis == list(range(axis[0], 0))):
        builder.problem(layer.name, f"scales axes {axis} by their deviation, and irconv reads the last ones only")
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        variance = step("ops.Var", "variance", *call.inputs, axis=axis, keepdims=True)
        inverse = step(
            "ops.Rsqrt", "inverse", step("ops.Add", "sum", variance, step.number("e", layer.config["epsilon"]))
        )
        gamma = step.variable("gamma", layer.tensors["gamma"])
        made.append((step.ends("ops.Multiply", step("ops.Multiply", "scaled", *call.inputs, inverse), gamma),))
    return made


def _einsum_dense(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """A product along named axes and a sum; where the kernel is a matrix over the last axis, it is a Dense."""
    config, activation = layer.config, layer.config.get("activation") or "linear"
    left, _, result = config["equation"].replace(" ", "").partition("->")
    x, _, kernel = left.partition(",")
    bias = config.get("bias_axes")
    if x and len(kernel) == 2 and x[:-1] + kernel[1] == result and x[-1] == kernel[0] and bias in (None, kernel[1]):
        units = layer.tensors["kernel"].data.shape[-1]
        kept = {key: value for key, value in config.items() if key not in ("equation", "output_shape", "bias_axes")}
        dense = {**kept, "units": units, "use_bias": "bias" in layer.tensors}
        return plain(builder, replace(layer, kind="Dense", config=dense))
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for (call, step), before in zip(each_call(builder, layer), before_activation(values, activation), strict=True):
        matrix = step.variable("kernel", layer.tensors["kernel"])
        if "bias" in layer.tensors:
            product = step("ops.Einsum", "product", *call.inputs, matrix, subscripts=config["equation"])
            step.ends("ops.Add", product, step.variable("bias", layer.tensors["bias"]), result=before)
        else:
            step.ends("ops.Einsum", *call.inputs, matrix, result=before, subscripts=config["equation"])
    activate(builder, layer, activation, values)
    return [(value,) for value in values]


def _discretization(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """The number of the bin, then its code."""
    config, mode = layer.config, layer.config.get("output_mode", "int")
    integer = "int32" if builder.facts.version >= 3 else str(config.get("dtype")) if mode == "int" else "int64"
    bins = {**config, "output_mode": "int", "dtype": integer}
    if config.get("bin_boundaries") is None:
        builder.problem(layer.name, "has no boundaries: it was never adapted")
        return [(value_name(layer.name, call.index),) for call in layer.calls]
    if mode == "int":
        return plain(builder, replace(layer, config=bins))
    code = {"num_tokens": len(config["bin_boundaries"]) + 1, "output_mode": mode, "sparse": False}
    made: list[Outputs] = []
    for call, step in each_call(builder, layer):
        made.append((step.ends("CategoryEncoding", step("Discretization", "bins", *call.inputs, **bins), **code),))
    return made


EXPANSIONS = {
    "Discretization": _discretization,
    "Dot": _dot,
    "EinsumDense": _einsum_dense,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "RepeatVector": _repeat_vector,
    "SpectralNormalization": _spectral,
}
