"""A law: whatever the names of a model are, its sources do the same: their trees are equal, names aside."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import irconv
from irconv.errors import Refused
from irconv.frameworks.theano.helpers import HELPERS
from irconv.frameworks.torch.helpers import helpers
from irconv.frameworks.torch.names import WORDS
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Port
from irconv.ir.layers.activations import Clip, PRelu, Softmax
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.control import Scan
from irconv.ir.layers.elementwise import Abs
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Pad, SamePad
from irconv.ir.manifest import Fact, Meta, SourceFile
from irconv.options import ReadOptions
from tests.frameworks.emitted import meaning
from tests.frameworks.theano.cases import CASES as THEANO
from tests.frameworks.theano.cases import read as read_theano
from tests.helpers import LENETS, ONE_OF_EACH, ROOT, Array, Builder, numbers, read_case
from tests.layers.harness import bundle_of
from tests.layers.test_layers import CASES

KEPT = frozenset((*helpers(), *HELPERS, "scanned", "first_state"))

#: Text that ends strings, docstrings, lines and comments, fills in templates, and looks like calls of helpers.
HOSTILE = "a\"\"\"'''\n\\\r\\N{0}%s\\x\x00\x1b\u2028\u202e;boom(1);pad(math.nan)#"

#: What the files import, define, or have from Python, PyTorch and Theano.
TAKEN = """
F T x y l self np nn os h5py math torch theano Tensor Path Any load load_file build HERE float abs int list None True
False print exec lambda class forward training register_buffer _modules __init__ __x pad same_pad dot pool_2d lstm scan
OrderedDict Sequence Callable conv2d_grad_wrt_inputs state_dict type
""".split()  # noqa: SIM905  (a list of this length is unreadable)


def many() -> Bundle:
    """A layer for each name, then some more, of kinds whose sources read names from outside."""
    builder, value = Builder(input_of_the_model=("N", 2, "H", "W")), "input_of_the_model"
    for number in range(len(TAKEN) + 2 * len(_KINDS)):
        layer, operands = _KINDS[number % len(_KINDS)]
        builder.add(f"layer_{number}", layer, value, **operands)
        value = f"layer_{number}"
    return builder.build(*(node.outputs["y"] for node in builder.nodes))  # all of them live to the end


FIXTURES = ROOT / "fixtures"
#: Graphs of operators, whose layers have the names of nodes: scopes, modules, attributes.
GRAPHS: list[tuple[str, ReadOptions]] = [
    ("tensorflow/exported", ReadOptions()),
    ("tensorflow/loops/keras2.pb", ReadOptions()),
    ("torch-programs/torch213-shuffle/model.pt2", ReadOptions()),
    ("torch-programs/torch213-bug-avgpool-ceil-1/model.pt2", ReadOptions()),
    ("torch-scripts/torch213-bug-select-copy/scripted.pt", ReadOptions()),
    ("onnx/onnx-gru-1/model.onnx", ReadOptions()),
]

_NONE = ((0, 0), (0, 0))
_KINDS: list[tuple[Layer, dict[str, Array]]] = [
    (MaxPool(kernel=(1, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0), (1, 1)), ceil_mode=False), {}),
    (Clip(low=0.25, high=None), {}),
    (Softmax(axis=3), {}),
    (Pad(pads=(*_NONE, (0, 1), (0, 0)), mode="constant", value=0.5), {}),
    (SamePad(kernel=(3, 2), stride=(2, 1), dilation=(1, 1), value=0.0), {}),
    (Abs(), {}),
    (PRelu(), {"slope": numbers(2, 1, 1)}),
]
BUNDLES: dict[str, Callable[[], Bundle]] = {
    **{f"{case.name}": lambda case=case: read_case(case) for case in (*LENETS[::4], *ONE_OF_EACH[::7])},
    **{f"theano-{case.name}": lambda case=case: read_theano(case) for case in THEANO[::8]},
    "many": many,
    **{str(path): lambda path=path, options=options: irconv.read(FIXTURES / path, options) for path, options in GRAPHS},
    **{f"layer-{number}": lambda case=case: bundle_of(case) for number, case in enumerate(CASES) if number % 23 == 0},
}


def renamed(bundle: Bundle, name: Callable[[str], str], file: str) -> Bundle:
    """The bundle with other names for its layers, values, tensors, ports, scopes and files, and another version."""

    def graph(old: Graph) -> Graph:
        def ports(listed: tuple[Port, ...]) -> tuple[Port, ...]:
            return tuple(p.model_copy(update={"name": name(p.name), "value": name(p.value)}) for p in listed)

        def values(named: dict[str, str]) -> dict[str, str]:
            return {slot: name(value) for slot, value in named.items()}

        nodes = tuple(
            node.model_copy(
                update={
                    "layer": name(node.layer),
                    "scope": "/".join(map(name, node.scope.split("/"))) if node.scope else "",
                    "inputs": values(node.inputs),
                    "outputs": values(node.outputs),
                }
            )
            for node in old.nodes
        )
        return Graph(inputs=ports(old.inputs), outputs=ports(old.outputs), nodes=nodes)

    def layer(old: Layer) -> Layer:
        operands = {
            role: StoredOperand(tensor=name(operand.tensor)) if isinstance(operand, StoredOperand) else operand
            for role, operand in old.operands.items()
        }
        body = {"body": graph(old.body)} if isinstance(old, Scan) else {}
        return old.model_copy(update={"operands": operands, **body})

    assert bundle.graph is not None
    files, word = (SourceFile(name=file, size=1, sha256=""),), name("said")
    facts = (Fact(name=word, value=word, evidence=word),)
    return replace(
        bundle,
        source=bundle.source.model_copy(update={"version": name("1.0"), "files": files, "facts": facts}),
        meta=Meta(title=word, description=word, author=word, licence=word, url=word, labels=(word,)),
        layers={name(key): layer(old) for key, old in bundle.layers.items()},
        graph=graph(bundle.graph),
        tensors={name(key): tensor for key, tensor in bundle.tensors.items()},
    )


def innocent(text: str) -> str:
    """Letters alone, in the same places: separators and the length of what they become are kept."""
    return "".join(letter if letter.isalnum() or letter in "/._" else "q" for letter in text)


def in_order(words: list[str]) -> Callable[[str], str]:
    """Names by the order in which they are asked for; further ones are numbered. What follows a dot is kept."""
    known: dict[str, str] = {}

    def name(old: str) -> str:
        first, dot, rest = old.partition(".")
        number = len(known)
        again = "" if number < len(words) else f"_{number}"
        return known.setdefault(first, words[number % len(words)] + again) + dot + rest

    return name


def unlike(words: list[str]) -> list[str]:
    """Words that mean nothing, in the shape of the identifiers of others."""
    letters = string.ascii_lowercase.replace("x", "").replace("y", "") + string.ascii_uppercase
    made: list[str] = []
    for number, word in enumerate(words):
        shape = WORDS.identifier(word)
        first = next(i for i, letter in enumerate(shape) if letter != "_")
        plain = "".join(letter if letter == "_" else "q" for letter in shape)
        found = f"{plain[:first]}{letters[number % 50]}{plain[first + 1 :]}"
        if word.startswith("__"):  # no identifier begins so, but files whose names do are spelled in another way
            found = f"_{found}"
        made.append(found if found not in made else f"{found[:-1]}{letters[number % 50]}")
    assert len(set(made)) == len(made)
    return made


def meanings(bundle: Bundle, folder: Path) -> list[str]:
    """What the sources for PyTorch and Theano do; or why there is none."""
    found = []
    for suffix, source in ((".py", "m.py"), (".theano", "m.theano/model.py")):
        try:
            irconv.write(bundle, folder / f"m{suffix}")
        except Refused:
            found.append("refused")
        else:
            found.append(meaning((folder / source).read_text(encoding="utf-8"), KEPT))
    return found


@pytest.mark.parametrize("name", BUNDLES)
def test_text_in_names_stays_text(name: str, tmp_path: Path) -> None:
    bundle = BUNDLES[name]()
    for folder in ("hostile", "innocent"):
        (tmp_path / folder).mkdir()
    hostile = renamed(bundle, lambda old: HOSTILE + old, f"{HOSTILE}.h5")
    plain = renamed(bundle, lambda old: innocent(HOSTILE) + old, f"{innocent(HOSTILE)}.h5")
    assert meanings(hostile, tmp_path / "hostile") == meanings(plain, tmp_path / "innocent")


@pytest.mark.parametrize("name", BUNDLES)
def test_names_that_mean_something_hide_nothing(name: str, tmp_path: Path) -> None:
    bundle = BUNDLES[name]()
    for folder in ("hostile", "innocent"):
        (tmp_path / folder).mkdir()
    first = 7 * list(BUNDLES).index(name) % len(TAKEN)  # small models meet other words
    words = TAKEN[first:] + TAKEN[:first]
    hostile = renamed(bundle, in_order(words), "f.h5")
    plain = renamed(bundle, in_order(unlike(words)), "qqqq.h5")
    assert meanings(hostile, tmp_path / "hostile") == meanings(plain, tmp_path / "innocent")
