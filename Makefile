# Every target sets up what it needs. PYTHON names the interpreter that .venv is made from (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The small environment, which reads the book and runs nothing.
READ := .venv-read
# What only looks at a site makes do with the small one, unless the other is there.
LOOK := $(if $(wildcard $(VENV)/.installed),$(VENV),$(READ))
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help read site-zip setup book full reference site pdf serve test lint format bench lock clean check changed links colab resolved

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s%s\n", $$1, $$2 }' Makefile

# The stamp is newer than the lock only after a whole installation. Dependencies come from the lock alone, each checked
# against its hash; the lock is whole, so pip need not look for more. The package itself is installed in place.
# Reading runs little of what is installed: compiling the rest beforehand would take a third of the time.
$(READ)/.installed: HOW := --no-compile
define install
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; set PYTHON=...")'
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --require-hashes --no-deps $(HOW) -r $<
	$(@D)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
endef
$(VENV)/.installed: requirements.lock pyproject.toml
	$(install)
$(READ)/.installed: requirements-read.lock pyproject.toml
	$(install)

read: $(READ)/.installed  ## Render the book with the results of the full run: three minutes, and nothing is executed
	$(READ)/bin/course read

site-zip: read  ## Pack that book into _build/deep-vision-measured.zip, to be opened anywhere without a network
	$(READ)/bin/course site-zip

setup: $(VENV)/.installed  ## Make .venv from the locked requirements

# What chapters show: the full run that is kept in book/reference/, or with PAGES=run the run of this build.
PAGES ?= reference
book: setup  ## Execute the notebooks (quick profile) and render the site; PAGES=run shows this run
	$(BIN)/course book --pages $(PAGES)

full: setup  ## The same with the original sizes: hours on two cores
	$(BIN)/course book --profile full --pages run

reference: setup  ## The full run, each notebook alone on the machine; its results are kept in book/reference/
	$(BIN)/course run --profile full --jobs 1
	$(BIN)/course reference
	$(BIN)/course reference --cards

site: setup  ## Render again what has been executed
	$(BIN)/course site --pages $(PAGES)

pdf: setup  ## Print the pages, and the whole book, as PDFs (needs Chromium)
	$(BIN)/course pdf

serve: $(LOOK)/.installed  ## Show the site at http://127.0.0.1:8000/
	$(LOOK)/bin/course serve

check: $(LOOK)/.installed  ## Look for faults in the rendered site: dead links, other hosts, heavy pages
	$(LOOK)/bin/course check

SINCE ?= origin/main
changed: setup  ## The pages that changed; `make changed SINCE=commit`
	$(BIN)/course changed --since $(SINCE)

links: setup  ## Ask every linked site whether it is still there (needs the internet)
	$(BIN)/course site
	$(BIN)/jupyter-book build _build/stage --path-output _build/links --builder linkcheck

# The image is large, and runs what Colab runs today.
COLAB_IMAGE ?= us-docker.pkg.dev/colab-images/public/runtime
colab:  ## Run all notebooks in Colab's own image (needs docker)
	docker run --rm --volume "$(CURDIR):/book" --workdir /tmp --entrypoint bash $(COLAB_IMAGE) /book/.ci/colab

# The tests of one file share costly fixtures, so a file stays with one worker. More workers than four would crowd out
# the trainings, kernels and browsers that the tests start.
test: setup  ## All tests; `make test ARGS="-k name"` for some
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup  ## Style of the code and of the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest --quiet tests/notebooks/test_notebooks.py

format: setup  ## Bring code and notebooks into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## Timings beside named rivals
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header
lock:  ## Resolve both lists anew: all there is, and what reading needs (needs uv)
	$(COMPILE) --extra course --extra tensorflow --extra book --extra cluster --extra test --output-file requirements.lock
	$(COMPILE) --extra book --constraints requirements.lock --output-file requirements-read.lock

# Instead of the lock: `lowest-direct` or `highest`. The stamp makes the other targets use what this installed.
RESOLUTION ?= highest
resolved:  ## Make .venv from the newest dependencies, or with RESOLUTION=lowest-direct the oldest (needs uv)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	uv pip install --python $(BIN)/python --resolution $(RESOLUTION) --editable '.[course,tensorflow,book,cluster,test]' pip
	touch $(VENV)/.installed

clean:  ## Remove what was built, downloads and .venv stay
	rm -rf _build .pytest_cache .ruff_cache .hypothesis dist
