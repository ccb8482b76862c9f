"""Words that several frameworks share, as rows of tables: what an op of TensorFlow is in the IR, and back.

Rows only; graphs are read by `irconv.translate.Importer` and written by the frameworks.
"""
