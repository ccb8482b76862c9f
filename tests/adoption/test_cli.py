"""`irconv adopt` on the command line: exit codes, tables, JSON, and the flags that say what evidence does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from irconv.cli import main
from tests.adoption.files import arrays, loaded, saved
from tests.helpers import LENET, ROOT

FOLDER = ROOT / "fixtures" / "adoption"
LENET4 = f"{FOLDER / 'tutorial_nets.py'}:LeNet4"
KERAS = LENET / "keras2.2.4-lenet4-h5" / "model.h5"
SOURCE = {"conv1.weight": (8, 3, 3, 3), "conv2.weight": (8, 8, 3, 3), "conv3.weight": (8, 8, 3, 3)}
TARGET = {"amber.weight": (8, 8, 3, 3), "birch.weight": (8, 3, 3, 3), "cedar.weight": (8, 8, 3, 3)}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["adopt", *map(str, arguments)])


def unlike(folder: Path) -> tuple[Path, Path, Path]:
    """A source, a target whose names and order say nothing of two equal convolutions, and an output."""
    source, like = (
        saved(folder / "src.safetensors", arrays(1, SOURCE)),
        saved(folder / "like.safetensors", arrays(2, TARGET)),
    )
    return source, like, folder / "out.safetensors"


def test_the_table_says_where_each_parameter_is_from_and_how_sure_that_is(tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    result = run(KERAS, "--like", LENET4, "-o", out)
    assert result.exit_code == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["target", "shape", "source", "steps", "sure"]
    assert rows[1] == [
        "conv1.0.weight",
        "6x1x5x5",
        "conv2d_1.kernel",
        *["*k", "in", "out", "->", "out", "in", "*k"],
        "certain",
    ]
    assert rows[-1] == ["wrote", str(out)]
    assert result.stderr.splitlines() == [
        "by its settings the target is another function than the source:",
        "  output 0: the activation before it is none, but softmax in the source",
    ]


def test_json_is_one_document_and_nothing_else_on_stdout(tmp_path: Path) -> None:
    result = run(KERAS, "--like", LENET4, "-o", tmp_path / "out.pt", "--json")
    document = json.loads(result.stdout)
    assert document.keys() == {"placed", "untouched", "kept", "left", "differences", "notes", "files"}
    assert document["placed"][0]["sources"] == ["conv2d_1.kernel"]
    assert document["differences"][0]["setting"] == "the activation before it"
    assert document["files"] == [str(tmp_path / "out.pt")]


def test_an_output_that_exists_is_kept_without_force_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    result = run(KERAS, "--like", LENET4, "-o", out, "--dry-run")
    assert (result.exit_code, out.exists()) == (0, False)
    assert f"would write {out}" in result.stdout
    out.write_text("mine")
    assert run(KERAS, "--like", LENET4, "-o", out).exit_code == 3
    assert out.read_text() == "mine"
    assert run(KERAS, "--like", LENET4, "-o", out, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give --like TARGET, or --rename and -o alone."),
        (("--like", LENET4), "Give -o OUT, or --plan MAP.json."),
        (("--rename", "a=b"), "Give --like TARGET, or --rename and -o alone."),
        (("--rename", "a=b", "-o", "out.pt", "--partial"), "Give --like TARGET, or --rename and -o alone."),
        (("--like", LENET4, "-o", "out.pt", "--map", "nosuch.json"), "nosuch.json"),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(KERAS, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_is_in_doubt_is_refused_with_all_reasons_and_a_plan_is_edited_into_a_map(tmp_path: Path) -> None:
    source, like, out = unlike(tmp_path)
    refused = run(source, "--like", like, "-o", out)
    assert (refused.exit_code, refused.stdout, out.exists()) == (3, "", False)
    assert "target amber, cedar: could be conv2, conv3 of the source" in refused.stderr
    assert "Say which with --map; --plan writes a file to begin with." in refused.stderr
    plan = tmp_path / "map.json"
    planned = run(source, "--like", like, "--plan", plan)
    assert planned.exit_code == 0
    assert planned.stdout.strip() == f"wrote {plan}: 1 decided, 1 open, 0 missing, 0 left over"
    assert run(source, "--like", like, "--plan", plan).exit_code == 3
    counted = json.loads(run(source, "--like", like, "--plan", plan, "--force", "--json").stdout)
    assert counted == {"plan": str(plan), "decided": 1, "open": 1, "missing": 0, "left": 0}
    document = json.loads(plan.read_text())
    document["map"]["amber"] = "conv3"
    plan.write_text(json.dumps(document))
    assert run(source, "--like", like, "-o", out, "--map", plan).exit_code == 0
    np.testing.assert_array_equal(loaded(out)["amber.weight"], loaded(source)["conv3.weight"])


def test_renames_stand_beside_a_target_or_alone(tmp_path: Path) -> None:
    source, like, out = unlike(tmp_path)
    assert run(source, "--like", like, "-o", out, "--rename", "conv2=cedar").exit_code == 0
    np.testing.assert_array_equal(loaded(out)["cedar.weight"], loaded(source)["conv2.weight"])
    alone = run(source, "--rename", r"^conv(\d)=layers.\1", "-o", tmp_path / "renamed.safetensors")
    assert "conv2.weight -> layers.2.weight" in alone.stdout.splitlines()
    assert loaded(tmp_path / "renamed.safetensors").keys() == {f"layers.{n}.weight" for n in (1, 2, 3)}


def test_partial_leaves_the_head_untouched_and_says_so(tmp_path: Path) -> None:
    shapes = {"body.weight": (6, 5), "head.weight": (4, 6)}
    source = saved(tmp_path / "src.safetensors", arrays(1, shapes))
    like = saved(tmp_path / "like.safetensors", arrays(2, {**shapes, "head.weight": (3, 6)}))
    out = tmp_path / "out.safetensors"
    refused = run(source, "--like", like, "-o", out)
    assert refused.exit_code == 3
    assert (
        "target head (matrix 3x6): the source has nothing of this type and shape. With --partial it" in refused.stderr
    )
    assert "source head (matrix 4x6): the target has no use for it. With --partial it is left out." in refused.stderr
    result = run(source, "--like", like, "-o", out, "--partial")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "untouched: head.weight",
        "left over in the source: head.weight",
        "the source and the target have no graph: settings are not compared",
    ]
    np.testing.assert_array_equal(loaded(out)["head.weight"], loaded(like)["head.weight"])


def test_the_sizes_of_a_flattened_image_are_asked_for_where_no_file_says_them(tmp_path: Path) -> None:
    weights, out = LENET / "keras2.2.4-lenet4-weights-h5" / "weights.h5", tmp_path / "out.pt"
    refused = run(weights, "--like", LENET4, "-o", out)
    assert refused.exit_code == 3
    assert "Say the sizes: --flatten dense_1=HEIGHTxWIDTHx16." in refused.stderr
    assert run(weights, "--like", LENET4, "-o", out, "--flatten", "dense_1=7x7x16").exit_code == 0
    wrong = run(weights, "--like", LENET4, "-o", out, "--force", "--flatten", "dense_1=7x7x8")
    assert wrong.exit_code == 3
    assert "--flatten dense_1=7x7x8: expected sizes that multiply to 784" in wrong.stderr


def test_verify_has_exit_code_1_where_the_two_part_and_names_the_first_layer(tmp_path: Path) -> None:
    target, out = FOLDER / "other_settings.py", tmp_path / "out.pt"
    same = run(FOLDER / "maps.keras", "--like", f"{target}:Maps", "-o", out, "--verify")
    assert same.exit_code == 0, same.stderr
    other = run(FOLDER / "maps.keras", "--like", f"{target}:Maps(groups=4)", "-o", out, "--verify", "--force")
    assert other.exit_code == 1
    assert "  norm: groups is 4, but 2 in the source" in other.stderr.splitlines()
    assert "they part first at norm (norm in the source)" in other.stderr


def test_a_file_is_run_as_well_as_a_module_where_both_have_graphs(tmp_path: Path) -> None:
    like, out = LENET / "tf2.15-lenet4-h5" / "model.h5", tmp_path / "out.h5"
    result = run(KERAS, "--like", like, "-o", out, "--verify", "--json")
    assert result.exit_code == 0, result.stderr
    checked = {value["name"]: value["error"] for value in json.loads(result.stdout)["checked"]}
    assert checked["output 0"] < 1e-6
    weights = saved(tmp_path / "src.safetensors", arrays(1, SOURCE))
    refused = run(weights, "--like", weights, "-o", tmp_path / "o.safetensors", "--verify")
    assert refused.exit_code == 3
    assert "--verify: both have to run: the source has no graph" in refused.stderr


def test_a_shape_of_an_input_that_no_side_has_is_refused(tmp_path: Path) -> None:
    source, _, out = unlike(tmp_path)
    refused = run(source, "--like", source, "-o", out, "--input-shape", "N,3,8,8")
    assert refused.exit_code == 3
    assert "--input-shape N,3,8,8: neither source nor target has a graph with such an input" in refused.stderr
    like = LENET / "tf2.15-lenet4-h5" / "model.h5"
    other = run(KERAS, "--like", like, "-o", tmp_path / "out.h5", "--input-shape", "N,3,8,8")
    assert other.exit_code == 3
    assert "--input-shape N,3,8,8: expected size 28 on axis 1, as the file says N,28,28,1, got 3" in other.stderr
    assert not out.exists()


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    shapes = {"[red]a\x1b[31m.weight": (4, 3), "head.weight": (2, 4)}
    source = saved(tmp_path / "src.safetensors", arrays(1, shapes))
    like = saved(tmp_path / "like.safetensors", arrays(2, {**shapes, "head.weight": (5, 4)}))
    result = run(source, "--like", like, "-o", tmp_path / "out.safetensors", "--partial")
    assert "[red]a\\x1b[31m.weight" in result.stdout
    assert "\x1b[31m" not in result.output
