"""What one case comes to: it is read, written to a target, and what was written is loaded and run, or refused."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

import irconv
from irconv import api
from irconv.errors import Fault, IrconvError, MissingFact, Refused, UnknownFormat
from irconv.frameworks import readers
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Graph, Port
from irconv.ir.shapes import Size, symbols
from irconv.options import AdoptOptions, ReadOptions
from tests.fuzz.changes import Random
from tests.fuzz.formats import changed, sealed
from tests.fuzz.seeds import ADOPT, Seed, seeds

TARGETS = ("m.irconv", "m.onnx", "m.keras", "m.py", "m.h5", "m.theano", "m.safetensors", "m.irconv.zip")
TARGETS += ("m.pt", "m.theano.h5", "m.ckpt", "m.json", "m.weights.h5", "m.savedmodel", "m.pb")
_READ_AGAIN = (".irconv", ".zip", ".onnx", ".keras", ".h5", ".safetensors", ".pt", ".ckpt", ".savedmodel")
_LARGEST = 2**20
"""Elements of an input: a size that was changed may be any."""
_FAR, _CLOSE = 1e-3, 1e6
"""Two runtimes may round in another order; weights of more than `_CLOSE` leave no digits to compare."""


_NOT_IN_ONNXRUNTIME = ("tensor(float8", "Invalid value/s in sequence_lens")
"""What it refuses by name: element types that it computes nothing with, and sequences longer than there are steps."""


@dataclass(frozen=True)
class Came:
    """What a case came to."""

    seed: str
    target: str
    stage: str = "not recognised"
    """How far it got: ``not recognised``, ``recognised``, ``read``, ``written`` or ``run``."""
    said: str = ""
    """The class of the error that ended it."""
    fault: str = ""
    """What is wrong with irconv; empty for a case that is as it should be."""
    details: str = ""


def random_of(reader: str, number: int) -> Random:
    """The dice of a case, which are its own."""
    return np.random.default_rng([crc32(reader.encode()), number])


def prepare(reader: str, number: int, folder: Path) -> Seed:
    """Write the files of a case into a folder; the seed they are made of."""
    random = random_of(reader, number)
    kinds = seeds(reader)
    kind = kinds[int(random.integers(len(kinds)))]
    seed = kind[int(min(random.integers(len(kind), size=2)))]  # smallest first: what counts is structure
    for name in (seed.changed, *seed.beside):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((seed.folder / name).read_bytes())
    content = (folder / seed.changed).read_bytes()
    once = b"\x89HDF" in content  # the library that changes HDF5 does not survive what is damaged already
    for _ in range(1 if random.random() < 0.8 or once else 3):
        content = changed(seed.changed, content, random)
    (folder / seed.changed).write_bytes(content)
    if reader != "irconv" or seed.opened != ".":
        return seed
    if random.random() < 0.25:
        sealed(folder, folder.with_name("m.irconv.zip"))
        return replace(seed, opened="../m.irconv.zip")
    if seed.changed != "SHA256SUMS" and random.random() < 0.9:
        sealed(folder)
    return seed


def run(reader: str, number: int, box: Path) -> Came:
    """One case, in an empty folder that is its own."""
    source, out = box / "in", box / "out"
    source.mkdir()
    out.mkdir()
    return tried(prepare(reader, number, source), source, out, TARGETS[number % len(TARGETS)])


def tried(seed: Seed, source: Path, out: Path, target: str) -> Came:
    """What the files of a seed, as they are in a folder, come to."""
    came = Came(seed.name, target)
    try:
        if seed.reader == ADOPT:
            return _adopted(source, out, replace(came, target="m.safetensors", stage="recognised"))
        return _tried(seed, source, out, came)
    except Exception as error:  # noqa: BLE001 every kind is a finding
        return replace(came, fault=f"the harness: {_place(error)}", details=_text(error))


def _tried(seed: Seed, source: Path, out: Path, came: Came) -> Came:
    path = source / seed.opened
    options = seed.options
    if options.arch is not None:
        options = replace(options, arch=source / options.arch)
    try:
        own = next(one for one in readers() if one.name == seed.reader)
        recognised = bool(own.recognises(path))
        came = replace(came, stage="recognised" if recognised else "not recognised")
        bundle = irconv.read(path, options)
        came = replace(came, stage="read" if recognised else came.stage)
    except IrconvError as error:
        return _refused(came, error)
    except Exception as error:  # noqa: BLE001 it left a recogniser
        return replace(came, fault=f"leaves recognises: {_place(error)}", details=_text(error))
    for name in (came.target, "m.irconv"):
        before = sorted(source.rglob("*"))
        try:
            written = irconv.write(bundle, out / name)
        except IrconvError as error:
            came = replace(_refused(came, error), target=name)
            left = [str(one.relative_to(out.parent)) for one in out.rglob("*")]
            if came.fault or left or sorted(source.rglob("*")) != before:
                return came if came.fault else replace(came, fault=f"a refusal leaves {left}")
            continue
        stray = [one for one in out.parent.iterdir() if one.name not in ("in", "out", "m.irconv.zip")]
        if stray or sorted(source.rglob("*")) != before:
            return replace(came, target=name, fault=f"writes elsewhere: {stray}")
        came = replace(came, target=name, stage="written" if came.stage == "read" else came.stage, said="")
        return _used(bundle, out / name, written, came)
    return came


def _adopted(source: Path, out: Path, came: Came) -> Came:
    """Put a network's weights into another by a map, and compare both."""
    paths = source / "source.keras", source / "like.safetensors"
    for what in ("plan", "adopt", "diff"):
        place, options = out / what, AdoptOptions(map=source / "map.json", partial=what == "plan")
        try:
            if what == "diff":
                irconv.diff(*paths)
                continue
            call = api.plan if what == "plan" else irconv.adopt
            call(*paths, place.with_suffix(".json" if what == "plan" else ".safetensors"), options)
            came = replace(came, stage="read" if what == "plan" else "written", said="")
        except IrconvError as error:
            came = _refused(came, error)
            if came.fault or list(out.glob(f"{what}*")):
                return came if came.fault else replace(came, fault=f"a refusal leaves {what}")
    if came.stage == "written":
        irconv.read(out / "adopt.safetensors")
    return came


