"""What many tests share: the golden cases, runtimes, errors of predictions, and bundles made by hand."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

import irconv
from irconv.errors import kind_of
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.manifest import SourceRecord, TensorRecord
from irconv.ir.tensors import LazyTensor

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parents[1]
KERAS = ROOT / "fixtures" / "keras"
LENET = ROOT / "fixtures" / "lenet"

GOLDEN_ERROR = 2e-6
"""Largest difference over largest value wanted, for anything that a framework predicted."""

HALF_ERRORS = {"mixed_bfloat16": 4e-3, "pure_float16": 2e-3}
HALF_ERRORS |= dict.fromkeys(("mixed_float16", "mixed_everywhere", "mixed_sequences", "mixed_attention"), 1e-3)
"""Halves have 11 bits (bfloat16: 8), and each runtime rounds inside its kernels where no file says so: numbers agree to
one or two units in the last place, 5e-4 (4e-3) of a number each."""


@dataclass(frozen=True)
class Case:
    """A folder of files written by a real framework: a model, inputs, and what it predicted from them."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kind(self) -> str:
        """The name without the framework that made it."""
        return self.name.rsplit("-", 1)[-1]

    @property
    def model(self) -> Path:
        return self.folder / str(self.described.get("entry", "model.h5"))

    @cached_property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return found

    @cached_property
    def inputs(self) -> list[Array]:
        return [np.load(self.folder / port["file"]) for port in self.described["inputs"]]

    @cached_property
    def outputs(self) -> list[Array]:
        return [np.load(self.folder / port["file"]) for port in self.described["outputs"]]


def _cases(root: Path) -> tuple[Case, ...]:
    return tuple(Case(path.parent) for path in sorted(root.glob("*/case.json")))


REFUSED_KINDS = ("lambda", "custom_layer")
#: Files whose fault irconv does not copy: Keras 2.2.4 on Theano cuts the result of an even kernel wrongly.
REFUSED_FILES = ("keras2.2.4-theano-separable_conv",)
ALL_CASES = _cases(KERAS)
GOLDEN = tuple(case for case in ALL_CASES if case.kind not in REFUSED_KINDS and case.name not in REFUSED_FILES)
ONE_OF_EACH = tuple({case.kind: case for case in GOLDEN}.values())
"""One file of each kind, for what does not depend on which Keras wrote it."""
REFUSED = tuple(case for case in ALL_CASES if case not in GOLDEN)
LENETS = tuple(case for case in _cases(LENET) if case.described["kind"] == "model")
LENET_WEIGHTS = tuple(case for case in _cases(LENET) if case.described["kind"] != "model")


def limit(case: Case) -> float:
    """The largest error allowed, relative to the largest value."""
    return HALF_ERRORS.get(case.kind, GOLDEN_ERROR)


def golden(name: str) -> Case:
    """One golden case by its folder's name."""
    return next(case for case in ALL_CASES if case.name == name)


def lenet(name: str) -> Case:
    """One LeNet by its folder's name."""
    return next(case for case in LENETS + LENET_WEIGHTS if case.name == name)


def name_of(value: object) -> str:
    """The identity of a parametrised test."""
    return value.name if isinstance(value, Case) else str(value)


@cache
def read_case(case: Case) -> Bundle:
    """The bundle of a case, read once; bundles are never changed in place."""
    return irconv.read(case.model)


def datasets(path: Path, below: str = "") -> dict[str, Array]:
    """Every dataset of an HDF5 file below a group, by its path, read by h5py alone."""
    found: dict[str, Array] = {}
    with h5py.File(path, "r") as file:

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[f"{below}/{name}".lstrip("/")] = item[()]

        (file[below] if below else file).visititems(visit)
    return found


def error(got: Sequence[Array], wanted: Sequence[Array]) -> float:
    """The largest difference over the largest value wanted, of the worst output; shapes must be equal.

    Where all that is wanted is zero, the difference itself counts.
    """
    assert [a.shape for a in got] == [b.shape for b in wanted]
    assert all(a.dtype == b.dtype for a, b in zip(got, wanted, strict=True))
    return max(float(np.abs(a - b).max() / (np.abs(b).max() or 1)) for a, b in zip(got, wanted, strict=True))


def turned(arrays: Sequence[Array], ports: Sequence[Port], to: str) -> list[Array]:
    """Arrays of the ports from the source's axes to the bundle's (`to` is "native") or back ("source")."""
    result = []
    for array, port in zip(arrays, ports, strict=True):
        here, there = (port.source_axes, port.axes) if to == "native" else (port.axes, port.source_axes)
        order = [here.index(axis) for axis in there] or range(array.ndim)
        result.append(np.ascontiguousarray(array.transpose(*order)))
    return result


def used_types(bundle: Bundle) -> list[str]:
    """The layer type of every node."""
    assert bundle.graph is not None
    return [bundle.layers[node.layer].type for node in bundle.graph.nodes]


