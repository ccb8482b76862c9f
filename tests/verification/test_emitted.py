"""What emitted Python files say of themselves is found without running them."""

from __future__ import annotations

from pathlib import Path

import irconv
from irconv.verification import emitted
from irconv.verification.slots import Slot
from tests.helpers import golden
from tests.verification.pairs import CNN, TEXT


def test_the_ports_of_an_emitted_module_stand_in_its_docstring(tmp_path: Path) -> None:
    irconv.convert(CNN, tmp_path / "cnn.py")
    inputs, outputs = emitted.ports(tmp_path / "cnn.py")
    assert inputs == (Slot("x", ("N", 3, 14, 12), "float32", "NCHW"),)
    assert outputs == (Slot("head", ("N", 5), "float32", ""),)
    irconv.convert(TEXT, tmp_path / "text.py")
    inputs, _ = emitted.ports(tmp_path / "text.py")
    assert [(slot.name, slot.dtype) for slot in inputs] == [("tokens", "int32"), ("kept", "bool")]


def test_several_ports_and_sizes_that_vary_are_found(tmp_path: Path) -> None:
    irconv.convert(golden("keras3.15-two_inputs_two_outputs").model, tmp_path / "two.py")
    assert [len(slots) for slots in emitted.ports(tmp_path / "two.py")] == [2, 2]
    irconv.convert(golden("keras3.15-unknown_batch_and_size").model, tmp_path / "open.py")
    inputs, outputs = emitted.ports(tmp_path / "open.py")
    assert inputs[0].shape == ("N", 3, "H", "W")
    assert outputs


def test_functions_are_found_by_parsing_and_other_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def build():\n    raise SystemExit\n")
    (tmp_path / "broken.py").write_text("def build(:\n")
    (tmp_path / "m.txt").write_text("def build(): ...\n")
    assert emitted.functions(tmp_path / "m.py") == {"build"}
    assert emitted.functions(tmp_path / "broken.py") == emitted.functions(tmp_path / "m.txt") == set()
    assert emitted.ports(tmp_path / "m.py") == ((), ())
