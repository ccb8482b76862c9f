"""Names of modules: the keys of a state dict and the attributes of a class are the same words."""

from __future__ import annotations

from functools import cache

from irconv.frameworks.torch.helpers import helpers, read_by
from irconv.python_source.names import Words

#: Attributes of ``torch.nn.Module`` (of PyTorch 2.13) that a submodule of that name would hide, or be hidden by.
_MODULE = frozenset(
    """
    T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
    _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
    _get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict
    _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members
    _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook _register_state_dict_hook
    _replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version
    _wrapped_call_impl add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches
    eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict
    modules mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type xpu zero_grad
    """.split()  # noqa: SIM905  (a list of this length is unreadable)
)
_SEQUENTIAL = frozenset(("_get_item_by_idx", "append", "extend", "insert", "pop"))
PACKING = ("pack_padded_sequence", "pad_packed_sequence")
"""What ``torch.nn.utils.rnn`` has for sequences of several lengths."""

_IMPORTED = frozenset(
    (*"F OrderedDict Any Callable Path Sequence Tensor load_file math nn torch".split(), *PACKING)  # noqa: SIM905
)
_ALIASES = {
    "Size": "Size = int | tuple[int, ...]",
    "Ints": "Ints = Sequence[int]",
    "Bounds": "Bounds = Sequence[int | None]",
    "Activation": "Activation = Callable[[Tensor], Tensor]",
    "States": "States = Tensor | tuple[Tensor, Tensor] | None",
    "Step": "Step = Callable[..., Tensor | tuple[Tensor, ...]]",
}
"""Types that helpers name, in an order in which each may use those before it."""

ATTRIBUTES = Words(_MODULE)
"""Attributes of a module whose names another module of PyTorch's had."""

WORDS = Words(_MODULE | {"F", "T", "load", "nn", "self", "torch"})
"""Attributes of a module, and variables that are called after them."""


@cache
def variables() -> frozenset[str]:
    """What a variable of a written function may not be called: what such functions read from outside."""
    builtin = {"float", "int", "list", "range", "tuple", "zip"}
    return _IMPORTED | builtin | {"self", "_", "l", "I", "O"} | helpers().keys()  # the last three look like numbers


@cache
def classes() -> Words:
    """Names of classes, which all of a written file can see."""
    read = frozenset[str]().union(*read_by().values())
    return Words(_IMPORTED | _ALIASES.keys() | helpers().keys() | read | {"load"})


def fits_sequential(name: str) -> bool:
    """Whether ``nn.Sequential`` takes a module of this name."""
    return name not in _MODULE | _SEQUENTIAL and not name.startswith("__")


def aliases(read: frozenset[str]) -> list[str]:
    """The lines that define the names of types that some code reads."""
    return [line for name, line in _ALIASES.items() if name in read]
