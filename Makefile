# Each target works from a clean clone by itself; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
STAMP := $(VENV)/.installed
DESCRIBED := $(VENV)/descriptions/.fetched
UV = $(BIN)/uv

.DEFAULT_GOAL := help
.PHONY: help setup demo test stranger soak fuzz lint format bench docs pictures figures image release-dry-run lock clean

help:  ## list the targets
	@awk -F':.*## *' '/^[a-z-]+:.*##/ {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(DESCRIBED)  ## make .venv with the locked dependencies, and what the host says of its API

$(STAMP): $(LOCK) requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r $(LOCK)
	@touch $@

$(DESCRIBED): $(STAMP) tests/servers/github/fetch.py tests/servers/github/descriptions.json
	$(BIN)/python tests/servers/github/fetch.py
	@touch $@

demo: $(STAMP)  ## run a real workflow on the embedded model
	$(BIN)/python entrypoint.py run examples/hello/workflow.yaml

test: setup  ## the whole suite; container tests run where an engine is or can be started
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

SOAK = tests/container/test_signals.py tests/container/test_hostile.py tests/contract/test_stopping.py tests/contract/test_silence.py tests/test_examples.py $(wildcard tests/contract/test_chaos.py)
soak: setup  ## what the suite tries at a few random moments, at many: signals, silence after them, chaos, long lines, examples
	STRANDS_SOAK=1 $(BIN)/python -m pytest $(SOAK)

stranger: setup  ## the README's commands, word for word, in a clean clone in an empty container; FULL=1: make test too
	$(BIN)/python -m tests.container.stranger $(if $(FULL),--full)

SECONDS = 600
fuzz: setup  ## coverage-guided fuzzing, ten minutes a target: make fuzz TARGETS="spec tape" SECONDS=60
	$(BIN)/python -m tests.fuzz $(TARGETS) --seconds $(SECONDS)

WORKFLOWS = $(wildcard .github/workflows/*.yml examples/*/*.yml)
lint: setup  ## format check, lint, types; workflows, ours and those to copy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet --persona pedantic .github/dependabot.yml action.yml all/action.yml $(WORKFLOWS)
	# The runner takes every name that ends so, and a folder can have but one `Dockerfile`.
	$(BIN)/actionlint -shellcheck= -pyflakes= -ignore 'must be named "Dockerfile"' $(WORKFLOWS)

format: setup  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## what a run costs beyond its model, beside its floors: make bench CASES="start calls" JSON=rows.json LARGE=1 WRITE=1
	@$(BIN)/python -m benchmarks $(CASES) $(if $(JSON),--json $(JSON)) $(if $(LARGE),--large) $(if $(WRITE),--write)

docs: setup  ## write from the code: docs/reference.md, the schemas, action.yml, questions in recordings written by hand
	$(BIN)/python -m docs.write_reference
	$(BIN)/python -m docs.write_questions

pictures: setup  ## take pictures of summaries and the terminal: make pictures SCENES="failure many" TO=directory
	$(BIN)/python -m docs.take_pictures $(SCENES) $(if $(TO),--to $(TO))

BASE = HEAD
figures: setup  ## count modules, functions and what stands twice: make figures BASE=v1 WRITE=1
	@$(BIN)/python -m docs.write_figures --base $(BASE) $(if $(WRITE),--write)

image:  ## build and tag strands-action:dev
	docker build -t strands-action:dev .

release-dry-run: setup  ## a release without its pushes: version, changelog, wheel, image, stamped actions, order
	$(BIN)/python -m release dry-run

HOSTED = --extra anthropic --extra gemini
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock: setup  ## write requirements/*.txt anew from pyproject.toml
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml $(HOSTED) -c requirements/runtime.txt -o requirements/all.txt
	$(COMPILE) pyproject.toml $(HOSTED) --extra local -c requirements/all.txt -o requirements/local.txt
	$(COMPILE) pyproject.toml $(HOSTED) --extra local --extra dev -c requirements/all.txt -o requirements/dev.txt

clean:  ## remove what the targets made
	rm -rf $(VENV) strands-artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz dist
