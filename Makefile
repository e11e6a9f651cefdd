# Trona. `make` alone lists the targets.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
export CGO_ENABLED ?= 0

GO          ?= go
T           ?= 4s
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Packages with goroutines of their own; those below the others are shared by
# goroutines of their users, which their tests named Concurrent stand for.
CONCURRENT  := ./engine/... ./server/... ./kernels/cpu ./cmd/trona
SHARED      := ./tokenizer/...
APT         := apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300
SYSTEMS     := linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: go ## the program, bin/trona
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/trona

.PHONY: test
test: fmt vet tidy unit purego amx arm64 gorgonia race cross compiled fuzz ## all tests, as continuous integration runs them
	@echo "all tests passed"

.PHONY: check
check: fmt vet tidy ## format, vet, tidy, staticcheck, known vulnerabilities
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(GOVULNCHECK) ./...

# CUDA is tested on an emulated driver, clients on the packages of their makers.
.PHONY: unit
unit: go g++ node ## the tests of all packages
	@$(GO) test ./kernels/cpu -run '^TestVariants$$' -v | grep 'instruction sets'
	@REQUIRE_EMULATOR=1 $(GO) test ./kernels/cuda -run 'Conformance$$' -short -v | grep -E ' executed|FAIL|Error'
	REQUIRE_EMULATOR=1 $(GO) test -timeout 15m ./...

.PHONY: race
race: go gcc ## the tests of concurrent packages under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m $(CONCURRENT)
	CGO_ENABLED=1 $(GO) test -race -run Concurrent $(SHARED)

.PHONY: purego
purego: go ## the tests of the CPU device without assembly
	$(GO) build -tags purego ./...
	$(GO) test -short -tags purego ./kernels/cpu

