"""A live module as a `Network`: its parameters, and, by running it once, which of them feeds which.

PyTorch's function mode sees every call of a function of PyTorch's. A layer is a call that takes parameters, whoever
makes it; what tensors flow between calls is known by identity. The user's own code runs, because he named it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from irconv.align.network import REVERSE, Network, Unit, Window
from irconv.align.skeleton import Skeleton
from irconv.frameworks.torch.live import import_torch
from irconv.frameworks.torch.settings import of_call, of_module
from irconv.frameworks.torch.units import units_of
from irconv.frameworks.torch.views import of_call as axes_of_call
from irconv.frameworks.torch.views import of_layer
from irconv.frameworks.torch.windows import windowed
from irconv.layout import Array

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Module, Tensor

#: Functions that are layers; others that take a parameter use it as a value.
_LAYERS = frozenset(
    (
        *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        *("linear", "bilinear", "embedding", "embedding_bag", "prelu", "lstm", "gru", "rnn_tanh", "rnn_relu"),
        *("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"),
        *("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
    )
)

#: PyTorch's names -> the common ones, where they differ by more than underscores.
_COMMON = {
    **dict.fromkeys(("radd", "iadd"), "add"),
    **dict.fromkeys(("rmul", "imul", "multiply"), "mul"),
    **dict.fromkeys(("isub", "subtract"), "sub"),
    **dict.fromkeys(("truediv", "true_divide", "divide", "itruediv"), "div"),
    **dict.fromkeys(("cat", "concatenate"), "concat"),
    **dict.fromkeys(("bmm", "einsum"), "matmul"),
    "maximum": "max",
    "minimum": "min",
    "leaky_relu": "leakyrelu",
    "log_softmax": "logsoftmax",
    "hard_sigmoid": "hardsigmoid",
    "clamp": "clip",
    "interpolate": "resize",
    **{f"adaptive_avg_pool{rank}d": "mean" for rank in (1, 2, 3)},
    **{f"adaptive_max_pool{rank}d": "max" for rank in (1, 2, 3)},
    "amax": "max",
}

_KINDS = {
    **{f"Conv{rank}d": "Conv" for rank in (1, 2, 3)},
    **{f"ConvTranspose{rank}d": "ConvTranspose" for rank in (1, 2, 3)},
    **{f"BatchNorm{rank}d": "BatchNorm" for rank in (1, 2, 3)},
    **{f"InstanceNorm{rank}d": "InstanceNorm" for rank in (1, 2, 3)},
    **{name: name for name in ("Linear", "Embedding", "EmbeddingBag", "LayerNorm", "GroupNorm", "RMSNorm")},
    "SyncBatchNorm": "BatchNorm",
    "PReLU": "PRelu",
}
"""Classes of ``torch.nn`` -> types of the IR."""


def shapes_of(module: Module) -> dict[str, tuple[int, ...]]:
    """The parameters and saved buffers with weights, by name, in the order of the state dict; a tied one by its first
    name."""
    state = {name: tensor for name, tensor in module.state_dict(keep_vars=True).items() if tensor.is_floating_point()}
    first: dict[int, str] = {}
    return {name: tuple(t.shape) for name, t in state.items() if first.setdefault(id(t), name) == name}


def network_of(module: Module, samples: Sequence[Sequence[Tensor]] = ()) -> tuple[Network, Sequence[Tensor] | None]:
    """The network of a module; with a graph if it runs on one of the samples, each a list of inputs; and that one."""
    classes = {path: type(part) for path, part in module.named_modules(remove_duplicate=False)}
    kinds = {path: found for path, cls in classes.items() if (found := _kind(cls))}
    shapes = shapes_of(module)
    units = [_with_settings(unit, module) for unit in units_of(shapes, kinds, whole=True)]
    notes = []
    for sample in samples:
        try:
            trace = _Trace(module, units)
            trace.run(sample)
        except Exception as error:  # noqa: BLE001  (the user's code may raise anything; the next sample may do)
            notes.append(f"running it on {_shapes(sample)} raised {type(error).__name__}: {str(error)[:200]}")
            continue
        return Network(tuple(units), trace.skeleton.finish()), sample
    return Network(tuple(_with_settings(unit, module) for unit in units_of(shapes, kinds)), notes=tuple(notes)), None


def run(module: Module, sample: Sequence[Tensor]) -> tuple[dict[str, Array], list[Array]]:
    """The values of a module's nodes by the names that `network_of` gave them, and its outputs."""
    kept: dict[str, Any] = {}
    trace = _Trace(module, units_of(shapes_of(module), whole=True), kept)
    outputs = trace.run(sample)
    return {name: value.numpy() for name, value in kept.items()}, [value.numpy() for value in outputs]


