# chainwatch. Unless a target is in `make help` it is unsupported.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
VENV_STAMP := .venv/.stamp
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV_STAMP): requirements/dev.txt pyproject.toml scripts/setup-venv
	@scripts/setup-venv

.PHONY: setup
setup: $(VENV_STAMP) ## .venv/ with everything needed to develop, from pinned requirements with hashes

.PHONY: proto
proto: setup ## regenerate the committed gRPC code from proto/chainwatch/v1/*.proto
	@scripts/generate-proto

.PHONY: lint
lint: setup ## ruff, mypy strict, vermin (the 3.6 floor), import-linter
	@.venv/bin/ruff check -q .
	@.venv/bin/ruff format -q --check .
	@.venv/bin/mypy
	@.venv/bin/vermin -q -t=3.6- --violations --no-tips $$(git ls-files 'agent/*.py' 'proto/gen/*.py')
	@PYTHONPATH=agent:collector:proto/gen .venv/bin/lint-imports --no-cache > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

.PHONY: fmt
fmt: setup ## let ruff format and mend what it can
	@.venv/bin/ruff check -q --fix . || true
	@.venv/bin/ruff format -q .

.PHONY: test
test: setup ## every behaviour once, at most 15 minutes on 2 cores
	@scripts/test

.PHONY: test-long
test-long: setup ## the same code with the big numbers; SEEDS=1000, SEED=n, ONLY=faults|fuzz|scale|soak|week
	@scripts/test-long

.PHONY: audit
audit: setup ## known vulnerabilities in what is shipped: error 1 for one without a reason, 75 if nobody could be asked; OSV_URL=
	@scripts/audit

.PHONY: demo
demo: setup ## the lab: two pools, dom0s with faults, a real collector, agents; ONCE=1 stops after the diagnosis
	@scripts/demo $(if $(ONCE),--once)

.PHONY: screenshots
screenshots: setup ## screenshots/*.png of the README, from the demo (needs Chromium)
	@PYTHONPATH=agent:collector:proto/gen:tests .venv/bin/python -m lab.demo.screenshots

.PHONY: bench
bench: setup ## the benchmark suite: a table of figures with their goals, bench/latest.json; ONLY=module for one
	@scripts/setup-system bench
	@cd tests && PYTHONPATH=../agent:../collector:../proto/gen:. ../.venv/bin/python -m bench $(if $(ONLY),--only $(ONLY))

.PHONY: rpm
rpm: setup ## the packages for dom0 and for the collector, into dist/
	@packaging/rpm/build
