"""Builds models in the environment that has their package: ``python -m benchmarks.packages.build ENVIRONMENT FOLDER``.

Of each model that its folder does not have yet: the file that Keras saves, two samples and what the framework predicts
of them. Weights come from the model's name, are nowhere the default and keep the size of the signal; the two samples
have other means and contrasts, so that the predictions differ in what they say.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import zlib
from pathlib import Path
from typing import Any

SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_KERAS": "1",
    "SM_FRAMEWORK": "tf.keras",
    "KECAM_BACKEND": "tensorflow",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


WIDE = ("kecam-cotnet50",)
"""Models that with random weights make 1 % of a change of their input by 1e-6: in 32 bits Keras is as far away from
itself. What they predict is computed in float64."""


def _weight(name: str, shape: tuple[int, ...], random: Any) -> Any:
    import numpy as np

    if "variance" in name:
        return random.uniform(0.5, 1.5, shape)
    if re.search("gamma|scale", name):
        return random.uniform(0.6, 1.4, shape)
    if len(shape) < 2 or re.search("mean|beta|bias", name):
        return random.uniform(-0.2, 0.2, shape)
    into = shape[:2] if "depthwise" in name else shape[:-1]
    return random.normal(size=shape) * np.sqrt(1.5 / max(1, np.prod(into)))


def _sample(name: str, shape: list[int], dtype: str, random: Any) -> Any:
    import numpy as np

    if "int" in dtype or re.search("Token|Segment|Masked", name):
        if re.search("padding|Masked", name):
            mask = np.ones(shape)
            mask[0, -2:] = 0 if "padding" in name else 1
            return mask.astype(dtype)
        few = re.search("segment", name, re.IGNORECASE)
        return random.randint(0 if few else 1, 2 if few else 20, shape).astype(dtype)
    plain = random.uniform(-1, 1, shape)
    each = (len(shape) - 1) * (1,)
    return (plain * np.array([0.6, 1.4]).reshape(2, *each) + np.array([-0.5, 0.8]).reshape(2, *each)).astype(dtype)


def build(name: str, make: Any, folder: Path, keras3: bool) -> None:
    """Save one model, its samples and its predictions."""
    import numpy as np

    seed = zlib.crc32(name.encode()) & 0x7FFFFFFF
    random = np.random.RandomState(seed)
    if keras3:
        import keras

        keras.utils.set_random_seed(7)
    else:
        import tensorflow

        tensorflow.random.set_seed(7)
    model = make()
    for weight in model.weights:
        now = np.asarray(weight.numpy())
        statistic = re.search("moving_|/mean|variance", weight.name)
        if (now.dtype == np.float32 and weight.trainable) or statistic:
            weight.assign(_weight(weight.name, now.shape, random).astype(now.dtype))
    names, samples = [], []
    for port in model.inputs:
        shape = [2] + [9 if size is None else int(size) for size in port.shape[1:]]
        dtype = port.dtype if isinstance(port.dtype, str) else port.dtype.name
        names.append(port.name.split(":")[0])
        samples.append(_sample(names[-1], shape, dtype, random))
    feed: Any = samples if len(samples) > 1 else samples[0]
    if isinstance(getattr(model, "input", None), dict):
        feed = dict(zip(names, samples))  # noqa: B905 (this file runs where zip has no `strict`)
    made = model(feed, training=False)
    made = list(made.values()) if isinstance(made, dict) else made if isinstance(made, (list, tuple)) else [made]
    results = [np.asarray(value) for value in made]
    if not all(np.isfinite(value).all() for value in results):
        raise ValueError("the package's own predictions are not finite")
    apart = max(float(np.abs(y[0] - y[1]).max() / (1e-9 + np.abs(y).max())) for y in results)
    file = "model.keras" if keras3 else "model.h5"
    model.save(str(folder / file))
    if name in WIDE:
        results = [_in_float64(make, model.get_weights(), samples)]
    arrays = {f"x{i}": x for i, x in enumerate(samples)} | {f"y{i}": y for i, y in enumerate(results)}
    np.savez(folder / "case.npz", **arrays)
    said = {
        "file": file,
        "parameters": int(model.count_params()),
        "apart": apart,
        "inputs": names,
        "wide": name in WIDE,
    }
    (folder / "case.json").write_text(json.dumps(said))


def _in_float64(make: Any, weights: list[Any], samples: list[Any]) -> Any:
    """What the same model with the same weights predicts in float64."""
    import numpy as np
    import tensorflow

    backend = tensorflow.keras.backend
    backend.clear_session()
    backend.set_floatx("float64")
    try:
        model = make()
        model.set_weights([each.astype("float64") if each.dtype == np.float32 else each for each in weights])
        return np.asarray(model(samples[0].astype("float64"), training=False))
    finally:
        backend.set_floatx("float32")


def main(environment: str, work: Path, wanted: list[str]) -> None:
    os.environ.update(SETTINGS)
    from benchmarks.packages.models import MODELS

    for name in wanted:
        entry, folder = MODELS[name], work / name
        if entry.environment != environment or (folder / "case.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            build(name, entry.make, folder, environment == "keras3")
        except Exception as error:  # noqa: BLE001 (whatever a package raises is told in the table)
            said = f"{type(error).__name__}: {error}".splitlines()[0][:160]
            (folder / "case.json").write_text(json.dumps({"not_built": said}))
        print(name, flush=True)
        gc.collect()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
