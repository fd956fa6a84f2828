# One way to do each thing; `make` lists them. Every target first sets up .venv by itself, from
# the hash-pinned locks, and needs only make and Python 3.11 to 3.13. Works with GNU make 3.81.

PYTHON ?= python3
DATASET ?= cells
ONLY ?=
UPGRADE ?=
WORKERS ?= 2
STICK ?= build/stick

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq
LEARNER := $(VENV)/.learner-installed
DEV := $(VENV)/.dev-installed
PEERS := $(VENV)/.peers-installed
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

# Stored outputs belong to the default data set and to this hash seed, whatever the shell says.
PYTEST := env -u UNET_DATASET PYTHONHASHSEED=0 $(PY) -m pytest
# Whole files to a worker, in their order: what a file has trained once serves all of its tests.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/notebooks/sanitize.cfg \
	--nbval-cell-timeout 600 -p tests.notebooks.in_time

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab run teacher stick test test-all check unit notebooks peers bench execute format lock clean

help: ## list what make can do
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

# --- for learners -----------------------------------------------------------------------------

lab: $(LEARNER) ## open working copies of the notebooks in JupyterLab
	@$(PY) -m unet_helpers lab

run: $(LEARNER) ## run the notebooks into pages under build/ (DATASET=cells, ONLY=03)
	@$(PY) -m unet_helpers run --dataset "$(DATASET)" $(if $(ONLY),--only "$(ONLY)")

# --- for teachers -----------------------------------------------------------------------------

teacher: $(LEARNER) ## add what grading, slides and handouts need
	@$(PIP) install --require-hashes -r requirements-teacher.lock
	@echo "Now: $(PY) -m unet_helpers classroom --help"

stick: $(LEARNER) ## build/stick: the course with its packages, for a room without internet
	@mkdir -p $(STICK)/packages && rm -rf $(STICK)/course && mkdir $(STICK)/course
	@echo "Fetching the packages of requirements.lock for this system: minutes ..."
	@$(PIP) download --require-hashes -r requirements.lock -d $(STICK)/packages
	@cp -r notebooks unet_helpers docs benchmarks pyproject.toml README.md LICENSE \
		requirements.lock $(STICK)/course/
	@find $(STICK)/course -name __pycache__ -type d -prune -exec rm -rf {} +
	@cp docs/stick/* $(STICK)/
	@$(PY) -c 'import platform as p; print(p.system(), p.machine(), "Python", p.python_version())' \
		> $(STICK)/python_version.txt
	@du -sh $(STICK)

# --- for authors and developers ---------------------------------------------------------------

test: check unit notebooks ## style, types, tests, and the stored outputs of the notebooks

test-all: test ## the same, a real browser, long trainings, and executing twice
	@$(PYTEST) -m "browser or repeat or slow"

check: $(DEV)
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy

unit: $(DEV)
	@$(PYTEST) $(SPREAD) -m "not browser and not repeat and not slow"

notebooks: $(DEV)
	@$(if $(NOTEBOOKS),$(PYTEST) $(SPREAD) $(NBVAL) notebooks/,echo "no notebooks to compare yet")

peers: $(PEERS) ## add the libraries that scores and speed are compared with (gigabytes)

bench: $(PEERS) ## run the scripts in benchmarks/, for hours (ONLY=time_to_quality)
	@for script in $(wildcard benchmarks/$(or $(ONLY),[!_]*).py); do \
		echo "$$script"; $(PY) "$$script" || exit 1; \
	done

execute: $(DEV) ## execute the committed notebooks and renew their outputs (ONLY=03)
	@$(PY) -m unet_helpers execute $(ONLY)
	@$(PY) -m ruff check --quiet notebooks/

format: $(DEV) ## lay out the code, notebooks included
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: $(DEV) ## resolve the dependencies into the locks (UPGRADE=1 for newer versions)
	@UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv pip compile $(COMPILE) --group learner \
		-o requirements.lock
	@UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv pip compile $(COMPILE) --extra teacher --group learner \
		-c requirements.lock -o requirements-teacher.lock
	@UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv pip compile $(COMPILE) --extra export --extra teacher \
		--group dev -c requirements-teacher.lock -o requirements-dev.lock
	@UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv pip compile $(COMPILE) --extra export --extra teacher --group peers \
		-c requirements-dev.lock -o requirements-peers.lock
	@UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv pip compile $(filter-out pyproject.toml,$(COMPILE)) \
		--no-deps --group clinic -o requirements-clinic.lock
	@echo "The locks are resolved; the next make installs them."

# No download address goes into a lock: it names packages, versions and hashes only.
COMPILE := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q \
	$(if $(UPGRADE),--upgrade) pyproject.toml

clean: ## remove .venv, pages and caches; your files in work/ stay
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './work/*' -prune -exec rm -rf {} +
	@echo "Removed what make can make again; work/ is untouched."

# --- setting up -------------------------------------------------------------------------------
# A stamp file says what is installed, so that a second call installs nothing.

$(LEARNER): requirements.lock pyproject.toml | $(PY)
	@echo "Installing the packages of requirements.lock into $(VENV): minutes, and only once ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(LEARNER)
	@echo "Adding the developers' packages of requirements-dev.lock ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(PEERS): requirements-peers.lock requirements-clinic.lock $(DEV)
	@echo "Adding the libraries of requirements-peers.lock for comparison ..."
	@$(PIP) install --require-hashes -r requirements-peers.lock
	@$(PIP) install --require-hashes --no-deps -r requirements-clinic.lock
	@touch $@

$(PY):
	@for candidate in "$(PYTHON)" python3.13 python3.12 python3.11; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
			2>/dev/null; then \
			echo "Setting up $(VENV) with $$("$$candidate" --version)"; \
			exec "$$candidate" -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "error: expected Python 3.11, 3.12 or 3.13 as '$(PYTHON)' and found none;" \
		"install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2
