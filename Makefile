# The front door: `make help` says what there is.
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/ready
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Notebooks run two at a time, so each takes half the cores.
CORES := $(or $(NUMBER_OF_PROCESSORS),$(shell getconf _NPROCESSORS_ONLN))
TWO_AT_A_TIME := FAIRLIB_PROFILE=embedded FAIRLIB_DEVICE=cpu OMP_NUM_THREADS=$(shell echo $$(( $(CORES) > 1 ? $(CORES) / 2 : 1 )))
NBVAL := -m pytest --nbval --nbval-current-env --nbval-cell-timeout 1800 -n 2 --dist loadfile $(or $(NOTEBOOKS),notebooks)
UNITS := -m pytest -n 2 --dist loadfile --ignore tests/test_book.py --ignore tests/test_browser.py
# PyTorch without CUDA: where it is from, and which of the pinned packages it does not ask for.
CPU_BUILD := https://download.pytorch.org/whl/cpu
CUDA := ^(nvidia-|cuda-|triton)
# How uv takes the versions that pyproject.toml allows.
VERSIONS_oldest := lowest-direct
VERSIONS_newest := highest
OTHER = .venv-$(AT)/$(notdir $(BIN))
# Other machines, as far as this one can act them: older instructions, what most laptops have, other numbers of threads.
MACHINES := old laptop one-thread two-threads three-threads
old := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 MKL_CBWR=COMPATIBLE
laptop := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
one-thread := OMP_NUM_THREADS=1
two-threads := OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE
three-threads := OMP_NUM_THREADS=3 OMP_WAIT_POLICY=PASSIVE

.DEFAULT_GOAL := help
.PHONY: book html pdf site.zip test units mutants barriers machines versions alone links vulnerabilities reproduce verify bench accelerator sync lock release cpu clean help

book: $(READY)  ## Run the notebooks that changed, then build the site; prints where it is
	$(TWO_AT_A_TIME) $(BIN)/python -m tools.notebooks execute
	$(BIN)/python tools/render.py

html: $(READY)  ## Build the site from the stored outputs, without running anything
	$(BIN)/python tools/render.py

pdf: html  ## Print the whole book, from the stored outputs, into one PDF (with Chromium)
	$(BIN)/python -m tools.paper

site.zip: html  ## Put the site, from the stored outputs, into one file that is unpacked and opened anywhere
	$(BIN)/python -m tools.release zip

test: $(READY)  ## Check everything: style, pairs, units, the site in a browser, each notebook's outputs
	$(BIN)/ruff check && $(BIN)/ruff format --check
	$(BIN)/python -m tools.notebooks check
	$(TWO_AT_A_TIME) $(BIN)/python $(UNITS)
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/test_book.py tests/test_browser.py
	$(TWO_AT_A_TIME) $(BIN)/python $(NBVAL)

mutants: $(READY)  ## Change the package at random places and say which changes no test notices; MINUTES=2 for as long, SEED=n for which
	$(BIN)/python -m tools.mutants $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

units: $(READY)  ## Check the package alone: neither the site nor the notebooks' outputs
	$(TWO_AT_A_TIME) $(BIN)/python $(UNITS)

barriers: $(READY)  ## Let axe-core look at every page, in both themes, on a desk and on a phone; make test takes a sample
	FAIRLIB_PAGES=all $(BIN)/python -m pytest tests/test_browser.py -k keeps_anyone_out

versions:  ## Check the package with other versions than the pinned ones: AT=oldest or AT=newest of those allowed
	$(if $(VERSIONS_$(AT)),,$(error say which versions: AT=oldest or AT=newest))
	test -d .venv-$(AT) || $(PYTHON) -m venv .venv-$(AT)
	$(OTHER)/python -m pip install --quiet --disable-pip-version-check uv
	$(OTHER)/uv pip install --python $(OTHER)/python --resolution $(VERSIONS_$(AT)) -e '.[book,test,reproduce]'
	$(OTHER)/uv pip install --python $(OTHER)/python --no-deps -r requirements-nodeps.lock
	$(OTHER)/uv pip install --python $(OTHER)/python --no-deps --reinstall opencv-python-headless
	touch .venv-$(AT)/ready
	$(MAKE) VENV=.venv-$(AT) units

