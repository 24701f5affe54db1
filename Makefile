PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?= dev
BIN     = $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# Busy-waiting threads slow a shared machine several times over; must be set before torch is imported.
export OMP_WAIT_POLICY := passive
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install demo test mutants lint types docs clean

$(VENV)/.installed-$(EXTRAS): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

install: $(VENV)/.installed-$(EXTRAS)

demo: EXTRAS :=
demo:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import preceptor' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable .
	$(BIN)/preceptor demo

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -q

mutants: install
	$(BIN)/python -m tests.golden

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: install
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs demo scratch
