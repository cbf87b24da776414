# `make demo` and `make test` need nothing prepared: scripts/setup builds what is missing.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-app test-components test-spark lint requirements bench bench-engine bench-etl bench-localazure bench-accuracy bench-train bench-score bench-drift bench-rollback bench-release contracts prove-engine prove-releases up down clean

PYTHON := .venv/bin/python
STATE := .localazure
CONFIG := infra/local.yaml
TOOLS := $(STATE)/component-tests
PARALLEL := -n 2 --dist loadfile
# These meet an Azure of their own with SDKs that remember the first: tests/conftest.py keeps the suites apart.
ML := tests/localazure/machine_learning
FAULTS := tests/localazure/faults_on_demand
# pytest's status 5 means that ARGS chose no test of this part, which is as it was asked for
pytest = $(PYTHON) -m pytest $(1) $(ARGS) || { status=$$?; [ -n "$(ARGS)" ] && [ $$status -eq 5 ]; }
export LOCALAZURE_ENVIRONMENT_CACHE := $(CURDIR)/$(STATE)/environments
export PATH := $(PATH):$(CURDIR)/.uv/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Build .venv, node_modules and the training environment (the other targets do it by themselves)
	@scripts/setup

demo: setup ## The whole journey on this machine [DATA=folder of CSV files] [MAPPING=file] [YES=1] [RESET=1]
	@$(PYTHON) -m demo --state $(STATE) --config $(CONFIG) $(if $(DATA),--data "$(DATA)") \
		$(if $(MAPPING),--mapping "$(MAPPING)") $(if $(filter 1,$(YES)),--yes) $(if $(filter 1,$(RESET)),--reset)

test: test-app test-components ## Every test

test-app: setup ## Tests of the app, the emulators and the demo [ARGS="-k name"]
	$(call pytest,$(PARALLEL) tests --ignore tests/localazure --ignore tests/journeys --ignore tests/releases)
	$(call pytest,$(PARALLEL) tests/localazure --ignore $(ML) --ignore $(FAULTS))
	$(call pytest,$(PARALLEL) $(ML))
	$(call pytest,$(PARALLEL) $(FAULTS))
	$(call pytest,tests/journeys)
	$(call pytest,tests/releases)

test-components: setup ## Tests of the Azure ML components, in the training environment
	@scripts/component-tests $(TOOLS) $(ARGS)

test-spark: setup ## Tests of the ETL's Spark twin on a local Spark, in an environment of its own [ARGS="-k name"]
	@scripts/spark-tests $(STATE)/spark-tests $(ARGS)

lint: setup ## ruff, pyright, import-linter, the check of orchestrators
	@! git grep -nE '^(<{7}|>{7}) '  # what a merge left behind
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright
	.venv/bin/lint-imports
	$(PYTHON) -m localazure.functions_host check orchestrators

requirements: setup ## Export requirements.txt, what the deployed app imports, from the lock
	@{ echo "# Exported from uv.lock by \`make requirements\`: what the deployed app imports, nothing else."; \
	uv export --quiet --frozen --no-default-groups --no-hashes --no-annotate --no-emit-project --no-header; } > requirements.txt

bench: setup ## Cold import of the app against a bare durable app
	@$(PYTHON) scripts/bench_import.py

bench-engine: setup ## The durable engine beside durabletask, DBOS, Prefect and Luigi on one workload [QUICK=1]
	@$(PYTHON) -m scripts.bench_engine $(if $(filter 1,$(QUICK)),--quick)

bench-accuracy: setup ## Errors of forecasts beside ridge and seasonal-naive on public data [DATA=folder]
	@$(PYTHON) -m scripts.bench_forecasting accuracy $(DATA)

bench-train: setup ## CPU seconds that training a circuit takes, beside model.fit [CIRCUITS=100]
	@$(PYTHON) -m scripts.bench_forecasting training --circuits $(or $(CIRCUITS),100)

bench-score: setup ## CPU seconds that scoring a model takes, beside Keras [MODELS=200]
	@$(PYTHON) -m scripts.bench_forecasting scoring --models $(or $(MODELS),200)

bench-drift: setup ## The drift statistic beside scipy and Evidently; alarms on public data [DATA=folder]
	@$(PYTHON) -m scripts.bench_forecasting drift $(DATA)

bench-etl: setup ## A merge of ten million rows: seconds, peak memory, counts [ROWS=10000000]
	@$$(tail -n 1 $(STATE)/environments/.setup)/bin/python scripts/bench_etl.py --rows $(or $(ROWS),10000000)

bench-localazure: setup ## How fast the local Azure starts, answers and runs jobs, and what it takes
	@$(PYTHON) -m scripts.bench_localazure

bench-rollback: setup ## Rollback of a circuit, a plant and a stage of 200 circuits, registry and git down [RECORD=1]
	@$(PYTHON) -m scripts.bench_rollback $(if $(filter 1,$(RECORD)),--record)

bench-release: setup ## A release of a whole fleet through registry, test and prod [CIRCUITS=200] [RELEASES=2] [RECORD=1]
	@$(PYTHON) -m scripts.bench_release --circuits $(or $(CIRCUITS),200) --releases $(or $(RELEASES),2) $(if $(filter 1,$(RECORD)),--record)

contracts: setup ## Test with Azure's schemas; renew localazure/contracts.json and the tables of its README
	@$(PYTHON) -m scripts.contracts --record

prove-engine: setup ## Kill the local Functions host KILLS times and its task hub at every statement [KILLS=100]
	$(PYTHON) -m tests.localazure.faults.prove --kills $(or $(KILLS),100)
	$(PYTHON) -m tests.localazure.faults.prove --kills 20 --synchronous full
	STRIDE=1 POWER_CUTS=300 EXAMPLES=300 $(PYTHON) -m pytest --timeout 3600 \
		tests/localazure/task_hub/test_crashes.py tests/localazure/task_hub/test_against_model.py

prove-releases: setup ## Release a light fleet while its host is killed KILLS times; every orchestration at each step (two hours) [KILLS=20]
	$(PYTHON) -m tests.releases.prove --kills $(or $(KILLS),20)
	CRASHES=all $(PYTHON) -m pytest -n 4 --dist worksteal --timeout 3600 tests/orchestrators/test_post.py \
		tests/orchestrators/test_crashes.py tests/orchestrators/test_standstill.py tests/orchestrators/test_operators.py

up: setup ## Start the local Azure with the app on it, and keep it in the foreground
	@$(PYTHON) -m localazure up --config $(CONFIG) --state $(STATE)

down: ## Stop the local Azure; its state stays
	@$(PYTHON) -m localazure down --state $(STATE)

clean: ## Remove everything that was built or recorded
	rm -rf .venv .uv node_modules $(STATE) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
