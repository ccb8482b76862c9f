"""Files into the user's own PyTorch classes: the ports that tutorials did by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import AdoptOptions
from irconv.errors import MissingFact, Refused
from tests.helpers import LENET, ROOT

NETS = ROOT / "fixtures" / "adoption" / "tutorial_nets.py"


def predicted(cls: str, weights: Path, case: Path, softmax: bool) -> tuple[Any, Any]:
    """What the user's network predicts with adopted weights, and what the framework did that wrote the file."""
    import torch

    from irconv.frameworks.torch.live import build

    net = build(NETS, cls).eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    x, y = np.load(case / "x_0.npy"), np.load(case / "y_0.npy")
    images = x if x.shape[1] == 1 else np.moveaxis(x, -1, 1)
    with torch.no_grad():
        found = net(torch.from_numpy(np.ascontiguousarray(images)))
    return (torch.softmax(found, 1) if softmax else found).numpy(), y


@pytest.mark.parametrize("case", ["keras2.2.4-lenet4-h5", "keras2.2.4th-lenet4-h5", "tf2.15-lenet4-h5"])
def test_lenet_4_of_keras_goes_into_the_tutorials_class(case: str, tmp_path: Path) -> None:
    out = tmp_path / "out.pt"
    found = irconv.adopt(LENET / case / "model.h5", f"{NETS}:LeNet4", out)
    got, wanted = predicted("LeNet4", out, LENET / case, softmax=True)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert {placed.sure for placed in found.placed} == {"certain"}
    assert {placed.name for placed in found.placed} >= {"conv1.0.weight", "fc1.0.weight", "before_softmax.weight"}


def test_lenet_5_of_keras_goes_into_a_sequential_that_a_function_makes(tmp_path: Path) -> None:
    out, case = tmp_path / "out.pt", LENET / "keras2.2.4-lenet5-h5"
    irconv.adopt(case / "model.h5", f"{NETS}:lenet5()", out)
    got, wanted = predicted("lenet5", out, case, softmax=False)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_weights_alone_do_not_say_how_an_image_was_flattened(tmp_path: Path) -> None:
    out, case = tmp_path / "out.pt", LENET / "keras2.2.4-lenet4-weights-h5"
    with pytest.raises(MissingFact, match=r"flatten=\(.dense_1=HEIGHTxWIDTHx16.,\)"):
        irconv.adopt(case / "weights.h5", f"{NETS}:LeNet4", out)
    assert not out.exists()
    irconv.adopt(case / "weights.h5", f"{NETS}:LeNet4", out, AdoptOptions(flatten=("fc1.0=7x7x16",)))
    got, wanted = predicted("LeNet4", out, case, softmax=True)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_a_live_module_gets_the_weights(tmp_path: Path) -> None:
    from irconv.frameworks.torch.live import build

    net, case = build(NETS, "LeNet4"), LENET / "keras2.2.4-lenet4-h5"
    found = irconv.adopt(case / "model.h5", net)
    name = "before_softmax.bias"
    np.testing.assert_array_equal(net.state_dict()[name].numpy(), found.tensors[name].numpy())


def test_code_that_fails_is_refused_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\nclass Net(torch.nn.Module):\n    def __init__(self, n): pass\n")
    source = LENET / "keras2.2.4-lenet4-h5" / "model.h5"
    with pytest.raises(Refused, match=r"calling Net raised TypeError: .*missing 1 required positional argument: 'n'"):
        irconv.adopt(source, f"{tmp_path / 'net.py'}:Net", tmp_path / "out.pt")
    with pytest.raises(MissingFact, match=r"the file has nothing named Other. It has Net."):
        irconv.adopt(source, f"{tmp_path / 'net.py'}:Other", tmp_path / "out.pt")


def test_running_both_shows_that_they_agree_up_to_what_the_target_leaves_out(tmp_path: Path) -> None:
    case = LENET / "keras2.2.4-lenet4-h5"
    found = irconv.adopt(case / "model.h5", f"{NETS}:LeNet4", tmp_path / "out.pt", AdoptOptions(verify=True))
    errors = {value.name: value.error for value in found.checked or ()}
    assert errors.keys() == {"conv1.0", "conv2.0", "fc1.0", "before_softmax", "output 0"}
    assert max(error for name, error in errors.items() if name != "output 0") < 1e-5
    assert found.first is not None
    assert found.first.name == "output 0"  # the softmax is not in the target
    assert found.parts


def test_the_first_layer_that_computes_something_else_is_named(tmp_path: Path) -> None:
    text = NETS.read_text().replace("nn.Conv2d(6, 16, 5, padding=2)", "nn.Conv2d(6, 16, 5, padding=2, dilation=1)")
    (tmp_path / "net.py").write_text(text.replace("nn.ReLU(), nn.MaxPool2d(2))", "nn.Tanh(), nn.MaxPool2d(2))", 1))
    case = LENET / "keras2.2.4-lenet4-h5"
    target = f"{tmp_path / 'net.py'}:LeNet4"
    found = irconv.adopt(case / "model.h5", target, tmp_path / "out.pt", AdoptOptions(verify=True))
    assert found.first is not None
    assert found.first.name == "conv2.0"
