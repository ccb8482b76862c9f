"""``python -m irconv`` is the command, and ``irconv`` runs `run`."""

from __future__ import annotations

import atexit
import gc
import os

from irconv.containers.own_process import declare

_RARELY = (200_000, 50, 50)
"""When Python looks for circles of objects. A large graph is millions of objects without a circle, and looking takes a
fifth of the time of converting it. A process of one command may do without; a library may not say so."""

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
"""Pydantic looks through all that is installed for plug-ins of its own, which the records of irconv do not use."""


def run() -> None:
    """The command, in a process of its own."""
    gc.set_threshold(*_RARELY)
    atexit.register(gc.freeze)  # what is there at the end goes with the process: no need to look through it once more
    os.environ.setdefault(_PLUGINS, "__all__")
    declare()
    from irconv.cli import main

    main()


if __name__ == "__main__":
    run()