def _refused(came: Came, error: IrconvError) -> Came:
    kind = type(error).__name__
    if isinstance(error, Fault):
        return replace(came, said=kind, fault=f"a fault: {_place(error.__cause__ or error)}", details=_text(error))
    if not str(error) or isinstance(error.__cause__, RecursionError):
        return replace(came, said=kind, fault=f"says nothing: {_place(error)}", details=_text(error))
    if isinstance(error, UnknownFormat) and came.stage == "recognised" and "one reader" not in str(error):
        came = replace(came, stage="not recognised")
    return replace(came, said=kind)


def _used(bundle: Bundle, path: Path, written: api.Written, came: Came) -> Came:
    """Read again what was written, and run both."""
    feeds = inputs_of(bundle)
    again: Bundle | None = None
    try:
        if came.target.endswith(_READ_AGAIN):
            again = _again(path)
        if came.target.endswith(".py"):
            compile(path.read_text(encoding="utf-8"), path.name, "exec", dont_inherit=True)
    except Refused:
        again = None  # Keras can say more than irconv reads of it
    except MissingFact:
        if bundle.tensors or not came.target.endswith(".pt"):
            raise
    except Exception as error:  # noqa: BLE001 what irconv wrote, it reads
        return replace(came, fault=f"cannot be read again: {came.target}: {_place(error)}", details=_text(error))
    if feeds is None or bundle.graph is None:
        return came
    results: dict[str, Sequence[Any] | Exception] = {}
    for runtime in ("numpy", "onnxruntime"):
        results[runtime] = _predicted(bundle, feeds, runtime)
    came = _compared(came, results["numpy"], results["onnxruntime"], _tame(bundle), "onnxruntime")
    if came.fault or again is None or again.graph is None or isinstance(results["onnxruntime"], Exception):
        return came
    again = _in_order(again, bundle.graph)
    assert again.graph is not None
    fits = len(again.graph.inputs) == len(feeds) and len(again.graph.outputs) == len(bundle.graph.outputs)
    if not fits or came.target.endswith((".pt", ".safetensors", ".ckpt", ".json", ".weights.h5")):
        return came
    given = _turned(feeds, _axes(bundle.graph.inputs, written.inputs), _axes(again.graph.inputs, written.inputs, True))
    found = _predicted(again, given, "onnxruntime") if given is not None else None
    if isinstance(found, list):
        here, there = _axes(again.graph.outputs, written.outputs, True), _axes(bundle.graph.outputs, written.outputs)
        found = _turned(found, here, there)
    return came if found is None else _compared(came, results["onnxruntime"], found, _tame(bundle), "itself")


def _in_order(bundle: Bundle, wanted: Graph) -> Bundle:
    """A model with its ports in the order of another's of the same names: a signature of TensorFlow's has none."""
    assert bundle.graph is not None
    ports = {}
    for kind in ("inputs", "outputs"):
        named = {port.name: port for port in getattr(bundle.graph, kind)}
        names = [port.name for port in getattr(wanted, kind)]
        if sorted(names) == sorted(named):
            ports[kind] = tuple(named[name] for name in names)
    return replace(bundle, graph=bundle.graph.model_copy(update=ports))


def _axes(ports: Sequence[Port], written: Sequence[Port], made: bool = False) -> list[str]:
    """The axes of ports; where a file does not say them, what writing it told of those that it `made` or turned."""
    return [port.axes or (told.axes if made else told.source_axes) for port, told in zip(ports, written, strict=True)]


