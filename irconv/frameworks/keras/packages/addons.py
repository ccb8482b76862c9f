"""TensorFlow Addons 0.23 and earlier. Those of its layers that are like Keras' own are renamed in `names`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.ir.manifest import Omitted


def _filter_response(o: Drawing, inputs: Value) -> Value:
    """``gamma x / sqrt(mean(x^2) + |epsilon|) + beta``, the mean over height and width."""
    epsilon: Any = abs(float(o.config["epsilon"]))
    if o.config.get("learned_epsilon"):
        epsilon = o("Add", o("Absolute", o.weight("learned_epsilon")), epsilon)
    mean = o("Mean", o("Square", inputs), axis=list(o.config["axis"]), keepdims=True)
    normal = o("Multiply", inputs, o("Rsqrt", o("Add", mean, epsilon)))
    return o("Add", o("Multiply", o.weight("gamma"), normal), o.weight("beta"))


def _tlu(o: Drawing, inputs: Value) -> Value:
    """``max(x, tau)``, or ``max(x, tau + alpha x)``."""
    least = o.weight("tau")
    if o.config.get("affine"):
        least = o("Add", least, o("Multiply", o.weight("alpha"), inputs))
    return o("Maximum", inputs, least)


def _gelu(o: Drawing, inputs: Value) -> Value:
    return o("Gelu", inputs, approximate=bool(o.config.get("approximate", True)))


def _snake(o: Drawing, inputs: Value) -> Value:
    """``x + sin(frequency x)^2 / frequency``."""
    frequency = o.weight("Variable" if o.has("Variable") else "frequency")  # the package does not name it
    waves = o("Square", o("Sin", o("Multiply", frequency, inputs)))
    return o("Add", inputs, o("TrueDivide", waves, frequency))


def _maxout(o: Drawing, inputs: Value) -> Value:
    """Along an axis, the largest of every k-th element: piece j of unit u is element ``j units + u``."""
    axis, units = int(o.config["axis"]), int(o.config["num_units"])

    def pieces(sizes: Sizes) -> list[Any]:
        place = axis % len(sizes)
        count = sizes[place]
        if not isinstance(count, int) or count % units:
            raise ValueError(f"expected a multiple of {units} along axis {axis}, got {count}")
        return [*sizes[:place], count // units, units, *sizes[place + 1 :]]

    parts = o("Reshape", inputs, newshape=o.of_shape(inputs, pieces))
    return o("Max", parts, axis=o.of_shape(inputs, lambda sizes: axis % len(sizes)), keepdims=False)


def _sparsemax(o: Drawing, inputs: Value) -> Value:
    return o("SimplexSparsemax", inputs, axis=o.config.get("axis", -1))


def _poincare(o: Drawing, inputs: Value) -> Value:
    """``x min((1 - epsilon) / |x|, 1)``: inside the unit ball."""
    total = o("Sum", o("Square", inputs), axis=o.config["axis"], keepdims=True)
    inverse = o("Multiply", o("Rsqrt", total), 1 - float(o.config["epsilon"]))
    return o("Multiply", inputs, o("Minimum", inverse, 1.0))


def _depth(o: Drawing, x: list[Value]) -> Value:
    """``shortcut + p residual``."""
    return o("Add", x[0], o("Multiply", x[1], float(o.config["survival_probability"])))


def _pyramid(o: Drawing, inputs: Value) -> Value:
    """Average pools of several grids, joined as one sequence; what is left over at the ends is cut off first."""
    first = o.config.get("data_format") == "channels_first"
    axes, made = ((2, 3) if first else (1, 2)), []
    for i, said in enumerate(o.config["bins"]):
        grid = [said, said] if isinstance(said, int) else list(said)
        key: list[Any] = [{"start": None, "stop": None, "step": None}] * 4
        for axis, bins in zip(axes, grid, strict=True):
            key[axis] = {"start": 0, "stop": o.of_shape(inputs, _whole(axis, bins)), "step": None}
        settings = {"output_size": grid, "data_format": o.config.get("data_format") or "channels_last"}
        kind = "AdaptiveAveragePooling2D"
        pooled = o.own(kind, f"pool_{i}", settings, o("GetItem", inputs, key=key))
        made.append(o("Reshape", pooled, newshape=o.of_shape(inputs, _listed(grid[0] * grid[1], first))))
    return o("Concatenate", made, axis=2 if first else 1)


def _whole(axis: int, bins: int) -> Any:
    def rule(sizes: Sizes) -> int:
        size = sizes[axis]
        if not isinstance(size, int):
            raise ValueError(f"expected a known height and width, got {', '.join(map(str, sizes))}")
        return size - size % bins

    return rule


def _listed(count: int, first: bool) -> Any:
    return lambda sizes: [sizes[0], sizes[1], count] if first else [sizes[0], count, sizes[3]]


def _noisy(o: Drawing, inputs: Value) -> Value:
    """A Dense whose kernel is ``mu + sigma epsilon``, epsilon as it was saved."""

    def noisy(name: str) -> Value:
        noise = o("Multiply", o.weight(f"sigma_{name}"), o.weight(f"eps_{name}"))
        return o("Add", o.weight(f"mu_{name}"), noise)

    made = o("Matmul", inputs, noisy("kernel"))
    made = o("Add", made, noisy("bias")) if o.config.get("use_bias", True) else made
    return o.activation(o.config.get("activation"), made)


def _spectral(o: Drawing, inputs: Value) -> Value:
    """The layer inside, whose kernel in the file is divided already; ``sn_u`` is of training alone."""
    entry = o.config["layer"]
    estimate = o.layer.tensors.get("sn_u")
    if estimate is not None:
        o.builder.omitted.append(Omitted(name=estimate.path, reason="what training estimates the norm of a kernel by"))
    kept = o.parts(*(name for name in o.layer.tensors if name != "sn_u"))
    return o.own(str(entry["class_name"]), "layer", entry["config"], inputs, path="", tensors=kept)


#: Layers that a WeightNormalization may be around.
_WEIGHED = ("Dense", "Conv1D", "Conv2D", "Conv3D")


def _weight_norm(o: Drawing, inputs: Value) -> Value:
    """The layer inside with the kernel ``g v / |v|``, the length over all axes but the last."""
    entry = o.config["layer"]
    kind, config = str(entry["class_name"]), entry["config"]
    if kind not in _WEIGHED:
        o.problem(f"is around a {kind}, and irconv reads it around {', '.join(_WEIGHED)}")
        return inputs
    if "initialized" in o.layer.tensors and not o.layer.tensors["initialized"].data.numpy().all():
        o.problem("was saved before its first call, which sets its weights")
    return weighed(o, kind, config, inputs, "")


def weighed(o: Drawing, kind: str, config: Mapping[str, Any], x: Value, path: str) -> Value:
    """A Dense or a convolution with weight normalisation, its weights under a path."""
    kernel = o.weight(f"{path}kernel")
    axes = list(range(len(o.shape(f"{path}kernel")) - 1))
    total = o("Maximum", o("Sum", o("Square", kernel), axis=axes, keepdims=True), 1e-12)
    kernel = o("Multiply", o("Multiply", kernel, o("Rsqrt", total)), o.weight(f"{path}g"))
    if kind == "Dense":
        made = o("Matmul", x, kernel)
    else:
        padding, order = config["padding"], config.get("data_format", "channels_last")
        if padding == "causal":
            before = (config["kernel_size"][0] - 1) * config["dilation_rate"][0]
            x, padding = o("Pad", x, pad_width=[[0, 0], [before, 0], [0, 0]], mode="constant"), "valid"
        settings = {"strides": config["strides"], "dilation_rate": config["dilation_rate"]}
        made = o("Conv", x, kernel, padding=padding, data_format=order, **settings)
    if config.get("use_bias", True):
        bias = o.weight(f"{path}bias")
        if kind != "Dense" and config.get("data_format") == "channels_first":
            bias = o("Reshape", bias, newshape=[1, -1, *(1 for _ in axes[:-1])])
        made = o("Add", made, bias)
    return o.activation(config.get("activation"), made)


EXPANSIONS: Mapping[str, Expansion] = {
    "Addons>FilterResponseNormalization": drawn(_filter_response, masks=True),
    "Addons>GELU": drawn(_gelu, masks=True),
    "Addons>Maxout": drawn(_maxout),
    "Addons>NoisyDense": drawn(_noisy),
    "Addons>PoincareNormalize": drawn(_poincare),
    "Addons>Snake": drawn(_snake),
    "Addons>Sparsemax": drawn(_sparsemax, masks=True),
    "Addons>SpatialPyramidPooling2D": drawn(_pyramid),
    "Addons>SpectralNormalization": drawn(_spectral),
    "Addons>StochasticDepth": drawn(_depth),
    "Addons>TLU": drawn(_tlu, masks=True),
    "Addons>WeightNormalization": drawn(_weight_norm),
}
