"""Helpers that quantise or transform."""

TEXT = '''\
def along(vector: Tensor, axis: int | None, x: Tensor) -> Tensor:
    """A vector laid along an axis of x, or one number."""
    return (
        vector if axis is None else vector.reshape([-1 if i == axis else 1 for i in range(x.dim())])
    )


def quantize(
    x: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None, rounds: str = "quotient"
) -> Tensor:
    """x as integers of the zero point's type; what does not fit becomes the end of the range."""
    scale, zero = along(scale, axis, x), along(zero_point, axis, x).to(x.dtype)
    places = (
        torch.round(x / scale) + zero
        if rounds == "quotient"
        else torch.round(x * (1 / scale) + zero)
    )
    limits = torch.iinfo(zero_point.dtype)
    return places.clamp(limits.min, limits.max).to(zero_point.dtype)


def dequantize(
    x: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """The numbers that integers, or floats of 8 bits, mean, of the scale's type."""
    exact = scale.dtype if x.is_floating_point() else torch.int64
    whole = x.to(exact)
    if zero_point is not None:
        whole = whole - along(zero_point, axis, x).to(exact)
    return whole.to(scale.dtype) * along(scale, axis, x)


def dynamic_quantize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x as uint8, with the scale and zero point that its own smallest and largest element ask for."""
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    zero_point = torch.round(0 - low / scale).clamp(0, 255)
    y = (torch.round(x / scale) + zero_point).clamp(0, 255)
    return y.to(torch.uint8), scale, zero_point.to(torch.uint8)


def dft(x: Tensor, dim: int, inverse: bool, onesided: bool, length: int | None) -> Tensor:
    """The discrete Fourier transform; the last axis holds real and imaginary parts, or real ones alone."""
    values = torch.view_as_complex(x.contiguous()) if x.shape[-1] == 2 else x[..., 0]
    if inverse and onesided:
        return torch.fft.irfft(values, n=length, dim=dim)[..., None]
    transform = torch.fft.ifft if inverse else torch.fft.rfft if onesided else torch.fft.fft
    return torch.view_as_real(transform(values, dim=dim))


def stft(x: Tensor, window: Tensor, hop: int) -> Tensor:
    """The one-sided Fourier transforms of windows that slide over a signal: (n, frames, frequencies, 2)."""
    found = torch.stft(x, window.shape[0], hop, window=window, center=False, return_complex=True)
    return torch.view_as_real(found.transpose(1, 2).contiguous())
'''
