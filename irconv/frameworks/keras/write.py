"""Writes Keras: ``.keras`` for Keras 3, ``.h5`` in the oldest dialect that can say the model; parts alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from irconv.containers import hdf5_write, zip_writer
from irconv.containers.files import Progress
from irconv.containers.hdf5 import Folder
from irconv.containers.outputs import Output
from irconv.errors import Refused
from irconv.frameworks import Made, graphless
from irconv.frameworks.keras import functions, implicit_masks, joins, loading, stray_masks, structure
from irconv.frameworks.keras.config_write import model_config
from irconv.frameworks.keras.dialect import DIALECTS, KERAS_3, Dialect
from irconv.frameworks.keras.kept import kept_names
from irconv.frameworks.keras.lower import each_its_own, lower
from irconv.frameworks.keras.naming import name_layers
from irconv.frameworks.keras.nesting import nest
from irconv.frameworks.keras.ordering import order_layers
from irconv.frameworks.keras.outline import outline
from irconv.frameworks.keras.outlined import Outline
from irconv.frameworks.keras.parameters import Trained, give_layers
from irconv.frameworks.keras.state import state_folder
from irconv.frameworks.keras.training_left import left_out
from irconv.frameworks.keras.weights_write import by_name, by_path, weights_alone
from irconv.ir.bundle import Bundle
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.ir.kept import KEY, names_of
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.tensor_ops import Constant, Identity, Reshape, Transpose
from irconv.ir.layers.training import Dropout
from irconv.ir.manifest import Fact
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout, with_ones
from irconv.options import WriteOptions
from irconv.passes import calls_again, to_channels_last, training
from irconv.translate import encode, native_axes

_ALIGNMENT = 8
"""Of the members of an archive, so that no number in them lies across two places in memory."""

_Ports: TypeAlias = tuple[tuple[Port, ...], tuple[Port, ...]]


def write_archive(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a ``.keras`` archive. Raises `Refused` naming every layer that Keras 3 cannot express."""
    bundle, lost = training.without(bundle, partial(_says, KERAS_3))
    model, ports = build(bundle, KERAS_3, options)
    config = model_config(model, KERAS_3)
    settings = structure.training(bundle.source)
    if "optimizer" in settings and bundle.source.version.startswith("3."):
        config["compile_config"] = settings
    path = output.path(destination)
    said = {"keras_version": KERAS_3.version, "date_saved": "1980-01-01@00:00:00", **bundle.source.marks()}
    weights = by_path(model)
    state = state_folder(bundle, "optimizer", weights) if "compile_config" in config else None
    if (kept := kept_names(bundle, model, weights)) is not None:
        said[KEY] = kept.text()  # Keras reads no other entry of this file
    if state is not None:
        weights.folders["optimizer"] = state
    frame = path.parent / f"{path.name}.frame"
    members: list[tuple[str, zip_writer.Content]] = [
        ("metadata.json", json.dumps(said).encode()),
        ("config.json", json.dumps(config).encode()),
        ("model.weights.h5", zip_writer.Framed(frame, hdf5_write.frame(frame, weights))),
    ]
    zip_writer.write(path, members, _ALIGNMENT, progress)
    frame.unlink()
    lost += left_out(bundle.layers, model, KERAS_3)
    return Made([destination], str(KERAS_3), ports, lost, state is not None)


