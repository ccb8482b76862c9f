"""Layer classes by family, found through one table of type -> module: start-up imports only what a model has."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from irconv.ir.layers.base import Layer, ValueType

_FAMILIES = {
    "adaptive_pooling": "AdaptiveAveragePool AdaptiveMaxPool",
    "activations": "Relu LeakyRelu ThresholdedRelu GeneralRelu Clip Elu Selu Sigmoid HardSigmoid Tanh Softplus "
    "Softsign Exp Silu Gelu Softmax PRelu HardSwish HardShrink SoftShrink Celu Mish LogSoftmax",
    "arithmetic": "Sub Div FloorDiv Mod Pow Atan2 Maximum Minimum Mean CumSum",
    "attention": "ScaledDotProductAttention MultiHeadAttention GroupedQueryAttention DotProductAttention "
    "AdditiveAttention",
    "comparisons": "Equal NotEqual Less LessOrEqual Greater GreaterOrEqual Not And Or Xor BitwiseNot BitwiseAnd "
    "BitwiseOr BitwiseXor BitShift Where Cast BitCast",
    "composite_activations": "Threshold TanhShrink LogSigmoid ScaledSoftplus Squareplus SparsePlus ScaledTanh Swish "
    "Glu Crelu Softmin Sparsemax",
    "control": "Scan Opaque",
    "cell_recurrent": "LayerNormLSTM LayerNormRNN NASRNN",
    "conv_recurrent": "ConvLSTM",
    "convolution": "Conv ConvTranspose Linear Bilinear",
    "deformable": "DeformConv",
    "elementwise": "Abs Neg Sign Sqrt Rsqrt Square Reciprocal Exp2 Expm1 Log Log1p Log2 Log10 Floor Ceil Round Trunc "
    "Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf IsNaN IsInf IsFinite",
    "embedding": "Embedding EmbeddingBag OneHot CategoryEncoding PositionalEmbedding Discretization",
    "matrix": "MatMul Einsum Dot Determinant Trilu",
    "indexing": "Gather GatherElements GatherND ScatterElements ScatterND TopK Sort ArgMax ArgMin ReverseSequence",
    "normalisation": "BatchNorm LayerNorm RMSNorm GroupNorm InstanceNorm Standardization ChannelAffine",
    "plain_norms": "LocalResponseNorm UnitNorm MeanVarianceNorm",
    "patches": "Unfold Fold LocallyConnected DepthToSpace SpaceToDepth ChannelShuffle",
    "pooling": "MaxPool AveragePool MaxPoolWithIndices MaxUnpool SumPool LpPool GlobalLpPool",
    "reductions": "Variance StandardDeviation ReduceAlong",
    "resampling": "Resize GridSample AffineGrid",
    "reparametrisation": "WeightNorm SpectralNorm",
    "quantisation": "QuantizeLinear DequantizeLinear FakeQuantize DynamicQuantizeLinear",
    "signal": "DFT STFT",
    "shape_ops": "Squeeze Unsqueeze Expand Tile Repeat SizeOf ShapeOf Full Range EyeLike",
    "slicing": "Slice Split Stack Unstack Select Flip Roll",
    "recurrent": "RNN GRU LSTM",
    "selection": "NonZero Compress Unique NonMaxSuppression CountUp",
    "running": "CumProd",
    "rotary": "RotaryEmbedding",
    "training": "Dropout GaussianNoise Augmentation",
    "tensor_ops": "Identity Constant Add Mul Concat Pad SamePad Reduce Flatten Reshape Transpose",
}

HANDED_ON = ("Identity", *_FAMILIES["training"].split())
"""Types of layers that hand their input on at inference."""

#: Layer type -> the module of this package that defines it.
MODULES = {name: module for module, names in _FAMILIES.items() for name in names.split()}


@cache
def layer_class(name: str) -> type[Layer]:
    """The class of a layer type. Raises `KeyError` for an unknown one."""
    found: type[Layer] = getattr(import_module(f"irconv.ir.layers.{MODULES[name]}"), name)
    return found


if not TYPE_CHECKING:  # irconv's own code names the module, which mypy checks

    def __getattr__(name: str) -> type[Layer]:
        """The class of a layer type, as plugins import it: ``from irconv.ir.layers import Linear``."""
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return layer_class(name)


def is_known(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether the layer's type is one of the format's own, and not one of a plugin."""
    return layer.type in MODULES


def parse_layer(data: Any) -> Layer:
    """A layer from its manifest entry. Raises `ValueError` (pydantic's, with the path) where it does not fit."""
    if isinstance(data, Layer):
        return data
    name = data.get("type") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in MODULES:
        raise ValueError(f"unknown layer type {name!r}")
    return layer_class(name).model_validate(data)
