"""``python -m tests.frameworks.tensorflow.run_damage``: damaged and hostile files of TensorFlow, given to the command.

Each is converted in a process of its own. Printed are what it said, its exit code, its seconds of the processor and its
megabytes; ends with 1 where one was not refused with exit code 3, or not quickly, or did not name what it should.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irconv.containers import messages, tensor_bundle
from irconv.containers.sstable import Table, table
from tests.helpers import ROOT

TRAINING = ROOT / "fixtures" / "tensorflow" / "training"
SECONDS, MEGABYTES = 5.0, 400
_BIG = 1 << 40
_SHARD = "data-00000-of-00001"


@dataclass(frozen=True)
class Attack:
    """A file, what is given to the command, and what its message has to name."""

    name: str
    make: Callable[[Path], Path]
    said: str = ""


@dataclass(frozen=True)
class Came:
    """What came of it."""

    code: int
    seconds: float
    megabytes: float
    said: str


def checkpoint(folder: Path) -> Path:
    """A training with Adam: three files."""
    for file in TRAINING.glob("adam.ckpt.*"):
        shutil.copy(file, folder)
    return folder / "adam.ckpt.index"


def flipped(suffix: str, place: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        given = checkpoint(folder)
        path = folder / f"adam.ckpt.{suffix}"
        raw = bytearray(path.read_bytes())
        raw[place % len(raw)] ^= 16
        path.write_bytes(raw)
        return given

    return make


def cut(suffix: str, share: float) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        given = checkpoint(folder)
        path = folder / f"adam.ckpt.{suffix}"
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * share)])
        if not share:
            path.unlink()
        return given if given.exists() else folder / f"adam.ckpt.{_SHARD}"

    return make


def claims(key: bytes, change: Callable[[Any], object]) -> Callable[[Path], Path]:
    """One entry of the index changed, the index sound again."""

    def make(folder: Path) -> Path:
        index = checkpoint(folder)
        entries = dict(Table(index).items())
        message = messages.parse("tensorflow", "BundleEntryProto" if key else "BundleHeaderProto", entries[key], "")
        change(message)
        index.write_bytes(table(iter(sorted({**entries, key: message.SerializeToString()}.items()))))
        return index

    return make


def graph(build: Callable[[Any], object]) -> Callable[[Path], Path]:
    """A frozen graph of a few nodes, that `build` adds to."""

    def make(folder: Path) -> Path:
        message = messages.message("tensorflow", "GraphDef")
        node = message.node.add(name="x", op="Placeholder")
        node.attr["dtype"].type = 1
        for size in (2, 3):
            node.attr["shape"].shape.dim.add(size=size)
        build(message)
        (folder / "m.pb").write_bytes(message.SerializeToString())
        return folder / "m.pb"

    return make


def numbers(message: Any, name: str, values: list[int], shape: tuple[int, ...] | None = None, dtype: int = 9) -> None:
    tensor = message.node.add(name=name, op="Const").attr["value"].tensor
    message.node[-1].attr["dtype"].type = tensor.dtype = dtype
    for size in (len(values),) if shape is None else shape:
        tensor.tensor_shape.dim.add(size=size)
    (tensor.float_val if dtype == 1 else tensor.int64_val).extend(values)


def asks(op: str, values: list[int], shape: tuple[int, ...] | None = None, **attrs: int) -> Callable[[Any], None]:
    """A node that takes x and numbers."""

    def build(message: Any) -> None:
        numbers(message, "n", values, shape)
        node = message.node.add(name="y", op=op)
        node.input.extend(["n", "x"] if op in ("Fill", "Split") else ["x", "n"])
        for name, value in attrs.items():
            node.attr[name].i = value

    return build


def circle(ops: tuple[str, ...]) -> Callable[[Any], None]:
    """Nodes each of which takes the one before, the first the last."""

    def build(message: Any) -> None:
        for number, op in enumerate(ops):
            node = message.node.add(name=f"n{number}", op=op)
            node.input.append(f"n{(number - 1) % len(ops)}")
            if op in ("Add", "Merge"):
                node.input.append("x")
            node.attr["T"].type = 1
        message.node.add(name="y", op="Identity").input.append("n0")

    return build


def calls(count: int, times: int, last: int | None = None) -> Callable[[Any], None]:
    """Functions that call the one before; the first calls `last`, or nothing."""

    def build(message: Any) -> None:
        for number in range(count):
            function = message.library.function.add()
            function.signature.name = f"f{number}"
            function.signature.input_arg.add(name="a", type=1)
            function.signature.output_arg.add(name="b", type=1)
            callee, value = number - 1 if number else last, "a"
            for time in range(times):
                op = "Relu" if callee is None else "PartitionedCall"
                node = function.node_def.add(name=f"c{time}", op=op)
                node.input.append(value)
                if callee is not None:
                    node.attr["f"].func.name = f"f{callee}"
                    node.attr["Tin"].list.type.append(1)
                    node.attr["Tout"].list.type.append(1)
                value = f"c{time}:{'activations' if callee is None else 'output'}:0"
            function.ret["b"] = value
        node = message.node.add(name="y", op="PartitionedCall")
        node.input.append("x")
        node.attr["f"].func.name = f"f{count - 1}"
        node.attr["Tin"].list.type.append(1)
        node.attr["Tout"].list.type.append(1)

    return build


def nested(folder: Path) -> Path:
    (folder / "m.pbtxt").write_text('node { name: "x" op: "Placeholder" attr { key: "a" value ' + "{ list " * 100_000)
    return folder / "m.pbtxt"


def endless(folder: Path) -> Path:
    path = graph(lambda m: None)(folder)
    path.write_bytes(path.read_bytes() + b"\x0a\xff\xff\xff\xff\x7f")
    return path


KERNEL = b"net/conv/kernel"
GRAPHS: dict[str, tuple[Callable[[Any], object], str]] = {
    "a constant of 4 TB, all one number": (lambda m: numbers(m, "y", [1], (_BIG,), 1), "y"),
    "a constant of a negative size": (lambda m: numbers(m, "y", [1], (-3,), 1), "y"),
    "Fill of 2^62 numbers": (asks("Fill", [1 << 31, 1 << 31]), "y"),
    "Tile 2^62 times": (asks("Tile", [1 << 62, 1 << 62]), "y"),
    "Split into 2^40": (asks("Split", [1], (), num_split=_BIG), "y"),
    "Pack of 2^40": (asks("Pack", [1], (), N=_BIG), "y"),
    "Unpack into 2^40": (asks("Unpack", [1], (), num=_BIG), "y"),
    "Transpose by 100,000 axes": (asks("Transpose", list(range(100_000))), "y"),
    "a shape of 100,000 axes": (asks("Reshape", [1] * 100_000), "y"),
    "a node that takes itself": (circle(("Relu",)), "n0"),
    "a circle of 1,000 nodes": (circle(("Add",) * 1000), "depends on itself"),
    "a loop without an entry": (circle(("Merge", "Switch", "NextIteration")), "n"),
    "a function that calls itself": (calls(1, 1, 0), "calls itself"),
    "functions that call one another": (calls(9, 1, 8), "calls itself"),
    "functions that double 40 times": (calls(40, 2), "f"),
    "functions 5,000 deep": (calls(5000, 1), ""),
}
ATTACKS = [
    *(Attack(f"a bit of the shard, at {n}", flipped(_SHARD, n)) for n in (333, 2000, 2500)),
    *(Attack(f"a bit of the index, at {n}", flipped("index", n), "block") for n in (20, 300, 600)),
    Attack("a bit of the index's end", flipped("index", -2)),
    Attack("half a shard", cut(_SHARD, 0.5), "but the file has"),
    Attack("no shard", cut(_SHARD, 0), "missing"),
    Attack("half an index", cut("index", 0.5)),
    Attack("no index", cut("index", 0), "missing"),
    Attack("half a graph beside it", cut("meta", 0.5)),
    Attack("an index of 2^60 bytes of a variable", claims(KERNEL, lambda m: setattr(m, "size", 1 << 60)), "kernel"),
    Attack("an index of 2^30 shards", claims(b"", lambda m: setattr(m, "num_shards", 1 << 30)), "shards"),
    Attack("an index of 2^50 elements", claims(KERNEL, lambda m: m.shape.dim.add(size=1 << 50)), "kernel"),
    Attack("an index of a negative offset", claims(KERNEL, lambda m: setattr(m, "offset", -8)), "kernel"),
    *(Attack(name, graph(build), said) for name, (build, said) in GRAPHS.items()),
    Attack("messages 100,000 deep, as text", nested),
    Attack("a message that ends behind the file", endless),
]


def named(place: int) -> str:
    """The variable that a byte of the shard is in."""
    tensors = tensor_bundle.read(TRAINING / "adam.ckpt").tensors
    start = 0
    for name in sorted(tensors):
        start += tensors[name].nbytes
        if place < start:
            return name
    raise ValueError(place)


def converted(source: Path, destination: Path) -> Came:
    """What the command makes of a file."""
    read, write = os.pipe()
    flags = ["--inputs", "x:0", "--outputs", "y:0"] if source.suffix in (".pb", ".pbtxt") else []
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (4 * int(SECONDS), 4 * int(SECONDS)))
        os.dup2(write, 2)
        os.dup2(write, 1)
        command = [sys.executable, "-m", "irconv", "convert", str(source), str(destination), *flags]
        os.execv(sys.executable, command)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        said = stream.read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Came(code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said.replace(f"{source.parent}/", ""))


def tried(attack: Attack, folder: Path) -> tuple[Came, str]:
    """What came of an attack, and what is wrong with that."""
    folder.mkdir()
    source = attack.make(folder)
    weights = source.suffix not in (".pb", ".pbtxt")
    came = converted(source, folder / ("out.safetensors" if weights else "out.onnx"))
    wrong = []
    if came.code != 3:
        wrong.append(f"exit code {came.code}")
    if attack.said not in came.said or "Traceback" in came.said or not came.said.strip():
        wrong.append(f"does not say {attack.said!r}")
    if came.seconds > SECONDS or came.megabytes > MEGABYTES:
        wrong.append("takes too much")
    if list(folder.glob("out*")):
        wrong.append("left output")
    return came, ", ".join(wrong)


def main() -> int:
    """0 where every file is refused as it should be."""
    bad, worst = 0, (0.0, 0.0)
    with tempfile.TemporaryDirectory() as scratch:
        for number, attack in enumerate(attacks()):
            came, wrong = tried(attack, Path(scratch) / str(number))
            bad += bool(wrong)
            worst = max(worst[0], came.seconds), max(worst[1], came.megabytes)
            said = came.said.strip().splitlines()[-1][:110] if came.said.strip() else ""
            print(
                f"{wrong or 'held'}: {attack.name}: {came.seconds:.1f} s, {came.megabytes:.0f} MB: {said}", flush=True
            )
    print(f"{len(attacks()) - bad} of {len(attacks())} held; at most {worst[0]:.1f} s and {worst[1]:.0f} MB")
    return int(bad > 0)


def attacks() -> list[Attack]:
    """All of them; a flipped bit of the shard has to be said of the variable that it is in."""
    found = []
    for attack in ATTACKS:
        place = attack.name.rpartition(" at ")[2]
        in_shard = attack.name.startswith("a bit of the shard")
        found.append(Attack(attack.name, attack.make, named(int(place))) if in_shard else attack)
    return found


def each() -> Iterator[Attack]:
    """For tests."""
    yield from attacks()


if __name__ == "__main__":
    sys.exit(main())
