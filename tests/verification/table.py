"""Writes the table of docs/verify.md: what ``convert --verify`` says for each kind of source and each target.

``python -m tests.verification.table`` converts every source of `SOURCES` to every target, which takes minutes, or the
sources that have one of the words given in their name; the other rows stay. The frameworks that are not in this Python
are those of ``IRCONV_KERAS_PYTHON``, ``IRCONV_TENSORFLOW1_PYTHON`` and
``IRCONV_THEANO_PYTHON``. A test fails where the page lacks a source or a target.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from irconv import api
from irconv.errors import IrconvError
from irconv.options import ReadOptions
from irconv.verification import conversion
from irconv.verification.compare import power
from irconv.verification.process import Processes
from irconv.verification.report import Ran
from tests.helpers import ROOT

PAGE = ROOT / "docs" / "verify.md"
BEGIN, END = "<!-- Made by `python -m tests.verification.table`. -->\n", "<!-- End of the table. -->\n"
FIXTURES = ROOT / "fixtures"
_WEIGHTS = FIXTURES / "lenet" / "keras2.2.4-lenet4-weights-h5"
_THEANO = FIXTURES / "theano" / "lenet-bias-after-pool"
SOURCES: Mapping[str, tuple[Path, ReadOptions]] = {
    "Keras 1.2 `.h5`": (FIXTURES / "keras_files/keras1.2.2-tensorflow-images_tf-h5/model.h5", ReadOptions()),
    "Keras 2.2 `.h5` on Theano": (FIXTURES / "lenet/keras2.2.4th-lenet4-h5/model.h5", ReadOptions()),
    "Keras 2.3 `.h5`": (FIXTURES / "lenet/keras2.3.1-lenet4-h5/model.h5", ReadOptions()),
    "tf.keras 2.15 `.h5`": (FIXTURES / "lenet/tf2.15-lenet5-h5/model.h5", ReadOptions()),
    "Keras 3 `.keras`": (FIXTURES / "verification/cnn.keras", ReadOptions()),
    "Keras 3 `.h5`, recurrent": (FIXTURES / "verification/rnn.h5", ReadOptions()),
    "weights with `--arch`": (_WEIGHTS / "weights.h5", ReadOptions(arch=_WEIGHTS / "model.json")),
    "TensorFlow 1 checkpoint": (FIXTURES / "tensorflow/lookups/model.ckpt.index", ReadOptions()),
    "TensorFlow 1 SavedModel": (FIXTURES / "tensorflow/graphs/saved", ReadOptions(tags=("serve",))),
    "TensorFlow 2 SavedModel": (FIXTURES / "tensorflow/exported", ReadOptions(signature="serving_default")),
    "TensorFlow frozen `.pb`": (FIXTURES / "tensorflow/blocks/keras3.pb", ReadOptions()),
    "ONNX": (FIXTURES / "onnx/onnx-ladder-convnet/opset13.onnx", ReadOptions()),
    "PyTorch `.pt2`": (FIXTURES / "torch-programs/torch213-unet-upsample/model.pt2", ReadOptions()),
    "TorchScript": (FIXTURES / "torch-scripts/torch213-mobile-norms/traced.pt", ReadOptions()),
    "PyTorch module `.pt`": (FIXTURES / "torch/chain-norms.pt", ReadOptions(input_shape=("N,4,9,9",))),
    "Theano with `--arch`": (_THEANO / "model.h5", ReadOptions(arch=_THEANO / "arch.json")),
}
TARGETS = (".irconv", ".onnx", ".py", ".keras", ".h5", ".savedmodel", ".ckpt", ".pb", ".theano", ".theano.h5")


class Kept(Processes):
    """Processes that serve one conversion after the other."""

    def __exit__(self, *error: object) -> None:
        """They go on."""

    def end(self) -> None:
        """End them."""
        super().__exit__(None, None, None)


@contextmanager
def kept_processes() -> Iterator[None]:
    """Let conversions share their processes, whose start takes longer than all else."""
    kept = Kept()
    try:
        with patch.object(conversion, "Processes", lambda: kept):
            yield
    finally:
        kept.end()


def outcome(source: Path, options: ReadOptions, folder: Path, target: str) -> tuple[str, str]:
    """What ran the source, and the largest difference with what ran the target, or why it is refused."""
    try:
        done = api.convert(source, folder / f"m{target}", options, verify=True)
    except IrconvError as error:
        return "", f"refused: {_short(str(error.problems[0]))}"
    worst = max(report.worst.difference.relative for report in done.checked if report.worst)
    names = dict.fromkeys(_name(report.b) for report in done.checked if report.b.own) or [_name(done.checked[0].b)]
    return _name(done.checked[0].a), f"{power(worst)} {', '.join(names)}"


def _name(ran: Ran) -> str:
    version = ran.runtime.split(" ")[-1].split(".")[0]
    name = f"{ran.runtime.split(' ')[0]} {version}" if "tensor" in ran.runtime or "keras" in ran.runtime else ""
    return (name or ran.runtime.split(" ")[0]) + ("" if ran.own else ", as read")


def _short(text: str) -> str:
    found = re.sub(r"^\S*/", "", " ".join(text.split())).replace("|", "/")
    return found if len(found) < 70 else f"{found[:67]}..."


def rows(words: Sequence[str], folder: Path) -> Iterator[tuple[str, str]]:
    """The name and the row of each source that has one of the words in its name, or of all."""
    with kept_processes():
        for number, (name, (path, options)) in enumerate(SOURCES.items()):
            if words and not any(word in name for word in words):
                continue
            place = folder / str(number)
            place.mkdir()
            found = [outcome(path, options, place, target) for target in TARGETS]
            ran = next((runtime for runtime, _ in found if runtime), "-")
            yield name, f"| {name} | {ran} | {' | '.join(said for _, said in found)} |"


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    known = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    with tempfile.TemporaryDirectory() as folder:
        for name, row in rows(sys.argv[1:], Path(folder)):
            known[name] = row
            print(row, flush=True)
    head = [f"| source | runs in | {' | '.join(f'`{target}`' for target in TARGETS)} |"]
    head.append(f"| --- | --- |{' --- |' * len(TARGETS)}")
    lines = [*head, *(known[name] for name in SOURCES if name in known)]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


if __name__ == "__main__":
    main()
