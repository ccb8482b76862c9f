"""Keras models and weights of every version as a bundle, read without Keras or TensorFlow."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any, get_args

from irconv import edits
from irconv.codec import NativeModel, NativeWeight, Table
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile, IrconvError, MissingFact, Problems, Refused
from irconv.frameworks.keras import files, held, keras0, keras1, spelling, structure
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.files import KerasFile, Named
from irconv.frameworks.keras.inner import inner
from irconv.frameworks.keras.matching import Archive, by_name
from irconv.frameworks.keras.normalise import check_model, normalise
from irconv.frameworks.keras.own import named_apart
from irconv.frameworks.keras.placing import expansion
from irconv.frameworks.keras.state import variable_shapes
from irconv.frameworks.keras.table import OF_SIZES, TABLE
from irconv.frameworks.keras.training_alone import training_facts
from irconv.frameworks.keras.unknown import built_shapes, unknown_classes, with_all_else
from irconv.frameworks.keras.variables import KINDS, Tree, segment, tree
from irconv.frameworks.keras.weights import placed_groups, read_groups
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord, assumed_fact, given_fact
from irconv.ir.optimizer import REASON, kept
from irconv.ir.tensors import LazyTensor
from irconv.options import EDITS, OPAQUE, Backend, ReadOptions, refuse_unused
from irconv.rows import Weight
from irconv.translate import Decoder
from irconv.translate.opaque import Hints

_BACKENDS = get_args(Backend)
_OLD_BACKENDS = ("theano", "cntk")
"""Those that Keras 2.4 gave up."""


class _Known(Container[str]):
    """The names that mean Keras' own class wherever they stand, and those of packages."""

    def __init__(self) -> None:
        self.names = {*KINDS, *(native.removeprefix("ops.") for native in TABLE.natives)}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self.names or expansion(name) is not None)


