"""What the overloads that irconv reads take, in PyTorch's order, as TorchScript's calls name few of their arguments.

A line is an overload, how many results it has (``*``: a list), and its arguments, each with its kind: ``T`` tensor,
``i`` ``f`` ``n`` ``b`` ``s`` numbers and text, ``d`` element type, ``o`` anything else, ``[]`` a list of them; ``*``
where it is given by name. They are PyTorch's own schemas, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """One argument of an overload."""

    name: str
    kind: str
    by_name: bool


@dataclass(frozen=True)
class Signature:
    """An overload."""

    op: str
    """Such as ``add.Tensor``."""
    results: int | None
    """None for a list of them."""
    arguments: tuple[Argument, ...]


_TEXT = """
_assert_scalar.default 0 self:n assert_msg:s
_assert_tensor_metadata.default 0 a:T size:i[] stride:i[] dtype:d *device:o *layout:i
_log_softmax.default 1 self:T dim:i half_to_float:b
_native_batch_norm_legit_no_training.default 3 input:T weight:T bias:T running_mean:T running_var:T momentum:f eps:f
_softmax.default 1 self:T dim:i half_to_float:b
_to_copy.default 1 self:T *dtype:d *layout:i *device:o *pin_memory:b *non_blocking:b *memory_format:i
_unsafe_view.default 1 self:T size:i[]
_weight_norm.default 1 v:T g:T dim:i
abs.default 1 self:T
acos.default 1 self:T
acosh.default 1 self:T
adaptive_avg_pool1d.default 1 self:T output_size:i[]
adaptive_avg_pool2d.default 1 self:T output_size:i[]
adaptive_avg_pool3d.default 1 self:T output_size:i[]
adaptive_max_pool1d.default 2 self:T output_size:i[]
adaptive_max_pool2d.default 2 self:T output_size:i[]
adaptive_max_pool3d.default 2 self:T output_size:i[]
add.Scalar 1 self:T other:n alpha:n
add.Tensor 1 self:T other:T *alpha:n
addmm.default 1 self:T mat1:T mat2:T *beta:n *alpha:n
alias.default 1 self:T
all.dim 1 self:T dim:i keepdim:b
alpha_dropout.default 1 input:T p:f train:b
amax.default 1 self:T dim:i[] keepdim:b
amin.default 1 self:T dim:i[] keepdim:b
any.dim 1 self:T dim:i keepdim:b
arange.default 1 end:n *dtype:d *layout:i *device:o *pin_memory:b
arange.start 1 start:n end:n *dtype:d *layout:i *device:o *pin_memory:b
arange.start_step 1 start:n end:n step:n *dtype:d *layout:i *device:o *pin_memory:b
argmax.default 1 self:T dim:i keepdim:b
argmin.default 1 self:T dim:i keepdim:b
asin.default 1 self:T
asinh.default 1 self:T
atan.default 1 self:T
atanh.default 1 self:T
avg_pool1d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] ceil_mode:b count_include_pad:b
avg_pool2d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] ceil_mode:b count_include_pad:b \
    divisor_override:i
avg_pool3d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] ceil_mode:b count_include_pad:b \
    divisor_override:i
baddbmm.default 1 self:T batch1:T batch2:T *beta:n *alpha:n
batch_norm.default 1 input:T weight:T bias:T running_mean:T running_var:T training:b momentum:f eps:f \
    cudnn_enabled:b
