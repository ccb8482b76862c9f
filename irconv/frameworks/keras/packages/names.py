"""Which classes of a file are those of a package, by all that the file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Modules of packages whose classes are not all registered -> what stands before the names of their classes here.
_MODULES = {"keras_hub": "keras_hub", "keras_nlp": "keras_hub"}

#: What packages have been called -> what they are called here.
_RENAMED = {"keras_nlp": "keras_hub"}

#: Classes that were registered without a package of their own, or not at all (then HDF5 says the bare name alone) ->
#: the package, and the settings that tell the class from another one of its name: all of these stand in its config.
_SIGNS: Mapping[str, tuple[str, str]] = {}

#: Functions that packages have registered as activations -> the native layer that each is, and its settings.
_FUNCTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "keras_hub>gelu_approximate": ("ops.Gelu", {"approximate": True}),
    "keras_nlp>gelu_approximate": ("ops.Gelu", {"approximate": True}),
    "Addons>gelu": ("ops.Gelu", {"approximate": True}),
    "Addons>mish": ("Activation", {"activation": "mish"}),
    "Addons>sparsemax": ("ops.Sparsemax", {"axis": -1}),
    "Addons>tanhshrink": ("Activation", {"activation": "tanh_shrink"}),
    "kecamCommon>hard_sigmoid_torch": ("ops.HardSigmoid", {}),
    "kecamCommon>hard_swish": ("Activation", {"activation": "hard_silu"}),
    "kecamCommon>mish": ("Activation", {"activation": "mish"}),
}


def function(said: Any) -> tuple[str, dict[str, Any]] | None:
    """The native layer that a registered function of a package is, as an activation; None for any other."""
    if isinstance(said, Mapping) and said.get("class_name") == "function":
        said = said.get("config")
    found = _FUNCTIONS.get(said) if isinstance(said, str) else None
    return (found[0], dict(found[1])) if found else None


def package_name(entry: Mapping[str, Any]) -> str:
    """The class of a serialised layer as ``package>Class`` where it is one that irconv knows; else empty."""
    name, module, config = str(entry.get("class_name")), str(entry.get("module") or ""), entry.get("config")
    package, _, bare = name.rpartition(">")
    if package in _RENAMED:
        return f"{_RENAMED[package]}>{bare}"
    root = module.partition(".")[0]
    if root in _MODULES:
        return f"{_MODULES[root]}>{bare}"
    if package in ("", "Custom") and bare in _SIGNS and isinstance(config, Mapping):
        owner, signs = _SIGNS[bare]
        if set(signs.split()) <= set(config):
            return f"{owner}>{bare}"
    return ""
