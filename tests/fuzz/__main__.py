"""``python -m tests.fuzz``: see `tests.fuzz.campaign`."""

import sys

from tests.fuzz.campaign import main

sys.exit(main(sys.argv[1:]))
