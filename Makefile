.DEFAULT_GOAL := help
.PHONY: help venv demo test check format bench bench-cluster generate verify golden pins cluster-up cluster-down kind-up kind-down clean
SHELL := bash

export PYTHON
PY := .venv/bin/python

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## Create .venv from the pinned requirements (PYTHON=… chooses the interpreter)
	@scripts/venv.sh

demo: venv ## Run the census example, kill it part way, and watch it resume
	@$(PY) -m examples.census.demo

test: check ## Run all checks and all tests (ARGS=… is passed to pytest)
	@$(PY) -m pytest $(ARGS)

check: venv ## Check format, lint, types and layers
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: venv ## Format the code and sort its imports
	$(PY) -m ruff check --select I --fix .
	$(PY) -m ruff format .

bench: venv ## Measure against the raw floor and the peers; prints a table
	@scripts/venv.sh bench || echo "The peers did not install: measuring without them" >&2
	@$(PY) -m benchmarks

bench-cluster: venv ## Measure the operator with simulated nodes, and runs on a real node (ARGS=… , see --help)
	@$(PY) -m benchmarks.cluster $(ARGS)

generate: venv ## Write the generated files
	@$(PY) -m holdfast_engine.generate && $(PY) -m holdfast_operator.metrics_page

verify: venv ## Regenerate, and fail when a file of the repository changes by it
	@state() { git diff; git status --porcelain --untracked-files=all; }; before=$$(state); \
	$(PY) -m holdfast_engine.generate && $(PY) -m holdfast_operator.metrics_page && [ "$$before" = "$$(state)" ] || \
	{ echo "A generated file was out of date: commit what 'make generate' wrote" >&2; git status --short >&2; exit 1; }

golden: venv ## Record the histories of the golden programs with this version; never overwrites one
	@$(PY) -m tests.support.golden_histories

pins: ## Resolve the newest versions again and write requirements/*.txt
	@scripts/pins.sh

cluster-up: venv ## Start a real cluster of one node on this machine (needs root and Go, no Docker)
	@$(PY) -m tests.cluster.rig up

cluster-down: venv ## Stop it and undo what it did to this machine
	@$(PY) -m tests.cluster.rig down

kind-up: ## Start a kind cluster with Holdfast in it (needs Docker, kind and kubectl)
	@scripts/kind-up.sh

kind-down: ## Delete the kind cluster
	@kind delete cluster --name holdfast

clean: ## Remove .venv, caches and what builds left behind
	rm -rf .venv .venv.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
