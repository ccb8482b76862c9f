"""Layer types in numpy, as short as they can be said: what a bundle's README tells whoever has no irconv.

A function has the name of its type; its arguments are the slots, roles and settings of that type by their names. The
README of a model copies those that it needs, with the ones these call.
"""
