"""Where the disk takes no more, every writer refuses, names the file, and leaves nothing."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import irconv
from irconv.errors import OutputFailed
from tests.frameworks.run_writer_kills import model, targets

REFUSED = 3


@pytest.fixture(autouse=True)
def _no_signal() -> Iterator[None]:
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGXFSZ, before)


def written(destination: Path, limit: int) -> int:
    """How writing ends in a fork that may write files of so many bytes."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            irconv.write(model(old=False), destination)
            code = 0
        except OutputFailed as error:
            text = str(error)
            code = REFUSED if text.startswith(str(destination.parent)) and "could not be written: File" in text else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("target", targets())
def test_a_file_that_cannot_grow_is_refused_and_removed(target: str, tmp_path: Path) -> None:
    irconv.write(model(old=False), tmp_path / target)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    for limit in {0, 1, 100, max(sizes) // 3, max(sizes) - 1}:
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        assert written(tmp_path / target, limit) == REFUSED, limit
        assert list(tmp_path.iterdir()) == []
