# make run    set up .venv and run the benchmark     CORES=4  CONFIG=workflow/presets/smoke.yaml
# make tune   try the learning rates of `lr: tuned` again, 38 to 75 minutes on two cores
# make test   set up .venv and run every check
# make bench  what the machinery costs and how well it measures, half an hour on an idle machine
# make format apply the formatters        make lock  renew envs/requirements.lock

PYTHON ?= python3
CORES ?= 4
CONFIG ?=
BIN := .venv/bin
READY := .venv/.ready
# With one line that says how far it is (workflow/logger).
SNAKEMAKE := PYTHONPATH=workflow/logger $(BIN)/snakemake --logger cells
# As many cores as were asked for and are there.
PRESENT = $$($(BIN)/python -c "import os; print(min($(CORES), os.cpu_count()))")

.PHONY: run tune test bench format lock

run: $(READY)
	@$(SNAKEMAKE) --cores $(PRESENT) $(if $(CONFIG),--configfile $(CONFIG))

tune: $(READY)
	@$(SNAKEMAKE) --cores $(PRESENT) -- tuning tuning_large adopt_rates

test: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile workflow/rules
	@$(BIN)/snakemake --lint
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	@echo "All checks passed. What they cover: tests/README.md"

bench: $(READY)
	@$(BIN)/python -m tests.bench

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile workflow/rules

lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip install --quiet -r envs/requirements.in
	@(echo "# Made by 'make lock' from requirements.in. Exact versions for Python 3.11 and newer."; \
		.venv-lock/bin/pip freeze | sed 's/+cpu//') > envs/requirements.lock
	@rm -rf .venv-lock

$(READY): envs/requirements.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@echo "Setting up .venv (once, a few minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	@touch $@
