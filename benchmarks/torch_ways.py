"""Networks of PyTorch as an exported program, as a trace, and through both ONNX exporters: is it one model to irconv?

    python -m benchmarks.torch_ways FOLDER [--only REGEX] [--page docs/torch-ways.md]

Each is brought to its canonical form: without what inference does not need, arithmetic raised to the layers that it is,
and, where two ways differ, with what exporters compute ahead computed on both sides: what no input has a part in, and
norms merged into what stands before them. Two are equal in form where every output is computed by the same layers with
the same settings from the same inputs, whatever anything is called. What was found stands in ``FOLDER/ways.json``, so
that a second run takes up where the first was stopped. Needs onnxscript and the packages of ``requirements/zoo.txt``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from benchmarks.onnx_ways import layers, nearest, plain, stored
from irconv.errors import IrconvError
from irconv.frameworks import writers
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.options import WriteOptions
from irconv.passes import fold_norms
from irconv.preparing import prepared

_WAYS = {"trace": "model.pt", "script exporter": "script.onnx", "dynamo exporter": "dynamo.onnx"}
_SYMMETRIC = ("Add", "Mul", "Maximum", "Minimum", "Equal", "NotEqual", "And", "Or")
"""Layers of two inputs whose order does not matter."""
_FAMILIES = "torchvision (squeezenet1_1|shufflenet_v2_x0_5|mobilenet_v3_small|mnasnet0_5|resnet18$|swin small)|"
_FAMILIES += "timm (test_|lcnet_050|tinynet_e|mobilevit_xxs|convnext_atto|ghostnet_050)|transformers"


def canonical(bundle: Bundle, contents: bool) -> list[str]:
    """What says of each output how it is computed; with `contents` down to the elements of weights."""
    assert bundle.graph is not None
    found = {port.value: f"input {place}" for place, port in enumerate(bundle.graph.inputs)}
    for node in _nodes(bundle):
        layer = bundle.layers[node.layer]
        given = [(slot, found[value]) for slot, value in node.inputs.items()]
        if layer.type in _SYMMETRIC:
            given = [("", text) for text in sorted(text for _, text in given)]
        said = [settings(layer, node), *map(str, sorted(given))]
        said += [f"{role} {_operand(bundle, layer, role, contents)}" for role in sorted(layer.operands)]
        made = hashlib.sha256("\n".join(said).encode()).hexdigest()
        found |= {value: f"{made} {slot}" for slot, value in node.outputs.items()}
    return [found[port.value] for port in bundle.graph.outputs]


def settings(layer: Layer, node: Node) -> str:
    """What a layer does at a place, with its numbers as ONNX keeps them, in single precision: of attention without a
    mask not what becomes of queries that may see nothing."""
    found = layer.model_dump(exclude={"operands", "origin"}, mode="json")
    if "mask" not in node.inputs and found.get("causal") == "none":
        found.pop("fully_masked", None)
    return json.dumps(_single(found), sort_keys=True)


def _single(value: Any) -> Any:
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, dict):
        return {key: _single(part) for key, part in value.items()}
    return [_single(part) for part in value] if isinstance(value, list) else value


def _unlike(a: Bundle, b: Bundle) -> list[str]:
    """The types of layers of which not all have the same settings."""
    kinds = [
        Counter((bundle.layers[n.layer].type, settings(bundle.layers[n.layer], n)) for n in _nodes(bundle))
        for bundle in (a, b)
    ]
    return sorted({kind for kind, _ in (kinds[0] - kinds[1]) + (kinds[1] - kinds[0])})


def _nodes(bundle: Bundle) -> tuple[Node, ...]:
    assert bundle.graph is not None
    return bundle.graph.nodes


def _operand(bundle: Bundle, layer: Layer, role: str, contents: bool) -> str:
    operand = layer.operands[role]
    if not isinstance(operand, StoredOperand):
        return f"{_single(np.ravel(np.asarray(operand.literal)).tolist())} {operand.dtype}"
    array = bundle.tensors[operand.tensor].data.numpy()
    if array.size == 1:
        return f"{array.reshape(-1).tolist()} {array.dtype}"
    return f"{array.shape} {array.dtype} {hashlib.sha256(array.tobytes()).hexdigest() if contents else ''}"


def merged(bundle: Bundle) -> Bundle:
    """With what no input has a part in computed, and norms in what stands before them, as exporters do it."""
    keeps = next(writer for writer in writers() if writer.archives)
    computed = prepared(bundle, keeps, WriteOptions(merge=True))
    return plain(fold_norms.run(computed) if "BatchNorm" in layers(computed) else computed)


def compared(straight: Bundle, other: Bundle) -> dict[str, Any]:
    """How another way of the same network differs."""
    a, b = plain(straight), plain(other)
    if canonical(a, True) == canonical(b, True):
        return {"outcome": "equal", "weights": 0.0}
    if canonical(a, False) != canonical(b, False):
        a, b = merged(a), merged(b)
    there = [*stored(b).values()]
    far = max((nearest(array, there) for array in stored(a).values() if array.size > 1), default=0.0)
    outcome = "equal in form" if canonical(a, False) == canonical(b, False) else "differs"
    more, less = layers(b) - layers(a), layers(a) - layers(b)
    unlike = _unlike(a, b) if outcome == "differs" and not more and not less else []
    return {"outcome": outcome, "weights": far, "more": dict(more), "less": dict(less), "settings": unlike}


def export(build: Callable[[], Any], name: str, folder: Path) -> dict[str, str]:
    """The network in every way that it can be written; why not, for the others."""
    import torch

    from benchmarks.torch_zoo import randomised

    torch.set_num_threads(1)
    torch.manual_seed(zlib.crc32(name.encode()))
    module, given = build()
    randomised(module)
    module.eval()
    program = torch.export.export(module, given)
    program.example_inputs = None
    torch.export.save(program, folder / "model.pt2")
    files = {way: str(folder / file) for way, file in _WAYS.items()}
    written: dict[str, Callable[[], Any]] = {
        "trace": lambda: torch.jit.trace(module, given, strict=False, check_trace=False).save(files["trace"]),
        "script exporter": lambda: torch.onnx.export(
            module, given, files["script exporter"], dynamo=False, opset_version=17
        ),
        "dynamo exporter": lambda: torch.onnx.export(
            module, given, files["dynamo exporter"], dynamo=True, external_data=False
        ),
    }
    failed: dict[str, str] = {}
    for way, write in written.items():
        quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        try:
            with quiet[0], quiet[1], warnings.catch_warnings():
                warnings.simplefilter("ignore")
                write()
        except Exception as error:  # noqa: BLE001, what does not export is a cell of the table
            Path(files[way]).unlink(missing_ok=True)
            failed[way] = f"{type(error).__name__}: {str(error)[:160]}"
    return failed


def measured(build: Callable[[], Any], name: str, folder: Path) -> dict[str, Any]:
    """One network in all ways beside its program."""
    failed = export(build, name, folder)
    straight = irconv.read(folder / "model.pt2")
    found: dict[str, Any] = {"layers": layers(plain(straight)).total()}
    for way, file in _WAYS.items():
        if way in failed:
            found[way] = {"outcome": "not exported", "why": failed[way]}
            continue
        try:
            found[way] = compared(straight, irconv.read(folder / file))
        except IrconvError as error:
            found[way] = {"outcome": "refused", "why": str(error).splitlines()[0][:200]}
    return found


def networks(only: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Small networks of every family."""
    from benchmarks import onnx_networks, torch_networks

    torch_networks.torchvision()
    every = {**onnx_networks.NETWORKS, **{n: b for n, b in torch_networks.NETWORKS.items() if re.match(_FAMILIES, n)}}
    yield from ((name, build) for name, build in every.items() if re.search(only, name))


