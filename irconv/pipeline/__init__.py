"""The pipeline, composed once: which reader or writer, what a reader gives laid out, what a writer is given."""
