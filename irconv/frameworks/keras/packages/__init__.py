"""Layers of well-known packages: what TensorFlow Addons, keras-hub and others define, as operators of Keras.

A file names such a class, its settings and its weights, and no formula. Each module here says, for the classes of one
package, what a call computes, in operators of `keras.ops` and Keras' own layers (`drawing.Drawing`). `names` says which
classes of a file are a package's, and `variables` which weights they have. Nothing here is used for writing.
"""
