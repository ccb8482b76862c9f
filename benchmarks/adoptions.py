"""Architectures of `keras.applications` into their namesakes of torchvision and timm, and TensorFlow's BERT into that
of transformers, by `irconv.adopt`, with no map.

For each pair: random weights in Keras, an ``.h5`` file, adopted into the namesake with both sides run. The table says
how many parameters were placed, by how many settings the namesake is another function, at which layer the two first
part, and how far their outputs are apart; then the same for the namesake with the source's settings, as a user would
write it.
Needs Keras, PyTorch, torchvision and timm (``requirements/adoptions.txt``). Without arguments: every pair.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 10
BERT = Path(__file__).parent.parent / "fixtures" / "adoption" / "bert"
#: Compiled ops of torchvision's, which no classifier uses. A build for another processor lacks them and cannot be
#: imported before they are declared.
COMPILED = ("nms", "qnms", "roi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_align",
            "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward", "deform_conv2d",
            "_deform_conv2d_backward")  # fmt: skip


def torchvision(name: str, **options: Any) -> Any:
    """A classifier of torchvision's with values of its own."""
    import torch

    try:
        from torchvision import models
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for op in COMPILED:
            library.define(f"{op}(Tensor x) -> Tensor")
        sys.modules.pop("torchvision", None)
        from torchvision import models
    return getattr(models, name)(num_classes=CLASSES, **options)


def epsilons(module: Any, epsilon: float) -> None:
    """Give every BatchNorm this epsilon."""
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = epsilon


def densenet() -> Any:
    module = torchvision("densenet121")
    epsilons(module, 1.001e-5)
    return module


def resnet() -> Any:
    """The stride of a block is that of its first convolution, not of its second."""
    module = torchvision("resnet50")
    epsilons(module, 1.001e-5)
    for layer in (module.layer2, module.layer3, module.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    return module


def mobilenet() -> Any:
    """Convolutions with a stride are padded behind the image alone."""
    from torch import nn
    from torch.nn import functional

    module = torchvision("mobilenet_v2")
    epsilons(module, 1e-3)
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.stride == (2, 2):
            part.padding = (0, 0)
            part.register_forward_pre_hook(lambda _, given: (functional.pad(given[0], (0, 1, 0, 1)),))
    return module


def inception() -> Any:
    """Means do not count their padding."""
    from torch.nn import functional

    module = torchvision("inception_v3", aux_logits=False, init_weights=False)
    code = sys.modules["torchvision.models.inception"]

    class Functions:
        def __getattr__(self, name: str) -> Any:
            return getattr(functional, name)

        def avg_pool2d(self, *given: Any, **options: Any) -> Any:
            return functional.avg_pool2d(*given, **options, count_include_pad=False)

    code.F = Functions()  # type: ignore[attr-defined]
    return module


def timm() -> Any:
    torchvision("resnet18")  # timm imports torchvision
    import timm as library

    return library.create_model("tf_efficientnet_b0", num_classes=CLASSES)


def prepared() -> Any:
    """With the preparation of images that Keras has in its model: that of weights without a data set's."""
    from torch import nn

    class Prepared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = timm()

        def forward(self, images: Any) -> Any:
            return self.inner(images * (1 / 255))

    return Prepared()


@dataclass(frozen=True)
class Pair:
    """A namesake, and the same with the source's settings; height and width of the images."""

    plain: Callable[[], Any]
    same: Callable[[], Any]
    size: int = 64


PAIRS = {
    "VGG16": Pair(lambda: torchvision("vgg16"), lambda: torchvision("vgg16"), 224),
    "DenseNet121": Pair(lambda: torchvision("densenet121"), densenet),
    "ResNet50": Pair(lambda: torchvision("resnet50"), resnet),
    "MobileNetV2": Pair(lambda: torchvision("mobilenet_v2"), mobilenet),
    "InceptionV3": Pair(lambda: torchvision("inception_v3", aux_logits=False, init_weights=False), inception, 96),
    "EfficientNetB0": Pair(timm, prepared),
}
BERTS = ("BertForPreTraining", "BertModel")


def build(name: str, file: Path) -> None:
    """Save a Keras model with random weights; needs Keras."""
    import keras

    random = np.random.default_rng(zlib.crc32(name.encode()))
    shape = (PAIRS[name].size, PAIRS[name].size, 3)
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=shape, classes=CLASSES, classifier_activation=None)
    for weight in model.weights:
        weight.assign(_values(weight.path.rsplit("/", 1)[-1], weight.numpy(), random))
    model.save(file, include_optimizer=False)


