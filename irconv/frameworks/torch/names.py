"""Names of modules: the keys of a state dict and the attributes of a class are the same words."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Collection, Mapping

#: Attributes of ``torch.nn.Module`` that a submodule of that name would hide, and names the emitted source uses.
_TAKEN = frozenset(
    """
    T F nn torch self load forward training train eval apply to type float double half bfloat16 cpu cuda xpu ipu
    mtia parameters buffers children modules named_parameters named_buffers named_children named_modules
    state_dict load_state_dict zero_grad requires_grad_ share_memory compile extra_repr add_module
    register_module register_buffer register_parameter register_backward_hook register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_pre_hook register_load_state_dict_post_hook register_state_dict_pre_hook
    register_state_dict_post_hook get_extra_state set_extra_state T_destination get_submodule get_parameter
    get_buffer set_submodule to_empty dump_patches call_super_init
    """.split()  # noqa: SIM905  (a list of this length is unreadable)
)


def identifier(name: str) -> str:
    """A layer's name as a Python identifier.

    >>> identifier("block1/conv-3"), identifier("class"), identifier("3x3")
    ('block1_conv_3', 'class_', '_3x3')
    """
    letters = unicodedata.normalize("NFKC", name)  # as Python itself reads identifiers
    word = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in letters) or "_"
    word = f"_{word}" if word[0].isdigit() else word
    return f"{word}_" if keyword.iskeyword(word) or word in _TAKEN else word


def identifiers(wanted: Mapping[str, str], taken: Collection[str] = ()) -> dict[str, str]:
    """An identifier for each key, made of the name it wants; no two the same, and none of those taken."""
    found: dict[str, str] = {}
    used = set(taken)
    for key, name in wanted.items():
        base = word = identifier(name)
        number = 1
        while word in used:
            number += 1
            word = f"{base}_{number}"
        used.add(word)
        found[key] = word
    return found
