"""A network of PyTorch in every way that it can be written: program, trace, and through both ONNX exporters."""

from __future__ import annotations

import contextlib
import io
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILES = {"pt2": "model.pt2", "trace": "model.pt", "script exporter": "script.onnx", "dynamo exporter": "dynamo.onnx"}
"""The ways that a network enters, and their files."""
_TURNS = ("permute", "transpose", "t", "movedim", "swapaxes", "swapdims", "mT", "numpy_T", "adjoint")


def randomised(module: Any) -> None:
    """Values that no default has: scales and variances around 1, what was constant around 0, the rest as it was."""
    import torch
    from torch import nn

    norms = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, norms) and part.weight is not None:
                part.weight.uniform_(0.5, 1.0)
            for name, value in part.named_parameters(recurse=False):
                if isinstance(part, norms) and name == "weight":
                    continue
                if value.dim() < 2 and value.numel() > 1 and name in ("weight", "gamma", "gain", "alpha"):
                    value.uniform_(0.5, 1.0)
                elif value.numel() and bool((value == value.reshape(-1)[0]).all()):
                    value.add_(torch.randn_like(value) * 0.1)
            for name, value in part.named_buffers(recurse=False):
                if name == "running_mean":
                    value.normal_(0, 0.1)
                elif name == "running_var":
                    value.uniform_(0.7, 1.3)


def flat(found: Any) -> list[Any]:
    """The tensors of a result, in order."""
    import torch

    if isinstance(found, torch.Tensor):
        return [found]
    if found is None:
        return []
    parts = found.values() if hasattr(found, "values") else found
    return [tensor for part in parts for tensor in flat(part)]


def made(name: str, build: Callable[[], Any]) -> tuple[Any, Any]:
    """The network with its random weights, in evaluation mode, and what it is called with: always the same."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(zlib.crc32(name.encode()))
    module, given = build()
    randomised(module)
    return module.eval(), given


def exported(name: str, build: Callable[[], Any], folder: Path, ways: list[str]) -> dict[str, Any]:
    """Write the program of a network and some of its other files, and what it was given and gave, ``case.npz``.

    Gives its parameters, the transposes that its author wrote, and why a way was not written. Raises what
    `torch.export` raises, and `ValueError` where an output is not finite.
    """
    import torch

    module, given = made(name, build)
    with torch.no_grad():
        wanted = flat(module(*given))
    if not all(bool(torch.isfinite(value).all()) for value in wanted if value.is_floating_point()):
        raise ValueError("its outputs are not finite")
    arrays = {f"x{i}": value.numpy() for i, value in enumerate(given)}
    np.savez(folder / "case.npz", **arrays, **{f"y{i}": value.numpy() for i, value in enumerate(wanted)})
    program = torch.export.export(module, given)
    program.example_inputs = None
    torch.export.save(program, folder / FILES["pt2"])
    turns = [str(node.target).split(".")[1] for node in program.graph.nodes if str(node.target).startswith("aten.")]
    failed = {way: why for way in ways if way != "pt2" and (why := _written(way, module, given, folder))}
    counted = sum(value.numel() for value in module.parameters())
    return {"parameters": counted, "turns": sum(turn in _TURNS for turn in turns), "failed": failed}


def _written(way: str, module: Any, given: Any, folder: Path) -> str:
    """Write the network in a way; why that cannot be done, or nothing."""
    import torch

    file = folder / FILES[way]
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    try:
        with quiet[0], quiet[1], warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            if way == "trace":
                torch.jit.trace(module, given, strict=False, check_trace=False).save(str(file))
            elif way == "script exporter":
                torch.onnx.export(module, given, str(file), dynamo=False, opset_version=17)
            else:
                torch.onnx.export(module, given, str(file), dynamo=True, external_data=False)
    except Exception as error:  # noqa: BLE001, what does not export is a cell of the table
        file.unlink(missing_ok=True)
        return f"{type(error).__name__}: {str(error)[:300]}"
    return ""
