"""Outputs appear whole or not at all, and replace nothing but what they may."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from irconv.containers import outputs, renames
from irconv.containers.files import OutputFile
from irconv.containers.outputs import Output, whole_output
from irconv.errors import OutputFailed, Refused
from tests.helpers import rejection


def nobodys(folder: Path) -> Collection[str] | None:
    return None


def with_a(folder: Path) -> Collection[str] | None:
    """Folders are irconv's own here where they hold a file called ``a``."""
    return {"a", "sub/b"} if (folder / "a").is_file() else None


@pytest.fixture(params=["renameat2", "what every system has"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which the moves are made."""
    if request.param != "renameat2":
        monkeypatch.setattr(renames, "_system", lambda: None)
    return str(request.param)


def state(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and its text; links and folders by their kind."""
    found = {}
    for path in sorted(folder.rglob("*")):
        text = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else ""
        found[str(path.relative_to(folder))] = text or (path.read_text() if path.is_file() else "special")
    return found


def put(final: Path, text: str = "new", force: bool = True, sources: Collection[Path] = ()) -> None:
    with whole_output(force, sources=sources) as output:
        output.path(final).write_text(text)


def put_folder(final: Path, force: bool = True, sources: Collection[Path] = ()) -> None:
    with whole_output(force, sources=sources) as output:
        (output.folder(final, with_a) / "a").write_text("new")


def test_files_written_in_the_block_appear_together_at_its_end(tmp_path: Path) -> None:
    with whole_output(force=False) as output:
        for name in ("data", "model"):
            output.path(tmp_path / name).write_text(name)
        assert not (tmp_path / "data").exists()
        assert not (tmp_path / "model").exists()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"data": "data", "model": "model"}


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with whole_output(force=False) as output:
        folder = output.folder(tmp_path / "m.irconv", nobodys)
        (folder / "a").write_text("a")
        assert not (tmp_path / "m.irconv").exists()
    assert [p.relative_to(tmp_path) for p in tmp_path.rglob("*")] == [Path("m.irconv"), Path("m.irconv/a")]


@pytest.mark.parametrize("raised", [RuntimeError("stop"), KeyboardInterrupt(), Refused("here", "expected more")])
def test_an_exception_in_the_block_leaves_nothing(raised: BaseException, tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("half")
            raise raised

    with pytest.raises(type(raised)):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("old")

    def fill() -> None:
        with whole_output(force=True) as output:
            output.path(tmp_path / "data").write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fill()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"data": "old"}


def test_an_error_of_the_system_is_reported_with_its_file(tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data")
            (tmp_path / "nowhere" / "x").write_text("")

    text = rejection(fill, OutputFailed)
    assert text == f"{tmp_path / 'nowhere' / 'x'}: could not be written: No such file or directory."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old_kind", ["file", "folder", "dangling link"])
def test_what_is_there_is_kept_without_force(old_kind: str, tmp_path: Path) -> None:
    final = tmp_path / "m"
    if old_kind == "file":
        final.write_text("old")
    elif old_kind == "folder":
        final.mkdir()
    else:
        final.symlink_to(tmp_path / "nowhere")

    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(final)

    assert rejection(fill, OutputFailed) == f"{final}: exists already. Give --force to replace it."
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=True) as output:
            output.path(tmp_path / "no" / "m")

    reason = f"{tmp_path / 'no' / 'm'}: the folder {tmp_path / 'no'} does not exist. Make it first."
    assert rejection(fill, OutputFailed) == reason
    assert list(tmp_path.iterdir()) == []


def test_of_several_outputs_none_appears_where_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("old")

    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("new")
            output.path(tmp_path / "model").write_text("new")

    assert rejection(fill, OutputFailed) == f"{tmp_path / 'model'}: exists already. Give --force to replace it."
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"model": "old"}


def test_outputs_have_the_permissions_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with whole_output(force=False) as output:
        file = OutputFile(output.path(tmp_path / "made"))
        file.close()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_is_replaced_by_a_file(tmp_path: Path, system: str) -> None:
    (tmp_path / "m").write_text("old")
    put(tmp_path / "m")
    assert state(tmp_path) == {"m": "new"}


def test_a_link_to_a_file_is_replaced_and_the_file_is_kept(tmp_path: Path, system: str) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "m").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nowhere")
    put(tmp_path / "m")
    put(tmp_path / "dangling")
    assert state(tmp_path) == {"dangling": "new", "m": "new", "target": "kept"}


