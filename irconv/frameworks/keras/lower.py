"""What Keras cannot say as it stands, in IR it can say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from irconv.frameworks.keras import constants
from irconv.frameworks.keras.counting import with_sums
from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.lengths import as_masks
from irconv.frameworks.keras.lower_layers import (
    with_both_states,
    with_old_gates,
    with_places,
    with_scales,
    with_variances,
)
from irconv.frameworks.keras.lower_operands import laid_out
from irconv.frameworks.keras.parts import crops_as_keras, pads_as_keras, split, strides_or_spreads
from irconv.ir.bundle import Bundle, Tensor, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.activations import Clip, Exp, GeneralRelu, HardSigmoid, Relu, Sigmoid, Softmax, Softplus
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.embedding import Discretization
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.plain_norms import UnitNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.running import CumProd
from irconv.ir.layers.tensor_ops import Pad, Transpose
from irconv.ir.layers.window import ExplicitPadding, Padding, explicit_padding
from irconv.ir.shapes import Shape, static
from irconv.ir.tensors import LazyTensor
from irconv.passes import bodies, decompose, kept_by_update, padding, stored_operands, unroll_scans
from irconv.passes.pools import without_ceil_mode, without_counted_padding

#: Functions without negative results: zeros around them are as good as minus infinity under a maximum.
_NOT_NEGATIVE = (Relu, Sigmoid, HardSigmoid, Exp, Softplus, Softmax)

#: Operands of recurrent layers that Keras' have not.
_NOT_IN_KERAS = frozenset(("peephole_input", "peephole_forget", "peephole_output", "projection"))

#: The momentum of a cumulative average, which Keras lacks: its default is written, and inference does not use it.
_MOMENTUM = 0.99


def lower(bundle: Bundle, dialect: Dialect) -> Bundle:
    """The same function in types and paddings that a dialect can write. Raises `Refused`."""
    if any(layer.type == "DequantizeLinear" for layer in bundle.layers.values()):
        from irconv.passes import dequantised  # few models have such layers

        bundle = dequantised.run(bundle)
    bundle = with_places(_with_one_bias(as_masks(bundle)))
    bundle = without_counted_padding(with_variances(with_scales(bundle)))
    bundle = laid_out(bundle, grouped="groups" in (dialect.arguments("Conv2D") or ()))
    bundle = bundle if dialect.is_keras_3 else with_old_gates(bundle)
    bundle = decompose.run(_with_keras_states(stored_operands.run(bundle)), _fits(dialect), split)
    bundle = with_sums(bundle) if dialect.is_keras_3 else bundle
    if bundle.graph is not None and bodies.scans(bundle.layers, bundle.graph):
        bundle = decompose.run(unroll_scans.run(bodies.inside(bundle, stored_operands.run)), _fits(dialect), split)
        bundle = constants.fold(bundle, parameters=True)
    bundle = without_ceil_mode(without_counted_padding(bundle))
    bundle = padding.run(bundle, symmetric=True, native=_native_padding)
    return _with_momentum(_zeros_under_maxima(constants.fold(bundle)))


def each_its_own(bundle: Bundle) -> Bundle:
    """A transpose for each of its uses: where an operator is one node of a graph, it is called once."""
    graph = bundle.graph
    if graph is None:
        return bundle
    layers, nodes, seen = dict(bundle.layers), [], set[str]()
    for node in graph.nodes:
        name, number = node.layer, 1
        while name in seen or (name != node.layer and name in bundle.layers):
            number += 1
            name = f"{node.layer}.{number}"
        if isinstance(bundle.layers[node.layer], Transpose):
            seen.add(name)
            layers[name] = bundle.layers[node.layer]
            nodes.append(node.model_copy(update={"layer": name}))
        else:
            nodes.append(node)
    return replace(bundle, layers=layers, graph=graph.model_copy(update={"nodes": tuple(nodes)}))


def _fits(dialect: Dialect) -> decompose.Supports:
    """Whether the dialect has a layer; a GeneralRelu is decomposed no further, its parts may be made of it."""

    def fits(layer: Layer, given: Mapping[str, ValueType]) -> bool:
        if isinstance(layer, ConvTranspose):
            return crops_as_keras(layer, given)
        if isinstance(layer, Conv) and not strides_or_spreads(layer):
            return False
        if isinstance(layer, MaxPool) and max(layer.dilation) > 1:
            return False
        if isinstance(layer, Clip) and (layer.low is None or layer.high is None):
            return False
        if isinstance(layer, Discretization):  # Keras 3 casts its input to the dtype of an integer result
            return False
        if isinstance(layer, Pad) and not pads_as_keras(layer, mirrors=dialect.operators != "TensorFlowOpLayer"):
            return False
        if isinstance(layer, Resize) and not all(scale == int(scale) for scale in layer.scales or ()):
            return False
        if isinstance(layer, Recurrent) and given.keys() & _NOT_IN_KERAS:
            return False
        if isinstance(layer, CumSum | CumProd) and dialect.is_keras_3 and (layer.exclusive or layer.reverse):
            return False
        if isinstance(layer, UnitNorm) and layer.least != dialect.least:
            return False
        return isinstance(layer, GeneralRelu) or dialect.table.has(layer, given)

    return fits


def _native_padding(
    layer: Layer, sizes: Shape, window: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
) -> Padding | None:
    """Keras pads not at all, or by TensorFlow's SAME, which an average never counts."""
    counted = isinstance(layer, AveragePool) and layer.count_padding
    rule: Padding = layer.padding  # type: ignore[attr-defined]
    if rule == "same_upper" and not counted:
        return rule
    numbers = explicit_padding(rule, sizes, *window)
    if numbers is None:
        return None
    if not any(map(any, numbers)) or (isinstance(layer, Conv) and layer.groups == 1 and _is_causal(numbers, window)):
        return numbers
    return "same_upper" if not counted and numbers == _same(sizes, window) else None


