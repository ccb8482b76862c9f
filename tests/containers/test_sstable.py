"""Tables of sorted keys: TensorFlow's own are written again byte for byte, and damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from irconv.containers import sstable
from irconv.containers.snappy import decompress
from irconv.containers.sstable import Table, checksum, masked, table, unmasked
from irconv.containers.varints import read_varint, varint
from irconv.errors import DamagedFile
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "checkpoints"


def entries(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"layer_%05d/kernel" % number, bytes([number % 251]) * 40) for number in range(count)]


@pytest.mark.parametrize("name", ["v2.ckpt.index", "sharded.ckpt.index", "v1.ckpt"])
def test_a_table_is_written_as_tensorflow_writes_it(name: str) -> None:
    raw = (FOLDER / name).read_bytes()
    assert table(Table(FOLDER / name).items()) == raw


def test_many_blocks_are_read_and_each_key_is_found_in_its_own(tmp_path: Path) -> None:
    written = entries(12000)
    (tmp_path / "t").write_bytes(table(iter(written)))
    found = Table(tmp_path / "t")
    assert len(found.blocks) == 3
    assert list(found.items()) == written
    for key, value in written[::997]:
        assert found.find(key) == value
    assert found.find(b"layer_00001") is None
    assert found.find(b"z") is None


def test_a_flipped_bit_is_reported_with_the_block_and_the_names_in_it(tmp_path: Path) -> None:
    raw = bytearray(table(iter(entries(12000))))
    place = raw.index(b"5000/kernel")
    raw[place] ^= 1
    (tmp_path / "t").write_bytes(raw)
    text = rejection(lambda: list(Table(tmp_path / "t").items()), DamagedFile)
    assert text.startswith(f"{tmp_path / 't'}: block 1 (names from layer_04")
    assert "expected CRC " in text
    raw[place] ^= 1
    raw[-60] ^= 1
    (tmp_path / "t").write_bytes(raw)
    text = rejection(lambda: Table(tmp_path / "t"), DamagedFile)
    assert text.startswith(f"{tmp_path / 't'}: the index of its blocks: expected CRC ")


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    raw = table(iter(entries(10)))
    (tmp_path / "t").write_bytes(raw[:-1])
    text = rejection(lambda: Table(tmp_path / "t"), DamagedFile)
    assert "expected a table of sorted keys, but its end says something else" in text
    (tmp_path / "t").write_bytes(raw[20:])
    assert "the index of its blocks: expected CRC" in rejection(lambda: Table(tmp_path / "t"), DamagedFile)
    (tmp_path / "t").write_bytes(raw[:20])
    assert "got 20 in all" in rejection(lambda: Table(tmp_path / "t"), DamagedFile)


def test_keys_out_of_order_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(table(iter([(b"b", b""), (b"a", b"")])))
    assert "expected keys in order, each once" in rejection(lambda: list(Table(tmp_path / "t").items()), DamagedFile)


def block(content: bytes, kind: int) -> bytes:
    """A table of one block that holds these bytes, whatever they are."""
    made = content + bytes([kind])
    made += masked(checksum(made)).to_bytes(4, "little")
    inner = varint(0) + varint(1) + varint(2 + (len(content) > 127)) + b"z" + varint(0) + varint(len(content))
    index = inner + b"\0\0\0\0\1\0\0\0" + b"\0"
    footer = varint(0) + varint(0) + varint(len(made)) + varint(len(index) - 1)
    index += masked(checksum(index)).to_bytes(4, "little")
    return made + index + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"\xff\xff\xff\xff", 0, "4294967295 restarts in 4 bytes"),
        (b"", 0, "0 restarts in 0 bytes"),
        (b"\x05\x01\x00a" + bytes(4), 0, "an entry goes beyond its block"),
        (b"\x00\x01\x7fa" + bytes(4), 0, "an entry goes beyond its block"),
        (b"\xff" * 12 + bytes(4), 0, "a number that does not end"),
        (b"a" + bytes(4), 7, "expected no compression or Snappy's, got number 7"),
        (varint(1 << 40) + b"\x00a", 1, f"{1 << 40} bytes cannot come out of "),
        (b"\x05\x00a", 1, "expected 5 bytes decompressed, got 1"),
        (b"\x05\x01\x09", 1, "a copy of what is not there"),
        (b"\x05\xf4\xff", 1, "a literal goes beyond the end"),
    ],
)
def test_blocks_that_are_sound_and_senseless_are_refused(tmp_path: Path, content: bytes, kind: int, said: str) -> None:
    (tmp_path / "t").write_bytes(block(content, kind))
    assert said in rejection(lambda: list(Table(tmp_path / "t").items()), DamagedFile)


def test_blocks_compressed_with_snappy_are_read(tmp_path: Path) -> None:
    # a literal of 8, a copy of 5 from 4 back (which overlaps itself), a literal, a copy with two bytes of offset
    packed = varint(24) + b"\x1c\x00\x03\x02abcde" + b"\x05\x04" + b"\x00f" + b"\x16\x06\x00" + b"\x0c" + bytes(4)
    content = b"\x00\x03\x02abcde" + b"bcdeb" + b"f" + b"bcdebf" + bytes(4)
    assert decompress(memoryview(packed)) == content
    plain = b"\x00\x03\x02abcde" + bytes(4)
    (tmp_path / "t").write_bytes(block(varint(len(plain)) + bytes([len(plain) - 1 << 2]) + plain, 1))
    assert list(Table(tmp_path / "t").items()) == [(b"abc", b"de")]


def test_keys_that_never_end_are_refused_before_they_take_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sstable, "_MOST_KEYS", 1000)
    (tmp_path / "t").write_bytes(table(iter(entries(100))))
    assert "its keys never end" in rejection(lambda: list(Table(tmp_path / "t").items()), DamagedFile)


@pytest.mark.parametrize("crc", [0, 1, 0x12345678, 0xFFFFFFFF])
def test_masked_checksums_are_unmasked(crc: int) -> None:
    assert unmasked(masked(crc)) == crc


def test_a_checksum_is_castagnolis() -> None:
    assert checksum(b"123456789") == 0xE3069283  # the check value of CRC-32C in RFC 3720
    assert checksum(b"6789", checksum(b"12345")) == 0xE3069283


@pytest.mark.parametrize("number", [0, 127, 128, 300, (1 << 64) - 1])
def test_numbers_in_base_128_are_read_back(number: int) -> None:
    assert read_varint(b"x" + varint(number), 1) == (number, 1 + len(varint(number)))