# Emulators run them on other processors. Their time is no measure.
.PHONY: amx
amx: go g++ ## the loops for AMX, on Linux and processors with AVX512_BF16
	@[ "$$(uname -sm)" = 'Linux x86_64' ] || { echo 'AMX is emulated on Linux/x86-64 only'; exit 0; }; \
	mkdir -p build; \
	g++ -std=c++17 -O2 -mfma -Wall -Wextra -o build/amx kernels/cpu/emulator/*.cpp; \
	why=$$(build/amx true 2>&1) || { status=$$?; echo "AMX is not tested: $$why"; [ $$status = 69 ]; exit; }; \
	$(GO) test -exec "$$PWD/build/amx" ./kernels/cpu -run '^TestVariants$$' -v | grep 'instruction sets'; \
	$(GO) test -exec "$$PWD/build/amx" ./kernels/cpu -count=1 -short -run '/^amx'; \
	$(GO) test -exec "$$PWD/build/amx" ./model -count=1 -short -run '^TestGoldensInt8$$'

# A Cortex-A72 has nothing that is optional. Whole devices take long: one stands for all.
.PHONY: arm64
arm64: go qemu-aarch64 ## the loops for ARM processors, one by one
	GOARCH=arm64 $(GO) vet ./kernels/cpu
	@for cpu in cortex-a72 max; do \
		GOARCH=arm64 $(GO) test -exec "qemu-aarch64 -cpu $$cpu" ./kernels/cpu -run '^TestVariants$$' -v | grep 'instruction sets'; \
		GOARCH=arm64 $(GO) test -exec "qemu-aarch64 -cpu $$cpu" ./kernels/cpu -short -skip '^Test(Conformance|Scaled8)$$'; \
	done
	GOARCH=arm64 $(GO) test -exec 'qemu-aarch64 -cpu max' ./kernels/cpu -short -run '^TestConformance$$/^neoni8mm-int8$$'
	GOARCH=arm64 $(GO) test -exec 'qemu-aarch64 -cpu max' ./model -short -run '^TestGoldensInt8$$'

.PHONY: gorgonia
gorgonia: go g++ python3 ## the tests of the CUDA driver, and the suite of devices, through gorgonia.org/cu
	kernels/cuda/driver/gorgonia.sh $(GO) test -tags gorgonia ./kernels/cuda/driver
	kernels/cuda/driver/gorgonia.sh $(GO) test -tags gorgonia ./kernels/cuda -short -run 'Conformance$$'

.PHONY: emulator
emulator: g++ ## build/emulator/libcuda.so.1, which runs the CUDA kernels on this CPU
	kernels/cuda/emulator/build.sh build/emulator

.PHONY: kernels
kernels: go python3 ## compile the CUDA kernels, ahead of time and without a GPU
	$(GO) run ./cmd/kernelc

.PHONY: compiled
compiled: go python3 ## the committed CUDA kernels are what their sources give
	$(GO) run ./cmd/kernelc -check

.PHONY: cross
cross: go ## builds for every system
	@for system in $(SYSTEMS); do \
		echo "build for $$system"; \
		GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) build ./...; \
	done

# A program for each package that has targets; each target has a core of its
# own. Now and then a target calls the end of its time a failure, of no input.
.PHONY: fuzz
fuzz: go ## every fuzz target for T (4s)
	@mkdir -p build/fuzz
	@cache=$$($(GO) env GOCACHE)/fuzz; \
	grep -rl --include='*_test.go' '^func Fuzz' cmd engine kernels model server tokenizer | xargs -n 1 dirname | sort -u | while read -r folder; do \
		program=$$PWD/build/fuzz/$${folder//\//-}.test; \
		$(GO) test -c -fuzz=Fuzz -o "$$program" "./$$folder" || exit 1; \
		grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$folder"/*_test.go | sed "s|^func|$$folder $$program $$cache/trona/$$folder|"; \
	done | xargs -L 1 -P "$$(nproc)" bash -c ' \
		cd "$$0" && out=$$("$$1" -test.run "^$$" -test.fuzz "^$$3\$$" -test.fuzzcachedir "$$2" -test.fuzztime $(T) \
			-test.fuzzminimizetime 100x -test.parallel 1 2>&1 </dev/null) \
		|| grep -Pzq "s\)\n    context deadline exceeded\nFAIL\n" <<<"$$out" \
		&& echo "$$0 $$3: $$(grep execs: <<<"$$out" | tail -1)" || { echo "$$out"; exit 1; }'

.PHONY: bench
bench: build ## speed of the demo model and of each operation
	bin/trona bench -p 64,512 -n 64 -b 1,8 -r 3
	$(GO) test ./kernels/cpu -run '^$$' -bench Ops

SHAPE ?= llama-1b
TYPES ?= Q4_0 Q4_K_M Q8_0
.PHONY: bench-random
bench-random: build ## speed of random weights: SHAPE=llama-1b TYPES="Q4_0 Q4_K_M Q8_0"
	@for type in $(TYPES); do bin/trona bench random:testdata/shapes/$(SHAPE):$$type -p 512 -n 64 -r 3; done

.PHONY: bench-peer
bench-peer: build ## speed in turns with a peer: LLAMA_BENCH=path MODEL=file
	bin/trona bench "$(MODEL)" --peer "$(LLAMA_BENCH)"

.PHONY: eval
eval: go ## measured accuracy of the demo model, thinking on, off and with budgets
	$(GO) test ./cmd/trona -run '^TestEval' -v -count=1 -timeout 60m -eval

.PHONY: golden
golden: go g++ ## rewrite the expected texts that are made by programs; review the difference; long known answers on the emulated GPU
	$(GO) test ./engine -run '^TestScripts$$' -rewrite
	$(GO) test ./cmd/trona -run '^TestDocsCommands$$' -rewrite
	$(GO) test ./kernels/cuda -run ArgsHeader -rewrite
	REQUIRE_EMULATOR=1 $(GO) test ./kernels/cuda -run '^TestGoldens$$' -long -timeout 30m

.PHONY: gpu
gpu: go ## what a GPU has to confirm, on this machine's own
	kernels/cuda/gpu.sh build build/gpu
	kernels/cuda/gpu.sh run build/gpu

.PHONY: fmt
fmt: go ## fails where gofmt would change a file
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt: $$files"; exit 1; }

.PHONY: vet
vet: go ## go vet
	$(GO) vet ./...

.PHONY: tidy
tidy: go ## the rules of cmd/tidy; prints lines per package
	$(GO) run ./cmd/tidy

# What is missing on a Debian machine is installed. A Go that is too old
# fetches the version of go.mod by itself, unless GOTOOLCHAIN=local.
.PHONY: go gcc g++ node python3 qemu-aarch64
go:
	@command -v $(GO) >/dev/null || $(call install,golang-go)
	@$(GO) version >/dev/null || { echo "trona needs the Go of go.mod: unset GOTOOLCHAIN or install it" >&2; exit 1; }

gcc:
	@command -v gcc >/dev/null || $(call install,gcc libc6-dev)

g++:
	@command -v g++ >/dev/null || $(call install,g++)

node:
	@command -v npm >/dev/null || $(call install,nodejs npm)

python3:
	@python3 -m pip --version >/dev/null 2>&1 || $(call install,python3 python3-pip)

qemu-aarch64:
	@command -v qemu-aarch64 >/dev/null || $(call install,qemu-user)

# Mirrors fail for a moment, and a new machine may be installing by itself.
define install
{ command -v apt-get >/dev/null || { echo "install $(1) first" >&2; exit 1; }; $(APT) update -q && $(APT) install -y -q $(1); }
endef
