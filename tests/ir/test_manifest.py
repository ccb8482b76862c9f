"""The manifest: its schema is committed, its text is stable, and what does not fit is refused."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import irconv
from irconv.ir.layers import MODULES, layer_class, parse_layer
from irconv.ir.layers.activations import LeakyRelu
from irconv.ir.layers.base import Layer
from irconv.ir.manifest import FORMAT, LayoutStep, Manifest, manifest_schema
from tests.helpers import GOLDEN, ONE_OF_EACH, ROOT, SOURCE, Case, name_of, read_case


def test_the_committed_schema_is_that_of_the_code() -> None:
    committed = (ROOT / "schemas" / "manifest.schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(manifest_schema(), indent=1) + "\n", "the schema is stale: write it anew"


def test_the_schema_has_every_layer_type_and_nothing_undefined() -> None:
    schema = manifest_schema()
    assert set(MODULES) <= set(schema["$defs"])
    text = json.dumps(schema)
    for reference in set(text.split('"#/$defs/')[1:]):
        assert reference.split('"')[0] in schema["$defs"]


def checked(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """Whether a JSON value fits a schema, as far as the manifest's schema goes."""
    if "$ref" in schema:
        return checked(value, definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    for key, some in (("anyOf", any), ("oneOf", any), ("allOf", all)):
        if key in schema and not some(checked(value, option, definitions) for option in schema[key]):
            return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kind = schema.get("type")
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return False
    if kind == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        return False
    if kind in kinds and not isinstance(value, kinds[kind]):
        return False
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        return set(schema.get("required", ())) <= set(value) and all(
            checked(item, properties[name], definitions)
            if name in properties
            else (checked(item, others, definitions) if isinstance(others, dict) else others)
            for name, item in value.items()
        )
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        return all(
            checked(item, first[i], definitions)
            if i < len(first)
            else (checked(item, rest, definitions) if isinstance(rest, dict) else rest)
            for i, item in enumerate(value)
        )
    return True


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return manifest_schema()


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_a_written_manifest_fits_the_schema(case: Case, schema: dict[str, Any]) -> None:
    data = json.loads(read_case(case).manifest().text())
    assert checked(data, schema, schema["$defs"])
    data["layers"][next(iter(data["layers"]))]["surprise"] = 1
    assert not checked(data, schema, schema["$defs"])


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_the_text_of_a_manifest_is_read_back_as_the_same_manifest(case: Case) -> None:
    manifest = read_case(case).manifest()
    back = Manifest.model_validate(json.loads(manifest.text()))
    assert back == manifest
    assert back.text() == manifest.text()
    assert back.format == FORMAT


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_short_records_stand_on_one_line(case: Case) -> None:
    text = read_case(case).manifest().text()
    lines = {line.strip().rstrip(",") for line in text.splitlines()}
    for node in json.loads(text)["graph"]["nodes"]:
        flat = json.dumps(node, ensure_ascii=False)
        assert flat in lines or len(flat) > 110 or len(json.loads(text)["graph"]["nodes"]) == 1


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_layer_type_is_found_by_its_name(name: str) -> None:
    found = layer_class(name)
    assert found.__name__ == name
    assert found.model_fields["type"].default == name
    assert (found.__doc__ or "").strip()


def test_every_layer_class_has_a_name_to_be_found_by() -> None:
    for module in sorted(set(MODULES.values())):
        home = import_module(f"irconv.ir.layers.{module}")
        own = {name for name, value in vars(home).items() if _is_layer(value) and value.__module__ == home.__name__}
        said = "add it to _FAMILIES in irconv/ir/layers/__init__.py"
        assert {name for name in own if not name.startswith("_")} <= set(MODULES), said


def _is_layer(value: object) -> bool:
    """Whether a value is the class of a type, and not one that such classes share."""
    return isinstance(value, type) and issubclass(value, Layer) and value.model_fields["type"].default == value.__name__


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_setting_of_a_layer_has_a_hidden_default(name: str) -> None:
    fields = layer_class(name).model_fields
    settings = set(fields) - layer_class(name).FIELDS_OF_EVERY_LAYER
    assert {setting for setting in settings if not fields[setting].is_required()} == set()


def test_a_layer_is_frozen_and_takes_no_unknown_field() -> None:
    layer = LeakyRelu(slope=0.2)
    with pytest.raises(ValidationError, match="frozen"):
        layer.slope = 0.3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        parse_layer({"type": "LeakyRelu", "slope": 0.2, "tilt": 1})


@pytest.mark.parametrize("data", [{"type": "Wobble"}, {}, None, 3, "Relu", [], {"type": None}])
def test_an_unknown_layer_type_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="unknown layer type"):
        parse_layer(data)


def test_a_step_undone_twice_is_the_step() -> None:
    step = LayoutStep(source="in (gate unit)", target="(gate unit) in", orders={"gate": ("ifco", "iofc")}, sizes={})
    assert step.undo().undo() == step
    assert step.undo().orders == {"gate": ("iofc", "ifco")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_any_native_config_comes_back_from_the_text(config: dict[str, Any]) -> None:
    origin = {"framework": "keras", "type": "X", "name": "x", "config": config, "split_from": None}
    layers = {"x": {"type": "Relu", "operands": {}, "origin": origin}}
    rest = {"graph": None, "tensors": {}, "groups": (), "omitted": ()}
    manifest = Manifest.model_validate({"format": FORMAT, "source": SOURCE, "layers": layers, **rest})
    assert json.loads(manifest.text())["layers"]["x"]["origin"]["config"] == config


def test_a_written_manifest_is_the_text_of_the_manifest(tmp_path: Path) -> None:
    bundle = read_case(GOLDEN[0])
    irconv.write(bundle, tmp_path / "m.irconv")
    written = (tmp_path / "m.irconv" / "manifest.json").read_text(encoding="utf-8")
    assert written == irconv.read(tmp_path / "m.irconv").manifest().text()
