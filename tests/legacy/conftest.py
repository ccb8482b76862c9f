"""Scripts that run under an old framework's own Python, not under the tests'."""

collect_ignore = ["run_theano.py", "run_tf1.py", "theano_networks.py"]
