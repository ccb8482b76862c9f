"""Reading decodes each native layer once, with one notion of types; see docs/decisions/0011."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.codec import Given, Native, Table
from irconv.errors import IrconvError
from irconv.options import ReadOptions
from irconv.translate import Importer
from tests.frameworks.theano import cases as theano
from tests.helpers import ONE_OF_EACH, REFUSED, ROOT

_TORCH = {"activations": "N,5", "norms": "N,4,7,6", "pads": "N,1,6,7", "shared": "N,4"}
_ONNX = sorted((ROOT / "fixtures" / "onnx").glob("*/*.onnx"))[::4]
FILES: dict[str, list[tuple[Path, ReadOptions]]] = {
    "keras": [(case.model, ReadOptions()) for case in (*ONE_OF_EACH, *REFUSED)],
    "theano": [(case.model, ReadOptions(arch=case.folder / "arch.json")) for case in theano.CASES],
    "torch": [
        (ROOT / "fixtures" / "torch" / f"chain-{name}.pt", ReadOptions(input_shape=(shape,)))
        for name, shape in _TORCH.items()
    ],
    "onnx": [(path, ReadOptions()) for path in _ONNX],
}


@pytest.mark.parametrize("framework", FILES)
def test_each_layer_is_decoded_once_for_each_time_that_it_is_added(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, decoded = Counter[str](), Counter[str]()
    add, decode = Importer.add, Table.decode

    def counted_add(self: Importer, native: Native, *rest: Any, **named: Any) -> tuple[str, ...]:
        added[native.name] += 1
        return add(self, native, *rest, **named)

    def counted_decode(self: Table, native: Native, given: Sequence[Given | None] = (), where: str = "") -> Any:
        decoded[native.name] += 1
        return decode(self, native, given, where)

    monkeypatch.setattr(Importer, "add", counted_add)
    monkeypatch.setattr(Table, "decode", counted_decode)
    read = 0
    for path, options in FILES[framework]:
        added.clear(), decoded.clear()
        with suppress(IrconvError):  # what is said of a refused layer decodes nothing again, either
            irconv.read(path, options)
            read += 1
        again = {name: (count, added[name]) for name, count in decoded.items() if count > added[name] > 0}
        assert not again, f"{path}: decoded more often than added, so that types are worked out twice: {again}"
    assert read > len(FILES[framework]) / 2
