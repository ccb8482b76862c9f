"""Pickles become plain data, and nothing that they name is imported or called."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle as standard
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irconv.containers import pickle
from irconv.containers.files import SourceFile
from irconv.errors import DamagedFile, IrconvError, Refused
from tests.helpers import rejection

PROTOCOLS = range(6)
SHARED = np.arange(6, dtype=">f4").reshape(2, 3)
PLAIN: dict[str, Any] = {
    "numbers": [1, -5, 255, 65536, 2**40, -(2**80), 1.5, True, None, 2j],
    "text": "café\n'\"\\",
    "bytes": b"\x00\xff",
    "tuple": (1, (2, 3), ()),
    "set": {1, "a"},
    "frozen": frozenset([3]),
    "array": bytearray(b"xy"),
    "ordered": collections.OrderedDict(b=1, a=2.5),
    "default": collections.defaultdict(list, {"k": [1]}),
    "scalar": np.float32(2.5),
    "range": range(2, 9, 3),
}
ARRAYS = {
    "big_endian": SHARED,
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "bools": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "long": np.arange(100_000),
    "empty": np.zeros((0, 3)),
}


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Plain:
    def __init__(self) -> None:
        self.x, self.y = 1, [2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_come_back_equal(name: str, protocol: int) -> None:
    found = pickle.unpickle_bytes(standard.dumps(PLAIN[name], protocol), "x")
    assert found == PLAIN[name]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_with_their_bytes_and_types(name: str, protocol: int) -> None:
    found = pickle.unpickle_bytes(standard.dumps(ARRAYS[name], protocol), "x")
    assert found.dtype == ARRAYS[name].dtype
    assert np.array_equal(found, ARRAYS[name])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_that_stands_at_two_places_is_one_object(protocol: int) -> None:
    first, second = pickle.unpickle_bytes(standard.dumps([SHARED, SHARED], protocol), "x")
    assert first is second


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_of_objects_holds_plain_data(protocol: int) -> None:
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = np.arange(3), "x"
    found = pickle.unpickle_bytes(standard.dumps(ragged, protocol), "x")
    assert found[0].tolist() == [0, 1, 2]
    assert found[1] == "x"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, "builtins.eval"),
        (subprocess.Popen, "subprocess.Popen"),
        (getattr, "builtins.getattr"),
        (np.load, "numpy.load"),
    ],
)
def test_a_call_is_refused_by_name_and_not_made(function: Any, name: str, protocol: int, tmp_path: Path) -> None:
    flag = tmp_path / "made"
    content = standard.dumps([1, Evil(function, f"touch {flag}")], protocol)
    text = rejection(lambda: pickle.unpickle_bytes(content, "m.pkl"), Refused)
    assert text.startswith(f"m.pkl: the pickle names {name}, which is not on the list of plain data. ")
    assert not flag.exists()


def test_a_call_of_what_a_call_gives_is_refused() -> None:
    rules = pickle.Rules(calls=lambda name: name == "functools.partial")
    content = b"cfunctools\npartial\n(tR(tR."
    text = rejection(lambda: pickle.unpickle_bytes(content, "m", rules), Refused)
    assert "m: the pickle calls a Instance, which is never done" in text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_object_of_an_allowed_class_is_inert(protocol: int) -> None:
    rules = pickle.Rules(classes=lambda name: name.endswith(".Plain"))
    found = pickle.unpickle_bytes(standard.dumps(Plain(), protocol), "x", rules)
    assert isinstance(found, pickle.Instance)
    assert found.cls.name == "Plain"
    assert found.attributes == {"x": 1, "y": [2]}


def test_old_style_objects_of_python_2_are_inert() -> None:
    rules = pickle.Rules(classes=lambda name: name == "m.Old")
    found = pickle.unpickle_bytes(b"(im\nOld\np0\n(dS'a'\nI3\nsb.", "x", rules)
    assert found.attributes == {"a": 3}


def test_strings_of_python_2_are_latin1_text_and_long_ones_bytes() -> None:
    assert pickle.unpickle_bytes(b"U\x02\xe9a.", "x") == "éa"
    assert pickle.unpickle_bytes(b"T\x01\x00\x01\x00" + b"\xe9" * 65537 + b".", "x") == b"\xe9" * 65537
    assert pickle.unpickle_bytes(b"S'\\xe9a'\n.", "x") == "éa"


def test_persistent_ids_go_to_the_reader_or_are_refused() -> None:
    rules = pickle.Rules(persistent=lambda identity: ("found", identity))
    assert pickle.unpickle_bytes(b"U\x01aQ.", "x", rules) == ("found", "a")
    text = rejection(lambda: pickle.unpickle_bytes(b"U\x01aQ.", "x"), Refused)
    assert text == "x: the pickle refers to data outside itself, which this file does not have."


def test_a_key_that_takes_for_ever_to_hash_is_refused_at_once() -> None:
    doubled = b"()" + b"2\x86" * 60  # a pair of pairs of pairs...
    text = rejection(lambda: pickle.unpickle_bytes(b"}" + doubled[1:] + b"Ns.", "x"), DamagedFile)
    assert "a key of more than 32 parts" in text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "EOFError"),
        (b"]" * 3, "EOFError"),
        (b".", "IndexError"),
        (b"\xff.", "ValueError opcode"),
        (b"X\xff\xff\xff\x7fab", "EOFError"),
        (b"\x8e" + b"\xff" * 8 + b"ab", "EOFError"),
        (b"h\x05.", "KeyError"),
        (b"I" + b"1" * 5000 + b"\n.", "ValueError a number of 5000 digits"),
        (b"}]Ns.", "TypeError"),
        (b"\x82\x01.", "ValueError opcode"),
        (b"\x97.", "ValueError opcode"),
    ],
)
def test_damage_is_named_with_its_place(content: bytes, why: str) -> None:
    text = rejection(lambda: pickle.unpickle_bytes(content, "m"), DamagedFile)
    assert text.startswith("m: expected a pickle, which ends or breaks off at byte ")
    assert why in text


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cut_and_flipped_pickles_give_typed_errors_only(protocol: int) -> None:
    content = standard.dumps({**PLAIN, **ARRAYS, "long": None}, protocol)
    chance, survived = random.Random(protocol), 0
    for _ in range(400):
        changed = bytearray(content[: chance.randrange(len(content))] if chance.random() < 0.3 else content)
        for _ in range(min(len(changed), chance.randrange(4))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with contextlib.suppress(IrconvError):
            pickle.unpickle_bytes(bytes(changed), "m")
            survived += 1
    assert 0 < survived < 400


def test_several_pickles_in_a_row_are_read_from_a_file(tmp_path: Path) -> None:
    values = [1, "a" * 300_000, {"b": [2]}, 3]
    (tmp_path / "x").write_bytes(b"".join(standard.dumps(value, 2) for value in values) + b"rest")
    stream = pickle.Stream(SourceFile(tmp_path / "x"))
    assert [pickle.unpickle(stream, "x") for _ in values] == values
    assert stream.take(4) == b"rest"
    assert stream.position == (tmp_path / "x").stat().st_size
