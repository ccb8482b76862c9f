"""Pickles as plain data, protocols 0 to 5 and Python 2's: nothing is imported, looked up or called.

Numbers, text, containers and numpy arrays become themselves; every other object an `Instance` where the reader's
`Rules` allow it; any other name is refused. Python 2 strings are read as latin1, the longer ones stay bytes.
"""

from __future__ import annotations

import struct
from typing import Any

from irconv.containers.pickle_machine import Machine
from irconv.containers.pickle_opcodes import BY_NUMBER
from irconv.containers.pickle_stream import Stream
from irconv.containers.pickle_values import Global, Instance, OrderedItems, Rules
from irconv.errors import MALFORMED, DamagedFile, IrconvError

__all__ = ["Global", "Instance", "OrderedItems", "Rules", "Stream", "unpickle", "unpickle_bytes"]


def unpickle_bytes(content: bytes, where: str, rules: Rules | None = None) -> Any:
    """The value of a pickle in memory; see `unpickle`."""
    return unpickle(Stream(content), where, rules)


def unpickle(stream: Stream, where: str, rules: Rules | None = None) -> Any:
    """The value of the next pickle of a stream, which then stands behind it.

    Raises `Refused` naming what is not on the list of plain data, and `DamagedFile`.
    """
    machine = Machine(stream, rules or Rules(), where)
    try:
        return machine.run(BY_NUMBER)
    except IrconvError:
        raise
    except (EOFError, struct.error, RecursionError, OverflowError, MemoryError, *MALFORMED) as error:
        what = f"expected a pickle, which ends or breaks off at byte {stream.position}: {_short(error)}"
        raise DamagedFile(where, what, "The file is truncated or damaged; fetch it again.") from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__} {str(error)[:200]}".strip()
