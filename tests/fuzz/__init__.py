"""Fuzzing: files of every reader, changed within their own structure, read and written to every target.

`seeds` says what is changed (a new reader is one line there), `changes` and `formats` how, `case` what one case comes
to, `campaign` runs many in forked processes with limits, and `coverage` says which lines of the containers they reach.
``make fuzz`` runs a million; `test_fuzz` runs a few hundred with every suite.
"""
