"""The table of models of third-party Keras packages: built, converted to ONNX, judged by onnxruntime.

``python -m benchmarks.packages [--write] [--work FOLDER] [--keras2 PYTHON --packages2 FOLDER --packages3 FOLDER]
[GLOB ...]`` builds what the work folder does not have in the environments that are named, then converts and judges all,
one after the other in one process. ``--write`` writes ``docs/packages.md``. Nothing is downloaded but the packages
(``requirements/packages-*.txt``, by ``make zoo-packages``).
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages.models import MODELS

ROOT = Path(__file__).resolve().parents[2]
_RIGHT = 1e-4
_APART = 0.01
"""How far the predictions of the two samples are apart, or a model proves little."""

_FAMILIES = {
    "tfa": "TensorFlow Addons 0.23",
    "tcn": "keras-tcn 3.5.0 (tf.keras) and 3.5.7 (Keras 3)",
    "kuc": "keras-unet-collection 0.1.13",
    "kecamlayer": "keras-cv-attention-models 1.4.3, single layers",
    "hub": "keras-hub 0.32, as `keras.Model(m.inputs, m.outputs)`",
    "hublayer": "keras-hub 0.32, single layers",
    "effnet": "efficientnet 1.1.1",
    "ic": "image-classifiers 1.0.0",
    "sm": "segmentation-models 1.0.1",
    "kecam": "keras-cv-attention-models 1.4.3",
}
_OTHERS = "keras-bert 0.89 and its author's packages"


def convert(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    """What became of one model: its verdict, and figures or the reason."""
    import irconv
    from irconv.errors import IrconvError
    from irconv.options import WriteOptions

    before = sum(os.times()[:4])
    try:
        written = irconv.convert(folder / case["file"], folder / "out.onnx", write_options=WriteOptions(force=True))
    except IrconvError as error:
        kinds = sorted(set(re.findall(r"\(([\w>./]+)\)", " ".join(problem.where for problem in error.problems))))
        first = error.problems[0]
        return {"verdict": "refused", "why": f"{', '.join(kinds) or first.where}: {first.what}"}
    found = {"cpu": sum(os.times()[:4]) - before}
    error, transposes = judge(folder, written)
    if case.get("wide"):
        error = _judge_wide(folder, case)
    right = error < _RIGHT
    verdict = "wrong" if not right else "right" if case["apart"] >= _APART else "weak"
    return {"verdict": verdict, "error": error, "transposes": transposes, **found}


def judge(folder: Path, written: Any) -> tuple[float, int]:
    """The largest difference of a prediction relative to its largest value, and the transposes in the file."""
    import onnx
    import onnxruntime

    arrays = np.load(folder / "case.npz")
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(str(folder / "out.onnx"), options, providers=["CPUExecutionProvider"])

    def moved(array: Any, source: str, target: str) -> Any:
        order = [source.index(letter) for letter in target] if source != target else list(range(array.ndim))
        return np.ascontiguousarray(array.transpose(order))

    feed = {}
    for i, port in enumerate(written.inputs):
        feed[session.get_inputs()[i].name] = moved(arrays[f"x{i}"], port.source_axes, port.axes)
    errors = []
    for i, (port, got) in enumerate(zip(written.outputs, session.run(None, feed), strict=True)):
        want = moved(arrays[f"y{i}"], port.source_axes, port.axes)
        errors.append(float(np.abs(got - want).max() / (1e-3 + np.abs(want).max())) if got.shape == want.shape else 9.0)
    nodes = onnx.load(str(folder / "out.onnx"), load_external_data=False).graph.node
    return max(errors), sum(node.op_type == "Transpose" for node in nodes)


def _judge_wide(folder: Path, case: dict[str, Any]) -> float:
    """The same difference from what Keras predicts in float64, of the PyTorch that is written, in float64."""
    import torch

    import irconv
    from irconv.options import WriteOptions

    irconv.convert(folder / case["file"], folder / "out.py", write_options=WriteOptions(force=True, io="source"))
    spec = importlib.util.spec_from_file_location(f"out_{folder.name.replace('-', '_')}", folder / "out.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arrays = np.load(folder / "case.npz")
    with torch.no_grad():
        got = module.load().double()(torch.from_numpy(arrays["x0"]).double()).numpy()
    return float(np.abs(got - arrays["y0"]).max() / (1e-3 + np.abs(arrays["y0"]).max()))


def page(rows: dict[str, dict[str, Any]]) -> str:
    """The table as Markdown."""
    built = {name: row for name, row in rows.items() if row["verdict"] != "not built"}
    count = Counter(row["verdict"] for row in built.values())
    done = [row for row in built.values() if "transposes" in row]
    lines = [
        "# Models of third-party Keras packages",
        "",
        "Printed by `python -m benchmarks.packages --write` (`make zoo-packages`): models that packages themselves",
        "build, with random weights and small inputs, saved as their Keras saves them (`.h5` of tf.keras 2.15,",
        "`.keras` of Keras 3.15), converted to ONNX and run by onnxruntime. irconv has none of these packages when it",
        "converts.",
        "",
        f"Of {len(built)} models {count['right']} are right ({100 * count['right'] / max(1, len(built)):.0f} %), "
        f"{count['weak']} agree but prove little, {count['refused']} are refused by name, "
        f"{count['wrong']} are wrong. {sum(row['transposes'] == 0 for row in done)} of {len(done)} ONNX files keep no "
        f"Transpose, the median is {_median(done, 'transposes'):.0f}; a conversion takes {_median(done, 'cpu'):.1f} "
        "CPU seconds (median, without start and imports).",
        "",
        "* *right*: every prediction of two samples within 1e-4 of the largest value; *weak*: so, too, but the",
        "  predictions of the two samples are less than 1 % apart.",
        "* kecam-cotnet50 enlarges what rounding leaves: in 32 bits Keras is 7 % away from itself in 64. It is judged",
        "  in float64: the PyTorch that is written for it against Keras.",
        "* *refused*: nothing was written; the classes that irconv has no rule for, or what else stood in the way.",
        "",
        "| package | models | right | weak | refused | wrong |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family, title in [*_FAMILIES.items(), ("", _OTHERS)]:
        of = [row["verdict"] for name, row in built.items() if _family(name) == family]
        if of:
            each = " | ".join(str(Counter(of)[verdict]) for verdict in ("right", "weak", "refused", "wrong"))
            lines.append(f"| {title} | {len(of)} | {each} |")
    lines += [
        "",
        "| model | parameters | verdict | error | transposes | CPU s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in built.items():
        if "error" in row:
            figures = f"{row['error']:.0e} | {row['transposes']} | {row['cpu']:.1f}"
        else:
            figures = f"{row['why'].replace('|', '/')[:200]} | |"
        lines.append(f"| {name} | {row['parameters']} | {row['verdict']} | {figures} |")
    if failed := {name: row["why"] for name, row in rows.items() if row["verdict"] == "not built"}:
        lines += ["", "Not built by their package, and not counted:", ""]
        lines += [f"* {name}: {why}" for name, why in failed.items()]
    return "\n".join(lines) + "\n"


def _median(rows: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(row[key] for row in rows)) if rows else 0.0


def _family(name: str) -> str:
    head = name.partition("-")[0]
    return head if head in _FAMILIES else ""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("globs", nargs="*", default=["*"])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "packages")
    parser.add_argument("--keras2", default="")
    parser.add_argument("--packages2", default="")
    parser.add_argument("--packages3", default="")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    wanted = [name for name in MODELS if any(fnmatch.fnmatch(name, glob) for glob in asked.globs)]
    for environment, python, packages in (
        ("keras2", asked.keras2, asked.packages2),
        ("keras3", sys.executable, asked.packages3),
    ):
        if python and packages:
            paths = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), packages)), "PYTHONDONTWRITEBYTECODE": "1"}
            command = [python, "-m", "benchmarks.packages.build", environment, str(asked.work), *wanted]
            subprocess.run(command, env=paths, cwd=ROOT, check=True)
    rows = {}
    for name in wanted:
        folder = asked.work / name
        if not (folder / "case.json").exists():
            continue
        case = json.loads((folder / "case.json").read_text())
        if "not_built" in case:
            rows[name] = {"verdict": "not built", "why": case["not_built"]}
        else:
            rows[name] = {"parameters": case["parameters"], **convert(folder, case)}
        print(name, rows[name], flush=True)
    if asked.write:
        (ROOT / "docs" / "packages.md").write_text(page(rows))
    verdicts = Counter(row["verdict"] for row in rows.values())
    print(dict(verdicts))
    return 1 if verdicts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