bitwise_not.default 1 self:T
bmm.default 1 self:T mat2:T
cat.default 1 tensors:T[] dim:i
ceil.default 1 self:T
celu.default 1 self:T alpha:n
chunk.default * self:T chunks:i dim:i
clamp.default 1 self:T min:n max:n
clamp_max.default 1 self:T max:n
clamp_min.default 1 self:T min:n
clone.default 1 self:T *memory_format:i
concat.default 1 tensors:T[] dim:i
constant_pad_nd.default 1 self:T pad:i[] value:n
contiguous.default 1 self:T *memory_format:i
conv1d.default 1 input:T weight:T bias:T stride:i[] padding:i[] dilation:i[] groups:i
conv1d.padding 1 input:T weight:T bias:T stride:i[] padding:s dilation:i[] groups:i
conv2d.default 1 input:T weight:T bias:T stride:i[] padding:i[] dilation:i[] groups:i
conv2d.padding 1 input:T weight:T bias:T stride:i[] padding:s dilation:i[] groups:i
conv3d.default 1 input:T weight:T bias:T stride:i[] padding:i[] dilation:i[] groups:i
conv3d.padding 1 input:T weight:T bias:T stride:i[] padding:s dilation:i[] groups:i
conv_transpose1d.default 1 input:T weight:T bias:T stride:i[] padding:i[] output_padding:i[] groups:i dilation:i[]
conv_transpose2d.input 1 input:T weight:T bias:T stride:i[] padding:i[] output_padding:i[] groups:i dilation:i[]
conv_transpose3d.input 1 input:T weight:T bias:T stride:i[] padding:i[] output_padding:i[] groups:i dilation:i[]
copy.default 1 self:T src:T non_blocking:b
cos.default 1 self:T
cosh.default 1 self:T
cumsum.default 1 self:T dim:i *dtype:d
detach.default 1 self:T
div.Scalar 1 self:T other:n
div.Scalar_mode 1 self:T other:n *rounding_mode:s
div.Tensor 1 self:T other:T
div.Tensor_mode 1 self:T other:T *rounding_mode:s
dropout.default 1 input:T p:f train:b
einsum.default 1 equation:s tensors:T[] *path:i[]
elu.default 1 self:T alpha:n scale:n input_scale:n
embedding.default 1 weight:T indices:T padding_idx:i scale_grad_by_freq:b sparse:b
eq.Scalar 1 self:T other:n
eq.Tensor 1 self:T other:T
erf.default 1 self:T
exp.default 1 self:T
exp2.default 1 self:T
expand.default 1 self:T size:i[] *implicit:b
expm1.default 1 self:T
feature_alpha_dropout.default 1 input:T p:f train:b
feature_dropout.default 1 input:T p:f train:b
fill.Scalar 1 self:T value:n
fill.Tensor 1 self:T value:T
flatten.using_ints 1 self:T start_dim:i end_dim:i
flip.default 1 self:T dims:i[]
floor.default 1 self:T
floor_divide.default 1 self:T other:T
fmod.Scalar 1 self:T other:n
fmod.Tensor 1 self:T other:T
full.default 1 size:i[] fill_value:n *dtype:d *layout:i *device:o *pin_memory:b
full_like.default 1 self:T fill_value:n *dtype:d *layout:i *device:o *pin_memory:b *memory_format:i
gather.default 1 self:T dim:i index:T *sparse_grad:b
ge.Scalar 1 self:T other:n
ge.Tensor 1 self:T other:T
gelu.default 1 self:T *approximate:s
glu.default 1 self:T dim:i
group_norm.default 1 input:T num_groups:i weight:T bias:T eps:f cudnn_enabled:b
gru.input 2 input:T hx:T params:T[] has_biases:b num_layers:i dropout:f train:b bidirectional:b batch_first:b
gt.Scalar 1 self:T other:n
gt.Tensor 1 self:T other:T
hardshrink.default 1 self:T lambd:n
hardsigmoid.default 1 self:T
hardswish.default 1 self:T
hardtanh.default 1 self:T min_val:n max_val:n
index.Tensor 1 self:T indices:T[]
index_put.default 1 self:T indices:T[] values:T accumulate:b
index_select.default 1 self:T dim:i index:T
instance_norm.default 1 input:T weight:T bias:T running_mean:T running_var:T use_input_stats:b momentum:f eps:f \
    cudnn_enabled:b