def in_onnxruntime(model: Path | bytes, feeds: Sequence[Array], optimised: bool) -> list[Array]:
    """The outputs of an ONNX model in order, from inputs in order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
    named = {port.name: array for port, array in zip(session.get_inputs(), feeds, strict=True)}
    results: list[Array] = session.run(None, named)
    return results


def import_file(path: Path) -> ModuleType:
    """A Python file as a module of its own, not known to others."""
    spec = importlib.util.spec_from_file_location(f"emitted_{path.stem.replace('.', '_').replace('-', '_')}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def in_torch(path: Path, feeds: Sequence[Array]) -> list[Array]:
    """The outputs of an emitted PyTorch file, loaded with its own `load`."""
    import torch

    model = import_file(path).load()
    assert not model.training
    with torch.no_grad():
        results = model(*(torch.from_numpy(array.copy()) for array in feeds))
    return [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file of a folder, by name."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


# bundles made by hand ---------------------------------------------------------------------------------------------

SOURCE = SourceRecord(framework="handmade", version="1", files=(), facts=())


def port(name: str, shape: Sequence[int | str], axes: str = "", dtype: str = "float32") -> Port:
    """A port whose value has its name."""
    return Port(name=name, value=name, dtype=dtype, shape=tuple(shape), axes=axes, source_axes=axes)


def tensor(array: Array, axes: str = "", role: Any = "parameter") -> Tensor:
    """A tensor that irconv made."""
    data = LazyTensor.of(array)
    record = TensorRecord(
        role=role, trainable=None, dtype=data.dtype, shape=data.shape, axes=axes, letters="", source=None, steps=()
    )
    return Tensor(record, data)


class Builder:
    """A bundle made node by node; values are named after the layers that make them."""

    def __init__(self, **inputs: Sequence[int | str]) -> None:
        self.inputs = [port(name, shape) for name, shape in inputs.items()]
        self.layers: dict[str, Layer] = {}
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []

    def add(self, name: str, layer: Layer, *inputs: str, scope: str = "", **operands: Array) -> Builder:
        """Add a layer and its use on some values; arrays become its stored operands."""
        if operands:
            for role, array in operands.items():
                self.tensors[f"{name}.{role}"] = tensor(array, layer.PARAMETERS[role].axes)
            stored = {role: StoredOperand(tensor=f"{name}.{role}") for role in operands}
            layer = layer.model_copy(update={"operands": {**layer.operands, **stored}})
        self.layers[name] = layer
        return self.use(name, *inputs, result=name, scope=scope)

    def use(self, name: str, *inputs: str, result: str, scope: str = "") -> Builder:
        """Use a layer once more."""
        layer = self.layers[name]
        slots = [f"x{i}" for i in range(len(inputs))] if layer.VARIADIC else list(layer.SLOTS)
        named = dict(zip(slots, inputs, strict=True))
        self.nodes.append(Node(layer=name, scope=scope, inputs=named, outputs={"y": result}))
        return self

    def build(self, *outputs: str) -> Bundle:
        """The bundle; without names the last value is the output."""
        names = outputs or (self.nodes[-1].outputs["y"],)
        graph = Graph(inputs=tuple(self.inputs), outputs=(), nodes=tuple(self.nodes))
        types = infer_types(Bundle(SOURCE, self.layers, graph, self.tensors))
        ports = tuple(port(name, types[name].shape, dtype=types[name].dtype) for name in names)
        graph = graph.model_copy(update={"outputs": ports})
        return Bundle(SOURCE, self.layers, graph, self.tensors)


def predictions(bundle: Bundle, feeds: Sequence[Array], folder: Path) -> dict[str, list[Array]]:
    """What every runtime makes of a bundle: onnxruntime with and without optimisation, numpy, and PyTorch."""
    assert bundle.graph is not None
    onnx = folder / "model.onnx"
    source = folder / "model.py"
    irconv.write(bundle, onnx)
    irconv.write(bundle, source)
    names = [port.name for port in bundle.graph.outputs]
    in_numpy = irconv.run(bundle, feeds, runtime="numpy")
    return {
        "onnxruntime": in_onnxruntime(onnx, feeds, optimised=False),
        "onnxruntime, optimised": in_onnxruntime(onnx, feeds, optimised=True),
        "numpy": [in_numpy[name] for name in names],
        "torch": in_torch(source, feeds),
    }


def numbers(*shape: int, seed: int = 7) -> Array:
    """Normal numbers, float32, the same every time."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def rejection(call: Callable[[], object], kind: type[irconv.IrconvError]) -> str:
    """What the command line prints of the error that a call must raise, of this kind or, where Python has a class for
    it, a kind of it."""
    with pytest.raises(irconv.IrconvError) as raised:
        call()
    found = kind_of(raised.value)
    known = found is kind or (issubclass(found, kind) and issubclass(found, OSError))
    assert known, f"expected {kind.__name__}, got {raised.type.__name__}: {raised.value}"
    return "\n".join(map(str, raised.value.problems))


def edited(manifest: Path, change: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
    """Change a JSON file in place."""
    data = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(change(data) or data))


def sealed(bundle: Path) -> None:
    """Write the list of digests of a bundle's folder anew, as for somebody who changes a bundle and means it."""
    files = [path for path in bundle.iterdir() if path.name != "SHA256SUMS"]
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (bundle / "SHA256SUMS").write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))
