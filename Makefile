# Every target installs what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Root is asked for only where the work needs it, by sudo, and only where we are not root already. Without sudo the
# scripts say themselves that they need root.
PASSED_ON := CHAOS_SEED,CHAOS_OPERATIONS,CI,ENGINE,F,T,KERNEL,PROCESSORS,XDG_CACHE_HOME,PLUGIN,TAG,DOCKER,BUNDLE,REGISTRY,ARCH,REFRESH,DEBIAN_MIRROR,FORCE
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),$(if $(shell command -v sudo),sudo --preserve-env=$(PASSED_ON)))

export TAG ?= latest
export PLUGIN ?= dovesnap/ovs

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

node_modules: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch node_modules

.PHONY: build
build: node_modules
	@npx tsup --silent

.PHONY: quickstart
quickstart: ## From nothing to a page fetched over an Open vSwitch network
	@$(AS_ROOT) bash rootfs-build/quickstart.sh prepare
	@$(MAKE) --no-print-directory build
	@$(AS_ROOT) bash rootfs-build/quickstart.sh run

.PHONY: clean-quickstart
clean-quickstart: ## Undo quickstart
	@$(AS_ROOT) bash rootfs-build/quickstart.sh undo

.PHONY: bundle
bundle: build ## Build the plugin bundle (config.json and rootfs/); the last line names its folder
	$(AS_ROOT) bash rootfs-build/bundle.sh

.PHONY: install
install: build ## Create the plugin in this machine's Docker and enable it
	$(AS_ROOT) bash rootfs-build/install.sh

.PHONY: uninstall
uninstall: ## Remove the plugin and what the kernel still holds of it
	$(AS_ROOT) bash rootfs-build/uninstall.sh

.PHONY: push
push: build ## Push the plugin with its version and architecture tags (REGISTRY=host:port/ in front of the name)
	$(AS_ROOT) bash rootfs-build/push.sh

.PHONY: check
check: node_modules ## Types, lint, format, layers, dead code
	npm run --silent check

.PHONY: test
test: ## Every lane that CI runs
	$(AS_ROOT) bash test/run.sh check unit integration protocol chaos e2e datapath

.PHONY: test-unit
test-unit: ## Pure code and properties
	bash test/run.sh unit

.PHONY: test-integration
test-integration: ## Real ovsdb-server, ovs-vswitchd, namespaces and netfilter
	$(AS_ROOT) bash test/run.sh integration

.PHONY: test-protocol
test-protocol: ## The driver against an engine's raw HTTP
	$(AS_ROOT) bash test/run.sh protocol

.PHONY: test-chaos
test-chaos: ## Operations and faults at random (CHAOS_SEED, CHAOS_OPERATIONS)
	$(AS_ROOT) bash test/run.sh chaos

.PHONY: test-long
test-long: ## The long forms of what is random: 10,000 operations, 30,000 cases of each property
	FUZZ_RUNS=30000 bash test/run.sh unit
	$(AS_ROOT) env CHAOS_OPERATIONS=10000 bash test/run.sh chaos

.PHONY: test-e2e
test-e2e: ## Real Docker Engines (ENGINE=20.10|26.1|28.5, F=part of a test file's name, T=of a test's)
	$(AS_ROOT) bash test/run.sh e2e

.PHONY: test-kernel
test-kernel: ## The whole e2e on the kernel's datapath, in two guests (ENGINE, F=part of a test file's name, T=of a test's)
	$(AS_ROOT) bash test/run.sh kernel

.PHONY: lab
lab: ## A host with an engine and the plugin to type in (ENGINE; KERNEL=1: in a guest, on the kernel's datapath)
	@$(AS_ROOT) bash test/lab/run.sh

.PHONY: clean-cache
clean-cache: ## Remove what was built once for all clones: engines, guests' kernel and disks, the bundle's packages
	$(AS_ROOT) bash -euc '. rootfs-build/cache.sh && rm -rf --one-file-system "$$CACHE_ROOT"'

.PHONY: bench
bench: node_modules ## One run of the benchmark, to bench/results.json, RESULTS.md and chart.svg
	$(AS_ROOT) bash test/bench/run.sh

.PHONY: bench-kernel
bench-kernel: node_modules ## On the kernel's datapath, in a guest, beside Docker's own drivers, to bench/kernel.json
	$(AS_ROOT) bash test/bench/run.sh kernel
