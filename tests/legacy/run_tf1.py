"""``python run_tf1.py JOBS.json RESULTS.json``, under Python 3.7 with TensorFlow 1.15: runs graphs that irconv wrote.

A job is {"model": m.pb, m.ckpt or m.savedmodel, "inputs": [.npy], "outputs": [.npy], "names": [[inputs], [outputs]]};
the result is the largest difference over the largest value wanted, or the text of an error.
"""

# ruff: noqa: B905, BLE001, UP031  (it runs under Python 3.7, and reports whatever a model raises)

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

tf = tf.compat.v1
tf.logging.set_verbosity(tf.logging.ERROR)


def loaded(session, path):
    """The values of inputs and outputs by name."""
    if path.endswith(".pb"):
        graph = tf.GraphDef()
        with open(path, "rb") as file:
            graph.ParseFromString(file.read())
        tf.import_graph_def(graph, name="")
        return None
    if path.endswith(".ckpt"):
        tf.train.import_meta_graph(path + ".meta").restore(session, path)
        meta = tf.MetaGraphDef()
        with open(path + ".meta", "rb") as file:
            meta.ParseFromString(file.read())
    else:
        meta = tf.saved_model.load(session, ["serve"], path)
    return meta.signature_def["serving_default"]


def run(job):
    inputs, outputs = job["names"]
    feeds = [np.load(path) for path in job["inputs"]]
    with tf.Graph().as_default(), tf.Session() as session:
        signature = loaded(session, job["model"])
        given = [name + ":0" if signature is None else signature.inputs[name].name for name in inputs]
        wished = [name + ":0" if signature is None else signature.outputs[name].name for name in outputs]
        got = session.run(wished, dict(zip(given, feeds)))
    wanted = [np.load(path) for path in job["outputs"]]
    if [a.shape for a in got] != [b.shape for b in wanted]:
        return "shapes %s, wanted %s" % ([a.shape for a in got], [b.shape for b in wanted])
    return max(float(np.abs(a - b).max() / (np.abs(b).max() or 1)) for a, b in zip(got, wanted))


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    results = []
    for job in jobs:
        try:
            results.append(run(job))
        except Exception as error:
            results.append("%s: %s" % (type(error).__name__, str(error)[:400]))
    with open(sys.argv[2], "w") as file:
        json.dump(results, file)


main()
