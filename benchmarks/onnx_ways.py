"""Networks by way of ONNX, beside what comes straight from their own files: layers, weights, statements.

    python -m benchmarks.onnx_ways FOLDER [--part applications,golden,exporters,both,costs] [--only REGEX] [--page PAGE]

*applications*: `keras.applications` with random weights at their smallest sizes, as ``.keras``, through the ONNX that
irconv writes. *golden*: the Keras files of the suite, the same way. *exporters*: networks of `onnx_networks` as an
exported program, and through both of PyTorch's exporters (needs onnxscript and torchvision). *both*: folders of
``--networks``, each of one network as ONNX and as a program or a script of PyTorch's. *costs*: see `onnx_costs`.
What was found stands in ``FOLDER/ways.json``, so that a second run takes up where the first was stopped; ``--page``
makes the tables of it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from benchmarks.onnx_costs import commands, cost
from benchmarks.onnx_ways_page import page
from irconv.errors import IrconvError
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.merging import merged
from irconv.options import WriteOptions
from irconv.passes import fold_norms, recompose, remove_identity, stored_operands
from irconv.passes.recompose import plainer, products, rows
from irconv.passes.recompose.matcher import Operand

_ROOT = Path(__file__).parent.parent
_LARGE = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 75}
_PAIRS = (("program", "script"), ("program", "dynamo"))
_OWN = ("model.pt2", "scripted.pt", "traced.pt")


def plain(bundle: Bundle) -> Bundle:
    """The same function without what inference does not need, and with the arithmetic as layers where it is one."""
    return remove_identity.run(products.run(plainer.run(recompose.run(remove_identity.run(bundle)))))


def layers(bundle: Bundle) -> Counter[str]:
    """How many layers of each type there are; a number that is written in the graph counts once, however often."""
    assert bundle.graph is not None
    used = [bundle.layers[node.layer] for node in bundle.graph.nodes]
    types = Counter(layer.type for layer in used)
    del types["Identity"]  # what gives an input, or one value twice, as a result
    numbers = [number for layer in used if (number := _number(bundle, layer)) is not None]
    types["Constant"] -= len(numbers) - len(set(numbers))
    return +types


def _number(bundle: Bundle, layer: Layer) -> tuple[str, bytes] | None:
    """What tells numbers that are written in the graph, or computed to one element, from all others."""
    operand = layer.operands.get("value")
    if layer.type != "Constant" or operand is None:
        return None
    array = _array(bundle, operand)
    return (f"{array.dtype} {array.shape}", array.tobytes()) if _written(array, operand) else None


def _written(array: Any, operand: Operand) -> bool:
    return isinstance(operand, LiteralOperand) or array.size == 1


def _array(bundle: Bundle, operand: Operand) -> Any:
    if isinstance(operand, StoredOperand):
        return bundle.tensors[operand.tensor].data.numpy()
    return np.asarray(operand.literal, numpy_dtype(operand.dtype))


def stored(bundle: Bundle) -> dict[str, Any]:
    """The weights that layers hold."""
    operands = [part for layer in bundle.layers.values() for part in layer.operands.values()]
    names = dict.fromkeys(part.tensor for part in operands if isinstance(part, StoredOperand))
    return {name: bundle.tensors[name].data.numpy() for name in names}


def written(bundle: Bundle) -> Iterator[Any]:
    """What layers hold number by number, as bundles hold small arrays that no key names."""
    for layer in bundle.layers.values():
        for operand in layer.operands.values():
            if isinstance(operand, LiteralOperand):
                yield _array(bundle, operand)


def through(source: Path, folder: Path) -> dict[str, Any]:
    """A Keras file straight, and by way of ONNX."""
    there = folder / "there.onnx"
    try:
        straight = irconv.read(source)
    except IrconvError:
        return {"outcome": "unread"}
    if straight.graph is None:
        return {"outcome": "unread"}
    try:
        told = irconv.write(straight, there, WriteOptions(force=True)).told
    except IrconvError as error:
        return {"outcome": "refused", "why": _said(error, folder)}
    back = irconv.read(there)
    cast = any(fact.name == "weights" for fact in told)
    a = stored_operands.run(straight) if cast else straight
    wanted = [_digest(array) for array in stored(plain(a)).values()]
    again = plain(back)
    got = {_digest(array) for array in (*stored(again).values(), *written(again))}
    there, here = (layers(plain(rows.run(merged(bundle)))) for bundle in (back, a))  # as ONNX of Keras is read
    return {
        "outcome": "same" if there == here else "differs",
        "more": dict(there - here),
        "less": dict(here - there),
        "told": cast,
        "weights": [sum(digest in got for digest in wanted), len(wanted)],
    }


def _digest(array: Any) -> str:
    return f"{array.shape} {array.dtype} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"


def application(name: str, folder: Path) -> None:
    """Build one of `keras.applications` and save it; needs Keras."""
    import keras

    size = _LARGE.get(name, 64)
    keras.utils.set_random_seed(7)
    options = {"weights": None, "input_shape": (size, size, 3), "classes": 10, "classifier_activation": None}
    getattr(keras.applications, name)(**options).save(folder / "model.keras")


def applications() -> list[str]:
    """The architectures, by the page that lists them."""
    text = (_ROOT / "docs" / "architectures.md").read_text()
    return [name for name in re.findall(r"^\| ([A-Z]\w+) \|", text, re.M) if name not in ("ShuffleNet", "ViT")]


def exported(name: str, folder: Path) -> dict[str, Any]:
    """One network of PyTorch three ways, with its norms folded: types of layers, weights, statements, numbers."""
    case = np.load(folder / f"{name}.npz")
    given = [case[key] for key in sorted(case) if key[0] == "x"]
    wanted = [case[key] for key in sorted(case) if key[0] == "y"]
    files = {"program": ".pt2", "script": ".script.onnx", "dynamo": ".dynamo.onnx"}
    bundles = {way: irconv.read(folder / (name + suffix)) for way, suffix in files.items()}
    found: dict[str, Any] = {"error": {}, "statements": {}, "pairs": {}}
    folded = {}
    for way, bundle in bundles.items():
        outputs = irconv.run(bundle, given)
        pairs = zip(outputs.values(), wanted, strict=True)
        found["error"][way] = max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1)) for a, b in pairs)
        folded[way] = without_norms(bundle)
        irconv.write(bundle, folder / "emitted.py", WriteOptions(force=True))
        found["statements"][way] = statements(folder / "emitted.py")
    for a, b in (*_PAIRS, ("script", "dynamo")):
        more, less = layers(folded[b]) - layers(folded[a]), layers(folded[a]) - layers(folded[b])
        there = [*stored(folded[b]).values()]
        weights = [nearest(array, there) for array in stored(folded[a]).values() if array.size > 1]
        found["pairs"][f"{a} {b}"] = {"more": dict(more), "less": dict(less), "weights": weights}
    return found


def without_norms(bundle: Bundle) -> Bundle:
    """What is `plain`, with its norms folded and what depends on constants alone computed, as exporters do both."""
    bundle = merged(bundle)
    return plain(fold_norms.run(bundle) if "BatchNorm" in layers(bundle) else bundle)


def beside(own: Path, files: list[Path]) -> dict[str, Any]:
    """A network from its own file, and from ONNX files of it."""
    try:
        straight = layers(without_norms(irconv.read(own)))
    except IrconvError as error:
        return {"own": own.name, "why": _said(error, own.parent), "files": {}}
    found: dict[str, Any] = {}
    for file in files:
        try:
            there = layers(without_norms(irconv.read(file)))
        except IrconvError as error:
            found[file.name] = {"why": _said(error, file.parent)}
            continue
        found[file.name] = {"more": dict(there - straight), "less": dict(straight - there)}
    return {"own": own.name, "files": found}


def _said(error: IrconvError, folder: Path) -> str:
    """What is wrong first, without the folder that the file happens to be in."""
    return str(error).splitlines()[0].replace(f"{folder}/", "")[:160]


def pairs(networks: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """The networks in a folder of folders that are there in both ways."""
    for folder in sorted(path for path in networks.iterdir() if path.is_dir()):
        own = [folder / name for name in _OWN if (folder / name).exists()]
        files = sorted(folder.glob("*.onnx"))
        if own and files:
            yield folder.name, own[0], files


def nearest(array: Any, others: list[Any]) -> float:
    """How far the nearest array of the same shape is, beside the largest element."""
    scale = max(float(np.abs(array).max()), 1e-30)
    same = [other for other in others if other.shape == array.shape and other.dtype == array.dtype]
    off = (np.abs(np.subtract(array, other, dtype=np.float64)) for other in same)  # of truths, too
    return min((float(one.max()) / scale for one in off), default=1.0)


def statements(path: Path) -> int:
    """The statements in all `forward` of a Python file."""
    tree = ast.parse(path.read_text())
    forwards = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    return sum(isinstance(n, ast.stmt) for forward in forwards for part in forward.body for n in ast.walk(part))


def jobs(part: str, folder: Path, networks: Path | None, other: str) -> Iterator[tuple[str, Any]]:
    """The names of a part, and what to do for each."""
    if part == "applications":
        for name in applications():
            yield name, lambda name=name: _built(name, folder)
    elif part == "golden":
        sources = [*(_ROOT / "fixtures" / "keras").glob("*/model.*"), *(_ROOT / "fixtures" / "keras_files").glob("*/*")]
        for source in sorted(source for source in sources if source.suffix in (".h5", ".keras")):
            yield f"{source.parent.name}/{source.name}", lambda source=source: through(source, folder)
    elif part == "costs":
        for name, command in commands(folder, other):
            yield name, lambda command=command: cost(folder, command)
    elif part == "both":
        for name, own, files in pairs(networks) if networks is not None else ():
            yield name, lambda own=own, files=files: beside(own, files)
    else:
        from benchmarks.onnx_networks import NETWORKS

        for name in NETWORKS:
            yield name, lambda name=name: _exported(name, folder)


def _exported(name: str, folder: Path) -> dict[str, Any]:
    from benchmarks.onnx_networks import export

    export(name, folder)
    return exported(name, folder)


def _built(name: str, folder: Path) -> dict[str, Any]:
    """In a process of its own, so that its memory is given back."""
    command = [sys.executable, "-m", "benchmarks.onnx_ways", str(folder), "--build", name]
    subprocess.run(command, check=True, capture_output=True)
    try:
        return through(folder / "model.keras", folder)
    finally:
        (folder / "model.keras").unlink()
        (folder / "there.onnx").unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", default="applications,golden,exporters,both,costs")
    parser.add_argument("--networks", type=Path, help="for the part both")
    parser.add_argument("--onnx2torch", default="", help="a Python that has it, for the part costs")
    parser.add_argument("--only", default="")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.build:
        application(options.build, options.folder)
        return
    kept = options.folder / "ways.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for part in options.part.split(","):
        done = found.setdefault(part, {})
        for name, job in jobs(part, options.folder, options.networks, options.onnx2torch):
            if name in done or not re.search(options.only, name):
                continue
            done[name] = job()
            print(part, name, done[name].get("outcome", ""), flush=True)
            kept.write_text(json.dumps(found, indent=1))
    if options.page:
        options.page.write_text(page(found))


if __name__ == "__main__":
    main()