def test_a_folder_of_irconvs_own_is_replaced_by_a_folder(tmp_path: Path, system: str) -> None:
    (tmp_path / "m" / "sub").mkdir(parents=True)
    (tmp_path / "m" / "a").write_text("old")
    (tmp_path / "m" / "sub" / "b").write_text("old")
    put_folder(tmp_path / "m")
    assert state(tmp_path) == {"m": "/", "m/a": "new"}


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_readonly(path: Path) -> None:
    path.write_text("kept")
    path.chmod(0o444)


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


def make_own(path: Path, *more: str) -> None:
    path.mkdir()
    for name in ("a", *more):
        (path / name).write_text("old")


def make_own_with_link(path: Path) -> None:
    make_own(path)
    (path / "sub").symlink_to("..")


def make_own_with_folder(path: Path) -> None:
    make_own(path)
    (path / "empty").mkdir()


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


KEPT: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "FIFO": (make_fifo, "is a FIFO, and is kept. Give the name of a file.", "both"),
    "socket": (make_socket, "is a socket, and is kept. Give the name of a file.", "both"),
    "link to a device": (link_to("/dev/null"), "is a device, and is kept. Give the name of a file.", "both"),
    "link to a folder": (link_to("."), "is a link to a folder, and is kept. Remove it first.", "both"),
    "read-only file": (make_readonly, "is read-only, and is kept. Make it writable, or remove it first.", "both"),
    "folder for a file": (
        make_folder,
        "is a folder, which no file replaces. Move it away, or give another name.",
        "file",
    ),
    "own folder for a file": (
        make_own,
        "is a folder, which no file replaces. Move it away, or give another name.",
        "file",
    ),
    "file for a folder": (
        lambda path: path.touch(),
        "is no folder, and none is put in its place. Remove it first.",
        "folder",
    ),
    "folder": (
        make_folder,
        "is a folder that irconv did not write, and is kept. Move it away first.",
        "folder",
    ),
    "empty folder": (Path.mkdir, "is a folder that irconv did not write, and is kept. Move it away first.", "folder"),
    "own folder with more": (
        lambda path: make_own(path, "notes", "more", "then", "last"),
        "holds more than irconv wrote: last, more, notes and 1 more. Move that away first.",
        "folder",
    ),
    "own folder with a folder": (
        make_own_with_folder,
        "holds more than irconv wrote: empty. Move that away first.",
        "folder",
    ),
    "own folder with a link": (
        make_own_with_link,
        "holds more than irconv wrote: sub (no plain file). Move that away first.",
        "folder",
    ),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_force_may_not_replace_is_kept(kind: str, tmp_path: Path) -> None:
    make, reason, wanted = KEPT[kind]
    make(tmp_path / "m")
    before = state(tmp_path)
    tries = {"file": [put], "folder": [put_folder], "both": [put, put_folder]}[wanted]
    for attempt in tries:
        text = rejection(lambda attempt=attempt: attempt(tmp_path / "m"), OutputFailed)
        assert text == f"{tmp_path / 'm'}: {reason}"
    assert state(tmp_path) == before


@pytest.mark.parametrize("how", ["itself", "a hard link", "a link", "through another folder"])
def test_what_is_being_read_is_kept(how: str, tmp_path: Path) -> None:
    source = tmp_path / "m.h5"
    source.write_text("source")
    final = source if how == "itself" else tmp_path / "other.h5"
    if how == "a hard link":
        final.hardlink_to(source)
    elif how == "a link":
        final.symlink_to(source)
    elif how == "through another folder":
        (tmp_path / "inner").mkdir()
        final = tmp_path / "inner" / ".." / "m.h5"
    before = state(tmp_path)
    text = rejection(lambda: put(final, sources=[source]), OutputFailed)
    assert text == f"{final}: is being read, and is not replaced. Give another destination."
    assert state(tmp_path) == before


def test_a_file_in_a_folder_that_is_being_read_is_kept_and_a_new_one_may_lie_there(tmp_path: Path) -> None:
    source = tmp_path / "arrays"
    make_own(source)
    text = rejection(lambda: put(source / "a", sources=[source]), OutputFailed)
    assert (
        text == f"{source / 'a'}: lies in {source}, which is being read, and is not replaced. Give another destination."
    )
    put(source / "new", sources=[source])
    assert state(source) == {"a": "old", "new": "new"}


@pytest.mark.parametrize("read", ["m/a", "m"])
def test_a_folder_that_holds_what_is_being_read_is_kept(read: str, tmp_path: Path) -> None:
    make_own(tmp_path / "m")
    text = rejection(lambda: put_folder(tmp_path / "m", sources=[tmp_path / read]), OutputFailed)
    reason = f"holds {tmp_path / 'm' / 'a'}, which is being read" if read == "m/a" else "is being read"
    assert text == f"{tmp_path / 'm'}: {reason}, and is not replaced. Give another destination."
    assert state(tmp_path / "m") == {"a": "old"}


