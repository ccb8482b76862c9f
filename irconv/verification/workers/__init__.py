"""What runs in a process of its own, under the Python that has the framework: 3.6 or later, numpy, nothing of irconv.

``serve.py SIDE`` answers requests; each other file has the class `Side` of one framework: loaded from a path, it has
`name`, `version`, `inputs` and `outputs` (name, shape with None for what varies, dtype; empty where the framework does
not say), `precision` (the element type of the least precision it calculates in), and ``run(arrays)``. What the model
makes on the way are ``names(arrays)``, each with those it is made of (None where the framework does not say), in an
order in which they may be made, and ``values(arrays, names)``, pairs of a name and an array.
"""
