"""Runs two models, each in its own runtime and process, on the same inputs, and compares what they predict."""