def _kind(cls: type[Any]) -> str:
    """The type of the IR of a class, which may derive from one of ``torch.nn``."""
    return next((_KINDS[c.__name__] for c in cls.__mro__ if c.__name__ in _KINDS and "torch.nn" in c.__module__), "")


def _shapes(sample: Sequence[Tensor]) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in sample)


def _with_settings(unit: Unit, module: Module) -> Unit:
    """The unit with the settings of its module, in the words of the IR. A module may be several units, which have a
    word more in their names."""
    for path in (unit.name, unit.name.rpartition(".")[0]):
        try:
            part = module.get_submodule(path)
        except AttributeError:
            continue
        return replace(unit, settings=of_module(part, unit.name))
    return unit


class _Trace:
    """One run of a module, written down."""

    def __init__(self, module: Module, units: Sequence[Unit], kept: dict[str, Any] | None = None) -> None:
        self.module = module
        self.kept = kept
        self.units = units
        self.torch = import_torch()
        self.skeleton = Skeleton()
        self.of_parameter: dict[str, list[int]] = {}
        for index, unit in enumerate(units):
            for part in unit.parts.values():
                self.of_parameter.setdefault(part.name, []).append(index)
        tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
        self.names: dict[int, str] = {}
        for name, tensor in tensors:
            if name in self.of_parameter:
                self.names.setdefault(id(tensor), name)
        self.values: dict[int, str] = {}
        self.alive: list[Any] = []

    def run(self, sample: Sequence[Tensor]) -> list[Any]:
        """Run the module in evaluation mode, without gradients; returns its outputs."""
        trace = self

        class Mode(self.torch.overrides.TorchFunctionMode):  # type: ignore[misc,name-defined]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                trace.note(func, args, kwargs or {}, result)
                return result

        for number, tensor in enumerate(sample):
            self.skeleton.input(self._name(tensor), number)
        with evaluating(self.module, self.torch), Mode():
            result = self.module(*sample)
        outputs = self._tensors(result)
        for number, tensor in enumerate(outputs):
            if id(tensor) in self.values:
                self.skeleton.output(self.values[id(tensor)], number)
        return outputs

    def note(self, func: Any, args: Any, kwargs: Mapping[str, Any], result: Any) -> None:
        """One call."""
        outputs = self._tensors(result)
        if not outputs:
            return
        given = self._tensors((args, kwargs))
        name = _common(getattr(func, "__name__", ""))
        used = [self.names[id(tensor)] for tensor in given if id(tensor) in self.names]
        exact = f"{name} {self._arguments(args)} {self._arguments(kwargs)}"
        window, settings = windowed(name, args, kwargs), of_call(name, args, kwargs)
        if name in ("multi_head_attention_forward", "native_multi_head_attention") and used:
            self._attention(given, used, outputs, exact, settings)
        elif name in _LAYERS and used:
            self._layer(name, given, used, outputs, exact, window)
        else:
            axes = [self.skeleton.axes.get(self.values[id(one)]) for one in given if id(one) in self.values]
            self._op(name, given, outputs, exact, window, settings)
            for tensor, found in zip(outputs, axes_of_call(func, name, args, kwargs, axes, outputs), strict=True):
                self.skeleton.axes[self.values[id(tensor)]] = found

    def _layer(
        self, name: str, given: list[Any], used: list[str], outputs: list[Any], exact: str, window: Window | None
    ) -> None:
        data = [self.values[id(tensor)] for tensor in given if id(tensor) in self.values]
        units = dict.fromkeys(index for name in used for index in self.of_parameter[name])
        names = [self._name(tensor) for tensor in outputs]
        axes = of_layer(name, self.skeleton.axes.get(data[0]) if data else None, outputs[0])
        for index, back in _directions(list(units), self.units):  # several are the parts of one recurrent module
            if back is None:
                self.skeleton.unit(index, data[:1], names[0], exact, window)
            else:
                both = f"{names[0]}/{index}", f"{names[0]}/{back}"
                for unit, value in zip((index, back), both, strict=True):
                    self.skeleton.unit(unit, data[:1], value, exact, window)
                self.skeleton.join("concat", both, names[:1], exact)
            data = names[:1]
        self.skeleton.axes[names[0]] = axes
        for other in names[1:]:
            self.skeleton.alias(names[0], other)

    def _attention(
        self, given: list[Any], used: list[str], outputs: list[Any], exact: str, settings: Mapping[str, object]
    ) -> None:
        units = dict.fromkeys(index for name in used for index in self.of_parameter[name])
        by_tag = {self.units[index].tag: index for index in units}
        data = [self.values[id(tensor)] for tensor in given if id(tensor) in self.values]
        if not {"q", "k", "v"} <= by_tag.keys() or not data:
            self._op("attention", given, outputs, exact, None, settings)
            return
        y = self._name(outputs[0])
        inputs = [*data[:3], *data[-1:] * 3]
        for tag, value in zip("qkv", inputs, strict=False):
            self.skeleton.unit(by_tag[tag], [value], f"{y}/{tag}")
        last = f"{y}/attended" if "o" in by_tag else y
        self.skeleton.attention(f"{y}/q", f"{y}/k", f"{y}/v", last, exact, settings)
        if "o" in by_tag:
            self.skeleton.unit(by_tag["o"], [last], y)
        for other in outputs[1:]:
            self.skeleton.alias(y, self._name(other))

    def _op(
        self,
        name: str,
        given: list[Any],
        outputs: list[Any],
        exact: str,
        window: Window | None,
        settings: Mapping[str, object],
    ) -> None:
        inputs = []
        for tensor in given:
            if id(tensor) in self.names and id(tensor) not in self.values:
                units = self.of_parameter[self.names[id(tensor)]]
                self.skeleton.constant(self._name(tensor), units[0])
            if id(tensor) in self.values:
                inputs.append(self.values[id(tensor)])
        names = [self._name(tensor) for tensor in outputs]
        if name == "scaled_dot_product_attention" and len(inputs) >= 3:
            self.skeleton.attention(inputs[0], inputs[1], inputs[2], names[0], exact, settings)
        elif len(inputs) == 1:
            self.skeleton.pass_through(name, inputs[0], names, exact, window, settings)
        elif inputs:
            self.skeleton.join(name, inputs, names, exact, settings)

    def _name(self, tensor: Any) -> str:
        """A new name for the value that a tensor now is; functions in place give an old tensor a new one."""
        self.alive.append(tensor)
        name = self.values[id(tensor)] = f"v{len(self.alive)}"
        if self.kept is not None:  # a function in place may change it later
            self.kept[name] = tensor.detach().clone()
        return name

    def _tensors(self, value: Any) -> list[Any]:
        if isinstance(value, self.torch.Tensor):
            return [value]
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            return [tensor for item in value for tensor in self._tensors(item)]
        if hasattr(value, "__dataclass_fields__"):
            return self._tensors(list(vars(value).values()))
        return []

    def _arguments(self, value: Any) -> str:
        """The arguments that are no tensors, as text."""
        if isinstance(value, self.torch.Tensor):
            return "_"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key}={self._arguments(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "(" + ", ".join(map(self._arguments, value)) + ")"
        return repr(value) if isinstance(value, str | int | float | bool | slice | None) else type(value).__name__


def _directions(indices: Sequence[int], units: Sequence[Unit]) -> Iterator[tuple[int, int | None]]:
    """The units that one call computes one after the other, each with that of the other direction beside it."""
    for number, index in enumerate(indices):
        after = indices[number + 1] if number + 1 < len(indices) else None
        if units[index].tag != REVERSE:
            yield index, after if after is not None and units[after].tag == REVERSE else None


def _common(name: str) -> str:
    bare = name.strip("_")
    return _COMMON.get(bare, bare)


@contextmanager
def evaluating(module: Module, torch: Any) -> Iterator[None]:
    """Evaluation mode without gradients, and without the fast path of attention, which is one call for a whole layer;
    afterwards all is as it was, buffers included."""
    training = {part: part.training for part in module.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        module.eval()
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, was in training.items():
            part.training = was
