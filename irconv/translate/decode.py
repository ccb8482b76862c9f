"""Decodes a whole native model, layer after layer, into a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv import edits
from irconv.codec import NativeModel, Table
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph
from irconv.ir.layers import is_known
from irconv.ir.manifest import Omitted, SourceRecord
from irconv.options import ReadOptions
from irconv.passes import decompose, unused
from irconv.translate.importer import Importer
from irconv.translate.opaque import Keeping, Sizes
from irconv.translate.references import referred
from irconv.translate.sizes import resized


def decode(
    model: NativeModel,
    table: Table,
    source: SourceRecord,
    file: str,
    options: ReadOptions | None = None,
    folds: bool = False,
    hints: Mapping[str, Sizes] | None = None,
) -> Bundle:
    """The model as a bundle, naively: every Transpose still there, and what the user asks to change is changed.

    `folds`: values that follow from sizes are constants where they are used. `hints` are shapes of values that the file
    says elsewhere, for layers that are kept as they are.

    Raises one error that names every layer which cannot be carried over.
    """
    options = options or ReadOptions()
    model = edits.run(model, options)
    table = edits.with_plugins(table, options)
    importer, keeping = Importer(table, file, folds=folds), Keeping(table, options, hints or {})
    importer.omitted += model.omitted
    for port in model.inputs:
        importer.input(port)
    for use in model.uses:
        native = model.layers[use.layer]
        where = model.where.get(use.layer, f"layer {use.layer}")
        with importer.problems.collect():
            if keeping.keeps(native) and all(importer.has(value) for value in use.inputs if value):
                keeping.add(importer, native, use, where)
            else:
                importer.add(native, use.inputs, use.outputs, use.scope, where)
    importer.problems.raise_any()
    if kept := keeping.finish():
        source = source.model_copy(update={"facts": (*source.facts, *kept)})
    graph = Graph(
        inputs=importer.resized(model.inputs), outputs=importer.typed(model.outputs), nodes=tuple(importer.nodes)
    )
    bundle = Bundle(
        source=source,
        layers={name: resized(layer, importer.same) for name, layer in importer.layers.items()},
        graph=graph,
        tensors=importer.tensors,
        omitted=tuple(importer.omitted),
    )
    if folds or any(referred(layer.config) for layer in model.layers.values()):
        bundle = _without_what_only_sized(bundle)
    return decompose.run(bundle, is_known) if options.plugins else bundle


def _without_what_only_sized(bundle: Bundle) -> Bundle:
    """The bundle without nodes of which only sizes were taken; weights among them are noted."""
    whole = unused.run(bundle)
    left = [tensor.record.source for key, tensor in bundle.tensors.items() if key not in whole.tensors]
    noted = [Omitted(name=source.name, reason="the result of its layer is not used") for source in left if source]
    return replace(whole, omitted=(*whole.omitted, *noted))
