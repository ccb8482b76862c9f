"""Numbers in base 128, lowest digits first, as protocol buffers and tables have them."""

from __future__ import annotations

_LONGEST = 10


def varint(number: int) -> bytes:
    """A number in base 128, lowest digits first.

    >>> varint(300)
    b'\\xac\\x02'
    """
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """The number at a position of some bytes, of 64 bits, and where it ends. Raises `ValueError` where there is none.

    >>> read_varint(b"x\\xac\\x02", 1)
    (300, 3)
    """
    number = 0
    for place, digit in enumerate(data[position : position + _LONGEST]):
        number |= (digit & 127) << 7 * place
        if digit < 128:
            return number & (1 << 64) - 1, position + place + 1
    raise ValueError("a number that does not end")
