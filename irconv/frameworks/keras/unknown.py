"""What is said of layers whose class irconv has no rule for: each class once, with all that a plugin must know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from irconv.codec import Native, NativeModel, Table
from irconv.errors import IrconvError, Problem
from irconv.frameworks.keras.functions_named import named
from irconv.frameworks.keras.variables import layers_of, shown
from irconv.translate.opaque import Hint

#: Settings of every layer, and of training.
_OF_EVERY_LAYER = {"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "layers"}
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
_MOST = 5
_LONGEST = 300


def unknown_classes(
    model: NativeModel, table: Table, shapes: Callable[[str], str] = lambda _: ""
) -> dict[str, Problem]:
    """Class -> the problem that its layers are, by the first of them. `shapes` says what is known of the shapes of the
    values that a layer is called on; empty for nothing."""
    found: dict[str, list[Native]] = {}
    for layer in model.layers.values():
        if layer.type not in table.natives:
            found.setdefault(layer.type, []).append(layer)
    return {kind: _problem(model, table, kind, layers, shapes) for kind, layers in found.items()}


def built_shapes(config: Mapping[str, Any], model: NativeModel) -> dict[str, Hint]:
    """Value -> the shape that a layer which takes it alone was built for: Keras 3 keeps it in ``build_config``."""
    body = config.get("config")
    listed = layers_of(body if isinstance(body, Mapping | list) else {})
    built: dict[str, Sequence[int | None]] = {}
    for entry in listed:
        said = entry.get("build_config") if isinstance(entry, Mapping) else None
        shape = said.get("input_shape") if isinstance(said, Mapping) else None
        inner = entry.get("config") if isinstance(entry, Mapping) else None
        if isinstance(inner, Mapping) and isinstance(shape, list) and all(_is_size(size) for size in shape):
            built[str(inner.get("name"))] = shape
    found: dict[str, Hint] = {}
    for use in model.uses:
        if use.layer in built and len(use.inputs) == 1:
            found[use.inputs[0]] = Hint(built[use.layer], evidence="what the layer after it was built for")
    return found


def _is_size(size: object) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)


def with_all_else(unknown: Mapping[str, Problem], error: IrconvError, remedy: str) -> IrconvError:
    """The error of a model with the classes that are not known each once, and each activation without a rule, for which
    `remedy` says what to do."""
    rest = [problem for problem in error.problems if not any(problem.what == _no_rule(kind) for kind in unknown)]
    return type(error)([*unknown.values(), *_each_once(rest, remedy)])


def _each_once(problems: Sequence[Problem], remedy: str) -> Iterator[Problem]:
    """The problems, those of layers that are of one kind without a rule as one, with what there is to do."""
    alike: dict[str, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(problem.what if problem.what.startswith("irconv has no rule") else str(problem), []).append(
            problem
        )
    for found in alike.values():
        first = found[0]
        without = first.what.startswith("irconv has no rule for Activation") and not first.remedy
        where = first.where + _more([_layer(problem) for problem in found[1:]])
        yield Problem(where, first.what, remedy if without else first.remedy)


def _layer(problem: Problem) -> str:
    """The name of the layer that a problem is of."""
    return (problem.where.partition("layer ")[2] or problem.where).rpartition(" (")[0] or problem.where


def _more(others: Sequence[str]) -> str:
    """How many more there are of what stands before, with the first of their names."""
    if not others:
        return ""
    names = ", ".join(others[:_MOST]) + (", ..." if len(others) > _MOST else "")
    return f" and {len(others)} more ({names})"


def _problem(
    model: NativeModel, table: Table, kind: str, layers: list[Native], shapes: Callable[[str], str]
) -> Problem:
    first = layers[0]
    where = model.where.get(first.name, f"layer {first.name}") + _more([layer.name for layer in layers[1:]])
    about = [f"the weights {', '.join(_weights(first))}"] if first.tensors else []
    if settings := _said(first):
        about.append(f"the settings {settings}")
    for other in _told_apart(layers):
        about.append(f"layer {other.name} the settings {_said(other)}")
    said = f"It has {' and '.join(about)}. " if about else ""
    if taken := shapes(first.name):
        said += f"It is called on {taken}. "
    return Problem(where, _no_rule(kind), said + table.remedy(kind))


def _told_apart(layers: Sequence[Native]) -> list[Native]:
    """Of layers that are functions, the first few that are other functions than those before them."""
    found = {_said(layer): layer for layer in reversed(layers) if "function" in layer.config}
    return [layer for layer in layers[1:] if found.get(_said(layer)) is layer][: _MOST - 1]


def _said(layer: Native) -> str:
    settings = ", ".join(_settings(layer.config))
    return f"{settings[:_LONGEST]}{'...' if len(settings) > _LONGEST else ''}"


def _no_rule(kind: str) -> str:
    return f"irconv has no rule for Keras's {kind}"


def _weights(layer: Native) -> Iterator[str]:
    for name, weight in layer.tensors.items():
        yield f"{shown(name)} {'x'.join(map(str, weight.data.shape)) or 'scalar'}"


def _settings(config: Mapping[str, Any]) -> Iterable[str]:
    for key, value in config.items():
        if key not in _OF_EVERY_LAYER and not key.endswith(_OF_TRAINING) and value not in (None, {}):
            yield f"{key}={_function(value) if key == 'function' else repr(value)}"


def _function(value: Any) -> str:
    """What a file says of the function of a Lambda layer: its name, and the source file that its code names."""
    if isinstance(value, Mapping):
        return "a lambda" if value.get("class_name") == "__lambda__" else str(value.get("config"))
    if isinstance(value, str):
        return value
    return named(value[0]) if isinstance(value, list) and value else "a lambda"