def test_nothing_is_added_to_a_bundle(tmp_path: Path) -> None:
    for name in ("manifest.json", "SHA256SUMS"):
        (tmp_path / name).write_text("{}")
    text = rejection(lambda: put(tmp_path / "m.py"), OutputFailed)
    what = f"lies in {tmp_path}, which is a bundle and holds nothing else"
    assert text == f"{tmp_path / 'm.py'}: {what}. Give another destination."


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("appeared", ["file", "folder", "link"])
def test_what_appears_meanwhile_is_kept(folder: bool, appeared: str, tmp_path: Path, system: str) -> None:
    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("new")
            temporary = output.folder(tmp_path / "m", with_a) if folder else output.path(tmp_path / "m")
            (temporary / "a" if folder else temporary).write_text("new")
            appear(tmp_path / "m", appeared)

    assert rejection(fill, OutputFailed) == f"{tmp_path / 'm'}: exists already. Give --force to replace it."
    assert state(tmp_path) == APPEARED[appeared]


APPEARED = {"file": {"m": "theirs"}, "folder": {"m": "/", "m/x": "theirs"}, "link": {"m": "-> nowhere"}}


def appear(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("theirs")
    elif kind == "folder":
        path.mkdir()
        (path / "x").write_text("theirs")
    else:
        path.symlink_to("nowhere")


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("appeared", ["file", "folder", "link"])
def test_what_appears_after_the_last_look_is_kept_and_what_was_placed_is_taken_back(
    folder: bool, appeared: str, tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = outputs.move_new

    def late(old: Path, new: Path) -> None:
        if new.name == "m":
            appear(new, appeared)
        move(old, new)

    monkeypatch.setattr(outputs, "move_new", late)

    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("new")
            temporary = output.folder(tmp_path / "m", with_a) if folder else output.path(tmp_path / "m")
            (temporary / "a" if folder else temporary).write_text("new")

    text = rejection(fill, OutputFailed)
    assert text == f"{tmp_path / 'm'}: exists already: it was made meanwhile."
    assert state(tmp_path) == APPEARED[appeared]


def test_where_there_are_no_links_a_file_is_moved_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(renames, "_system", lambda: None)
    monkeypatch.setattr(os, "link", refuse)
    put(tmp_path / "m", force=False)
    assert rejection(lambda: put(tmp_path / "m", force=False), OutputFailed).endswith("Give --force to replace it.")
    (tmp_path / "x").write_text("x")
    with pytest.raises(FileExistsError):
        renames.move_new(tmp_path / "x", tmp_path / "m")
    assert state(tmp_path) == {"m": "new", "x": "x"}


def test_the_system_exchanges_two_names_or_says_that_it_cannot(tmp_path: Path, system: str) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    done = renames.exchange(tmp_path / "one", tmp_path / "two")
    assert done == (system == "renameat2")
    assert state(tmp_path) == ({"one": "2", "two": "1"} if done else {"one": "1", "two": "2"})


@pytest.mark.parametrize("failing", ["first", "second", "last"])
def test_where_a_move_fails_the_old_files_come_back(
    failing: str, tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["first", "second", "last"]
    for name in names:
        (tmp_path / name).write_text("old")
    put_of = Output._put

    def broken(self: Output, entry: outputs._Entry, undo: list[Callable[[], object]]) -> None:
        if entry.final.name == failing:
            raise OSError(28, "No space left on device", str(entry.final))
        put_of(self, entry, undo)

    monkeypatch.setattr(Output, "_put", broken)

    def fill() -> None:
        with whole_output(force=True) as output:
            for name in names:
                output.path(tmp_path / name).write_text("new")

    text = rejection(fill, OutputFailed)
    assert text == f"{tmp_path / failing}: could not be written: No space left on device."
    assert state(tmp_path) == dict.fromkeys(names, "old")


def test_ctrl_c_while_files_are_moved_waits_until_all_are_in_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_of = Output._put

    def interrupted(self: Output, entry: outputs._Entry, undo: list[Callable[[], object]]) -> None:
        signal.raise_signal(signal.SIGINT)
        put_of(self, entry, undo)

    monkeypatch.setattr(Output, "_put", interrupted)

    def fill() -> None:
        with whole_output(force=False) as output:
            for name in ("data", "model"):
                output.path(tmp_path / name).write_text("new")

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert state(tmp_path) == {"data": "new", "model": "new"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outputs_are_written_in_other_threads_too(tmp_path: Path) -> None:
    thread = threading.Thread(target=put, args=(tmp_path / "m",))
    thread.start()
    thread.join()
    assert state(tmp_path) == {"m": "new"}
