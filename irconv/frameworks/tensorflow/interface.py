"""Where a graph is entered and left: a signature, what the user names, or what the graph shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from irconv.containers.graph_def import MetaGraph, NodeDef, Shape, Signature
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Refused
from irconv.frameworks.tensorflow.ends import PLACEHOLDERS, infer_inputs, infer_outputs
from irconv.frameworks.tensorflow.graph import Nodes, split
from irconv.frameworks.tensorflow.importing import Feed, Fetch
from irconv.options import ReadOptions

DEFAULT_SIGNATURE = "serving_default"
_HIDDEN = "__saved_model_init_op", "__saved_model_train_op"


@dataclass(frozen=True)
class Interface:
    """How a graph is entered and left."""

    feeds: tuple[Feed, ...]
    fetches: tuple[Fetch, ...]
    evidence: str


def signature_of(meta: MetaGraph, options: ReadOptions, where: str) -> tuple[str, Signature] | None:
    """The signature that is meant: the one named, ``serving_default``, or the only one; None where there is none.

    Raises `MissingFact` naming all where several would do, or none is the one that was named.
    """
    found = {name: signature for name, signature in meta.signatures.items() if name not in _HIDDEN}
    if options.signature is not None:
        if options.signature not in found:
            what = f"there is no such signature, but {', '.join(found) or 'none at all'}"
            raise MissingFact(f"{where}: --signature {options.signature}", what)
        return options.signature, found[options.signature]
    if DEFAULT_SIGNATURE in found:
        return DEFAULT_SIGNATURE, found[DEFAULT_SIGNATURE]
    if len(found) > 1:
        raise MissingFact(where, f"has {len(found)} signatures: {', '.join(found)}", "Name one with --signature.")
    return next(iter(found.items()), None)


def of_signature(name: str, signature: Signature, nodes: Nodes, options: ReadOptions) -> Interface:
    """The inputs and outputs of a signature, by its own names for them. Raises `Refused` for sparse ones."""
    for key, info in (*signature.inputs.items(), *signature.outputs.items()):
        if not info.name:
            raise Refused(f"{nodes.where}: signature {name}: {key}", "expected one dense tensor, got a sparse one")
    feeds = [
        _feed(key, info.name, nodes, index, options, info.dtype, info.shape)
        for index, (key, info) in enumerate(signature.inputs.items())
    ]
    fetches = [Fetch(key, info.name) for key, info in signature.outputs.items()]
    return Interface(tuple(feeds), tuple(fetches), f"the signature {name}")


def of_names(nodes: Nodes, options: ReadOptions) -> Interface:
    """The values that the user names; without ``--inputs`` the placeholders that the outputs need."""
    outputs = options.outputs or infer_outputs(nodes, options.inputs)
    for flag, values in (("--inputs", options.inputs), ("--outputs", options.outputs)):
        for value in values:
            if split(value)[0] not in nodes.by_name:
                close = _close(split(value)[0], nodes.by_name)
                raise MissingFact(f"{nodes.where}: {flag} {value}", f"the graph has no such node{close}")
    inputs = options.inputs or infer_inputs(nodes, outputs)
    feeds = tuple(_feed(_port(v), v, nodes, i, options) for i, v in enumerate(inputs))
    evidence = "given by the user" if options.outputs else "the values that nothing takes"
    return Interface(feeds, tuple(Fetch(_port(value), value) for value in outputs), evidence)


def _port(value: str) -> str:
    return value.removesuffix(":0")


def _feed(
    name: str,
    value: str,
    nodes: Nodes,
    index: int,
    options: ReadOptions,
    dtype: str = "",
    shape: Shape | Any = ...,
) -> Feed:
    """An input: its type and shape are the signature's, or the graph's, or what the user says."""
    node, number = nodes.maker(value)
    where = f"{nodes.where}: input {name}"
    dtype = dtype or _dtype(node, number)
    if not dtype:
        raise MissingFact(where, f"the graph does not say of what type {value} is", "Name another value in --inputs.")
    said = _said(options.input_shape, name, index)
    sizes = said if said is not None else _symbols(_shape(node, number) if shape is ... else shape, index)
    if sizes is None:
        what = "the graph does not say how many axes it has"
        raise MissingFact(where, what, f"Give --input-shape {name}=N,1,28,28.")
    return Feed(name, value, dtype, sizes)


def _dtype(node: NodeDef, number: int) -> str:
    types = node.attrs.get("output_types") or node.attrs.get("component_types")
    if isinstance(types, tuple):
        return str(types[number]) if number < len(types) else ""
    return str(node.attrs.get("dtype") or node.attrs.get("T") or "")


def _shape(node: NodeDef, number: int) -> Shape:
    """The shape of a result as far as the graph says it."""
    listed = node.attrs.get("_output_shapes") or node.attrs.get("output_shapes")
    if isinstance(listed, tuple) and number < len(listed):
        found: Shape = listed[number]
        return found
    shape = node.attrs.get("shape")
    # Up to TensorFlow 1.0 a placeholder without a shape has the shape of one number.
    return shape if node.op in PLACEHOLDERS and isinstance(shape, tuple) else None


def _symbols(shape: Shape, index: int) -> tuple[int | str, ...] | None:
    """An unknown batch size is ``N``, other unknown sizes are named by their place."""
    if shape is None:
        return None
    suffix = f"_{index + 1}" if index else ""
    return tuple(
        size if size is not None else f"{letter}{suffix if axis else ''}"
        for axis, (size, letter) in enumerate(zip(shape, _letters(shape), strict=True))
    )


def _letters(shape: Sequence[int | None]) -> list[str]:
    unknown = tuple(axis for axis, size in enumerate(shape) if size is None and axis)
    known = {(4, (1, 2)): "NHWC", (4, (2, 3)): "NCHW", (3, (1,)): "NTC", (2, (1,)): "NT"}
    return list(known.get((len(shape), unknown), [f"D{axis}" if axis else "N" for axis in range(len(shape))]))


def _said(given: Iterable[str], name: str, index: int) -> tuple[int | str, ...] | None:
    """What the user says of the shape of an input: ``x=N,28,28,1``, or without a name for the first."""
    for text in given:
        said, equals, sizes = text.rpartition("=")
        if (said == name) if equals else index == 0:
            return tuple(int(size) if size.lstrip("-").isdigit() else size for size in sizes.split(","))
    return None


def _close(name: str, known: Mapping[str, NodeDef]) -> str:
    last = name.rsplit("/", 1)[-1]
    found = [other for other in known if other.rsplit("/", 1)[-1].startswith(last[:4])][:5]
    return f"; there are {', '.join(found)}" if found else ""
