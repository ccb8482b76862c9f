"""Foreign names as paths below a folder, or in an HDF5 file: where one ends up never depends on what it says.

A name is escaped as in a URL: ``%`` and two hexadecimal digits for a byte of its UTF-8. `urllib.parse.unquote` gives it
back, but for names that are empty or too long, which become a digest and their end.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from irconv.data_classes import dataclass

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-.+=,@()[]#")
"""What every file system takes; the rest is reserved on some, or has several spellings (accents on macOS)."""
_DEVICES = frozenset(
    ("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10)))
)
_LONGEST_PART, _LONGEST, _MOST_PARTS = 120, 180, 16
"""In characters, so that the path of the folder has room: some systems take 260 in all."""
_LONGEST_DATASET = 1000
_DIGEST = "~"  # begins what no name is escaped to


def file_names(names: Iterable[str], suffix: str = "") -> dict[str, str]:
    """A path below a folder for each name, with ``/`` between its parts and the suffix at its end.

    Names of letters, digits and ``_-.`` stay as they are, parts and all. The paths are no two the same on file systems
    that do not tell ``A`` from ``a``, none is a folder of another, none is absolute, leads upwards or is hidden.
    All are ASCII, within the lengths that file systems have.

    >>> file_names(["conv/W", "../b", "W", "w", "NUL"])
    {'conv/W': 'conv/W', '../b': '%2E%2E/b', 'W': '%57', 'w': 'w', 'NUL': '%4EUL'}
    """
    return _apart(names, _File(suffix))


def dataset_names(names: Iterable[str]) -> dict[str, str]:
    """A path in one HDF5 file for each name: as it is, but for what HDF5 cannot hold (NUL, empty parts, one dot, lone
    surrogates) and names that are the folder of another.

    >>> dataset_names(["conv/W", "a//b", "a/"])
    {'conv/W': 'conv/W', 'a//b': 'a%2F%2Fb', 'a/': 'a%2F'}
    """
    return _apart(names, _Dataset())


@dataclass(frozen=True)
class _File:
    suffix: str

    def path(self, name: str, flat: bool, lower: bool) -> str:
        parts = name.split("/")
        made = [_part(name, lower)] if flat or "" in parts else [_part(part, lower) for part in parts]
        path = "/".join(made)
        long = max(map(len, made)) > _LONGEST_PART or len(path) > _LONGEST or len(made) > _MOST_PARTS
        return (_shortened(name) if long or not name else path) + self.suffix

    def same(self, path: str) -> str:
        return path.casefold()


@dataclass(frozen=True)
class _Dataset:
    def path(self, name: str, flat: bool, lower: bool) -> str:
        if not name or len(name) > _LONGEST_DATASET:
            return _shortened(name)
        sound = all(part not in ("", ".", "..") for part in name.split("/")) and all(map(_fits_dataset, name))
        if sound and not flat and not re.search("%[0-9A-F]{2}", name) and not name.startswith(_DIGEST):
            return name
        if not name.strip("."):
            return _part(name, False)
        return _escaped(name, lambda letter: letter not in "/%~" and _fits_dataset(letter))

    def same(self, path: str) -> str:
        return path


def _apart(names: Iterable[str], kind: _File | _Dataset) -> dict[str, str]:
    """The path of each name; those of names that get into one another's way have more of them escaped: capitals, and
    the strokes that make folders. With all of that escaped no two are the same, and none is a folder."""
    listed = list(dict.fromkeys(names))
    flat, lower = set[str](), set[str]()
    while True:
        paths = {name: kind.path(name, name in flat, name in lower) for name in listed}
        folders, files = set[str](), {kind.same(path) for path in paths.values()}
        spellings: dict[str, set[str]] = {}
        for path in paths.values():
            for folder in _folders(path):
                folders.add(kind.same(folder))
                spellings.setdefault(kind.same(folder), set()).add(folder)
        count = Counter(kind.same(path) for path in paths.values())
        blocked = {n for n, path in paths.items() if any(kind.same(f) in files for f in _folders(path))} - flat
        twice = {
            n
            for n, path in paths.items()
            if count[kind.same(path)] > 1 or any(len(spellings[kind.same(f)]) > 1 for f in _folders(path))
        } - lower
        if not blocked and not twice:
            return paths
        flat |= blocked
        lower |= twice


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in, outermost first."""
    return accumulate(path.split("/")[:-1], lambda outer, inner: f"{outer}/{inner}")


def _part(part: str, lower: bool) -> str:
    """One part of a path. Its first letter is escaped where a part may not begin or be as it is, its last likewise."""
    made = _escaped(part, lambda letter: letter in _PLAIN and not (lower and letter.isupper()))
    if part[:1] in (".", " ", "-") or part.startswith("__") or _device(part):
        made = _escaped(part[0], lambda _: False) + made[1:] if made[0] != "%" else made
    if len(part) > 1 and part[-1] in ". ":
        made = made[:-1] + _escaped(part[-1], lambda _: False)
    return made


def _device(part: str) -> bool:
    """Whether Windows takes a name for a device, whatever its suffix."""
    return part.partition(".")[0].strip(" ").upper() in _DEVICES


def _escaped(text: str, kept: Callable[[str], bool]) -> str:
    def escaped(letter: str) -> str:
        return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))

    return "".join(letter if kept(letter) else escaped(letter) for letter in text)


def _shortened(name: str) -> str:
    """The end of a name that is too long, and a digest that no other name has."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    end = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name[-40:])
    return f"{_DIGEST}{digest}{end}"


def _fits_dataset(letter: str) -> bool:
    """Whether HDF5 takes a letter: it ends names at NUL, and lone surrogates have no UTF-8."""
    return letter != "\0" and not "\ud800" <= letter <= "\udfff"
