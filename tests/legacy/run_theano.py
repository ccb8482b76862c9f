"""``python run_theano.py JOBS.json RESULTS.json``, under Python 3.7 with Theano 1.0.5: builds and runs every model.py.

A job is {"model": the folder of model.py, "inputs": [.npy], "outputs": [.npy]}; the result is the largest difference
over the largest value wanted, or the text of an error.
"""

# ruff: noqa: B905, BLE001, UP031  (it runs under Python 3.7, and reports whatever a model raises)

import importlib.util
import json
import os
import sys

import numpy as np
import theano


def run(job):
    spec = importlib.util.spec_from_file_location("emitted", os.path.join(job["model"], "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    inputs, outputs = module.build()
    function = theano.function(inputs, outputs, on_unused_input="ignore")
    got = function(*[np.load(path) for path in job["inputs"]])
    wanted = [np.load(path) for path in job["outputs"]]
    if [a.shape for a in got] != [b.shape for b in wanted]:
        return "shapes %s, wanted %s" % ([a.shape for a in got], [b.shape for b in wanted])
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(got, wanted))


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    results = []
    for job in jobs:
        try:
            results.append(run(job))
        except Exception as error:
            results.append("%s: %s" % (type(error).__name__, error))
    with open(sys.argv[2], "w") as file:
        json.dump(results, file)


main()
