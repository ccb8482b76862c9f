"""Manifests of other formats: older ones are carried up step by step, newer majors refused."""

from __future__ import annotations

from typing import Any

import pytest

from irconv.errors import BundleInvalid
from irconv.ir.manifest import FORMAT
from irconv.ir.upgrade import STEPS, upgrade
from tests.helpers import rejection


def renamed(old: str, new: str) -> Any:
    def step(manifest: dict[str, Any]) -> dict[str, Any]:
        return {new if key == old else key: value for key, value in manifest.items()}

    return step


CHAIN = {"0.8": ("0.9", renamed("nodes", "layers")), "0.9": (FORMAT, renamed("layers", "parts"))}


def test_a_manifest_of_today_is_left_alone() -> None:
    assert upgrade({"format": FORMAT, "layers": {}}, "here") == {"format": FORMAT, "layers": {}}


def test_an_old_manifest_goes_through_every_step_in_between() -> None:
    assert upgrade({"format": "0.8", "nodes": 3}, "here", CHAIN) == {"format": FORMAT, "parts": 3}
    assert upgrade({"format": "0.9", "layers": 3}, "here", CHAIN) == {"format": FORMAT, "parts": 3}


def test_what_is_upgraded_is_not_changed_in_place() -> None:
    manifest = {"format": "0.8", "nodes": 3}
    upgrade(manifest, "here", CHAIN)
    assert manifest == {"format": "0.8", "nodes": 3}


def test_a_newer_minor_only_adds_and_is_left_to_validation() -> None:
    major = FORMAT.split(".")[0]
    assert upgrade({"format": f"{major}.99"}, "here") == {"format": f"{major}.99"}


@pytest.mark.parametrize(("found", "major"), [("2.0", 2), ("17.4", 17)])
def test_a_newer_major_is_refused_with_what_reads_it(found: str, major: int) -> None:
    text = rejection(lambda: upgrade({"format": found}, "here"), BundleInvalid)
    wanted = f"here: expected format {FORMAT} or older, got {found}. Read it with irconv {major}.0 or newer."
    assert text == wanted


@pytest.mark.parametrize(
    "manifest", [{}, {"format": None}, {"format": 1.0}, {"format": "1"}, {"format": "1.x"}, [], None]
)
def test_a_format_that_is_none_is_refused(manifest: Any) -> None:
    text = rejection(lambda: upgrade(manifest, "here"), BundleInvalid)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    assert text == f"here: expected a manifest with a format such as {FORMAT!r}, got {found!r}."


def test_every_step_leads_on_to_todays_format() -> None:
    for version in STEPS:
        seen = [version]
        while seen[-1] in STEPS:
            seen.append(STEPS[seen[-1]][0])
            assert len(seen) == len(set(seen))
        assert seen[-1] == FORMAT
