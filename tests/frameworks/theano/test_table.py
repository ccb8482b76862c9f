"""Every row of Theano's table is read in a case that real Theano computed."""

from __future__ import annotations

from typing import Any

import pytest

import irconv
from irconv.codec import Codec
from irconv.frameworks.theano.table import TABLE
from irconv.options import ReadOptions
from tests.frameworks.theano.cases import CASES


def described(codec: Codec) -> str:
    knobs = [f"{knob}={value!r}" for knob, value in (row.selecting for row in codec.rows if row.selecting)]
    return f"{codec.native}({', '.join(knobs)}) -> {codec.layer.__name__}"


def test_every_row_has_a_case_by_theano(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[int] = set()
    decode = Codec.decode

    def noted(self: Codec, *given: Any) -> Any:
        used.add(id(self))
        return decode(self, *given)

    monkeypatch.setattr(Codec, "decode", noted)
    for case in CASES:
        irconv.read(case.model, ReadOptions(arch=case.folder / "arch.json"))
    without = [described(codec) for codec in TABLE.codecs if id(codec) not in used]
    assert not without, f"rows without a golden case: add them to fixtures/theano/make_words.py: {'; '.join(without)}"
