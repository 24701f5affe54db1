PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# Busy-waiting threads slow a shared machine several times over; must be set before torch is imported.
export OMP_WAIT_POLICY := passive
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test slow mutants rehearsals docs site lint types clean

$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# The main job end to end on phantoms it makes itself.
demo: $(VENV)/.core
	$(BIN)/preceptor demo

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q -m 'not slow'

# Experiments of more than five seconds.
slow: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q -m slow

# Versions broken on purpose: the golden tests must reject every one.
mutants: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.golden

rehearsals: $(VENV)/.core
	for recipe in recipes/*.yaml; do $(BIN)/preceptor run $$recipe --rehearse --fresh --out scratch/rehearsals || exit 1; done

# Every code block of the documentation.
docs: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q docs

# The same pages as a web site, in site/.
site: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/zensical build

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs demo scratch recipes/scratch site
