"""Importing and converting load no framework: nobody needs one to use irconv."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

import irconv
from tests.helpers import golden, lenet

FRAMEWORKS = {"torch", "tensorflow", "keras", "onnxruntime"}
LIBRARIES = {"onnx", "h5py", "numpy", "pydantic", "safetensors", "rich", "click"}


def loaded_by(code: str, of: Collection[str]) -> set[str]:
    """Which of some packages a fresh interpreter has loaded after the code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout.splitlines()[-1])
    return {name.split(".")[0] for name in modules} & set(of)


def test_importing_irconv_loads_nothing_else() -> None:
    assert loaded_by("import irconv", FRAMEWORKS | LIBRARIES) == set()


def test_importing_the_command_line_loads_no_framework_and_no_file_library() -> None:
    assert loaded_by("import irconv.cli", FRAMEWORKS | {"onnx", "h5py", "pydantic", "rich"}) == set()


@pytest.mark.parametrize("name", ["m.irconv", "m.irconv.zip", "m.onnx", "m.py", "m.safetensors"])
def test_converting_loads_no_framework(name: str, tmp_path: Path) -> None:
    for number, model in enumerate((golden("tf2.15-residual").model, lenet("keras2.2.4th-lenet4-h5").model)):
        target = tmp_path / str(number) / name
        target.parent.mkdir()
        code = f"import irconv\nirconv.convert({str(model)!r}, {str(target)!r})"
        assert loaded_by(code, FRAMEWORKS) == set()
        assert target.exists()


@pytest.mark.parametrize("command", [["inspect"], ["check"], ["formats"]])
def test_looking_at_a_model_loads_no_framework(command: list[str], tmp_path: Path) -> None:
    irconv.convert(golden("tf2.15-residual").model, tmp_path / "m.irconv")
    arguments = command + ([] if command == ["formats"] else [str(tmp_path / "m.irconv")])
    code = f"from irconv.cli import main\nmain({arguments!r}, standalone_mode=False)"
    assert loaded_by(code, FRAMEWORKS) == set()


def test_running_in_numpy_loads_no_framework() -> None:
    case = golden("tf2.15-residual")
    code = (
        "import irconv, numpy\n"
        f"irconv.run({str(case.model)!r}, [numpy.load({str(case.folder / 'x_0.npy')!r})], runtime='numpy')"
    )
    assert loaded_by(code, FRAMEWORKS) == set()


@pytest.mark.parametrize("name", irconv.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(irconv, name)
    assert found is getattr(irconv, name)
    assert isinstance(found, str) or found.__doc__


def test_the_public_names_are_what_dir_shows() -> None:
    assert dir(irconv) == sorted(irconv.__all__)
    assert set(irconv._HOMES) | {"__version__"} == set(irconv.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'irconv' has no attribute 'wobble'"):
        _ = irconv.wobble


def test_a_public_name_is_what_it_was_after_it_was_used() -> None:
    model = lenet("keras2.2.4th-lenet4-h5").model
    assert [irconv.diff(model, model).same for _ in range(2)] == [True, True]
    modules = {name for name in irconv.__all__ if (Path(irconv.__file__).parent / name).is_dir()}
    assert modules == set()