def _turned(arrays: Sequence[Any], have: Sequence[str], want: Sequence[str]) -> list[Any] | None:
    """Arrays of some axes in others; None where these are not the same axes."""
    found = []
    for given, here, there in zip(arrays, have, want, strict=True):
        array = given
        if here and there and array.ndim == len(here):
            if sorted(here) != sorted(there) or len(set(here)) < len(here):
                return None
            array = np.ascontiguousarray(array.transpose([here.index(axis) for axis in there]))
        found.append(array)
    return found


def _again(path: Path) -> Bundle:
    name = path.name
    if name.endswith(".theano.h5"):
        return irconv.read(path, ReadOptions(arch=path.with_name("arch.json")))
    return irconv.read(path)


def _predicted(bundle: Bundle, feeds: Sequence[Any], runtime: Any, io: Any = "native") -> Sequence[Any] | Exception:
    try:
        return list(irconv.run(bundle, feeds, runtime, io).values())
    except Exception as error:  # noqa: BLE001 judged by the caller
        return error


def _compared(came: Came, a: Sequence[Any] | Exception, b: Sequence[Any] | Exception, tame: bool, what: str) -> Came:
    if isinstance(a, Exception) and isinstance(b, Exception):
        return came  # such as an index beyond the table, which random inputs ask for
    if isinstance(b, Exception) and any(word in str(b.__cause__) for word in _NOT_IN_ONNXRUNTIME):
        return came
    for failed in (a, b):
        if isinstance(failed, Exception):
            which = "numpy" if failed is a else what
            return replace(came, fault=f"only {which} fails: {_words(failed)}", details=_text(failed))
    assert not isinstance(a, Exception)
    assert not isinstance(b, Exception)
    came = replace(came, stage="run" if came.stage == "written" else came.stage)
    if [(x.shape, x.dtype) for x in a] != [(y.shape, y.dtype) for y in b]:
        said = f"{[(x.shape, str(x.dtype)) for x in a]} and {[(y.shape, str(y.dtype)) for y in b]}"
        return replace(came, fault=f"{what} gives other shapes", details=said)
    for x, y in zip(a, b, strict=True):
        if x.dtype.kind != "f" or not tame or not (np.isfinite(x).all() and np.isfinite(y).all()):
            continue
        scale = float(np.abs(x.astype(np.float64)).max(initial=0))
        apart = float(np.abs(x.astype(np.float64) - y.astype(np.float64)).max(initial=0))
        if apart > _FAR * scale + 1e-6 and (scale < _CLOSE or apart > 0.1 * scale):
            return replace(came, fault=f"{what} gives other numbers", details=f"{apart:.3g} of {scale:.3g}")
    return came


def _tame(bundle: Bundle) -> bool:
    """Whether all weights are numbers of a usual size, and none is rounded to steps: onnxruntime's optimiser computes
    between QuantizeLinear and DequantizeLinear in integers, and ends steps away from what the graph says."""
    if any(layer.type == "QuantizeLinear" for layer in bundle.layers.values()):
        return False
    try:
        arrays = {key: tensor.data.numpy() for key, tensor in bundle.tensors.items()}
    except IrconvError:  # damaged where nothing had read it
        return False
    for key, tensor in bundle.tensors.items():
        if tensor.record.dtype.startswith(("float", "bfloat")):
            array = arrays[key].astype(np.float64)
            if array.size and not (np.isfinite(array).all() and float(np.abs(array).max()) < 100):
                return False
    return True


def inputs_of(bundle: Bundle) -> list[Any] | None:
    """Random inputs for a model; None where it has none of a size that can be tried."""
    if bundle.graph is None:
        return None
    random = np.random.default_rng(0)
    found = []
    lengths = {value for node in bundle.graph.nodes for slot, value in node.inputs.items() if slot == "lengths"}
    for port in bundle.graph.inputs:
        shape = _shape(port)
        if shape is None:
            return None
        kind = numpy_dtype(port.dtype)
        if port.dtype.startswith(("float", "bfloat")):
            found.append(random.standard_normal(shape).astype(kind))
        elif port.dtype == "string":
            return None
        else:
            least = int(
                port.value in lengths
            )  # of a sequence of no steps onnxruntime keeps no state, and ONNX says nothing
            found.append(random.integers(least, least + 2, shape).astype(kind))
    return found


def _shape(port: Port) -> tuple[int, ...] | None:
    said = sorted(set().union(*(symbols(size) for size in port.shape if isinstance(size, str))))
    names = {name: 2 + place for place, name in enumerate(said)}
    values: Mapping[str, int] = {**names, **{name: 2 for name in names if name in ("N", "batch")}}
    shape = tuple(Size.of(size).value(values) for size in port.shape)
    return shape if all(size > 0 for size in shape) and np.prod(shape, dtype=np.float64) <= _LARGEST else None


def _place(error: BaseException) -> str:
    """The class of an error and the innermost line of irconv's that it went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/irconv/" in frame.filename]
    frames = frames or list(traceback.extract_tb(error.__traceback__))
    where = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    return f"{type(error).__name__} in {where}"


def _words(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__} {' '.join(str(cause).split())[:90]}"


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-4000:]
