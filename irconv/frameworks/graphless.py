"""What writers say of weights that come without a graph: whose file it is, and what can be written of them."""

from __future__ import annotations

from irconv.errors import Refused
from irconv.ir.bundle import Bundle

_OWN_KINDS = {"keras": ".weights.h5", "tensorflow": ".ckpt", "torch": ".safetensors"}
"""Framework -> the suffix of a file of its own that holds weights alone."""
_MOST = 3


def refused(bundle: Bundle, what: str) -> Refused:
    """The error of a writer that needs a graph; its remedy names formats that can be written of this very bundle."""
    own = _OWN_KINDS.get(bundle.source.framework)
    usual = f"Write {f'{own} or ' if own else ''}.irconv, or read the model's own file."
    return Refused(file_names(bundle), f"holds weights without a graph, {what}", bundle.graph_remedy(usual))


def file_names(bundle: Bundle) -> str:
    """The names of the files that a bundle was read from."""
    names = [file.name for file in bundle.source.files]
    return ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "") or "model"
