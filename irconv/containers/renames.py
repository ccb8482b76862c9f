"""Two moves that POSIX lacks: to a name that must be free, and two names changing places.

Linux has both in one step, `renameat2` with RENAME_NOREPLACE and RENAME_EXCHANGE, which Python does not offer. Where
the C library, the kernel or the file system lacks it, `move_new` makes a second link and removes the first, and
`exchange` says that it cannot.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

_NOREPLACE, _EXCHANGE = 1, 2
_HERE = -100  # AT_FDCWD: paths are those of the process
_LACKING = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_NO_LINKS = (*_LACKING, errno.EPERM, errno.EMLINK, errno.EXDEV)


def move_new(old: Path, new: Path) -> None:
    """Move a file or folder to a name that nothing has yet. Raises `FileExistsError` where something has it."""
    if not _rename(old, new, _NOREPLACE):
        _move_without(old, new)


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders change places in one step; False, and nothing done, where the system cannot."""
    return _rename(one, other, _EXCHANGE)


def _move_without(old: Path, new: Path) -> None:
    """`move_new` by what every system has.

    A file is linked, which fails where the name is taken, and then unlinked. A folder, and a file where there are no
    links (FAT), is renamed after a look: what appears between the two is replaced if it is a file or an empty folder.
    """
    if not old.is_dir() or old.is_symlink():
        try:
            os.link(old, new, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            os.unlink(old)
            return
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
    os.rename(old, new)


def _rename(old: Path, new: Path, flag: int) -> bool:
    """`renameat2`; False where there is none. Raises the system's error."""
    call = _system()
    if call is None:
        return False
    if call(_HERE, os.fsencode(old), _HERE, os.fsencode(new), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _LACKING:
        return False
    raise OSError(code, os.strerror(code), str(new))


@cache
def _system() -> Callable[..., int] | None:
    """The C library's `renameat2`, or None."""
    try:
        found = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    found.restype = ctypes.c_int
    call: Callable[..., int] = found
    return call