alone: $(READY)  ## Run notebooks alone, each in an empty folder: VERSIONS=file or address of a `pip freeze`, ONLY=words
	$(BIN)/python -m tools.alone --only='$(ONLY)' $(if $(VERSIONS),--versions '$(VERSIONS)')

links: $(READY)  ## Ask for every address that the book names, over the network
	$(BIN)/python tools/render.py linkcheck

vulnerabilities:  ## Compare the pinned versions with the published lists of vulnerable ones, over the network
	test -d .venv-audit || $(PYTHON) -m venv .venv-audit
	.venv-audit/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check pip-audit
	.venv-audit/$(notdir $(BIN))/pip-audit --strict --no-deps --disable-pip $(addprefix --requirement ,$(wildcard requirements*.lock))

release: pdf site.zip  ## Check that this is the version of TAG=v1.2.3, and gather its files in book/_build/release
	$(BIN)/python -m tools.release gather --tag '$(TAG)'

machines: $(READY) $(addprefix as-,$(or $(AS),$(MACHINES)))  ## Compare the notebooks' outputs as computed by other machines; AS=old for one, NOTEBOOKS="..." for some, NOTEBOOKS=mutants for whether planted mutants are found

as-%: $(READY)
	$(if $(filter $*,$(MACHINES)),,$(error no machine is called "$*"; known: $(MACHINES)))
	$(if $(filter mutants,$(or $(NOTEBOOKS),mutants)),$(TWO_AT_A_TIME) $($*) $(BIN)/python -m pytest tests/test_nbval_mutants.py)
	$(if $(filter mutants,$(NOTEBOOKS)),,$(TWO_AT_A_TIME) $($*) $(BIN)/python $(NBVAL))

reproduce: $(READY)  ## Run what takes longer than a notebook may: PROFILE=paper for all of it, ONLY=text for a part
	$(if $(PROFILE),FAIRLIB_PROFILE=$(PROFILE)) $(BIN)/python -m fairlib.book.runner --only='$(ONLY)'

verify: $(READY)  ## Run a sample of what is recorded again and compare: ONLY=text for a part, MINUTES=n for the quickest
	$(if $(PROFILE),FAIRLIB_PROFILE=$(PROFILE)) $(BIN)/python -m fairlib.book.verify --only='$(ONLY)' --minutes='$(MINUTES)'

bench: $(READY)  ## Time what others do, too, beside them, by turns, on a quiet machine; SCALE=0.1 to look, without a record
	FAIRLIB_DEVICE=cpu OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks $(if $(SCALE),--scale '$(SCALE)')

accelerator: $(READY)  ## Check the book on an accelerator: DEVICE=cuda, MINUTES=10, OUT=folder for the report and records
	$(BIN)/python -m tools.accelerator $(if $(DEVICE),--device '$(DEVICE)') $(if $(MINUTES),--minutes '$(MINUTES)') $(if $(OUT),--out '$(OUT)')

sync: $(READY)  ## Carry edits of either side of a pair of notebooks into the other; KEEP=file for the side that wins
	$(BIN)/python -m tools.notebooks sync $(if $(KEEP),--keep $(KEEP))

lock: $(READY)  ## Renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras pyproject.toml --upgrade \
		--no-emit-package opencv-python --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

cpu:  ## Install PyTorch's build without CUDA, before anything else: 2.5 GB in place of 7
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --index-url $(CPU_BUILD) \
		$(shell grep -E '^torch(vision)?==' requirements.lock | tr -d '\r')
	@touch $(VENV)/cpu
	$(MAKE) $(READY)

clean:  ## Remove what was built (the environment stays)
	rm -rf book/_build .pytest_cache .ruff_cache .hypothesis

help:  ## List the targets
	@sed -n 's/^\([a-z.]*\):.*##  *\(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# The environment, made again when what it is made from changes. The lock names every package, but opencv-python: it
# overwrites opencv-python-headless, which does the same without a screen's libraries.
$(READY): requirements.lock requirements-nodeps.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "This book needs Python 3.11 or later; name yours: make PYTHON=/path/to/python3"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV): some minutes and about $(if $(wildcard $(VENV)/cpu),2.5,7) GB the first time"
	grep -vE '$(if $(wildcard $(VENV)/cpu),$(CUDA),^$$)' requirements.lock >$(VENV)/pinned.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(wildcard $(VENV)/cpu),--extra-index-url $(CPU_BUILD)) \
		--no-deps -r $(VENV)/pinned.txt -r requirements-nodeps.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
