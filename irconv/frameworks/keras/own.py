"""Which classes of a file are Keras' own, and which only have the name of one of them.

Since Keras 2.12 a serialised object says where its class is from: ``module``, and ``registered_name``, which is null
for Keras' public classes, ``package>Name`` for a class that was registered with a package, and the plain name for any
other. HDF5 files leave both out for the layers of a model, but not for those inside of others; there a registered class
has ``package>Name`` for its class. A class of the user's own that is not registered cannot be told from Keras' there.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from irconv.frameworks.keras.packages.names import as_own, dicts_in, package_name, with_own_functions

#: Packages that are Keras: itself, inside TensorFlow, and what tf.keras is called beside Keras 3.
_PACKAGES = ("keras", "tensorflow.python.keras", "tf_keras")


#: Class -> a setting that Keras' own always writes. Packages have classes of the same name with other settings.
_ALWAYS_SAID = {"MultiHeadAttention": "num_heads"}


def is_own(entry: Mapping[str, Any]) -> bool:
    """Whether the class of a serialised object is Keras' own, as far as the object says where it is from."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if registered is None:
        return ">" not in str(entry.get("class_name"))
    return any(module == package or str(module).startswith(f"{package}.") for package in _PACKAGES)


def own_name(entry: Mapping[str, Any], known: Container[str]) -> str:
    """The class of a serialised object as irconv calls it; of the names `known`, one stands for Keras' own class alone.

    A registered class has its package before it, another one that is named like Keras' own its module.
    """
    name, registered = str(entry.get("class_name")), str(entry.get("registered_name"))
    config = entry.get("config")
    if found := package_name(entry):
        return found
    if isinstance(config, Mapping) and name in _ALWAYS_SAID and _ALWAYS_SAID[name] not in config:
        return f"unregistered>{name}"
    if is_own(entry) or ">" in name:
        return name
    if ">" in registered:
        return registered
    return f"{entry.get('module') or '__main__'}>{name}" if name in known else name


def named_apart(config: dict[str, Any], known: Container[str]) -> dict[str, Any]:
    """A serialised model in which no foreign class, at any depth, has a name of Keras' own. Changes it in place."""
    for part in dicts_in(config):
        if "class_name" in part and "config" in part:
            as_own(part)
            part["class_name"] = own_name(part, known)
    with_own_functions(config)
    return config
