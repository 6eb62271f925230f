# make demo | test | reliability | check | check-published | bench: each builds the environment it needs, from the package registry alone, and re-uses it.

# The wheels of rclpy exist for Python 3.10 to 3.13; the project's own tools want 3.11 or later.
PYTHONS := python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(PYTHONS); do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
OLDEST_PYTHON ?= $(shell for p in python3.10 $$HOME/.pyenv/versions/3.10.*/bin/python; do $$p -c '' 2>/dev/null && echo $$p && break; done)

# Real frames are read where they lie beside the checkout, unless DEPTH_ROS_TEST_DATA says where.
DEPTH_ROS_TEST_DATA ?= $(patsubst %/kitti,%,$(firstword $(wildcard $(CURDIR)/../*/data/kitti)))
export DEPTH_ROS_TEST_DATA
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
# The environment brings its own ROS libraries; those of a sourced ROS would mix in.
unexport AMENT_PREFIX_PATH ROS_DISTRO PYTHONPATH

.PHONY: demo test reliability check check-published bench clean
.DEFAULT_GOAL := help
.PHONY: help
help:
	@echo "make demo    play a synthetic robot through the live nodes, score the depth, write demo_output/report.html"
	@echo "make test    run the tests (real frames too, where DEPTH_ROS_TEST_DATA points at them)"
	@echo "make reliability   every fault of docs/reliability.md, also between processes, and a soak of SOAK_MINUTES (30)"
	@echo "make check   lint, types, tests, the robot's side on the oldest supported versions, and check-published"
	@echo "make check-published   imported models against transformers' own models and image processors, and TensorRT-RTX's builder"
	@echo "make bench   the measurements of benchmarks/ (needs the real frames)"

demo: .venv/current
	$(BIN)/depth_ros demo --out demo_output

test: .venv/current
	$(BIN)/python -m pytest

SOAK_MINUTES ?= 30

reliability: .venv/current
	$(BIN)/python -m pytest test/reliability -m ""
	$(BIN)/python benchmarks/soak.py --minutes $(SOAK_MINUTES) --json bench_output/soak.json

check: .venv/current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest
ifeq ($(OLDEST_PYTHON),)
	@echo "NOT CHECKED: the oldest supported versions (no python3.10 here)"
else
	$(MAKE) .venv-oldest/current
	.venv-oldest/bin/python -m pytest
endif
	$(MAKE) check-published

# What is skipped elsewhere for want of a package fails here.
check-published: .venv-published/current
	.venv-published/bin/python -m pytest --no-skips --durations=5 test/export/test_network.py test/export/test_published.py \
		test/export/test_checkpoint.py test/cli/test_model_import.py test/models/test_fetch.py

bench: .venv/current
	$(BIN)/python benchmarks/conversions.py
	$(BIN)/python -m benchmarks.node_overhead
	$(BIN)/python -m benchmarks.completion_accuracy
	$(BIN)/python benchmarks/completion_speed.py
	$(BIN)/depth_ros bag from-kitti $(DEPTH_ROS_TEST_DATA)/kitti/sequence_2011_09_26 bench_output/kitti --overwrite
	$(BIN)/python benchmarks/live_replay.py bench_output/kitti --runs 3 --reliability reliable --set queue_policy:=all
	$(BIN)/python benchmarks/live_replay.py bench_output/kitti --runs 3 --reliability best_effort --profile --set queue_policy:=all

# Python bindings of classic TensorRT (1.3 MB each), whose names the tests look up.
BINDINGS := cu12-bindings==10.3.0 cu12-bindings==10.16.1.11 cu13-bindings==11.4.0.106

.venv/current: requirements/lock.txt requirements/tensorrt.txt setup.py setup.cfg
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 here: install one, or say make PYTHON=/path/to/python"; exit 1; }
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/tensorrt.txt \
		|| echo "NOT INSTALLED: tensorrt_rtx; the tests that compile with it are skipped"
	@for wanted in $(BINDINGS); do $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target .venv/bindings/$${wanted##*==} tensorrt-$$wanted || echo "NOT INSTALLED: tensorrt-$$wanted"; done
	touch $@

.venv-oldest/current: requirements/oldest.txt setup.py setup.cfg
	rm -rf .venv-oldest && $(OLDEST_PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/oldest.txt
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv-published/current: requirements/published.txt requirements/lock.txt requirements/tensorrt.txt setup.py setup.cfg
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 here: install one, or say make PYTHON=/path/to/python"; exit 1; }
	rm -rf .venv-published && $(PYTHON) -m venv .venv-published
	.venv-published/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/published.txt
	.venv-published/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv .venv-oldest .venv-published demo_output bench_output build install log