def _is_causal(numbers: ExplicitPadding, window: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether all padding of one axis stands before it, so that no element sees one after it."""
    kernel, _, dilation = window
    return len(numbers) == 1 and numbers[0] == ((kernel[0] - 1) * dilation[0], 0)


def _same(sizes: Shape, window: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]) -> ExplicitPadding | None:
    """What SAME amounts to; for a stride of 1 it does not depend on the size."""
    kernel, stride, dilation = window
    known = tuple(1 if step == 1 and not isinstance(n, int) else n for n, step in zip(sizes, stride, strict=True))
    return explicit_padding("same_upper", known, kernel, stride, dilation)


def _zeros_under_maxima(bundle: Bundle) -> Bundle:
    """Padding by minus infinity becomes zeros where the padded values are never negative: then a layer can do it."""
    if bundle.graph is None:
        return bundle
    makers = {value: bundle.layers[node.layer] for node in bundle.graph.nodes for value in node.outputs.values()}
    layers, refused = dict(bundle.layers), set[str]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, Pad) and layer.value == float("-inf"):
            maker = makers.get(node.inputs["x"])
            clipped = isinstance(maker, Clip) and maker.low is not None and maker.low >= 0
            if isinstance(maker, _NOT_NEGATIVE) or clipped:
                layers[node.layer] = layer.model_copy(update={"value": 0.0})
            else:
                refused.add(node.layer)
    layers |= {name: bundle.layers[name] for name in refused}
    return replace(bundle, layers=layers)


def _with_keras_states(bundle: Bundle) -> Bundle:
    """Recurrent layers that start from both of their states, and whose update gates keep the old one."""
    if not any(isinstance(layer, LSTM | GRU) for layer in bundle.layers.values()):
        return bundle
    return bodies.everywhere(bundle, lambda part: kept_by_update.run(with_both_states(part)))


def _with_momentum(bundle: Bundle) -> Bundle:
    layers = {
        name: layer.model_copy(update={"momentum": _MOMENTUM})
        if isinstance(layer, BatchNorm) and layer.momentum is None
        else layer
        for name, layer in bundle.layers.items()
    }
    return replace(bundle, layers=layers)


def _with_one_bias(bundle: Bundle) -> Bundle:
    """LSTM and RNN of Keras have one bias where others have one for each kernel; they are added to each other, and so
    is the number that some add to the gate of forgetting. A GRU that resets after the product needs them apart."""
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for name, layer in bundle.layers.items():
        if not isinstance(layer, LSTM | RNN) and not (isinstance(layer, GRU) and not layer.reset_after):
            continue
        stored = {role: operand for role, operand in layer.operands.items() if role in ("bias_input", "bias_recurrent")}
        forget = layer.forget_bias if isinstance(layer, LSTM) else 0.0
        if ("bias_recurrent" not in stored and not forget) or not _are_stored(stored.values()):
            continue
        given = [tensors[operand.tensor] for operand in stored.values() if isinstance(operand, StoredOperand)]
        kernel = bundle.operand_types(layer).get("kernel")
        if kernel is None:  # computed by the graph, which the table refuses
            continue
        total = np.zeros(static(kernel.shape[:1]) or (), numpy_dtype(kernel.dtype))
        for tensor in given:
            total = total + tensor.data.numpy()
        if isinstance(layer, LSTM) and forget:
            total = total.reshape(4, -1)
            total[layer.ORDERS["gate"].index("f")] += total.dtype.type(forget)
            total = total.reshape(-1)
        key = f"{name}.bias"
        record = given[0].record if given else made(LazyTensor.of(total), trainable=True, axes="(gate unit)").record
        tensors[key] = Tensor(replace(record, source=None, steps=()), LazyTensor.of(total))
        operands = {role: operand for role, operand in layer.operands.items() if role not in stored}
        update: dict[str, object] = {"operands": {**operands, "bias_input": StoredOperand(tensor=key)}}
        layers[name] = layer.model_copy(update=update | ({"forget_bias": 0.0} if isinstance(layer, LSTM) else {}))
    return replace(bundle, layers=layers, tensors=tensors)


def _are_stored(operands: Iterable[object]) -> bool:
    return all(isinstance(operand, StoredOperand) for operand in operands)