isfinite.default 1 self:T
isinf.default 1 self:T
isnan.default 1 self:T
layer_norm.default 1 input:T normalized_shape:i[] weight:T bias:T eps:f cudnn_enable:b
le.Scalar 1 self:T other:n
le.Tensor 1 self:T other:T
leaky_relu.default 1 self:T negative_slope:n
lift_fresh.default 1 self:T
lift_fresh_copy.default 1 self:T
linear.default 1 input:T weight:T bias:T
log.default 1 self:T
log10.default 1 self:T
log1p.default 1 self:T
log2.default 1 self:T
log_sigmoid.default 1 self:T
log_softmax.int 1 self:T dim:i dtype:d
logical_and.default 1 self:T other:T
logical_not.default 1 self:T
logical_or.default 1 self:T other:T
logical_xor.default 1 self:T other:T
logsumexp.default 1 self:T dim:i[] keepdim:b
lstm.input 3 input:T hx:T[] params:T[] has_biases:b num_layers:i dropout:f train:b bidirectional:b batch_first:b
lt.Scalar 1 self:T other:n
lt.Tensor 1 self:T other:T
masked_fill.Scalar 1 self:T mask:T value:n
masked_fill.Tensor 1 self:T mask:T value:T
matmul.default 1 self:T other:T
max.other 1 self:T other:T
max_pool1d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] dilation:i[] ceil_mode:b
max_pool2d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] dilation:i[] ceil_mode:b
max_pool3d.default 1 self:T kernel_size:i[] stride:i[] padding:i[] dilation:i[] ceil_mode:b
maximum.default 1 self:T other:T
mean.default 1 self:T *dtype:d
mean.dim 1 self:T dim:i[] keepdim:b *dtype:d
min.other 1 self:T other:T
minimum.default 1 self:T other:T
mish.default 1 self:T
mm.default 1 self:T mat2:T
mul.Scalar 1 self:T other:n
mul.Tensor 1 self:T other:T
ne.Scalar 1 self:T other:n
ne.Tensor 1 self:T other:T
neg.default 1 self:T
new_full.default 1 self:T size:i[] fill_value:n *dtype:d *layout:i *device:o *pin_memory:b
new_ones.default 1 self:T size:i[] *dtype:d *layout:i *device:o *pin_memory:b
new_zeros.default 1 self:T size:i[] *dtype:d *layout:i *device:o *pin_memory:b
ones.default 1 size:i[] *dtype:d *layout:i *device:o *pin_memory:b
ones_like.default 1 self:T *dtype:d *layout:i *device:o *pin_memory:b *memory_format:i
pad.default 1 self:T pad:i[] mode:s value:f
permute.default 1 self:T dims:i[]
pixel_shuffle.default 1 self:T upscale_factor:i
pixel_unshuffle.default 1 self:T downscale_factor:i
pow.Tensor_Scalar 1 self:T exponent:n
pow.Tensor_Tensor 1 self:T exponent:T
prelu.default 1 self:T weight:T
prod.dim_int 1 self:T dim:i keepdim:b *dtype:d
reciprocal.default 1 self:T
relu.default 1 self:T
relu6.default 1 self:T
remainder.Scalar 1 self:T other:n
remainder.Tensor 1 self:T other:T
repeat.default 1 self:T repeats:i[]
reshape.default 1 self:T shape:i[]
rms_norm.default 1 input:T normalized_shape:i[] weight:T eps:f
rnn_relu.input 2 input:T hx:T params:T[] has_biases:b num_layers:i dropout:f train:b bidirectional:b batch_first:b
rnn_tanh.input 2 input:T hx:T params:T[] has_biases:b num_layers:i dropout:f train:b bidirectional:b batch_first:b
roll.default 1 self:T shifts:i[] dims:i[]
round.default 1 self:T
rsqrt.default 1 self:T
rsub.Scalar 1 self:T other:n alpha:n
rsub.Tensor 1 self:T other:T *alpha:n
scalar_tensor.default 1 s:n *dtype:d *layout:i *device:o *pin_memory:b
scaled_dot_product_attention.default 1 query:T key:T value:T attn_mask:T dropout_p:f is_causal:b *scale:f \
    *enable_gqa:b