_ABOUT = """# One network of PyTorch by four ways

Printed by `python -m benchmarks.torch_ways`: what irconv reads of a network from its exported program (`.pt2`), beside
what it reads of the same network from a trace, and from the ONNX files of both of PyTorch's exporters (TorchScript's at
opset 17, dynamo's). *equal*: every output is computed by the same layers with the same settings and the same weights,
bit for bit. *equal in form*: the same once what exporters compute ahead is computed on both sides (what no input has
a part in, norms in what stands before them), but for the rounding of that; in brackets the largest difference of a
weight from its counterpart over its largest element. Else the layers that this way has more (+) and less (-).
"""


def page(found: Mapping[str, Any]) -> str:
    """The table of what was found."""
    rows = ["| network | layers | " + " | ".join(_WAYS) + " |", "| --- | --- | --- | --- | --- |"]
    for name, row in found.items():
        rows.append(f"| {name} | {row['layers']} | " + " | ".join(_cell(row[way]) for way in _WAYS) + " |")
    words = ("equal", "equal in form", "differs", "refused", "not exported")
    counts = ["| way | " + " | ".join(words) + " |", "| --- | --- | --- | --- | --- | --- |"]
    for way in _WAYS:
        outcomes = [row[way]["outcome"] for row in found.values()]
        counts.append(f"| {way} | " + " | ".join(str(outcomes.count(word)) for word in words) + " |")
    return "\n".join([_ABOUT, *counts, "", *rows, ""])


def _cell(found: Mapping[str, Any]) -> str:
    if found["outcome"] in ("equal", "refused", "not exported"):
        return found["outcome"] + (f": {found['why']}".replace("|", "/")[:90] if "why" in found else "")
    if found["outcome"] == "equal in form":
        return f"equal in form ({found['weights']:.0e})"
    listed = [f"+{count} {kind}" for kind, count in sorted(found["more"].items())]
    listed += [f"-{count} {kind}" for kind, count in sorted(found["less"].items())]
    listed = listed or [f"settings of {kind}" for kind in found["settings"]] or ["the order"]
    return f"{', '.join(listed)} ({found['weights']:.0e})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = options.folder / "ways.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for name, build in networks(options.only):
        if name in found:
            continue
        found[name] = measured(build, name, options.folder)
        print(name, *(found[name][way]["outcome"] for way in _WAYS), sep="; ", flush=True)
        kept.write_text(json.dumps(found, indent=1))
    if options.page:
        options.page.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
