# Targets are described by the comment behind their name: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  := $(shell git log -1 --format=%H 2>/dev/null)
TIME    := $(shell git log -1 --format=%cI 2>/dev/null)
OUT     := bin
ARCH    := $(shell go env GOHOSTARCH)
IMAGE   := openim-dr:$(VERSION)
# The client of Cloud Storage speaks gRPC too, which is not used: 13 MB of program.
BUILD   := CGO_ENABLED=0 go build -trimpath -tags disable_grpc_modules -ldflags '-s -w -X main.version=$(VERSION)'
TOOL    := go tool -modfile=tools/go.mod
# Without paths in it what was built in one clone serves the next.
TESTBED := go run -trimpath ./internal/testbed/cmd/testbed
# Modules of their own, with tests of their own.
NESTED  := $(addprefix internal/testbed/servers/,gcs coredns node openim) deploy/helm/alerts

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/openim-dr, statically linked
	$(BUILD) -o $(OUT)/openim-dr ./cmd/openim-dr

.PHONY: image
image: ## bin/openim-dr-image.tar, for `docker load` and `ctr images import`; ARCH=arm64 for another one
	GOOS=linux GOARCH=$(ARCH) $(BUILD) -o $(OUT)/linux-$(ARCH)/openim-dr ./cmd/openim-dr
	go run -trimpath ./deploy/docker -binary $(OUT)/linux-$(ARCH)/openim-dr -version $(VERSION) -revision '$(COMMIT)' -time '$(TIME)' -reference $(IMAGE) -out $(OUT)/openim-dr-image.tar -sbom $(OUT)/openim-dr.cdx.json

.PHONY: demo
demo: build ## back a deployment up, destroy it, restore it, prove it equal, on real servers
	$(TESTBED) with go run ./internal/testbed/cmd/demo

.PHONY: test
test: ## all tests on real servers, with the race detector; a skipped test fails
	$(TESTBED) with bash test/run.sh

.PHONY: test-long
test-long: ## the same with the full counts
	OPENIM_DR_TEST_LONG=1 $(TESTBED) with bash test/run.sh

.PHONY: test-cluster
test-cluster: build image ## the image and the chart on a whole Kubernetes node, which takes root
	$(TESTBED) node with bash test/cluster.sh $(IMAGE)

.PHONY: mutants
mutants: ## break each invariant on purpose and require its test to notice
	$(TESTBED) with bash test/mutants/run.sh

bin/rclone: bench/peers/main.go bench/peers/go.sum
	CGO_ENABLED=0 go build -C bench/peers -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ .

.PHONY: bench bench-mysql bench-mysql-memory bench-buckets bench-million bench-verify bench-drill bench-plan bench-kube bench-idle bench-kills
bench: build bin/rclone ## measure against mysqldump, mysql and rclone side by side; a missed limit fails
	$(TESTBED) with go run ./bench

bench-mysql: build ## the same, MySQL alone
	$(TESTBED) with go run ./bench mysql

bench-buckets: build bin/rclone ## the same, buckets alone
	$(TESTBED) with go run ./bench buckets

bench-drill: build ## the same, drills against restores alone, and what a plan estimates
	$(TESTBED) with go run ./bench drill

bench-verify: build ## the same, checks of a repository of 500 points and 200,000 files
	$(TESTBED) with go run ./bench verify

bench-plan: ## the plan of a prune alone, of 20,000 points and two million files that are simulated
	go run ./bench plan

bench-kube: build ## the same, the export of 20,000 objects of Kubernetes against listing them
	$(TESTBED) with go run ./bench kube

bench-idle: build ## what a daemon takes that has nothing to do, for 11 minutes
	$(TESTBED) with go run ./bench idle

bench-kills: build ## what restores send again that are killed at 50 random moments and resumed, of a quarter of the data (half an hour)
	$(TESTBED) with go run ./bench -rows 1200000 -objects 5000 kills

bench-million: build ## memory alone, with a million objects (an hour)
	$(TESTBED) with go run ./bench million

bench-mysql-memory: build ## memory alone, with ten times the rows (an hour, 60 GB of disk)
	$(TESTBED) with go run ./bench mysql-memory

.PHONY: testbed
testbed: ## start the servers and leave them up; addresses in .testbed/env
	$(TESTBED) up

.PHONY: testbed-down
testbed-down: ## stop them, and the Kubernetes node
	$(TESTBED) down
	$(TESTBED) node down

.PHONY: lint
lint: ## golangci-lint over every module
	$(TOOL) golangci-lint run --timeout 10m ./...
	@for m in $(NESTED); do (cd $$m && go vet ./...) || exit 1; done

.PHONY: clean
clean: ## remove what was built here (the cache of the testbed stays)
	rm -rf bin .demo bench/out
