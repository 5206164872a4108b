# One command per habit. `make run` and `make test` do their own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MODULE ?= ocr_system
PORT   ?=
DATA   ?=
DEVICE ?= gpu
COMMA  := ,

RUN_STAMP := $(VENV)/.run-$(shell cat services/requirements.txt services/pyproject.toml | cksum | cut -d' ' -f1)
BENCH_STAMP := $(VENV)/.bench-$(shell cksum benchmarks/requirements.txt | cut -d' ' -f1)
GPU_VENV  := .venv-gpu
GPU_STAMP := $(GPU_VENV)/.made-$(shell cat images/requirements/*.txt services/pyproject.toml | cksum | cut -d' ' -f1)
TRAIN     := $(HOME)/.cache/ocr-serving/training
TRAIN_STAMP := $(TRAIN)/.made-$(shell cat services/requirements.txt training/requirements.txt | cksum | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat services/requirements*.txt services/pyproject.toml operator/requirements.txt operator/pyproject.toml client/pyproject.toml | cksum | cut -d' ' -f1)

# Tests start hundreds of processes of the same sources: compiled once, also where the surroundings say never.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup run test lint format docs pictures chart manifests images lock sbom release soak e2e bench bench-accuracy bench-attack bench-documents bench-gpu bench-kie bench-memory bench-operator bench-serving bench-sizing bench-tables bench-together bench-tracing int8-ranges train-kie train-scripts clean help

help:  ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(DEV_STAMP)  ## make the environment .venv with everything that tests and lint need

run: $(RUN_STAMP)  ## serve a module, read a page with it, go on serving: make run [MODULE=ocr_det] [PORT=8865]
	@$(BIN)/ocr-serving start -m $(MODULE) --host 127.0.0.1 $(if $(PORT),-p $(PORT)) --try

.PHONY: needs
needs:
	@$(PYTHON) tests/helpers/needs.py

test: needs $(DEV_STAMP)  ## unit, contract, bad-input, parity and browser tests, on real models; says first what is missing
	@$(BIN)/ocr-serving models pull --all
	@$(BIN)/python -m pytest -n 2

e2e: $(DEV_STAMP)  ## helm install, OCRService, answers over HTTP, on a real cluster: make e2e [KEEP=1] [ARGS="-k gpu"]
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

chart: $(DEV_STAMP)  ## what is generated is current; lint, templates and RBAC of the chart, on a real API server
	@$(BIN)/python charts/generate.py --check
	@$(BIN)/python -m pytest tests/chart

manifests: $(DEV_STAMP)  ## write what is generated: the CRD, manifests/, the chart's schema and README
	@$(BIN)/python charts/generate.py

images:  ## build the nine images and the operator's: make images [REGISTRY=…] [TAG=…] [FLAVOR=gpu] [PUSH=1] [MODULES="ocr_det operator"]
	@images/build.sh $(MODULES)

lock: $(DEV_STAMP)  ## write images/locked/: what images install, with the SHA-256 of every wheel
	@$(BIN)/python images/lock.py

sbom: $(DEV_STAMP)  ## write a software bill of materials of each image into build/sbom
	@$(BIN)/python images/sbom.py

release: $(DEV_STAMP)  ## build packages, chart, bills of materials, checksums into dist/ and push images and chart: make release DRY_RUN=1 [TAG=v1.2.3]
	@$(BIN)/python .github/release.py $(if $(DRY_RUN),--dry-run) $(if $(TAG),--tag $(TAG))

docs: $(DEV_STAMP)  ## write docs/configuration.md from what the settings say of themselves
	@$(BIN)/python docs/generate.py

pictures: $(DEV_STAMP)  ## make the pictures of docs/ anew, by Chromium and LibreOffice
	@PYTHONPATH=tests $(BIN)/python docs/pictures.py

lint: $(DEV_STAMP)  ## ruff, mypy, import-linter; what is generated of docs/ is current
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check

format: $(DEV_STAMP)  ## put the code into ruff's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(RUN_STAMP)  ## CPU seconds a page over HTTP against the models alone: make bench [DATA=folder]
	@$(BIN)/python -m benchmarks.overhead $(if $(DATA),--data $(DATA))

bench-accuracy: $(RUN_STAMP)  ## word F1 on real forms and receipts: make bench-accuracy DATA=folder [ARGS="--precision bf16"]
	@$(BIN)/python -m benchmarks.accuracy --data $(or $(DATA),$(error name the folder of pages: make bench-accuracy DATA=...)) $(ARGS)

bench-documents: $(RUN_STAMP)  ## share of the words read that are text in .md and .docx: make bench-documents DATA=folder [ARGS="--most 24"]
	@$(BIN)/python -m benchmarks.documents --data $(or $(DATA),$(error name the folder of pages: make bench-documents DATA=...)) $(ARGS)

bench-memory: $(RUN_STAMP)  ## resident memory after 50 and after 500 requests: make bench-memory DATA=folder [MODULE=kie_ser]
	@$(BIN)/python -m benchmarks.memory --module $(MODULE) --data $(or $(DATA),$(error name the folder of pages: make bench-memory DATA=...))

bench-sizing: $(RUN_STAMP)  ## memory, CPU, pages/s of each module with one worker: make bench-sizing DATA=folder
	@$(BIN)/python -m benchmarks.sizing --data $(or $(DATA),$(error name the folder of pages: make bench-sizing DATA=...)) $(ARGS)

bench-serving: $(BENCH_STAMP)  ## pages/s against clients, beside PaddleX, rapidocr, hubserving: make bench-serving [DATA=folder] [MODELS=set] [CLIENTS=1,4] [PEERS=rapidocr]
	@$(BIN)/python -m benchmarks.serving $(if $(DATA),--data $(DATA)) $(if $(MODELS),--models $(MODELS)) $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(PEERS),--servers ours$(COMMA)floor$(COMMA)$(PEERS)) $(ARGS)

bench-gpu: $(if $(filter cpu,$(DEVICE)),$(RUN_STAMP),$(GPU_STAMP))  ## batching on a GPU: pages/s, busy share, F1, memory: make bench-gpu DATA=folder [DEVICE=cpu]
	@$(if $(filter cpu,$(DEVICE)),$(VENV),$(GPU_VENV))/bin/python -m benchmarks.gpu --device $(DEVICE) --data $(or $(DATA),$(error name the folder of pages: make bench-gpu DATA=...)) $(ARGS)

int8-ranges: $(RUN_STAMP)  ## measure the ranges that precision int8 needs: make int8-ranges DATA=folder [ARGS="--set PP-OCRv6_small"]
	@$(BIN)/python -m training.ranges --data $(or $(DATA),$(error name the folder of pages: make int8-ranges DATA=...)) $(ARGS)

bench-together: $(RUN_STAMP)  ## all modules in one service: seconds to ready, CPU seconds, memory, beside each alone: make bench-together [ARGS=--alone]
	@$(BIN)/python -m benchmarks.together $(ARGS)

bench-tracing: $(DEV_STAMP)  ## CPU time of a request that is traced beside one that is not: make bench-tracing [ARGS="--requests 5"]
	@$(BIN)/python -m benchmarks.tracing $(ARGS)

bench-attack: $(DEV_STAMP)  ## probes and a paying client while thousands of connections are only held: make bench-attack [ARGS="--seconds 60"]
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.attack $(ARGS)

soak: $(RUN_STAMP)  ## ten minutes of everything that callers send, memory and open files looked at: make soak [ARGS="--minutes 2"]
	@$(BIN)/python -m benchmarks.soak $(if $(DATA),--data $(DATA)) $(ARGS)

bench-operator: $(DEV_STAMP)  ## a thousand OCRServices on a real API server: seconds, writes, memory
	@PYTHONPATH=tests:operator $(BIN)/python -m benchmarks.reconciling

bench-kie: $(RUN_STAMP)  ## F1 of labels and pairs on real forms: make bench-kie DATA=folder
	@$(BIN)/python -m benchmarks.kie --data $(or $(DATA),$(error name the folder of pages: make bench-kie DATA=...))

bench-tables: $(RUN_STAMP)  ## TEDS of tables with their true HTML, CPU seconds beyond OCR: make bench-tables DATA=folder
	@$(BIN)/python -m benchmarks.tables --data $(or $(DATA),$(error name the folder of tables: make bench-tables DATA=...)) $(ARGS)

train-kie: $(TRAIN_STAMP)  ## train the demo models for key information into build/kie: make train-kie [ARGS="--finetune FOLDER"]
	@PYTHONPATH=services:. $(TRAIN)/bin/python -m training.kie --out build/kie $(ARGS)

train-scripts: $(TRAIN_STAMP)  ## train the network that tells scripts into build/scripts: make train-scripts [FONTS=folder] [ARGS="--lines 1000"]
	@PYTHONPATH=services:. $(TRAIN)/bin/python -m training.scripts --out build/scripts $(if $(FONTS),--fonts $(FONTS)) $(ARGS)

clean:  ## remove .venv, .venv-gpu and what tools left behind; downloaded models stay
	rm -rf $(VENV) $(GPU_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "This needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@PYTHON=$(PYTHON) VENV=$(VENV) sh services/make-venv.sh

$(RUN_STAMP): | $(BIN)/python
	@echo "Installing what the services need into $(VENV), which takes a minute or two; $(VENV)/install.log has the details …"
	@{ $(BIN)/python -m pip install --disable-pip-version-check pip==26.3 && \
	$(BIN)/python -m pip install -r services/requirements.txt && \
	$(BIN)/python -m pip install --no-deps -e services; } >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log; exit 1; }
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing what tests and lint need into $(VENV) …"
	@$(BIN)/python -m pip install -r services/requirements-dev.txt -r operator/requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps -e operator -e client
	@touch $@

$(BENCH_STAMP): $(RUN_STAMP)
	@echo "Installing what the plot needs into $(VENV) …"
	@$(BIN)/python -m pip install -r benchmarks/requirements.txt
	@touch $@

$(GPU_STAMP):
	@echo "Installing what services need on a GPU into $(GPU_VENV) …"
	@PYTHON=$(PYTHON) VENV=$(GPU_VENV) sh services/make-venv.sh
	@$(GPU_VENV)/bin/python -m pip install -r images/requirements/gpu.txt
	@$(GPU_VENV)/bin/python -m pip install --quiet --no-deps -e services
	@touch $@

$(TRAIN_STAMP):
	@echo "Installing what training needs into $(TRAIN) …"
	@PYTHON=$(PYTHON) VENV=$(TRAIN) sh services/make-venv.sh
	@$(TRAIN)/bin/python -m pip install --quiet -r training/requirements.txt
	@touch $@
