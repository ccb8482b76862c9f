"""``python -m irconv`` is the command, and ``irconv`` runs `run`."""

from __future__ import annotations

from irconv.cli import main
from irconv.containers.own_process import declare


def run() -> None:
    """The command, in a process of its own."""
    declare()
    main()


if __name__ == "__main__":
    run()
