"""Reading: what a reader gives, checked, with what the user changes, in one layout and with its layers recognised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

from irconv.containers.watch import check_unchanged, keeping, note, watched
from irconv.errors import DamagedFile
from irconv.frameworks import Reader, readers
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import given_fact
from irconv.log import told
from irconv.options import ReadOptions, given, refuse_unused
from irconv.pipeline.choice import beyond_reader, existing, reader_of, refuse

#: The facts of reading that choose another function than the one that the file's framework runs.
_EDITS = (
    "until",
    "replace",
    "plugins",
    "key",
    "ema",
    "inputs",
    "outputs",
    "signature",
    "tags",
    "fix",
    "arch",
    "module",
)


def read_file(path: Path, options: ReadOptions) -> Bundle:
    """See `irconv.api.read`."""
    path = existing(path)
    with keeping():
        reader = reader_of(path, options.source_format)
        refuse(beyond_reader(reader, options))
        return read_model(reader, path, options)


def read_model(reader: Reader, path: Path, options: ReadOptions) -> Bundle:
    begin = perf_counter()
    bundle = _checked(reader, path, options)
    made_by = " ".join(part for part in (bundle.source.framework, bundle.source.version) if part)
    told("%s: read as %s, made by %s, in %.0f ms", path, reader.name, made_by, 1000 * (perf_counter() - begin))
    for fact in bundle.source.facts:
        told("fact %s: %.200s (%s)", fact.name, fact.value, fact.evidence)
    return bundle


def _checked(reader: Reader, path: Path, options: ReadOptions) -> Bundle:
    with watched() as seen:
        for source in (path, *options.paths):
            if source.is_file():
                note(source)
        bundle = reader.read(path, options)
        check_unchanged(seen)
    if options.plugins and bundle.graph is not None:
        from irconv.ir.layers import is_known
        from irconv.passes import decompose

        bundle = decompose.run(bundle, is_known)  # nobody else has the classes of a plugin
    if options.source_format:
        bundle = _noted(bundle, reader, path)
    bundle = replace(bundle, opened=dict(seen))
    if edits(options):  # what was checked and predicted is another function
        bundle = replace(bundle, checks=(), probe=None)
    if bundle.graph is None:
        reason = "weights without a graph have no inputs"
        refuse_unused(options, ("input_shape", "inputs", "outputs"), reason, bundle.graph_remedy("Leave it out."))
        return bundle
    if options.input_shape and reader.sizes:
        from irconv.passes import given_sizes

        bundle = given_sizes.run(bundle, options.input_shape)
    from irconv.ir.inference import check_sizes, check_types

    check_types(bundle)
    check_sizes(bundle)
    if bundle.graph is not None and not bundle.graph.outputs:
        raise DamagedFile(str(path), "names no outputs, so that nothing is computed")
    if reader.naive:
        # only weights with a module of the user's own come from a reader of weights as a graph of calls
        bundle = laid_out(bundle, (reader.graphs or options.module is not None) and options.recompose)
    ends = {name: getattr(options, name) for name in reader.cuts}
    if not any(ends.values()):
        return bundle
    from irconv.passes import cut

    return cut.run(bundle, ends.get("inputs", ()), ends.get("outputs", ()))


def laid_out(bundle: Bundle, graphs: bool) -> Bundle:
    """The bundle in one layout, and its arithmetic as layers where it is one that was exported."""
    # The passes need classes of layers, whose import takes longer than reading weights alone.
    from irconv.passes import channels_last

    if graphs:
        from irconv.ir.kept import names_of
        from irconv.passes import calls_again, recompose, remove_identity
        from irconv.passes.recompose import attention, plainer, products, rows
        from irconv.passes.recompose.wholes import stacked

        def raised(bundle: Bundle) -> Bundle:
            bundle = recompose.run(bundle)
            if source.framework == "tensorflow" or (of_onnx and not source.version.startswith("pytorch")):
                bundle = attention.run(rows.run(bundle))  # PyTorch keeps what projects apart from its attention
            return products.run(bundle)

        source, of_onnx = bundle.source, bundle.source.framework == "onnx"
        # once where the graph's own axes are, and once more for what stood on two sides of a transpose
        bundle = raised(remove_identity.left_over(channels_last.run(raised(bundle))))
        if not of_onnx:
            return bundle
        if not source.version.startswith("irconv"):  # which writes moves as its source had them
            bundle = products.run(plainer.run(bundle))
        bundle = remove_identity.left_over(stacked(bundle))
        return calls_again.run(bundle) if names_of(bundle) is None else bundle  # keys of a state dict are kept each
    return channels_last.run(bundle)


def _noted(bundle: Bundle, reader: Reader, path: Path) -> Bundle:
    """The bundle with a note of what else the file was recognised as, where the user said whose it is."""
    others = {r.name: why for r in readers() if r is not reader and not r.unmarked and (why := r.recognises(path))}
    if not others or (reader.recognises(path) and not reader.unmarked):
        return bundle
    against = "; ".join(f"{name}, as it {why}" for name, why in others.items())
    facts = (*bundle.source.facts, given_fact("format", reader.name, against))
    return replace(bundle, source=bundle.source.model_copy(update={"facts": facts}))


def edits(options: ReadOptions) -> tuple[str, ...]:
    return tuple(name for name in given(options) if name in _EDITS)
