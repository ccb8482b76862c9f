"""Functions that an emitted model.py brings along where it needs them; Theano has none of them in one call."""

from __future__ import annotations

PAD = '''
def pad(x, pads, value=0.0):
    """x with constants around it; pads has (before, after) for every axis."""
    shape = [x.shape[i] + before + after for i, (before, after) in enumerate(pads)]
    inside = tuple(slice(before, before + x.shape[i]) for i, (before, after) in enumerate(pads))
    return T.set_subtensor(T.alloc(np.asarray(value, x.dtype), *shape)[inside], x)
'''

CONV1D = '''
def conv1d(x, W, border_mode=(0, 0), subsample=1, filter_dilation=1, num_groups=1, filter_flip=True):
    """A convolution over the last of three axes, as one over two."""
    y = T.nnet.conv2d(x.dimshuffle(0, 1, 2, "x"), W.dimshuffle(0, 1, 2, "x"), border_mode=(border_mode, (0, 0)),
                      subsample=(subsample, 1), filter_dilation=(filter_dilation, 1), num_groups=num_groups,
                      filter_flip=filter_flip)
    return y[:, :, :, 0]
'''

CONV_TRANSPOSE = '''
def conv_transpose(x, W, W_shape, output_size, border_mode, subsample, filter_dilation, num_groups=1,
                   filter_flip=True):
    """The gradient of a convolution with respect to its input, of the size output_size."""
    crops = [(0, 0)] * len(output_size)
    if len(output_size) == 3:
        if any(before != after for before, after in border_mode):
            # Theano pads three axes on both sides alike only: what it would leave out is cut off afterwards
            crops, border_mode = border_mode, tuple((0, 0) for _ in border_mode)
            output_size = tuple(n + before + after for n, (before, after) in zip(output_size, crops))
        border_mode = tuple(before for before, _ in border_mode)
    function = {1: conv2d_grad_wrt_inputs, 2: conv2d_grad_wrt_inputs, 3: conv3d_grad_wrt_inputs}[len(output_size)]
    flat = len(output_size) == 1
    if flat:  # one axis as two
        x, W, W_shape = x.dimshuffle(0, 1, 2, "x"), W.dimshuffle(0, 1, 2, "x"), W_shape + (1,)
        output_size, border_mode, subsample = output_size + (1,), border_mode + ((0, 0),), subsample + (1,)
        filter_dilation = filter_dilation + (1,)
    y = function(x, W, input_shape=(None, W_shape[1] * num_groups) + output_size, filter_shape=W_shape,
                 border_mode=border_mode, subsample=subsample, filter_flip=filter_flip,
                 filter_dilation=filter_dilation, **({} if num_groups == 1 else {"num_groups": num_groups}))
    y = y[:, :, :, 0] if flat else y
    inside = tuple(slice(before, -after or None) for before, after in crops)
    return y[(slice(None), slice(None)) + inside] if any(map(any, crops)) else y
'''

POOL1D = '''
def pool1d(x, ws, stride, pad, ignore_border, mode):
    """A pool over the last of three axes, as one over two."""
    return pool_2d(x.dimshuffle(0, 1, 2, "x"), ws=(ws, 1), stride=(stride, 1), pad=(pad, 0),
                   ignore_border=ignore_border, mode=mode)[:, :, :, 0]
'''

BATCH_NORM = '''
def batch_norm(x, mean, inv_std, gamma=None, beta=None, axis=1):
    """Normalised along one axis by statistics that are known."""
    along = ["x"] * x.ndim
    along[axis] = 0
    y = (x - mean.dimshuffle(*along)) * (inv_std if gamma is None else inv_std * gamma).dimshuffle(*along)
    return y if beta is None else y + beta.dimshuffle(*along)
'''

LRN = '''
def lrn(x, alpha, beta, k, n):
    """Local response normalisation over n neighbouring channels, n // 2 of them before."""
    half = n // 2
    squares = T.zeros((x.shape[0], x.shape[1] + n - 1) + tuple(x.shape[i] for i in range(2, x.ndim)), x.dtype)
    squares = T.set_subtensor(squares[:, half:half + x.shape[1]], T.sqr(x))
    return x / (k + alpha * sum(squares[:, i:i + x.shape[1]] for i in range(n))) ** beta
'''

UPSCALE = '''
def upscale(x, factor):
    """Each element repeated along the spatial axes."""
    for i, times in enumerate(factor):
        x = T.extra_ops.repeat(x, times, axis=2 + i) if times > 1 else x
    return x
'''

SOFTMAX = '''
def softmax(x, axis):
    """exp(x) / sum of exp(x) along one axis."""
    e = T.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)
'''

LOG_SOFTMAX = '''
def log_softmax(x, axis):
    """log(softmax(x)) along one axis."""
    x = x - x.max(axis=axis, keepdims=True)
    return x - T.log(T.exp(x).sum(axis=axis, keepdims=True))
'''

CLIP = '''
def clip(x, low, high):
    """x between two bounds, of which one may be None."""
    x = x if low is None else T.maximum(x, low)
    return x if high is None else T.minimum(x, high)
'''