def _values(kind: str, now: Any, random: np.random.Generator) -> Any:
    """Values that no default has, but of the preparation of images."""
    if kind == "gamma":  # large enough for the image to be seen in the output
        return random.uniform(0.9, 1.3, now.shape).astype(now.dtype)
    if kind == "moving_variance":
        return random.uniform(0.7, 1.3, now.shape).astype(now.dtype)
    if kind in ("beta", "bias", "moving_mean"):
        return random.normal(0, 0.1, now.shape).astype(now.dtype)
    return now


def adopt(name: str, file: Path, kind: str) -> dict[str, Any]:
    """What `irconv.adopt` does with the file and one of the namesakes."""
    import irconv

    module = getattr(PAIRS[name], kind)()
    found = irconv.adopt(file, module, options=irconv.AdoptOptions(verify=True))
    errors = [value.error for value in found.checked or () if value.output]
    settings = sorted({difference.setting for difference in found.differences})
    return {
        "placed": f"{len(found.placed)} of {len(found.placed) + len(found.untouched)}",
        "differences": len(found.differences),
        "settings": settings,
        "first": found.first.name if found.first else "",
        "error": max(errors),
        "left": len(found.left),
    }


def bert(name: str) -> dict[str, Any]:
    """What `irconv.adopt` does with the checkpoint of TensorFlow's BERT and a module of transformers, and how far both
    outputs are then from what TensorFlow predicted, where the mask does not hide them."""
    import torch

    import irconv

    torchvision("resnet18")  # transformers imports torchvision
    import transformers

    config = transformers.BertConfig(
        vocab_size=37,
        hidden_size=12,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
        hidden_act="gelu_new",
    )
    module = getattr(transformers, name)(config).eval()
    options = irconv.AdoptOptions(partial=name == "BertModel")  # which has no heads
    found = irconv.adopt(BERT / "bert_model.ckpt.index", module, options=options)
    x, wanted = ({key: torch.from_numpy(a) for key, a in np.load(BERT / file).items()} for file in ("x.npz", "y.npz"))
    with torch.no_grad():
        made = module(input_ids=x["ids"], token_type_ids=x["kinds"], attention_mask=x["mask"])
    last, pooled = (wanted["last"], wanted["pooled"]) if options.partial else (wanted["words"], wanted["following"])
    seen = x["mask"].bool()
    errors = (
        (made[0] - last)[seen].abs().max() / last.abs().max(),
        (made[1] - pooled).abs().max() / pooled.abs().max(),
    )
    return {
        "placed": f"{len(found.placed)} of {len(found.placed) + len(found.untouched)}",
        "differences": len(found.differences),
        "left": len(found.left),
        "error": float(max(errors)),
    }


def measure_bert(name: str) -> str:
    """One row of the table of BERT."""
    try:
        found = _step("bert", name)
    except RuntimeError as error:
        return f"| {name} | {error} |"
    return f"| {name} | {found['placed']} | {found['left']} | {found['differences']} | {found['error']:.0e} |"


def _step(*arguments: str) -> dict[str, Any]:
    """What one step says, run in a process of its own. Raises `RuntimeError` with its last words."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, __file__, "--step", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr.strip().splitlines()[-1].replace("|", "/")[-200:])
    found = json.loads(result.stdout.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


def measure(name: str, file: Path) -> str:
    """One row of the table."""
    try:
        _step("build", name, str(file))
        plain, same = _step("plain", name, str(file)), _step("same", name, str(file))
    except RuntimeError as error:
        return f"| {name} | {error} |"
    settings = f"{plain['differences']}: {', '.join(plain['settings'])}" if plain["differences"] else "none"
    cells = [plain["placed"], settings, plain["first"] or "nowhere", f"{plain['error']:.0e}"]
    return f"| {name} | {' | '.join(cells)} | {same['differences']} | {same['error']:.0e} |"


def main() -> None:
    wanted = sys.argv[1:] or [*PAIRS, *BERTS]
    head = (
        "| architecture | placed | settings that differ | part first at | error | with the source's settings | error |"
    )
    if pairs := [name for name in wanted if name in PAIRS]:
        print(f"{head}\n|{' --- |' * 7}")
    for name in pairs:
        with tempfile.TemporaryDirectory() as scratch:
            print(measure(name, Path(scratch) / "model.h5"), flush=True)
    if berts := [name for name in wanted if name in BERTS]:
        print(f"\n| of transformers | placed | left out | settings that differ | error |\n|{' --- |' * 5}")
    for name in berts:
        print(measure_bert(name), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step, model, path = sys.argv[2], sys.argv[3], Path(*sys.argv[4:])
        steps = {"build": lambda: build(model, path) or {}, "bert": lambda: bert(model)}
        print(json.dumps(steps.get(step, lambda: adopt(model, path, step))()))
    else:
        main()
