"""Text of Python files that irconv writes, for every framework alike.

What comes from a file that was read (names, versions, settings, sizes) reaches a written source through this package
alone: `names` makes identifiers of it, `literals` literals and docstrings, `sizes` expressions. Nothing else joins it
into code, so that no text can end a string, begin a statement or hide what the file imports. `statements` breaks long
lines, `modules` looks at the finished text.
"""