select.int 1 self:T dim:i index:i
select_scatter.default 1 self:T src:T dim:i index:i
selu.default 1 self:T
sigmoid.default 1 self:T
sign.default 1 self:T
silu.default 1 self:T
sin.default 1 self:T
sinh.default 1 self:T
slice.Tensor 1 self:T dim:i start:i end:i step:i
slice_scatter.default 1 self:T src:T dim:i start:i end:i step:i
softmax.int 1 self:T dim:i dtype:d
softplus.default 1 self:T beta:n threshold:n
softshrink.default 1 self:T lambd:n
split.Tensor * self:T split_size:i dim:i
split.sizes * self:T split_size:i[] dim:i
split_with_sizes.default * self:T split_sizes:i[] dim:i
sqrt.default 1 self:T
square.default 1 self:T
squeeze.default 1 self:T
squeeze.dim 1 self:T dim:i
squeeze.dims 1 self:T dim:i[]
stack.default 1 tensors:T[] dim:i
std.correction 1 self:T dim:i[] *correction:n *keepdim:b
std.default 1 self:T unbiased:b
std.dim 1 self:T dim:i[] unbiased:b keepdim:b
sub.Scalar 1 self:T other:n alpha:n
sub.Tensor 1 self:T other:T *alpha:n
sum.default 1 self:T *dtype:d
sum.dim_IntList 1 self:T dim:i[] keepdim:b *dtype:d
sym_constrain_range_for_size.default 0 size:n *min:i *max:i
sym_size.int 1 self:T dim:i
t.default 1 self:T
tan.default 1 self:T
tanh.default 1 self:T
threshold.default 1 self:T threshold:n value:n
to.device 1 self:T device:o dtype:d non_blocking:b copy:b memory_format:i
to.dtype 1 self:T dtype:d non_blocking:b copy:b memory_format:i
to.dtype_layout 1 self:T *dtype:d *layout:i *device:o *pin_memory:b *non_blocking:b *copy:b *memory_format:i
topk.default 2 self:T k:i dim:i largest:b sorted:b
transpose.int 1 self:T dim0:i dim1:i
tril.default 1 self:T diagonal:i
triu.default 1 self:T diagonal:i
trunc.default 1 self:T
unbind.int * self:T dim:i
unflatten.int 1 self:T dim:i sizes:i[]
unsqueeze.default 1 self:T dim:i
upsample_bicubic2d.vec 1 input:T output_size:i[] align_corners:b scale_factors:f[]
upsample_bilinear2d.vec 1 input:T output_size:i[] align_corners:b scale_factors:f[]
upsample_linear1d.vec 1 input:T output_size:i[] align_corners:b scale_factors:f[]
upsample_nearest1d.vec 1 input:T output_size:i[] scale_factors:f[]
upsample_nearest2d.vec 1 input:T output_size:i[] scale_factors:f[]
upsample_nearest3d.vec 1 input:T output_size:i[] scale_factors:f[]
upsample_trilinear3d.vec 1 input:T output_size:i[] align_corners:b scale_factors:f[]
var.correction 1 self:T dim:i[] *correction:n *keepdim:b
var.default 1 self:T unbiased:b
var.dim 1 self:T dim:i[] unbiased:b keepdim:b
view.default 1 self:T size:i[]
where.Scalar 1 condition:T self:n other:n
where.ScalarOther 1 condition:T self:T other:n
where.ScalarSelf 1 condition:T self:n other:T
where.self 1 condition:T self:T other:T
zero.default 1 self:T
zeros.default 1 size:i[] *dtype:d *layout:i *device:o *pin_memory:b
zeros_like.default 1 self:T *dtype:d *layout:i *device:o *pin_memory:b *memory_format:i
"""


def _parsed() -> dict[str, list[Signature]]:
    found: dict[str, list[Signature]] = {}
    for line in _TEXT.replace("\\\n", " ").strip().splitlines():
        op, results, *arguments = line.split()
        named = [(argument.lstrip("*").split(":"), argument.startswith("*")) for argument in arguments]
        parts = tuple(Argument(name, kind, by_name) for (name, kind), by_name in named)
        made = Signature(op, None if results == "*" else int(results), parts)
        found.setdefault(op.partition(".")[0], []).append(made)
    return found


SIGNATURES: Mapping[str, list[Signature]] = _parsed()
"""Function -> its overloads."""
