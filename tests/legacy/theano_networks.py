"""``python theano_networks.py FOLDER [NAME...]``, under Python 3.7 with Theano 1.0.5 and Keras 2.2.4: networks.

Each is saved as ``NAME.h5``, with an input and what Theano made of it in ``NAME.npz``. BERT's attention and layer norms
Keras 2.2.4 does not have, so it has no source here.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "theano"

import keras
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from networks_keras import NETWORKS, randomised


def main(folder, names):
    random = np.random.RandomState(11)
    for name, build in NETWORKS.items():
        if name == "BERT" or (names and name not in names):
            continue
        model = build(keras)
        randomised(model, random)
        feeds = [random.randn(2, *model.input_shape[1:]).astype("float32")]
        wanted = model.predict(feeds)
        while wanted.max() > 0.99:  # of a softmax that is 1 and 0, any other would be, too
            last = model.layers[-1]
            last.set_weights([0.1 * weight for weight in last.get_weights()])
            wanted = model.predict(feeds)
        model.save(os.path.join(folder, name + ".h5"), include_optimizer=False)
        np.savez(os.path.join(folder, name + ".npz"), x0=feeds[0], y0=wanted)


main(sys.argv[1], sys.argv[2:])
