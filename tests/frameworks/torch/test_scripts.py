"""TorchScript, traced and scripted, read without PyTorch and compared with the outputs that it recorded."""

from __future__ import annotations

import ast
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import irconv
from irconv.errors import DamagedFile, IrconvError, MissingFact, Refused
from irconv.frameworks.torch.script.archive import python_heads
from irconv.frameworks.torch.script.signatures import SIGNATURES
from irconv.options import ReadOptions
from tests.helpers import import_file, rejection
from tests.helpers_cases import FIXTURES, GoldenFile, golden_files

SCRIPTS = FIXTURES / "torch-scripts"
FILES = golden_files("torch-scripts", "*.pt")


#: What PyTorch fuses into one call when a module is traced without gradients.
class Said(GoldenFile):
    """A case with the shapes of its inputs, which scripts and old traces do not have."""

    @property
    def options(self) -> ReadOptions:
        shapes = (f"{','.join(map(str, port['shape']))}:{port['dtype']}" for port in self.record["inputs"])
        return ReadOptions(input_shape=tuple(shapes))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_script_gives_the_recorded_outputs_or_is_refused_by_name(file: GoldenFile) -> None:
    said = Said(file.path, file.record)
    if file.expected == "refuse":
        assert "normalises by the statistics of the batch" in rejection(lambda: irconv.read(file.path), Refused)
    else:
        assert said.error() < 2e-6


def test_a_trace_says_the_shapes_of_its_inputs_and_the_bundle_how_they_are_known() -> None:
    bundle = irconv.read(SCRIPTS / "torch213-shuffle" / "traced.pt")
    (fact,) = bundle.source.facts
    assert (fact.name, fact.value) == ("shape of x", "2,4,6,8")
    assert "--input-shape" in fact.evidence


@pytest.mark.parametrize("file", ["traced.pt", "scripted.pt"])
def test_sizes_may_be_free(file: str) -> None:
    bundle = irconv.read(SCRIPTS / "torch213-shuffle" / file, ReadOptions(input_shape=("N,4,6,8",)))
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].shape[0] == "N"
    assert bundle.graph.outputs[0].shape[0] == "N"


SCRIPTED = [f for f in FILES if f.path.name.startswith("scripted") and f.expected == "right"]


@pytest.mark.parametrize("file", SCRIPTED, ids=str)
def test_the_shapes_of_a_scripts_inputs_are_deduced_from_its_code_and_weights_and_told(file: GoldenFile) -> None:
    bundle = irconv.read(file.path)
    assert bundle.graph is not None
    told = {fact.name: fact for fact in bundle.source.to_tell()}
    for port, recorded in zip(bundle.graph.inputs, file.record["inputs"], strict=True):
        assert "--input-shape says another" in told[f"shape of {port.name}"].evidence
        assert port.dtype == recorded["dtype"]
        assert all(isinstance(a, str) or a == b for a, b in zip(port.shape, recorded["shape"], strict=True))
    assert file.error() < 2e-6


class Choosing(nn.Module):
    """What its input is, decides what it does."""

    def forward(self, x: Tensor) -> Tensor:
        if x.size(0) > 3:
            return x * 2
        return x


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_script_whose_code_does_not_tell_the_shapes_asks_for_them(tmp_path: Path) -> None:
    path = scripted(Choosing(), tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(path), MissingFact)
    assert text == (
        f"{path}: input x: its shape is not in the file, and the code does not tell it. "
        "Give --input-shape x=N,3,224,224, and :int64 behind it for whole numbers."
    )
    text = rejection(lambda: irconv.read(path, ReadOptions(input_shape=("N,2",))), Refused)
    assert "branches on torch.gt(torch.size(x, 0), 3), which depends on the size N. --input-shape gives it" in text
    assert irconv.read(path, ReadOptions(input_shape=("2,2",))).graph is not None
    text = rejection(lambda: irconv.read(path, ReadOptions(input_shape=("z=N,4,6,8",))), MissingFact)
    assert "the module has no such input, but x" in text


