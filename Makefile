# Everything a developer or CI runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
# What the demo is started with, for example `make demo ARGS=--once`.
ARGS ?=
# Prints the folder of the demo's build.
DEMO = $(CARGO) metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1\/demo/'

.PHONY: help demo demo-control-plane demo-program test check format lint deny generated generate image-binary bench clean-cache

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## Watch the main job on two clusters: a new tag becomes a commit and runs (ARGS=--once ends by itself)
ifeq (,$(findstring --no-cluster,$(ARGS)))
	@$(MAKE) --no-print-directory -j2 demo-control-plane demo-program
	@FLUXBOT_CONTROL_PLANE="$$(tests/servers/build.sh control-plane)" "$$($(DEMO))/fluxbot" demo $(ARGS)
else
	@$(MAKE) --no-print-directory demo-program
	@"$$($(DEMO))/fluxbot" demo $(ARGS)
endif

# Both builds have stretches that keep one core busy, so they run at once.
demo-control-plane:
	@tests/servers/build.sh control-plane >/dev/null

demo-program:
	$(CARGO) build --locked --profile demo --features demo --bin fluxbot

test: ## Build the test servers and run all tests
	tests/servers/build.sh
	$(CARGO) test --locked --workspace --all-targets --features fluxbot/demo
	$(CARGO) test --locked --workspace --doc --features fluxbot/demo

check: format lint deny generated ## Format, lint, dependency rules, generated files

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings

deny:
	"$$(hack/tool.sh cargo-deny)" --log-level error check bans licenses sources

generated: ## Generated files are what their sources give
	hack/generate.sh --check

generate: ## Write the generated files anew
	hack/generate.sh

image-binary: ## Build dist/fluxbot, a program without shared libraries, for the Dockerfile
	hack/static.sh

bench: ## Measure, with the peers where they can be had (docs/performance.md)
	bench/run.sh
	bench/latency.sh
	bench/scan.sh
	bench/commit.sh
	bench/kustomize.sh
	bench/yaml.sh

clean-cache: ## Remove the test servers and tools that were built into the cache
	rm -rf "$${FLUXBOT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/fluxbot}"/{test-servers,tools}
