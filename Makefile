# make demo    own virtual environment, then the main command on bundled data; ends with the report's path
# make test    the whole test suite with branch coverage
# make audit   known holes in what is installed
# make lock    the lock file anew, after a change of dependencies

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# stands for "the environment holds what pyproject.toml and constraints.txt ask for"
INSTALLED := $(VENV)/.installed
# what is installed only with a hash that stands there; "make LOCK= venv" does without, for an index with builds of its own
LOCK ?= requirements-dev.lock
# pip-audit has an environment of its own, so that what it needs is no part of what it looks at
AUDIT := $(VENV)-audit
LOCKER := $(VENV)-lock

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-fast lint format gallery audit lock clean

help:
	@echo "make venv       virtual environment in $(VENV), the package in it (PYTHON=$(PYTHON))"
	@echo "make demo       aaetools fit --labels partial"
	@echo "make test       all tests, with branch coverage"
	@echo "make test-fast  all tests but the slow ones"
	@echo "make lint       style, format and types"
	@echo "make format     put style and format right"
	@echo "make gallery    the pictures in docs/gallery anew; needs Chromium"
	@echo "make audit      known security holes in what is installed; needs a network"
	@echo "make lock       $(LOCK) anew, after a change of dependencies; needs a network"
	@echo "make clean      remove the environment and all caches, but no runs"

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt $(LOCK)
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "there is no $(PYTHON) here; name a Python: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  "Python 3.11 or newer is needed, $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % v[:2])'
	"$(PYTHON)" -m venv "$(VENV)"
	$(if $(LOCK),"$(BIN)/python" -m pip install --progress-bar off --require-hashes --no-deps -r "$(LOCK)")
	"$(BIN)/python" -m pip install --progress-bar off $(if $(LOCK),--no-build-isolation) \
	  -c constraints.txt -e ".[test,lint]"
	@touch "$(INSTALLED)"

demo: $(INSTALLED)
	"$(BIN)/aaetools" fit --labels partial

test: $(INSTALLED)
	"$(BIN)/python" -m pytest --cov --cov-report=term:skip-covered

test-fast: $(INSTALLED)
	"$(BIN)/python" -m pytest -m "not slow"

lint: $(INSTALLED)
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

format: $(INSTALLED)
	"$(BIN)/ruff" check --fix .
	"$(BIN)/ruff" format .

gallery: $(INSTALLED)
	"$(BIN)/python" docs/gallery/make.py

# Versions without the local part, as in 2.13.0+cpu, which no database knows.
audit: $(INSTALLED)
	@[ -x "$(AUDIT)/bin/pip-audit" ] || { "$(PYTHON)" -m venv "$(AUDIT)" && \
	  "$(AUDIT)/bin/python" -m pip install --quiet -c constraints.txt pip-audit >"$(AUDIT)/log" 2>&1; } || \
	  { echo "audit: pip-audit cannot be installed; is there a network? (see $(AUDIT)/log)" >&2; exit 1; }
	@"$(BIN)/python" -m pip freeze --exclude-editable | sed 's/+[[:alnum:].]*$$//' >"$(AUDIT)/requirements.txt"
	@"$(AUDIT)/bin/pip-audit" --strict --disable-pip --no-deps --progress-spinner off -r "$(AUDIT)/requirements.txt" \
	  >"$(AUDIT)/log" 2>&1 && cat "$(AUDIT)/log" || { \
	  if grep -qE "ConnectionError|Max retries|timed out|could not be audited" "$(AUDIT)/log"; then \
	    echo "audit: the database of known holes did not answer for every package; try again with a network (see $(AUDIT)/log)" >&2; \
	  else cat "$(AUDIT)/log" >&2; fi; exit 1; }

# Hashes of all files of each release, whatever the platform. Those of torch differ by build (CPU, CUDA), and what else it
# installs differs with it, so these are left to constraints.txt.
lock:
	"$(PYTHON)" -m venv "$(LOCKER)"
	"$(LOCKER)/bin/python" -m pip install --quiet -c constraints.txt uv
	"$(LOCKER)/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  -c constraints.txt --all-extras pyproject.toml -o "$(LOCK)"
	awk 'BEGIN {print "# Made by make lock; what make venv installs, but for torch, with the hashes of all files of each release."} \
	  /^[a-z]/ {keep = !/^(torch|triton|cuda-|nvidia-)/} keep' "$(LOCK)" >"$(LOCKER)/lock"
	cp "$(LOCKER)/lock" "$(LOCK)"

clean:
	rm -rf "$(VENV)" "$(AUDIT)" "$(LOCKER)" build dist *.egg-info .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