def write_hdf5(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write a whole model as HDF5, in the oldest dialect that can say it; or weights alone as the source had them.

    Raises `Refused`.
    """
    if bundle.graph is None:
        hdf5_write.write(output.path(destination), _marked(weights_alone(bundle), bundle), progress)
        return [destination]
    dialect, model, config, ports, lost = _oldest(bundle, options)
    weights = by_name(model, dialect)
    attributes = {
        "backend": b"tensorflow",
        "keras_version": dialect.version.encode(),
        "model_config": json.dumps(config).encode(),
    }
    settings = structure.training(bundle.source)
    if "optimizer_config" in settings and bundle.source.version == dialect.version:  # others name other classes
        attributes["training_config"] = json.dumps(settings).encode()
    root = Folder("", attributes, {"model_weights": weights})
    state = state_folder(bundle, "optimizer_weights", weights) if "training_config" in attributes else None
    if state is not None:
        root.folders["optimizer_weights"] = state
    if (kept := kept_names(bundle, model, weights, "model_weights/")) is not None:
        text = LazyTensor.of(np.frombuffer(kept.text().encode(), np.uint8))  # an attribute holds 64 KB
        root.folders[KEY] = Folder(KEY, datasets={"names": text})
    hdf5_write.write(output.path(destination), _marked(root, bundle), progress)
    return Made([destination], str(dialect), ports, lost, state is not None)


def write_weights(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the weights alone as Keras 3's ``.weights.h5``; those without a model as the source had them.

    Raises `Refused`.
    """
    root = weights_alone(bundle) if bundle.graph is None else by_path(build(bundle, KERAS_3, options)[0])
    hdf5_write.write(output.path(destination), _marked(root, bundle), progress)
    return [destination]


def write_config(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the architecture alone as JSON, as ``model.to_json()`` of the oldest dialect does. Raises `Refused`."""
    dialect, _, config, ports, lost = _oldest(bundle, options)
    text = json.dumps({**config, "keras_version": dialect.version, "backend": "tensorflow", **bundle.source.marks()})
    output.path(destination).write_text(text)
    return Made([destination], str(dialect), ports, lost)


def _marked(root: Folder, bundle: Bundle) -> Folder:
    """The root group with what every output says of its source."""
    marks = {key: value.encode() for key, value in bundle.source.marks().items()}
    return replace(root, attributes={**root.attributes, **marks})


def build(bundle: Bundle, dialect: Dialect, options: WriteOptions) -> tuple[Outline, _Ports]:
    """The model as layers of a dialect, named and nested, and its ports. Raises `Refused`."""
    if bundle.graph is None:
        raise graphless.refused(bundle, "and a Keras model needs one")
    bundle = bundle if names_of(bundle) is None else calls_again.run(bundle)
    masked = implicit_masks.run(bundle) if not dialect.operators else implicit_masks.Implicit(bundle, frozenset())
    lowered = lower(masked.bundle, dialect)
    turned = to_channels_last.run(lowered, native_axes(dialect.table), options.io == "native")
    turned = each_its_own(turned) if dialect.operators == "TensorFlowOpLayer" else turned
    assert turned.graph is not None, "passes keep it"
    if not dialect.is_keras_3:
        _refuse_batches(turned.graph.inputs, bundle)
    native = encode(turned, dialect.table)
    constants, trained = _constants(turned)
    model = outline(_name(bundle), native, native.types, constants)
    for layer in model.layers:
        if layer.name in masked.embeddings:
            layer.config["mask_zero"] = True
    joins.join(model, dialect)
    if dialect.operators:
        stray_masks.cut(model)
    if dialect.operators == "TFOpLambda":
        functions.mirror(model)
    if dialect.is_keras_3:
        give_layers(model, trained)
    found = structure.structure(bundle.source)
    nest(model, found)
    if not dialect.operators:
        loading.refuse_unloadable(model)
    model.name = found.get("name") or model.name
    order_layers(model)
    name_layers(model, {port.value: port.name for port in turned.graph.inputs}, dialect.operators)
    return model, (turned.graph.inputs, turned.graph.outputs)


def _refuse_batches(ports: Sequence[Port], bundle: Bundle) -> None:
    """Raise `Refused` where inputs have batches of several sizes: Keras before version 3 loads no such model."""
    sizes = sorted({port.shape[0] for port in ports if port.shape and isinstance(port.shape[0], int)})
    if len(sizes) > 1:
        said = ", ".join(f"{port.name} {port.shape[0]}" for port in ports if port.shape)
        what = f"its inputs have batches of {said}, and Keras before version 3 wants one size for all"
        where = bundle.source.files[0].name if bundle.source.files else "model"
        raise Refused(where, what, "Write .keras, or leave the size open with --input-shape.")


def _says(dialect: Dialect, layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether a dialect has a layer of training alone. Only Keras 3 has an AlphaDropout whose noise_shape leaves out
    sizes."""
    if isinstance(layer, Dropout) and layer.noise == "alpha" and layer.shared and not dialect.is_keras_3:
        return False
    return isinstance(layer, Identity) or dialect.table.has(layer, given)


def _oldest(bundle: Bundle, options: WriteOptions) -> tuple[Dialect, Outline, dict[str, Any], _Ports, tuple[Fact, ...]]:
    """The first dialect that can say the model, with all that training does if there is such a one, and what of that it
    leaves out. Raises what the last one says, which can say most."""
    wanted = [dialect for dialect in DIALECTS if options.target_version in (None, dialect.name)]
    if not wanted:
        known = ", ".join(dialect.name for dialect in DIALECTS)
        raise Refused(f"--target-version {options.target_version}", f"expected one of {known}")
    parts = {dialect.name: training.without(bundle, partial(_says, dialect)) for dialect in wanted}
    whole = [dialect for dialect in wanted if not parts[dialect.name][1]]
    tried = [*whole, *(dialect for dialect in wanted if dialect not in whole)]
    if bundle.state:  # which the version that made it takes back
        tried.sort(key=lambda dialect: dialect.version != bundle.source.version)
    refusals: dict[str, Refused] = {}
    for dialect in tried:
        part, lost = parts[dialect.name]
        try:
            model, ports = build(part, dialect, options)
            config = model_config(model, dialect)
            return dialect, model, config, ports, (*lost, *left_out(part.layers, model, dialect))
        except Refused as refusal:
            refusals[dialect.name] = refusal
    raise refusals[wanted[-1].name]


def _constants(bundle: Bundle) -> tuple[dict[str, LazyTensor], list[Trained]]:
    """Value -> the constant that it is, also where its axes have been moved; and those that training changes."""
    assert bundle.graph is not None, "the caller has looked"
    found: dict[str, LazyTensor] = {}
    trained: dict[str, str] = {}
    for node in bundle.graph.nodes:
        layer, source = bundle.layers[node.layer], found.get(node.inputs.get("x", ""))
        if isinstance(layer, Constant):
            found[node.outputs["y"]] = _data(bundle, layer)
            if _is_trained(bundle, layer) and isinstance(operand := layer.operands["value"], StoredOperand):
                trained |= dict.fromkeys(node.outputs.values(), operand.tensor)
        elif source is not None and isinstance(layer, Transpose):
            names = [f"a{axis}" for axis in range(len(source.shape))]
            order = " ".join(names[axis] for axis in layer.permutation)
            found[node.outputs["y"]] = source.relayout(relayout(" ".join(names), order, source.shape))
        elif source is not None and isinstance(layer, Reshape) and (shape := static(layer.shape)) is not None:
            change = with_ones(source.shape, shape)
            found[node.outputs["y"]] = (
                LazyTensor.of(source.numpy().reshape(shape)) if change is None else source.relayout(change)
            )
        if node.inputs.get("x") in trained and node.outputs.get("y") in found:
            trained[node.outputs["y"]] = trained[node.inputs["x"]]
    own = {key: bundle.tensors[key].native() for key in trained.values()}
    return found, [Trained(found[value], key, own[key].shape) for value, key in trained.items() if value in found]


def _is_trained(bundle: Bundle, constant: Constant) -> bool:
    operand = constant.operands["value"]
    if not isinstance(operand, StoredOperand):
        return False
    record = bundle.tensors[operand.tensor].record
    return record.role == "parameter" and record.trainable is not False and record.dtype.startswith("float")


def _data(bundle: Bundle, constant: Constant) -> LazyTensor:
    operand = constant.operands["value"]
    if isinstance(operand, StoredOperand):
        return bundle.tensors[operand.tensor].data
    return LazyTensor.of(np.asarray(operand.literal, numpy_dtype(operand.dtype)))


def _name(bundle: Bundle) -> str:
    return Path(bundle.source.files[0].name).stem if bundle.source.files else "model"
