"""The command line: which command is in which module of `irconv.commands`. No logic.

Exit codes: 0 ok; 1 a difference was found, and nothing else; 2 wrong usage; 3 refused or failed, with the reasons on
stderr; 70 a fault of irconv's own, to be reported; 130, 143, 129 ended by Ctrl-C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import click

from irconv import __version__
from irconv.shell import Group

_COMMANDS = (
    "convert",
    "inspect",
    "check",
    "run",
    "diff",
    "verify",
    "adopt",
    "textconv",
    "sketch",
    "plugin",
    "upgrade",
    "batch",
    "formats",
)


@click.group(
    cls=Group,
    modules={name: f"irconv.commands.{name}" for name in _COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="irconv")
def main() -> None:
    """Reads any neural network's model file into one typed bundle; writes any framework's file out of it."""


if __name__ == "__main__":
    main()
