"""What killed runs leave is removed by the next one, and nothing of a run that lives."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from irconv.containers import workspace
from irconv.containers.outputs import whole_output
from irconv.containers.workspace import Workspace, remove_left


def left(parent: Path, name: str = ".irconv-abcdefgh") -> Path:
    """What a killed run leaves: its lock is free."""
    for part in ("new", "old", "aside"):
        (parent / name / part).mkdir(parents=True)
    (parent / name / "new" / "m").write_text("half")
    (parent / name / "lock").touch()
    return parent / name


def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left(tmp_path)
    (tmp_path / ".irconv-00000000").mkdir()  # killed before it had a lock
    with whole_output(force=False) as output:
        output.path(tmp_path / "other").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_two_runs_at_once_into_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    with whole_output(force=False) as one:
        first = one.path(tmp_path / "one")
        first.write_text("1")
        with whole_output(force=False) as two:
            two.path(tmp_path / "two").write_text("2")
            assert first.read_text() == "1"
            assert len([p for p in tmp_path.iterdir() if p.name.startswith(workspace.PREFIX)]) == 2
        assert first.read_text() == "1"
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"one": "1", "two": "2"}


def test_many_runs_at_once_all_write_their_files(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom irconv.containers.outputs import whole_output\n"
        "for number in range(40):\n"
        "    with whole_output(force=False) as output:\n"
        "        output.path(Path(sys.argv[1], f'{sys.argv[2]}-{number}')).write_text('x')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}-{k}" for n in range(4) for k in range(40))


def with_more(folder: Path) -> None:
    (folder / "thesis.tex").touch()


def renamed(folder: Path) -> None:
    folder.rename(folder.with_name(".irconv-photos"))


def without_lock(folder: Path) -> None:
    (folder / "lock").unlink()


@pytest.mark.parametrize("change", [with_more, renamed, without_lock])
def test_a_folder_that_is_no_left_over_is_kept(change: Callable[[Path], None], tmp_path: Path) -> None:
    change(left(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    remove_left(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_to_a_left_over_is_kept_and_a_link_inside_one_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    theirs = left(tmp_path / "far", ".irconv-hgfedcba")
    (tmp_path / ".irconv-abcdefgh").symlink_to(theirs)
    folder = left(tmp_path, ".irconv-11111111")
    (folder / "new" / "out").symlink_to(tmp_path / "far")
    remove_left(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".irconv-abcdefgh", "far"]
    assert (theirs / "new" / "m").read_text() == "half"


def test_a_folder_whose_lock_is_held_is_kept(tmp_path: Path) -> None:
    folder = left(tmp_path)
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_left(tmp_path)
        assert (folder / "new" / "m").is_file()
    remove_left(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_set_aside_comes_back_where_nothing_took_its_place(tmp_path: Path) -> None:
    folder = left(tmp_path)
    for name in ("gone", "there"):
        (folder / "aside" / name).mkdir()
        (folder / "aside" / name / "a").write_text("old")
    (tmp_path / "there").mkdir()
    remove_left(tmp_path)
    assert {p.name: [q.name for q in p.iterdir()] for p in tmp_path.iterdir()} == {"gone": ["a"], "there": []}


def test_a_folder_taken_for_a_left_over_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, tries = fcntl.flock, []

    def late(lock: int, how: int) -> None:
        tries.append(lock)
        if len(tries) == 1:  # another run gets there first
            (found,) = tmp_path.iterdir()
            (found / "lock").unlink()
            found.rmdir()
        if len(tries) == 2:
            raise BlockingIOError
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    made = Workspace(tmp_path)
    assert len(tries) == 3  # lost; held by the run that removes it; its own
    made.remove()
    assert [p for p in tmp_path.iterdir() if p == made.folder] == []


def test_where_files_cannot_be_locked_outputs_are_written_and_nothing_is_taken_for_a_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = left(tmp_path)
    with whole_output(force=False) as output:
        output.path(tmp_path / "m").write_text("new")
    assert sorted(p.name for p in tmp_path.iterdir()) == [folder.name, "m"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> str:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(workspace.tempfile, "mkdtemp", refuse)
    from irconv.errors import OutputFailed

    with pytest.raises(OutputFailed, match="could not be written: Permission denied"), whole_output(False) as output:
        output.path(tmp_path / "m")
    assert os.listdir(tmp_path) == []
