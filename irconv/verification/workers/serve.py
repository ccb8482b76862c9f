"""``python serve.py SIDE``: a request a line on stdin, an answer a line on stdout, in JSON; arrays are ``.npy`` files.

A request is {"do": "load", "path", "options"}, or {"do": "run", "names" or "values", "inputs": [files], "folder",
"names"}.
"""

# ruff: noqa: BLE001, B905  (it runs under Python 3.6 and later, and answers with whatever a framework raises)

import json
import os
import sys
from importlib import import_module
from typing import Any

import numpy as np


def plain(array: Any) -> Any:
    """An array that ``np.save`` keeps: element types that numpy does not have become float32."""
    array = np.asarray(array)
    return array if array.dtype.kind in "biufc" else array.astype(np.float32)


def saved(folder: str, prefix: str, arrays: Any) -> Any:
    """The files of the arrays, in order."""
    paths = []
    for number, array in enumerate(arrays):
        paths.append(os.path.join(folder, f"{prefix}{number}.npy"))
        np.save(paths[-1], plain(array), allow_pickle=False)
    return paths


def answer(side: Any, request: Any) -> Any:
    """What there is to say to one request."""
    arrays = [np.asarray(np.load(path, allow_pickle=False), order="C") for path in request["inputs"]]
    if request["do"] == "names":
        return {"names": side.names(arrays)}
    if request["do"] == "run":
        return {"outputs": saved(request["folder"], "y", side.run(arrays))}
    values = side.values(arrays, request["names"])
    files = saved(request["folder"], "v", [array for _, array in values])
    return {"values": [{"name": name, "file": file} for (name, _), file in zip(values, files)]}


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # frameworks print
    here = sys.path.pop(0)
    sys.path.append(here)
    module, side = import_module(sys.argv[1]), None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                side = None  # the memory of the one before
                side = module.Side(request["path"], request["options"])
                reply = {key: getattr(side, key) for key in ("name", "version", "inputs", "outputs", "precision")}
            else:
                reply = answer(side, request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