DOT = '''
def dot(left, right):
    """The product of the matrices in the last two axes; the axes before them are the same on both sides."""
    if right.ndim <= 2:
        return T.dot(left, right)
    rank, outer = left.ndim, [left.shape[i] for i in range(left.ndim - 2)]
    m, k, n = left.shape[left.ndim - 2], left.shape[left.ndim - 1], right.shape[right.ndim - 1]
    left, right = left.reshape((-1, m, k), ndim=3), right.reshape((-1, k, n), ndim=3)
    if theano.config.blas.ldflags:
        product = T.batched_dot(left, right)
    else:  # whose C code needs a BLAS
        product = (left.dimshuffle(0, 1, 2, "x") * right.dimshuffle(0, "x", 1, 2)).sum(axis=2)
    return product.reshape(outer + [m, n], ndim=rank)
'''

_SCAN = '''
def scanned(step, x, states, mask, backwards):
    """The first state after each step, (n, t, units) in order of time; masked steps keep all states."""
    def body(*values):
        seen = values[0] if mask is None else values[1]
        new = step(values[0], *values[(1 if mask is None else 2):])
        new = new if isinstance(new, tuple) else (new,)
        if mask is None:
            return list(new)
        return [T.switch(seen, n, o) for n, o in zip(new, values[2:])]
    sequences = [x.dimshuffle(1, 0, 2)] + ([] if mask is None else [mask.dimshuffle(1, 0, "x")])
    made, _ = theano.scan(body, sequences=sequences, outputs_info=states, go_backwards=backwards)
    y = made[0] if isinstance(made, (list, tuple)) else made
    return (y[::-1] if backwards else y).dimshuffle(1, 0, 2)


def first_state(given, x, units):
    """The state that was given, or zeros; for every member of the batch."""
    zeros = T.zeros((x.shape[0], units), x.dtype)
    return T.unbroadcast(zeros if given is None else zeros + given, 0, 1)
'''

LSTM = '''
def lstm(x, W, U, b, units, gate_order, gate, act, backwards=False, h0=None, c0=None, mask=None, b_u=None,
         peep_i=None, peep_f=None, peep_o=None, late_peephole=False, forget_bias=0.0):
    """A long short-term memory; gate_order says how the gates lie side by side in W, U and b."""
    def part(values, name):
        start = gate_order.index(name) * units
        return values[:, start:start + units]

    def step(a, h, c):
        a = a + T.dot(h, U) + (0.0 if b_u is None else b_u)
        i, f = part(a, "i"), part(a, "f") + forget_bias
        i = gate(i if peep_i is None else i + c * peep_i)
        f = gate(f if peep_f is None else f + c * peep_f)
        c = f * c + i * act(part(a, "c"))
        o = part(a, "o")
        if peep_o is not None and not late_peephole:
            o = o + c * peep_o
        o = gate(o)
        if peep_o is not None and late_peephole:  # Lasagne 0.1
            o = o + c * peep_o
        return o * act(c), c

    states = [first_state(h0, x, units), first_state(c0, x, units)]
    return scanned(step, T.dot(x, W) + b, states, mask, backwards)
'''

GRU = '''
def gru(x, W, U, b, units, gate_order, gate, act, reset_after, update, backwards=False, h0=None, mask=None, b_u=None):
    """A gated recurrent unit; gate_order says how the gates lie side by side in W, U and b."""
    def part(values, name):
        start = gate_order.index(name) * units
        return values[..., start:start + units]

    def step(a, h):
        q = T.dot(h, U) if b_u is None or not reset_after else T.dot(h, U) + b_u
        r = gate(part(a, "r") + part(q, "r"))
        u = gate(part(a, "u") + part(q, "u"))
        if reset_after:
            c = act(part(a, "c") + r * part(q, "c"))
        else:
            c = act(part(a, "c") + T.dot(r * h, part(U, "c")))
        return (1 - u) * h + u * c if update == "u_takes_new" else u * h + (1 - u) * c

    b = b + b_u if b_u is not None and not reset_after else b  # then nothing comes between the two
    return scanned(step, T.dot(x, W) + b, [first_state(h0, x, units)], mask, backwards)
'''

RNN = '''
def rnn(x, W, U, b, units, act, backwards=False, h0=None, mask=None, b_u=None):
    """A simple recurrent layer."""
    def step(a, h):
        return act(a + T.dot(h, U) + (0.0 if b_u is None else b_u))

    return scanned(step, T.dot(x, W) + b, [first_state(h0, x, units)], mask, backwards)
'''

INSTANCE_NORM = '''
def instance_norm(x, epsilon, gamma=None, beta=None):
    """Each channel of each sample normalised over its spatial axes."""
    axes = tuple(range(2, x.ndim))
    along = ["x", 0] + ["x"] * len(axes)
    centred = x - x.mean(axis=axes, keepdims=True)
    spread = T.sqrt(T.sqr(centred).mean(axis=axes, keepdims=True) + epsilon)
    y = centred / spread
    y = y if gamma is None else y * gamma.dimshuffle(*along)
    return y if beta is None else y + beta.dimshuffle(*along)
'''

HELPERS = {
    "pad": PAD,
    "conv1d": CONV1D,
    "conv_transpose": CONV_TRANSPOSE,
    "pool1d": POOL1D,
    "batch_norm": BATCH_NORM,
    "instance_norm": INSTANCE_NORM,
    "lrn": LRN,
    "upscale": UPSCALE,
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
    "clip": CLIP,
    "dot": DOT,
    "scanned": _SCAN,
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
}
"""Name -> its text; recurrent layers need `scanned`, too."""
