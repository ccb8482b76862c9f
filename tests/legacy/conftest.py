"""Scripts that run under another Python, with an old framework, are not collected by this one."""

from __future__ import annotations

collect_ignore = ["theano_networks.py"]
