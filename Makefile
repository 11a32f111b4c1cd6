# Needs Python 3.11 or newer and make; `make lock` also needs uv.
# Choose the interpreter with `make test PYTHON=python3.12`.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
PY = $(VENV)/bin/python
PIP = -m pip --disable-pip-version-check --quiet install
UV ?= uv
DEMO = build/demo
WHEEL = build/wheel-check

export OMP_NUM_THREADS = 1

.DEFAULT_GOAL = help
.PHONY: help demo test check lint format train-test wheel-check bench bench-test forge-test bench-triage bench-triage-quality bench-knowledge bench-knowledge-retrieval bench-experts bench-experts-speed bench-engine bench-forge bench-injection lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-28s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(PY):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Vedette needs Python 3.11 or newer, '$(PYTHON)' is not: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "'$(PYTHON)' cannot make a virtual environment: install its venv package (Debian: python3-venv)" >&2; exit 1; }

$(VENV)/installed: requirements/dev.txt pyproject.toml | $(PY)
	@echo "Installing into $(VENV) …"
	@$(PY) $(PIP) --require-hashes -r requirements/dev.txt
	@$(PY) $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-fit: requirements/fit.txt $(VENV)/installed
	@$(PY) $(PIP) --require-hashes -r requirements/fit.txt
	@touch $@

$(VENV)/installed-train: requirements/train.txt $(VENV)/installed-fit
	@$(PY) $(PIP) --require-hashes -r requirements/train.txt
	@touch $@

$(VENV)/installed-bench: requirements/bench.txt $(VENV)/installed
	@$(PY) $(PIP) --require-hashes -r requirements/bench.txt
	@touch $@

$(VENV)/installed-forge: requirements/forge.txt $(VENV)/installed
	@$(PY) $(PIP) --require-hashes -r requirements/forge.txt
	@touch $@

demo: $(VENV)/installed ## a made-up office day: thousands of alerts become a short queue of cases
	@rm -rf $(DEMO)
	@mkdir -p $(DEMO)
	$(PY) examples/office_day.py --out $(DEMO)
	VEDETTE_KNOWLEDGE=$(DEMO)/knowledge.db $(VENV)/bin/vedette triage $(DEMO)/wazuh-alerts.json $(DEMO)/suricata-eve.json $(DEMO)/ecs-alerts.ndjson \
		--assets examples/assets.toml --exceptions examples/exceptions.toml --out $(DEMO)/vedette-out

test: $(VENV)/installed ## run the tests
	$(PY) -m pytest -q -m "not train and not bench and not forge"

lint: $(VENV)/installed-fit ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

check: lint test ## everything that has to hold before a commit

format: $(VENV)/installed ## let ruff format and sort
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

train-test: $(VENV)/installed-fit ## the tests of the training; most need the CPU build of PyTorch
	@$(MAKE) --no-print-directory $(VENV)/installed-train || \
		echo "PyTorch's CPU build was not installed, pip says why above: the tests that need it are skipped" >&2
	$(PY) -m pytest -q -m train

# The tools for the tests come in only after the size of the core was measured.
wheel-check: $(VENV)/installed ## build the wheel, install it alone, run the tests against it
	@rm -rf $(WHEEL)
	@mkdir -p $(WHEEL)
	$(PY) -m hatchling build -t wheel -d $(WHEEL)
	$(PY) -m venv $(WHEEL)/venv
	$(WHEEL)/venv/bin/python $(PIP) --require-hashes -r requirements/run.txt
	$(WHEEL)/venv/bin/python $(PIP) --no-deps --no-index $(WHEEL)/*.whl
	$(WHEEL)/venv/bin/python .ci/installed_size.py 400
	$(WHEEL)/venv/bin/vedette --help > $(WHEEL)/help.txt
	$(WHEEL)/venv/bin/python $(PIP) --require-hashes -r requirements/dev.txt
	$(WHEEL)/venv/bin/python -m pytest -q -m "not train and not bench and not forge" -p no:cacheprovider

RUNS = build/bench
CTI = cti-mcq cti-rcm cti-rcm-2021 cti-rcm-2000 cti-vsp cti-ate cti-taa

bench: $(VENV)/installed-fit ## CTI-Bench on the embedded models and TF-IDF, over ../shared/data; writes build/bench/report.html
	for model in embedded constant chance; do \
		$(VENV)/bin/vedette bench run $(CTI) --model vedette/$$model --out $(RUNS) || exit 1; done
	test -e $(RUNS)/cti-ate.tf-idf.zero-shot || $(PY) bench/experts_baseline.py --runs $(RUNS) --out $(RUNS)/tf-idf.json
	$(VENV)/bin/vedette bench report $(RUNS)

bench-test: $(VENV)/installed-bench ## the tests of the benchmarks' runs, by Inspect and a local server
	$(PY) -m pytest -q -m bench

forge-test: $(VENV)/installed-forge ## the tests of near duplicates and of Ray's workers
	$(PY) -m pytest -q -m forge

bench-triage: $(VENV)/installed ## speed and memory of triage
	$(PY) bench/triage.py

bench-triage-quality: $(VENV)/installed-fit ## how good triage's queue is
	$(PY) bench/triage_quality.py

bench-knowledge: $(VENV)/installed ## speed and memory of the knowledge store, over ../shared/data
	$(PY) bench/knowledge.py

bench-knowledge-retrieval: $(VENV)/installed ## how well search answers
	$(PY) bench/knowledge_retrieval.py

bench-experts: $(VENV)/installed ## how good the embedded experts are, over ../shared/data
	$(PY) bench/experts_quality.py

bench-forge: $(VENV)/installed ## speed of the forge, over the knowledge store
	$(PY) bench/forge.py

bench-experts-speed: $(VENV)/installed ## speed and memory of the embedded experts
	$(PY) bench/experts.py

bench-engine: $(VENV)/installed-bench ## speed and memory of language models, by files of the real shapes with random weights
	$(PY) bench/engine.py

COMPILE = $(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml
LOCK = $(COMPILE) --universal
# PyPI's own build brings gigabytes of CUDA; uv has to be told where the CPU build is (UV_FIND_LINKS, UV_INDEX).
TORCH = torch==2.13.0+cpu
LOCK_TORCH = $(COMPILE) --python-platform x86_64-manylinux_2_28

bench-injection: $(VENV)/installed ## every attack string in every field of every format, and how well warnings tell them
	$(VENV)/bin/vedette bench run injection --model none --jobs 2 --out $(RUNS)
	$(VENV)/bin/vedette bench run injection --model obedient --jobs 2 --out $(RUNS)
	$(PY) bench/probe.py

lock: ## renew requirements/*.txt within the floors of pyproject.toml
	$(LOCK) -o requirements/run.txt
	$(LOCK) -c requirements/run.txt --group dev -o requirements/dev.txt
	$(LOCK) -c requirements/run.txt --extra fit -o requirements/fit.txt
	$(LOCK) -c requirements/run.txt -c requirements/dev.txt --extra forge --extra scale -o requirements/forge.txt
	$(LOCK) -c requirements/run.txt -c requirements/dev.txt --extra bench --extra slm --group models -o requirements/bench.txt
	echo "$(TORCH)" | $(LOCK_TORCH) -c requirements/run.txt -c requirements/fit.txt -c requirements/bench.txt -c - \
		--extra train --extra qlora --extra slm -o requirements/train.txt

clean: ## remove what was built, the virtual environment too
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples bench -name __pycache__ -prune -exec rm -rf {} +