class Checking(nn.Module):
    """Refuses what it does not like, as PyTorch's own layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(4, 6, 3)
        self.b = nn.Linear(5, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if x.size(0) != y.size(0):
            raise ValueError("another batch")
        return self.a(x).mean(2)[:, :3] + self.b(y)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_inputs_of_several_ranks_are_deduced_together_and_checks_are_taken_to_hold(tmp_path: Path) -> None:
    module = Checking()
    bundle = irconv.read(scripted(module, tmp_path / "m.pt"))
    assert bundle.graph is not None
    assert [port.shape for port in bundle.graph.inputs] == [("N", 4, "C"), ("N", 5)]
    x, y = torch.randn(3, 4, 9), torch.randn(3, 5)
    (got,) = irconv.run(bundle, [x.numpy(), y.numpy()]).values()
    assert float(abs(got - module(x, y).detach().numpy()).max()) < 1e-6


class Masked(nn.Module):
    """Attention between the five steps that its mask is made for, of which the lengths say how many are real."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("mask", torch.triu(torch.ones(5, 5, dtype=torch.bool), 1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        padded = torch.arange(5)[None] >= lengths[:, None]
        return self.attention(x, x, x, key_padding_mask=padded, attn_mask=self.mask)[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_the_only_number_of_steps_and_channels_that_works_is_deduced_and_lengths_are_whole(tmp_path: Path) -> None:
    module = Masked().eval()
    bundle = irconv.read(scripted(module, tmp_path / "m.pt"))
    assert bundle.graph is not None
    assert [(port.shape, port.dtype) for port in bundle.graph.inputs] == [(("N", 5, 8), "float32"), (("N",), "int64")]
    assert "assumed" in next(fact.evidence for fact in bundle.source.to_tell() if fact.name == "shape of lengths")
    x, lengths = torch.randn(3, 5, 8), torch.tensor([5, 3, 1])
    (got,) = irconv.run(bundle, [x.numpy(), lengths.numpy()]).values()
    with torch.no_grad():
        assert float(abs(got - module(x, lengths).numpy()).max()) < 1e-6


def test_the_layout_of_pytorch_1_0_keeps_the_names_of_its_weights() -> None:
    bundle = irconv.read(SCRIPTS / "torch10-text-lstm" / "traced.pt", ReadOptions(input_shape=("N,7:int64",)))
    sources = {tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source}
    assert {"emb.weight", "lstm.weight_hh_l0", "fc.bias"} <= sources


def test_the_layout_of_pytorch_1_1_is_refused_by_name(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(SCRIPTS / "torch10-text-lstm" / "traced.pt") as old,
        zipfile.ZipFile(tmp_path / "m.pt", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("model.json"):
                content = content.replace(b'"optimize":true', b'"attributes":[{"name":"a","id":0}]', 1)
            new.writestr(name, content)
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert "is a TorchScript program of PyTorch 1.1 to 1.3 with attributes" in text


class Branches(nn.Module):
    """Branches on values, which no graph without branches says."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            return x
        return -x


class Loops(nn.Module):
    """A loop of a known count, lists, an optional argument, and a branch on a setting."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.twice = True

    def forward(self, x: Tensor, more: Tensor | None = None) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []
        for part in self.parts:
            x = part(x)
            found.append(x)
        for i in range(2):
            x = x + i
        if more is not None:
            x = x + more
        if self.twice:
            x = x * 2
        return torch.cat(found, 1), x.view(x.size(0) * x.size(1))


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_loops_of_known_count_and_branches_on_settings_are_followed(tmp_path: Path) -> None:
    module = Loops()
    path = scripted(module, tmp_path / "m.pt")
    x, more = torch.randn(4, 3), torch.randn(4, 3)
    bundle = irconv.read(path, ReadOptions(input_shape=("N,3", "more=N,3")))
    found = irconv.run(bundle, [x.numpy(), more.numpy()])
    for want, got in zip(module(x, more), found.values(), strict=True):
        assert abs(want.detach().numpy() - got).max() < 1e-6


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_branch_on_values_is_refused(tmp_path: Path) -> None:
    path = scripted(Branches(), tmp_path / "m.pt")
    text = rejection(lambda: irconv.read(path, ReadOptions(input_shape=("N,3",))), Refused)
    assert "of a tensor's value, which is not known" in text


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("import os\nos.system('true')\n", Refused, "is a class whose code is not in the file"),
        ("class NET(Module):\n  def forward(self, x):\n    return __import__('os')\n", Refused, "__import__"),
        ("class NET(Module):\n  def forward(self, x):\n    while True:\n      pass\n", Refused, "While"),
        ("class NET(Module):\n  def forward(self, x):\n    return self.forward(x, )\n", Refused, "deep"),
        ("class NET(Module:\n", DamagedFile, "expected TorchScript"),
    ],
)
def test_code_is_never_run(code: str, kind: type[IrconvError], text: str, tmp_path: Path) -> None:
    source, path = SCRIPTS / "torch213-shuffle" / "traced.pt", tmp_path / "m.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        home = next(name for name in old.namelist() if name.startswith("traced/code/__torch__/tt_"))
        line = next(line for line in old.read(home).decode().splitlines() if line.startswith("class "))
        code = code.replace("NET", line.removeprefix("class ").partition("(")[0])
        for name in old.namelist():
            new.writestr(name, code if name == home else old.read(name))
    assert text in rejection(lambda: irconv.read(path), kind)


def test_heads_of_functions_become_those_of_python() -> None:
    text = "def f(x: Tensor,\n    y: int=3,\n    z: Tensor) -> Tensor:\n  return x\n"
    (function,) = ast.parse(python_heads(text)).body
    assert isinstance(function, ast.FunctionDef)
    assert [ast.unparse(default) for default in function.args.defaults] == ["3", "None"]


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    shutil.copy(SCRIPTS / "torch213-shuffle" / "traced.pt", path)
    path.write_bytes(path.read_bytes()[:-300])
    assert rejection(lambda: irconv.read(path), DamagedFile)


def test_the_overloads_are_pytorchs_own() -> None:
    for name, signatures in SIGNATURES.items():
        for signature in signatures:
            schema = getattr(getattr(torch.ops.aten, name), signature.op.partition(".")[2])._schema
            assert [argument.name for argument in signature.arguments] == [a.name for a in schema.arguments]
            assert [argument.by_name for argument in signature.arguments] == [a.kwarg_only for a in schema.arguments]
            listed = len(schema.returns) == 1 and "List" in str(schema.returns[0].type)
            assert signature.results == (None if listed else len(schema.returns))


class Enlarged(nn.Module):
    """An image enlarged by a factor that the size is multiplied with, and by a number that has a default."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, scale: float = 3.0) -> Tensor:
        return scale * nn.functional.interpolate(
            x, scale_factor=self.factor, mode="bilinear", recompute_scale_factor=True, align_corners=False
        )


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_sizes_times_a_fraction_are_rounded_and_arguments_have_their_defaults(tmp_path: Path) -> None:
    torch.jit.script(Enlarged(1.5)).save(str(tmp_path / "m.pt"))
    bundle = irconv.read(tmp_path / "m.pt", ReadOptions(input_shape=("N,2,H,5",)))
    assert bundle.graph is not None
    assert [port.name for port in bundle.graph.inputs] == ["x"]
    assert bundle.graph.outputs[0].shape == ("N", 2, "(3*H)//2", 7)
    assert ("argument scale", "3.0") in [(fact.name, fact.value) for fact in bundle.source.facts]
    irconv.write(bundle, tmp_path / "m.py")
    x = torch.randn(2, 2, 7, 5)
    torch.testing.assert_close(import_file(tmp_path / "m.py").load()(x), Enlarged(1.5)(x))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_a_size_times_a_number_that_floats_do_not_hold_is_refused(tmp_path: Path) -> None:
    torch.jit.script(Enlarged(1.3)).save(str(tmp_path / "m.pt"))
    options = ReadOptions(input_shape=("N,2,H,5",))
    reason = rejection(lambda: irconv.read(tmp_path / "m.pt", options), Refused)
    assert "a size is calculated with 1.3, which is no whole number" in reason


class Turned(nn.Module):
    """Writes into what may be a view, and reads what it would be a view of, behind it or behind a call."""

    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        turned = (x * 2).permute(1, 0)
        flat = turned.reshape(-1)
        if self.inner is not None:
            return self.inner(flat) + turned.sum()
        flat += 1.0
        return flat + turned.sum()


class Writing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x += 1.0
        return x * 3


@pytest.mark.parametrize("inner", [None, Writing()], ids=["in one module", "in a module that is called"])
def test_a_trace_that_reads_what_a_write_may_have_changed_is_refused(inner: nn.Module | None, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Turned(inner), torch.ones(3, 4), check_trace=False).save(str(tmp_path / "m.pt"))
    said = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert "may share or have copied" in said
    assert "depends on strides" in said
