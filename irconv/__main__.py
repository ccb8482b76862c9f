"""``python -m irconv`` is the command."""

from __future__ import annotations

from irconv.cli import main

if __name__ == "__main__":
    main()
