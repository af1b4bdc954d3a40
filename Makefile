# Everything a person or a machine does with this checkout. `make` alone explains the targets.
SHELL := /usr/bin/env bash -o pipefail
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# A time limit holds for one package, not for a whole group.
UNIT        := ./pkg/... ./cmd/... ./hack/... ./test ./test/architecture/... ./test/harness/...
INTEGRATION := ./hack/cluster/localtest ./test/integration/...
E2E         := ./test/e2e/... ./test/operations/...
# The release that `make static` is of. Not read from git: the same source is the same bytes, whatever the clone knows.
VERSION ?= v0.1.0
# --version, /version and our own metric; and how every client of the cluster calls itself.
STAMP := -X agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app.stamped=$(VERSION) -X k8s.io/client-go/pkg/version.gitVersion=$(VERSION)
# More arguments for `go test`: make test-unit ARGS='-run TestArchitecture -v'
ARGS ?=

.PHONY: help run stop status build test test-unit test-integration test-e2e test-node stress bench bench-compare binaries generate verify lint fmt clean static

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Start a local cluster with the server and the examples; NODE=real runs their containers (needs root)
	@go run ./hack/cluster up $(if $(NODE),--node=$(NODE))

stop: ## End what `make run` started, and remove its data
	@go run ./hack/cluster down

status: ## Show the processes and logs of the local cluster
	@go run ./hack/cluster status

build: ## Compile the server into bin/; its version is the commit
	go build -o bin/ ./cmd/...

static: ## Compile the server for an image: static, the same bytes on every machine (VERSION=v0.1.0)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid= $(STAMP)' -o _output/ ./cmd/sandbox-apiserver

test: binaries test-unit test-integration test-e2e test-node ## Run every test, with the race detector

test-unit: ## Run the tests that need no cluster: units, and registries and storage on a real etcd
	go test -race -short -timeout 10m $(ARGS) $(UNIT)
	go -C test/benchmark test -timeout 10m $(ARGS) ./...

test-integration: binaries ## Run the tests that start clusters of their own, one at a time
	go test -race -count 1 -p 1 -timeout 15m $(ARGS) $(INTEGRATION)

test-e2e: binaries ## Run users' stories against the real control plane and the real server
	go test -race -count 1 -p 1 -timeout 15m $(ARGS) $(E2E)

# Verbose: a story that this machine cannot run says why.
test-node: binaries ## Run users' stories on a real node (needs root), skipped loudly where there can be none
	@go run ./hack/cluster build --with-node
	go test -race -count 1 -timeout 15m -v ./test/node $(ARGS)

stress: binaries ## Claim 5,000 times from three replicas that are killed all the while
	go test -race -count 1 -timeout 40m -v ./test/e2e/violence -args -violence.claims=5000

# SCENARIO names some, ARGS='--profile' adds profiles; the report is _output/benchmark/report.md.
bench: binaries ## Measure claims and all else, each figure beside its floor (SCENARIO=claim,burst for some)
	go -C test/benchmark build -o ../../bin/benchmark .
	@bin/benchmark run --scenario=$(SCENARIO) $(ARGS)

bench-compare: ## Set two reports side by side: make bench-compare OLD=report.json NEW=report.json
	@go -C test/benchmark run . compare $(abspath $(OLD)) $(abspath $(NEW))

# Before the tests, or compiling would eat their time limits.
binaries: build ## Compile what a local cluster consists of into bin/: etcd, Kubernetes, kwok
	@go run ./hack/cluster build

generate: ## Write the code that is generated from pkg/apis
	hack/update-codegen.sh

verify: ## Check generated code, format, vet, lint and go.mod; changes nothing
	hack/verify.sh

lint: ## Run golangci-lint alone
	hack/verify.sh lint

fmt: ## Format every Go file
	gofmt -w cmd hack pkg test

clean: stop ## Remove what was built, tested and generated for this checkout, not Go's own caches
	rm -rf bin .cluster _output
