"""ONNX's own backend suite as judge: every case of it read, written again, run, and compared with what it states.

    python -m benchmarks.onnx_suite build/onnx-suite.json --targets onnx,torch,keras --page docs/onnx-suite.md

What onnxruntime itself cannot run, or gives other outputs for, is judged by nobody here and left out, and so are random
ops, training, strings, optional values and sequences. The results are kept in the file, so that a second run takes up
where the first was stopped; another version of irconv wants another file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import irconv

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
TARGETS = {"onnx": "m.onnx", "torch": "m.py", "keras": "m.keras"}
_LEFT_OUT = re.compile(
    "sequence|optional|string|training|adam|adagrad|momentum|gradient|label_encoder|tfidf|regex|image_decoder|bernoulli"
    "|randn|dropout_random"
)
_NUMBERS = {"rtol": 1e-3, "atol": 1e-4, "equal_nan": True}  # the suite's own

_ABOUT = """# ONNX's backend suite

Printed by `make onnx-suite`: the cases of onnx {onnx}'s backend suite that onnxruntime {onnxruntime} runs as they say,
each read into the bundle and written again. ONNX runs in onnxruntime, PyTorch source in PyTorch, `.keras` (written with
`--io source`) in Keras 3.

*right*: the outputs are those that the suite states. *refused*: irconv says by name what it does not carry over, and
writes nothing. What else there is would be *wrong* or *failed*.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not known yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("results", type=Path)
    parser.add_argument("--targets", default="onnx")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    known: dict[str, dict[str, Any]] = json.loads(given.results.read_text()) if given.results.exists() else {}
    given.results.parent.mkdir(parents=True, exist_ok=True)
    for kind in given.kinds.split(","):
        for number, case in enumerate(_cases(kind)):
            found = known.setdefault(f"{kind}/{case.name}", {})
            wanted = [target for target in given.targets.split(",") if target not in found]
            if wanted and number % given.every == 0 and not found.get("unjudged"):
                _judge(case, wanted, found)
                if number % 50 == 0:
                    given.results.write_text(json.dumps(known, indent=0))
        print(kind, dict(_counts(known, kind, "onnx")), flush=True)
    given.results.write_text(json.dumps(known, indent=0))
    if given.page is not None:
        given.page.write_text(page(known))
    outcomes = Counter(found["onnx"] for found in known.values() if "onnx" in found)
    return int(any(word.startswith(("wrong", "failed")) for word in outcomes))


def _cases(kind: str) -> Iterator[Any]:
    from onnx.backend.test.loader import load_model_tests

    for case in sorted(load_model_tests(kind=kind), key=lambda case: str(case.name)):
        if not _LEFT_OUT.search(case.name):
            yield case