#: Datasets that are no weights, by a part of their path, and what they are.
_NO_WEIGHTS = {
    "optimizer_weights": "optimizer state",
    "optimizer": "optimizer state",
    "metrics": "state of a metric",
    "seed_generator": "state of a random generator",
    "_random_generator": "state of a random generator",
}


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model, naively decoded; or the weights alone, in groups, where neither the file nor `options.arch` says more.

    Raises `DamagedFile`, `MissingFact` (the backend, where the file does not show it) and `Refused`.
    """
    spelt = _spelt(path, options)
    if isinstance(spelt, Bundle):
        return spelt
    source, model = spelt.source, spelt.model
    bundle = held.run(_decoded(model, source, path.name, options, spelt.hints))
    facts = (*bundle.source.facts, *training_facts(bundle.layers))
    bundle = replace(bundle, source=bundle.source.model_copy(update={"facts": facts}))
    bundle = replace(bundle, omitted=(*spelt.omitted, *bundle.omitted), paths=spelt.paths)
    if not options.keep_optimizer:
        return bundle
    left = {one.name for one in bundle.omitted if one.reason == REASON}
    state = {name: data for name, data in spelt.state.items() if name in left}
    return kept(bundle, state, variable_shapes(model), options)


def native(path: Path, options: ReadOptions) -> tuple[NativeModel, Table] | None:
    """The model as Keras spells it, and the rules that would read it; None for weights alone. Raises as `read`."""
    spelt = _spelt(path, options)
    if isinstance(spelt, Bundle):
        return None
    return edits.run(spelt.model, options), edits.with_plugins(TABLE, options)


@dataclass(frozen=True)
class _Spelt:
    """A model before its layers are looked up."""

    model: NativeModel
    source: SourceRecord
    omitted: Sequence[Omitted]
    paths: tuple[Path, ...]
    state: Mapping[str, LazyTensor]
    hints: Hints
    """Shapes of values, from the layers that were built for them."""


def _spelt(path: Path, options: ReadOptions) -> _Spelt | Bundle:
    """The model as Keras spells it, or its weights alone as a bundle."""
    file = files.read_file(path)
    paths: tuple[Path, ...] = file.objects.files if file.objects is not None else (path,)
    if options.arch is not None:
        if file.config is not None:
            raise Refused(f"--arch {options.arch}", f"expected weights alone, but {path} has a model of its own")
        file, paths = _with_arch(file, options.arch), (*paths, options.arch)
    backend = _backend(file, options)
    records = tuple(SourceFile(name=part.name, size=part.stat().st_size, sha256="") for part in paths)
    source = SourceRecord(framework="keras", version=file.version, files=records, facts=(backend,))
    if file.config is None:
        return replace(_weights_alone(file, source, backend.value, options), paths=paths)
    major = _major(path, file)
    if major > 1:
        refuse_unused(options, ("dim_ordering",), f"layers of Keras {major} say their data_format")
    named_apart(file.config, _Known())
    check_model(file.config, str(path))
    ragged = spelling.says_ragged(file.config)
    facts = Facts(str(path), backend.value, major, file.version, ragged, options.input_shape)
    problems = Problems()
    try:
        found = _found(file, facts, options, problems)
        with problems.collect():
            model = normalise(found.config, found.tensors, facts)
        noted = structure.facts(found.config, file.settings)
        if file.kept.tensors:
            noted = (*noted, file.kept.fact("the file"))
            uses = (replace(use, scope=file.kept.scopes.get(use.layer, use.scope)) for use in model.uses)
            model = replace(model, uses=tuple(uses))
        problems.raise_any()
    except MALFORMED as error:
        what = f"expected what Keras writes, but something is missing or of another kind: {error!r}"
        raise DamagedFile(f"{path}: attribute model_config", what) from error
    source = source.model_copy(update={"facts": (*source.facts, *found.facts, *noted)})
    state = file.state if file.objects is None else file.objects.tensors
    hints = built_shapes(found.config, model) if options.keep_opaque else {}
    return _Spelt(model, source, found.omitted, paths, state, hints)


@dataclass
class _Found:
    """The weights of a model by layer and local name."""

    config: Mapping[str, Any]
    tensors: Mapping[str, NativeWeight]
    facts: tuple[Fact, ...] = ()
    omitted: list[Omitted] = field(default_factory=list)


def _found(file: KerasFile, facts: Facts, options: ReadOptions, problems: Problems) -> _Found:
    """Which array is which variable of the model; what is none is noted, or a problem."""
    told: tuple[Fact, ...] = ()
    if facts.version == 1:
        ordering = keras1.ordering(file, options.dim_ordering)
        file, told = keras1.as_keras2(file, facts, ordering), (ordering,) if ordering else ()
    config = file.config or {}
    part = None
    if options.arch is not None and facts.version > 1 and file.named:
        part = inner(tree(config), file.named, options.submodel, str(file.path))
    else:
        reason = "weights are told apart by their groups in HDF5 of Keras 2 beside an --arch alone"
        refuse_unused(options, ("submodel",), reason)
    if part is not None:
        found = _Found(config, part.tensors, (*told, part.fact), list(part.omitted))
        taken = {weight.path for weight in part.tensors.values()} | {omitted.name for omitted in part.omitted}
    else:
        tensors, taken = _tensors(file, facts.version, _taught(options), problems)
        found = _Found(config, tensors, told)
    with problems.collect():
        found.omitted += _left_over(file, taken)
    return found


def _decoded(model: NativeModel, source: SourceRecord, name: str, options: ReadOptions, hints: Hints) -> Bundle:
    """The model through the table. What it has no rule for is said once for each class, with weights and settings, and
    with the shapes of the values that it is first called on, where what makes them could be read."""
    sized = any(layer.type in OF_SIZES for layer in model.layers.values())
    decoder = Decoder(TABLE, name, options, folds=sized, hints=hints)
    try:
        return decoder.model(model, source)
    except IrconvError as error:
        if options.keep_opaque:
            raise
        types = decoder.importer.types

        def shapes(layer: str) -> str:
            taken = next((use.inputs for use in model.uses if use.layer == layer), ())
            known = all(value in types for value in taken)
            return " and ".join(f"({', '.join(map(str, types[value].shape))})" for value in taken) if known else ""

        unknown = unknown_classes(edits.run(model, options), decoder.importer.table, shapes)
        raise with_all_else(unknown, error, TABLE.remedy("")) from error


def _taught(options: ReadOptions) -> dict[str, tuple[str, ...]]:
    """The weights of the classes that plugins teach, in the order of their rows."""
    taught = edits.taught(TABLE, options)
    return {codec.native: tuple(row.native for row in codec.rows if isinstance(row, Weight)) for codec in taught}


def tensors_by_name(tree: Tree, weights: Named, path: str, problems: Problems) -> dict[str, NativeWeight]:
    """The weights that an HDF5 file lists by layer, under layer and local name: ``conv/kernel``."""
    found: dict[str, NativeWeight] = {}
    trees = {child.tree.name: child.tree for child in tree.children}
    for layer, named in weights.items():
        with problems.collect():
            unknown = Tree("", layer, True, (), known=False)
            local = by_name(trees.get(layer, unknown), named, f"{path}: weights of {layer}")
            found |= {f"{segment(layer)}/{name}": weight for name, weight in local.items()}
    return found


def _tensors(
    file: KerasFile, major: int, taught: Mapping[str, tuple[str, ...]], problems: Problems
) -> tuple[Mapping[str, NativeWeight], set[str]]:
    """The weights by layer and local name, and the datasets that they are."""
    model = tree(file.config or {})
    if file.objects is not None:
        found = file.objects.of(model, problems)
        return found, {weight.path for weight in found.values()}
    if file.placed is not None:
        archive = Archive(str(file.path), problems, taught)
        return archive.read(model, file.placed), archive.taken
    named = file.named or {}
    taken = {weight.path for layer in named.values() for weight in layer.values()}
    if major == 1:
        return keras1.tensors(file, problems), taken
    return tensors_by_name(model, named, str(file.path), problems), taken


def _with_arch(file: KerasFile, arch: Path) -> KerasFile:
    """Weights with the model that they are said to be the weights of."""
    said = files.read_arch(arch)
    if (file.version == keras0.VERSION) != (said.version == keras0.VERSION):
        what = "expected weights and a model of one kind, but one of them is of Keras before 1.0, the other is not"
        raise MissingFact(f"--arch {arch}", what)
    if said.version == keras0.VERSION and said.config and file.named:
        file = replace(file, named=keras0.named(said.config, file.named, str(file.path)))
    version, backend = file.version or said.version, file.backend or said.backend
    return replace(file, config=said.config, version=version, backend=backend, settings=said.settings)


def _weights_alone(file: KerasFile, source: SourceRecord, backend: str, options: ReadOptions) -> Bundle:
    """The weights in groups; what the user says of the axes of Keras 1 is kept as a fact for whoever reads them."""
    refuse_unused(
        options,
        (*EDITS, *OPAQUE, "submodel", "keep_optimizer"),
        "the file holds weights without layers",
        "Give the model's JSON with --arch, too.",
    )
    if file.placed is not None or file.objects is not None or file.version[:2] in ("2.", "3."):
        refuse_unused(options, ("dim_ordering",), "only Keras 1 keeps kernels in several orders")
    if options.dim_ordering:
        source = source.model_copy(update={"facts": (*source.facts, given_fact("dim_ordering", options.dim_ordering))})
    if file.objects is not None:
        named: Named = file.objects.weights()
        tensors, groups = read_groups(named, Path(file.objects.where).name, backend)
        taken = {weight.path for layer in named.values() for weight in layer.values()}
    elif file.placed is not None:
        tensors, groups = placed_groups(file.placed, file.path.name)
        taken = {record.source.name for record in (t.record for t in tensors.values()) if record.source}
    else:
        named = file.named or {}
        tensors, groups = read_groups(named, file.path.name, backend)
        taken = {weight.path for layer in named.values() for weight in layer.values()}
    omitted = _left_over(file, taken)
    return Bundle(source, tensors=tensors, groups=groups, omitted=tuple(omitted))


def _left_over(file: KerasFile, taken: set[str]) -> list[Omitted]:
    """The datasets that belong to no layer: state of training is noted, anything else is refused."""
    if file.objects is not None:
        return file.objects.omitted(taken)
    omitted, problems = [], Problems()
    for name in file.datasets:
        if name in taken:
            continue
        reasons = [reason for part, reason in _NO_WEIGHTS.items() if part in name.split("/")[:-1]]
        if reasons:
            omitted.append(Omitted(name=name, reason=reasons[0]))
        else:
            problems.add(f"{file.path}: {name}", "expected every dataset to belong to a layer, but none lists it")
    problems.raise_any()
    return omitted


def _major(path: Path, file: KerasFile) -> int:
    """The major version of Keras: a few settings mean something else in each. Raises `Refused` where there is none."""
    major = file.version.split(".", maxsplit=1)[0]
    old = not file.version and file.config is not None and keras1.wrote(file.config)
    if old or file.version == keras0.VERSION:
        return 1
    if major not in ("1", "2", "3"):
        raise Refused(f"{path}: attribute keras_version", f"expected a version such as 2.3.1, got {file.version!r}")
    return int(major)


def _backend(file: KerasFile, options: ReadOptions) -> Fact:
    """Which backend wrote the file: it decides whether kernels are turned."""
    seen = _seen_backend(file)
    if options.backend:
        new = file.placed is not None or file.version.startswith("3")
        if new and options.backend in _OLD_BACKENDS:
            what = f"expected a backend that Keras {file.version or '2.12 and later'} has"
            raise Refused(f"--backend {options.backend}", what, "Leave it out.")
        against = seen is not None and file.placed is None and seen.value != options.backend
        return given_fact("backend", options.backend, f"{seen.value}: {seen.evidence}" if seen and against else "")
    if seen is None and file.version == keras0.VERSION:
        return assumed_fact("backend", "theano", "what Keras before 1.0 ran on unless it was told otherwise")
    if seen is None:
        raise MissingFact(
            str(file.path),
            "expected an attribute 'backend': it decides whether convolution kernels are stored turned by 180 degrees",
            "Give --backend tensorflow or --backend theano.",
        )
    if seen.value not in _BACKENDS:
        raise Refused(str(file.path), f"expected a backend of {', '.join(_BACKENDS)}, got {seen.value!r}")
    return seen


def _seen_backend(file: KerasFile) -> Fact | None:
    """The backend as the file shows it."""
    names = [name for layer in (file.named or {}).values() for name in layer]
    if file.objects is not None:
        return Fact(name="backend", value="tensorflow", evidence="checkpoints are TensorFlow's own")
    if file.placed is not None:
        if differing := spelling.differing(file.config):
            why = f"an archive does not say its backend, on which {differing} depends; --backend states it"
            return assumed_fact("backend", "tensorflow", why)
        evidence = "archives are of Keras 2.12 and later, which keeps kernels alike on all backends"
        return Fact(name="backend", value="tensorflow", evidence=evidence)
    if file.backend is not None:
        return Fact(name="backend", value=file.backend, evidence="the file's attribute 'backend'")
    if names and all(name.endswith(":0") for name in names):
        return Fact(name="backend", value="tensorflow", evidence="variable names end in ':0', as only TensorFlow's do")
    return None
