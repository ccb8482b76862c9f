"""What one process of a distributed training saved of its own: recognised, and refused with what saves the whole.

FSDP keeps the weights of a wrapped module as one flat tensor, whose shapes and names are attributes of the live tensor
(``_fqns``, ``_shapes``) that no state dict holds. A ``ShardedTensor`` or ``DTensor`` in a file of ``torch.save`` is the
part that one process has; a distributed checkpoint (a folder with ``.metadata``) has them all, and is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.pickles_tensors import Unreadable

_FLAT = re.compile(r"(^|[._])_?flat_param(_\d+)?$")
_DISTRIBUTED = "of the class torch.distributed."
_REMEDY = (
    "Save the whole state dict where the model is: "
    "torch.distributed.checkpoint.state_dict.get_model_state_dict(model, "
    "options=StateDictOptions(full_state_dict=True)); in PyTorch before 2.2 model.state_dict() within "
    "FSDP.state_dict_type(model, StateDictType.FULL_STATE_DICT)."
)


def refuse_flat(names: Collection[str], path: Path) -> None:
    """Raise `Refused` where some names of a state dict are those of flat tensors."""
    found = sorted(name for name in names if _FLAT.search(name))
    if found:
        what = "is the flat tensor in which FSDP keeps all weights of a module, and their shapes are not in the file"
        raise Refused(f"{path}: {_listed(found)}", what, _REMEDY)


def refuse_parts(tensors: Mapping[str, tuple[str, Any]], path: Path) -> None:
    """Raise `Refused` where some tensors are parts that one process of several has. Name -> name in the file, value."""
    found = [full for full, value in tensors.values() if isinstance(value, Unreadable) and _DISTRIBUTED in value.kind]
    if found:
        what = "is a tensor that several processes share, and the file has what one of them saved"
        raise Refused(f"{path}: {_listed(found)}", what, _REMEDY)


def _listed(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
