"""What runs in a process of its own, under the Python that has the framework: 3.6 or later, numpy, nothing of irconv.

``serve.py SIDE`` answers requests; each other file has the class `Side` of one framework: loaded from a path, it has
`name`, `version`, `inputs` and `outputs` (name, shape with None for what varies, dtype; empty where the framework does
not say), `precision` (the element type of the least precision it calculates in), ``run(arrays)`` and
``values(arrays, names)``: what the model makes on the way, as pairs of a name and an array.
"""
