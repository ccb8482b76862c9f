"""Decodes native layers, one after the other, into a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from irconv import edits
from irconv.codec import Native, NativeModel, NativeUse, Table
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Port
from irconv.ir.manifest import Omitted, SourceRecord
from irconv.options import ReadOptions
from irconv.passes import unused
from irconv.translate.importer import Importer
from irconv.translate.opaque import Hints, Keeping
from irconv.translate.references import referred
from irconv.translate.sizes import resized


def decode(
    model: NativeModel,
    table: Table,
    source: SourceRecord,
    file: str,
    options: ReadOptions | None = None,
    folds: bool = False,
    hints: Hints | None = None,
) -> Bundle:
    """The model as a bundle, naively: every Transpose still there, and what the user asks to change is changed.

    Raises one error that names every layer which cannot be carried over. See `Decoder` for the arguments.
    """
    return Decoder(table, file, options or ReadOptions(), folds, hints).model(model, source)


class Decoder:
    """Native layers, each decoded once: as soon as it is added, with what the user asks to change.

    A reader adds a whole model, where its layers are told apart and get their weights before any is decoded (Keras,
    PyTorch), or one layer after the other, where what a layer becomes depends on the types of what it takes (Theano).
    """

    def __init__(
        self,
        table: Table,
        file: str,
        options: ReadOptions,
        folds: bool = False,
        hints: Hints | None = None,
    ) -> None:
        """`folds`: values that follow from sizes are constants where they are used. `hints` are types of values that
        the file says elsewhere, for layers that are kept as they are."""
        self.options, self.folds = options, folds
        table = edits.with_plugins(table, options)
        self.importer, self.keeping = Importer(table, file, folds=folds), Keeping(table, options, dict(hints or {}))
        self.replaced: Mapping[str, str] = {}
        """Layer -> the wish that it be the identity (``--replace``), by its native name."""
        self._sized = folds

    def model(self, model: NativeModel, source: SourceRecord) -> Bundle:
        """The bundle of a whole model. Raises one error that names every layer which cannot be carried over."""
        self.replaced = edits.replaced(model, self.options)
        model = edits.until(model, self.options)
        self.importer.omitted += model.omitted
        for port in model.inputs:
            self.importer.input(port)
        for use in model.uses:
            self.add(model.layers[use.layer], use, model.where.get(use.layer, f"layer {use.layer}"))
        return self.bundle(source, model.outputs)

    def add(self, native: Native, use: NativeUse, where: str) -> None:
        """Decode a layer and add a use of it; why it cannot be carried over is noted, and its results are unknown."""
        importer, wish = self.importer, self.replaced.get(native.name)
        if wish is not None:
            first = native.name not in importer.layers
            importer.omitted += edits.left_out([native], f"--replace {wish}") if first else ()
            native = edits.identity(native)
        self._sized = self._sized or bool(referred(native.config))
        with importer.problems.collect():
            if self.keeping.keeps(native.type) and all(importer.has(value) for value in use.inputs if value):
                self.keeping.add(importer, native, use, where)
            else:
                importer.add(native, use.inputs, use.outputs, use.scope, where)

    def bundle(self, source: SourceRecord, outputs: Sequence[Port]) -> Bundle:
        """All that was added. Raises one error that names every layer which cannot be carried over."""
        importer = self.importer
        importer.problems.raise_any()
        if kept := self.keeping.finish():
            source = source.model_copy(update={"facts": (*source.facts, *kept)})
        graph = Graph(
            inputs=importer.resized(importer.inputs), outputs=importer.typed(outputs), nodes=tuple(importer.nodes)
        )
        bundle = Bundle(
            source=source,
            layers={name: resized(layer, importer.same) for name, layer in importer.layers.items()},
            graph=graph,
            tensors=importer.tensors,
            omitted=tuple(importer.omitted),
        )
        if self._sized:
            bundle = without_unused(bundle, "the result of its layer is not used")
        return bundle


def without_unused(bundle: Bundle, reason: str) -> Bundle:
    """The bundle without nodes whose results nothing takes; weights among them are noted, with the reason."""
    whole = unused.run(bundle)
    left = [tensor.record.source for key, tensor in bundle.tensors.items() if key not in whole.tensors]
    noted = [Omitted(name=source.name, reason=reason) for source in left if source]
    return replace(whole, omitted=(*whole.omitted, *noted))
