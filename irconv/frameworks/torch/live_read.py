"""Live modules of PyTorch as bundles, through ``torch.export``; and weights whose own class the user has.

This imports PyTorch and runs the module's own code, because the user named it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from irconv.errors import MissingFact, Problems, Refused
from irconv.frameworks.torch import live
from irconv.frameworks.torch.read_program import bundle_of
from irconv.frameworks.torch.state_dict import stored_weights
from irconv.frameworks.torch.trace import evaluating
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, Omitted, given_fact
from irconv.options import ReadOptions, said_shape

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Module

_COUNTER = "num_batches_tracked"
_SAMPLE_SIZES = (2, 64, 96, 128, 160, 192)
"""Sizes of samples where the user names a symbol, the smallest for a first axis; an export takes 0 and 1 for fixed."""


def from_module(
    module: Module,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    symbols: Mapping[tuple[str | int, int], str] | None = None,
    options: ReadOptions | None = None,
) -> Bundle:
    """What a module computes in evaluation mode, naively; its weights are copied.

    `symbols` are names of sizes by input (name or place) and axis. Raises `MissingFact` where PyTorch is missing,
    `Refused` where the export fails, and naming every call that cannot be carried over.
    """
    torch = live.import_torch()
    from irconv.frameworks.torch.aten.live_program import program_of

    name = type(module).__name__
    if not isinstance(module, torch.nn.Module):
        raise Refused(name, "expected a torch.nn.Module")
    with evaluating(module, torch), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*assigned during export")  # the flat weights of recurrent layers
        try:
            exported = torch.export.export(module, tuple(inputs), dict(keywords or {}), dynamic_shapes=dynamic_shapes)
        except Exception as error:
            what = f"torch.export raised {type(error).__name__}: {str(error).strip()[:600]}"
            raise Refused(name, what, "Export needs inputs that fit, and no Python that depends on values.") from error
    program = program_of(exported, _names(exported, symbols or _dims(dynamic_shapes)))
    return bundle_of(program, options or ReadOptions(), name, (), ())


def read_weights(bundle: Bundle, options: ReadOptions) -> Bundle:
    """The weights of a bundle in the user's own module, ``--module``, as a graph.

    Raises `MissingFact` without a shape for its inputs, and `Refused` naming every tensor that does not fit.
    """
    torch = live.import_torch()
    target = options.module or ""
    module = live.build_named(target)
    weights, _ = stored_weights(bundle)
    _load(module, weights, target, torch)
    inputs, keywords, shapes, symbols = _samples(options.input_shape, torch)
    dynamic = _by_parameter(module, shapes, inputs) if symbols else None
    made = from_module(module, inputs, keywords, dynamic, symbols, replace(options, module=None, input_shape=()))
    records = made.source.model_copy(
        update={"files": bundle.source.files, "facts": (*bundle.source.facts, *made.source.facts, _fact(target))}
    )
    omitted = (*bundle.omitted, *made.omitted, *_unread(made, weights))
    return replace(made, source=records, omitted=tuple(omitted), paths=bundle.paths)


def _fact(target: str) -> Fact:
    return given_fact("module", target)


def _unread(made: Bundle, weights: Mapping[str, Any]) -> list[Omitted]:
    read = {tensor.record.source.name for tensor in made.tensors.values() if tensor.record.source is not None}
    listed = {item.name for item in made.omitted}
    return [Omitted(name=name, reason="inference does not read it") for name in weights if name not in read | listed]


def _load(module: Module, weights: Mapping[str, Any], target: str, torch: Any) -> None:
    """Put the weights into the module: every one of both sides, in the same shapes."""
    wanted = {name: tensor for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)}
    problems = Problems()
    for name in wanted.keys() - weights.keys():
        if not name.endswith(_COUNTER):
            problems.add(f"{target}: {name}", "is not in the file")
    for name, found in weights.items():
        if name not in wanted:
            problems.add(f"{target}: {name}", "is in the file, and not in the module")
        elif tuple(found.shape) != tuple(wanted[name].shape):
            what = f"expected the module's shape {tuple(wanted[name].shape)}, got {tuple(found.shape)}"
            problems.add(f"{target}: {name}", what)
    problems.raise_any()
    state = {name: from_array(data.numpy(), data.dtype, torch) for name, data in weights.items()}
    module.load_state_dict(state, strict=False)


def from_array(array: Any, dtype: str, torch: Any) -> Any:
    """A tensor of PyTorch with a copy of the elements of an array."""
    import numpy as np

    raw = torch.from_numpy(np.frombuffer(bytearray(np.ascontiguousarray(array).tobytes()), np.uint8))
    return raw.view(getattr(torch, dtype)).reshape(array.shape)


def _samples(said: Sequence[str], torch: Any) -> tuple[list[Any], dict[str, Any], dict[Any, Any], dict[Any, str]]:
    """Inputs by place and by name, their shapes with names, and the names by input and axis."""
    if not said:
        remedy = "Give --input-shape, such as N,3,224,224, once for each input; N,16:int64 for whole numbers."
        raise MissingFact("--module", "the shapes of its inputs are not known", remedy)
    inputs: list[Any] = []
    keywords: dict[str, Any] = {}
    shapes: dict[Any, Any] = {}
    symbols: dict[Any, str] = {}
    sizes: dict[str, int] = {}
    for text in said:
        shape_text, _, kind = text.partition(":")
        name, shape = said_shape(shape_text)
        key = name or len(inputs)
        for axis, size in enumerate(shape):
            if isinstance(size, str):
                symbols[key, axis] = size
                others = [s for s in _SAMPLE_SIZES if s not in sizes.values() and (axis == 0 or s > 2)]
                sizes.setdefault(size, others[0] if others else 7 * (len(sizes) + 40))
        numbers = [sizes[size] if isinstance(size, str) else size for size in shape]
        sample = torch.zeros(numbers, dtype=_dtype(kind or "float32", text, torch))
        shapes[key] = shape
        if name:
            keywords[name] = sample
        else:
            inputs.append(sample)
    return inputs, keywords, shapes, symbols


def _dtype(name: str, text: str, torch: Any) -> Any:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise MissingFact(f"--input-shape {text}", f"expected an element type such as int64, got {name!r}")
    return found


def _by_parameter(module: Module, shapes: Mapping[Any, Any], inputs: Sequence[Any]) -> dict[str, Any]:
    """Which axes are free, by the names of the parameters of ``forward``."""
    import inspect

    torch = live.import_torch()
    parameters = list(inspect.signature(module.forward).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters[: len(inputs)]):
        return {parameters[0].name: tuple(_free(shapes[i], torch) for i in range(len(inputs)))}
    names = [parameter.name for parameter in parameters]
    if len(inputs) > len(names):
        raise MissingFact("--input-shape", f"expected at most {len(names)} inputs, got {len(inputs)}")
    return {names[key] if isinstance(key, int) else key: _free(shape, torch) for key, shape in shapes.items()}


def _free(shape: Sequence[int | str], torch: Any) -> dict[int, Any]:
    return {axis: torch.export.Dim(size) for axis, size in enumerate(shape) if isinstance(size, str)}


def _dims(dynamic_shapes: Any) -> dict[tuple[str | int, int], str]:
    """The names that the user gave to free sizes, ``Dim("N")``, by input and axis."""
    listed = dynamic_shapes.items() if isinstance(dynamic_shapes, Mapping) else enumerate(dynamic_shapes or ())
    found: dict[tuple[str | int, int], str] = {}
    for key, axes in listed:
        named = axes.items() if isinstance(axes, Mapping) else enumerate(axes) if isinstance(axes, list | tuple) else ()
        found |= {(key, axis): str(dim.__name__) for axis, dim in named if hasattr(dim, "__name__")}
    return found


def _names(exported: Any, symbols: Mapping[tuple[str | int, int], str]) -> dict[str, str]:
    """The export's symbols, each with the name that the user gave the size."""
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    given = list(exported.graph_signature.user_inputs)
    found: dict[str, str] = {}
    for (key, axis), name in symbols.items():
        node = nodes.get(given[key] if isinstance(key, int) else key)
        size = node.meta["val"].shape[axis] if node is not None else None
        if size is not None and not isinstance(size, int):
            found[str(size.node.expr)] = name
    return found