def _judge(case: Any, targets: Sequence[str], found: dict[str, Any]) -> None:
    """The outcome for each target."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source.onnx")
        try:
            model = case.model or onnx.load(Path(case.model_dir, "model.onnx"))
            onnx.save(model, source)
            sets = list(_data(case))
            judged = all(_same(_in_onnxruntime(source, given), wanted) for given, wanted in sets)
        except Exception:  # noqa: BLE001 - whatever a case does that nobody runs
            judged = False
        if not judged:
            found["unjudged"] = True
            return
        for target in targets:
            found[target] = _outcome(source, Path(folder, TARGETS[target]), sets, target)


def _outcome(source: Path, written: Path, sets: Sequence[Any], target: str) -> str:
    try:
        # a file of Keras has its images with the channels last, unless it is to take what the source takes
        irconv.convert(source, written, **({"io": "source"} if target == "keras" else {}))
    except irconv.IrconvError as error:
        return f"refused: {str(error).splitlines()[0]}"
    except Exception as error:  # noqa: BLE001 - what must not happen is counted
        return f"failed: {error!r}"
    run = {"onnx": _in_onnxruntime, "torch": _in_torch, "keras": _in_keras}[target]
    try:
        for given, wanted in sets:
            found = run(written, given)
            if not _same(found, wanted):
                return f"wrong: {_apart(found, wanted)}"
        return "right"
    except Exception as error:  # noqa: BLE001
        return f"wrong: {error!r}"[:300]


def _data(case: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    """Inputs and outputs of each set of a case."""
    import onnx
    from onnx import numpy_helper

    if case.data_sets is not None:
        yield from ((list(given), list(wanted)) for given, wanted in case.data_sets)
        return
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        sides = []
        for side in ("input", "output"):
            files = sorted(folder.glob(f"{side}_*.pb"), key=lambda file: int(file.stem.rpartition("_")[2]))
            sides.append([numpy_helper.to_array(onnx.load_tensor(file)) for file in files])
        yield sides[0], sides[1]


def _in_onnxruntime(path: Path, given: Sequence[Any]) -> Sequence[Any]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: Sequence[Any] = session.run(
        None, {port.name: x for port, x in zip(session.get_inputs(), given, strict=False)}
    )
    return found


def _in_torch(path: Path, given: Sequence[Any]) -> Sequence[Any]:
    import torch

    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        results = module.load()(*(torch.from_numpy(np.array(x)) for x in given))
    return [result.numpy() for result in (results if isinstance(results, tuple | list) else (results,))]


def _in_keras(path: Path, given: Sequence[Any]) -> Sequence[Any]:
    import keras

    model = keras.saving.load_model(path, compile=False)
    results = model(list(given) if len(given) > 1 else given[0])
    values = (
        results.values() if isinstance(results, dict) else results if isinstance(results, list | tuple) else [results]
    )
    return [np.asarray(value) for value in values]


def _same(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return all(_equal(np.asarray(a), np.asarray(b)) for a, b in zip(found, wanted, strict=True))


def _apart(found: Sequence[Any], wanted: Sequence[Any]) -> str:
    """How far results are from those that a case states."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found, wanted, strict=True)]
    if any(a.shape != b.shape for a, b in pairs):
        return f"shapes {[a.shape for a, _ in pairs]} for {[b.shape for _, b in pairs]}"
    far = max(float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0)) for a, b in pairs)
    return f"{far:.1e} off, in {pairs[0][1].dtype}"


def _equal(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        return bool(np.allclose(a, b, **_NUMBERS))
    return bool((a == b).all())


def _counts(known: dict[str, dict[str, Any]], kind: str, target: str) -> Counter[str]:
    words = (found[target] for name, found in known.items() if name.startswith(f"{kind}/") and target in found)
    return Counter(word.partition(":")[0] for word in words)


def page(known: dict[str, dict[str, Any]]) -> str:
    """The table, with what is refused or worse."""
    import onnx
    import onnxruntime

    lines = [_ABOUT.format(onnx=onnx.__version__, onnxruntime=onnxruntime.__version__)]
    lines += [
        "| kind | target | judged | right | refused | wrong | failed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in KINDS:
        for target in TARGETS:
            counts = _counts(known, kind, target)
            if total := counts.total():
                words = [f"{counts['right']} ({counts['right'] / total:.1%})"]
                words += [str(counts[word]) for word in ("refused", "wrong", "failed")]
                lines.append(f"| {kind} | {target} | {total} | {' | '.join(words)} |")
    rest = {name: found["onnx"] for name, found in known.items() if found.get("onnx", "right") != "right"}
    if rest:
        lines += ["", "## Not right as ONNX", "", "| case | why |", "| --- | --- |"]
        lines += [f"| {name.partition('/')[2]} | {_short(why)} |" for name, why in sorted(rest.items())]
    wrong = [
        f"| {name.partition('/')[2]} | {target} | {_short(found[target])} |"
        for name, found in sorted(known.items())
        for target in TARGETS
        if found.get(target, "").startswith(("wrong", "failed"))
    ]
    if wrong:
        lines += [
            "",
            "## Wrong or failed",
            "",
            "Between 0.5 and 1 a step of float16 is 4.9e-4.",
            "",
            "| case | target | how |",
            "| --- | --- | --- |",
            *wrong,
        ]
    return "\n".join(lines) + "\n"


def _short(why: str) -> str:
    text = why.replace("source.onnx: ", "").replace("|", "\\|")
    return text if len(text) < 160 else f"{text[:157]}..."


if __name__ == "__main__":
    sys.exit(main())
