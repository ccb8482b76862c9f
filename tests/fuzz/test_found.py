"""Files with which fuzzing found a fault, one for each: every one is refused by name now, or right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import irconv
from irconv.errors import DamagedFile, IrconvError, MissingFact, Refused
from irconv.options import ReadOptions
from tests.fuzz.case import TARGETS, tried
from tests.fuzz.seeds import FIXTURES, Seed
from tests.helpers import rejection

#: Folder -> the error, and a part of its text; None where the file is right.
FOUND: dict[str, tuple[type[IrconvError], str] | None] = {
    "keras-bias-of-bytes": (Refused, "its inputs do not fit: expected one element type, got x float32, kernel"),
    "keras-calls-are-a-text": (DamagedFile, "expected a list of calls or of references, got '"),
    "keras-casts-to-bfloat16": None,
    "keras-image-is-huge": None,
    "keras-input-without-axes": None,
    "keras-sizes-are-surrogates": (Refused, "expected sizes that are whole numbers, got"),
    "keras-sizes-are-texts": (Refused, "expected sizes that are whole numbers, got \"[':0']\""),
    "keras-slopes-of-integers": (Refused, "its inputs do not fit: expected one element type, got x float32, slope"),
    "keras-wraps-nothing": None,
    "onnx-axis-twice": (Refused, "axes: Value error, expected each axis once"),
    "onnx-input-twice": (DamagedFile, "expected a name of its own, but another value has it"),
    "onnx-input-without-a-name": (DamagedFile, "model.onnx: input : has no name."),
    "onnx-count-is-a-fraction": (Refused, "expected whole numbers as most, got float32"),
    "onnx-lengths-are-fractions": (Refused, "expected whole numbers as lengths, got float32"),
    "onnx-lengths-of-another-batch": (Refused, "expected lengths of shape"),
    "onnx-loop-of-constants": None,
    "onnx-no-nodes": (DamagedFile, "takes averagepool_21, which nothing makes"),
    "onnx-no-outputs": (DamagedFile, "names no outputs, so that nothing is computed"),
    "onnx-node-without-outputs": (DamagedFile, "expected at least one output, got none"),
    "onnx-pad-takes-more-than-there-is": (Refused, "takes more than there is of an axis of 3"),
    "onnx-scan-of-other-lengths": (Refused, "the body takes (2, 3) of each of 2 steps"),
    "onnx-sum-of-three": None,
    "onnx-tensors-of-a-body": None,
    "onnx-texts-that-are-bytes": (DamagedFile, "expected texts in UTF-8, got b'"),
    "onnx-value-twice": (DamagedFile, "which is there already"),
    "onnx-zero-of-another-type": (Refused, "expected one element type, got x float8"),
    "program-argument-is-a-number": (DamagedFile, "expected what torch.export writes, but something is missing"),
    "program-call-without-arguments": (DamagedFile, "expected an argument"),
    "program-inputs-are-a-truth": (DamagedFile, "expected what torch.export writes, but something is"),
    "program-kernel-has-no-elements": (Refused, "a kernel of shape (6, 3, 3, 0) has no elements"),
    "program-pads-are-a-text": (Refused, "(Pad): depends on the size c, d, n, o, v, which nothing in the model has."),
    "program-size-is-a-text": (Refused, "its inputs do not fit: ':0' is not a dimension."),
    "program-size-is-infinite": (DamagedFile, "expected an exported program, but OverflowError("),
    "program-splits-are-fewer": None,
    "program-target-is-a-number": (DamagedFile, "expected what torch.export writes, but something is missing"),
    "tensorflow-kernel-is-computed": None,
    "tensorflow-number-is-too-large": (DamagedFile, "as text: Value out of range: 9223372036854775808"),
    "tensorflow-output-is-a-constant": (MissingFact, "Name them with --outputs"),
    "tensorflow-shift-is-missing": None,
    "tensorflow-turn-around-no-axis": None,
    "torch-weight-is-a-module": (DamagedFile, "11.weight: expected a tensor, got Instance."),
    "torchscript-constants-are-a-number": (DamagedFile, "constants.pkl: expected a tuple, got int."),
    "torchscript-step-of-nothing": (DamagedFile, "expected the arguments of torch.ops.aten.slice"),
    "torchscript-size-is-a-mapping": (DamagedFile, "expected whole numbers for the sizes and strides of a tensor"),
}


def seed_of(name: str) -> Seed:
    """The file of a folder, with the options that it was read with."""
    folder = FIXTURES / "fuzz" / name
    reader = {"program": "torch-program"}.get(name.split("-", maxsplit=1)[0], name.split("-", maxsplit=1)[0])
    files = sorted(path.name for path in folder.iterdir())
    opened = next(file for file in files if file != "model.json")
    options = ReadOptions(arch=Path("model.json")) if "model.json" in files else ReadOptions()
    return Seed(reader, opened, opened, options, folder, tuple(file for file in files if file != opened))


def test_every_file_is_tried() -> None:
    assert sorted(FOUND) == sorted(path.name for path in (FIXTURES / "fuzz").iterdir())


@pytest.mark.parametrize("name", FOUND)
def test_a_file_is_refused_by_name_or_right(name: str, tmp_path: Path) -> None:
    seed, wanted = seed_of(name), FOUND[name]
    options = seed.options
    if options.arch is not None:
        options = replace(options, arch=seed.folder / options.arch)
    if wanted is not None:
        kind, text = wanted
        assert text in rejection(lambda: irconv.read(seed.folder / seed.opened, options), kind)
        return
    for target in TARGETS:
        out = tmp_path / target / "out"
        out.mkdir(parents=True)
        came = tried(seed, seed.folder, out, target)
        assert not came.fault, f"{target}: {came.fault}\n{came.details}"
