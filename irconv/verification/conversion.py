"""The check of a conversion: what was written against its source, before it appears under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from irconv.containers.outputs import Output, whole_output
from irconv.errors import Disagreement, IrconvError, MissingFact
from irconv.frameworks import Made, Writer, writers
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph
from irconv.options import WriteOptions
from irconv.verification.check import Request, compared
from irconv.verification.compare import within
from irconv.verification.process import Processes
from irconv.verification.report import Report
from irconv.verification.runtimes import RUNTIMES
from irconv.verification.sides import Given, Side, opened
from irconv.verification.slots import Slots, native_slots

_TENSORFLOW = ("tensorflow", "tensorflow-graph", "tensorflow-saved-model")
_RUN = {
    "onnx": "onnx",
    "keras": "keras",
    "keras-h5": "keras",
    "torch-source": "",
    "torch-program": "torch-program",
    "huggingface": "",
    "theano": "",
    "theano-h5": "",
    **dict.fromkeys(_TENSORFLOW, "tensorflow"),
}
"""The writers whose files a framework runs, and the reader that would recognise them."""
_READ_BACK = ("keras", "tensorflow")
"""Those that may be for a framework which is not here, and then run as they are read back."""
_ENTRY = "model.py"
_TORCH = "torch-source"


def judge(
    source: Given, destination: Path, writer: Writer, read: Callable[[Path], Bundle]
) -> Callable[[Bundle, Output | None, Made], tuple[Report, ...]]:
    """What checks a conversion of `source`: its runtimes are asked when it is called; `read` reads what was written.

    Raises `MissingFact` for a format that holds weights alone.
    """
    if writer.name not in _RUN and not writer.archives:
        what = f"expected a format that can be run, and {writer.name} files hold weights or a model, not both"
        raise MissingFact(
            f"--verify {destination}", what, "Convert without --verify; `irconv diff` compares the tensors of both."
        )

    def judged(bundle: Bundle, output: Output | None, made: Made) -> tuple[Report, ...]:
        with Processes() as processes:
            a = opened(source, processes, 0)
            if output is None:
                targets = _archived(bundle, destination, processes)
            else:
                targets = [_written(output, made, bundle, writer, read)]
                targets += [Given(destination, bundle, reader="irconv")] if a.own else []
            reports = tuple(_reports(a, targets, processes))
        if wrong := [report for report in reports if not report.agree]:
            error = Disagreement([problem for report in wrong for problem in report.problems()])
            error.reports = reports
            raise error
        return reports

    return judged


def _reports(a: Side, targets: Sequence[Given], processes: Processes) -> Iterator[Report]:
    done: set[str] = set()
    for target in targets:
        b = opened(target, processes, 1)
        if b.runtime not in done:
            done.add(b.runtime)
            yield compared(a, b, Request(), processes)


def _written(output: Output, made: Made, bundle: Bundle, writer: Writer, read: Callable[[Path], Bundle]) -> Given:
    """What was written, where it lies before it is moved."""
    path, final = output.staged(made[-1]), made[-1]
    if (path / _ENTRY).is_file():
        path, final = path / _ENTRY, final / _ENTRY
    reader = _RUN[writer.name]
    if reader in _READ_BACK:
        return Given(path, read(path), reader=reader, final=final)
    return Given(path, reader=reader, ports=_ports(made, bundle.graph), final=final)


def _ports(made: Made, graph: Graph | None) -> tuple[Slots, Slots] | None:
    if graph is None:
        return None
    inputs, outputs = made.ports or (graph.inputs, graph.outputs)
    return native_slots(graph.model_copy(update={"inputs": inputs, "outputs": outputs}))


def _archived(bundle: Bundle, destination: Path, processes: Processes) -> list[Given]:
    """A bundle that is to be kept: in its own runtime, and as PyTorch source where PyTorch is installed."""
    targets = [Given(destination, bundle, reader="irconv")]
    if not RUNTIMES["torch"].installed:
        return targets
    path = processes.folder / "kept.py"
    writer = next(one for one in writers() if one.name == _TORCH)
    try:
        with whole_output(force=True) as output:
            made = writer.write(bundle, output, path, WriteOptions(force=True), None)
    except IrconvError:  # PyTorch's source cannot say everything that a bundle can
        return targets
    return [*targets, Given(path, ports=_ports(Made(list(made)), bundle.graph), final=destination)]


def summary(reports: Sequence[Report]) -> str:
    """One line of what was found: ``checked: onnxruntime and torch agree with keras 2.15 to 3e-7``."""
    names = list(dict.fromkeys(report.b.runtime.split(" ")[0] for report in reports))
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    worst = max((report.worst.difference.relative for report in reports if report.worst), default=0.0)
    verb = "agree" if len(names) > 1 else "agrees"
    return f"checked: {listed} {verb} with {reports[0].a.words} {within(worst)}"
