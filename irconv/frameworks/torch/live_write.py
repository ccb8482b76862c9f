"""A bundle as a live module of PyTorch, without files: the source that irconv writes, run in memory."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from irconv.frameworks.torch import live
from irconv.frameworks.torch.live_read import from_array
from irconv.frameworks.torch.write import emitted
from irconv.ir.bundle import Bundle

if TYPE_CHECKING:
    from irconv.frameworks.torch.live import Module


def to_module(bundle: Bundle) -> Module:
    """The module in evaluation mode, with its own copy of the weights, under the keys that ``m.py`` would have.

    What runs is irconv's own text, in which nothing that was read from a file is code. Raises `MissingFact` where
    PyTorch is missing, and `Refused` naming every layer that it cannot express.
    """
    torch = live.import_torch()
    made = emitted(bundle, "model")
    home = ModuleType(f"irconv_emitted_{made.class_name}")
    home.__file__ = f"<{home.__name__}>"
    sys.modules[home.__name__] = home  # pickling and dataclasses look a class up in its module
    exec(compile(made.text, home.__file__, "exec"), vars(home))
    module = cast("Any", vars(home)[made.class_name])()
    state = {name: from_array(data.numpy(), data.dtype, torch) for name, data in made.tensors.items()}
    for key in made.beside:
        module.get_buffer(key).copy_(state.pop(key))
    module.load_state_dict(state)
    return cast("Module", module.eval())
