"""What a type checker says of a program that uses irconv, from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

RIGHT = """
from pathlib import Path
from typing import BinaryIO

import numpy as np
import irconv


def converted(source: Path, opened: BinaryIO) -> list[str]:
    bundle = irconv.read(source, backend="theano", until="dense", arch=Path("arch.json"))
    irconv.read(opened)
    irconv.read(b"bytes")
    irconv.write(bundle, "m.onnx", force=True, opset=21)
    irconv.convert(source, "m.keras", io="source", until=["a", "b"], verify=True)
    predicted = irconv.run(bundle, np.zeros((1, 28, 28, 1), np.float32))
    first = predicted["dense"].shape[0] + 1
    for name, layer in bundle.layers.items():
        print(name.upper(), layer.type.upper())
    print(np.asarray(bundle.tensors["dense.kernel"]).shape, first)
    assert irconv.diff(source, "b.h5", irconv.DiffOptions(atol=1e-6)).same
    assert irconv.diff(source, bundle, atol=1e-6, read_a={"until": "dense"}).same
    irconv.run(opened, predicted, until="dense", io="native")
    irconv.verify(source, "b.h5", read_b={"input_shape": "1,28,28,1"})
    irconv.adopt(source, "net.py:Net", "net.pt", partial=True, force=True, flatten="fc=7x7x16")
    print(bundle.layers[0].type.upper(), bundle.layers[1:][0].type.upper(), bundle.tensors[:2][0].shape[0] + 1)
    try:
        irconv.check("m.irconv")
    except irconv.IrconvError as error:
        return [problem.remedy for problem in error.problems]
    return [problem.what for problem in irconv.check("m.irconv")]
"""
WRONG = {
    'irconv.read("m.h5", backend="caffe")': "backend",
    'irconv.read("m.h5", bakend="theano")': 'Unexpected keyword argument "bakend"',
    'irconv.write(irconv.read("m.h5"), "m.onnx", force="yes")': "force",
    'irconv.convert("a.h5", "b.onnx", io="sideways")': "io",
    'irconv.run("m.h5", {"x": 1}, runtime="torch")': "runtime",
    'irconv.diff("a.h5", "b.h5", atol="much")': "atol",
    'irconv.adopt("a.h5", "b.pt", "c.pt", forse=True)': 'Unexpected keyword argument "forse"',
    "irconv.read(3)": 'Argument 1 to "read"',
    'irconv.from_nowhere("m")': 'has no attribute "from_nowhere"',
}


def checked(text: str, folder: Path) -> tuple[int, str]:
    """What mypy says of a program, in a folder of its own."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    (folder / "client.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "client.py"]
    env = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--follow-imports", "silent"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_program_that_is_right_has_no_errors_and_what_is_wrong_has_one_on_its_line(tmp_path: Path) -> None:
    begin = RIGHT.count("\n") + 2
    code, said = checked(f"{RIGHT}\n" + "".join(f"{line}\n" for line in WRONG), tmp_path)
    assert code == 1, said
    errors = [line for line in said.splitlines() if ": error: " in line]
    found = {int(line.split(":")[1]): line for line in errors}
    assert sorted(found) == list(range(begin, begin + len(WRONG))), said
    for number, (line, reason) in enumerate(WRONG.items(), begin):
        assert reason in found[number], f"{line}: {said}"


def test_the_package_says_that_it_has_types() -> None:
    assert (ROOT / "irconv" / "py.typed").is_file()
