#!/bin/bash
# What a GPU has to confirm, in one command of a few minutes.
#
# Usage: gpu.sh build FOLDER            on a machine with Go: makes FOLDER, to carry along
#        gpu.sh run FOLDER [STAGE...]   on the machine with the GPU, which needs nothing else
#
# Stages: check (all tests of the device, on the real driver), sanitize (the
# suite of all devices under compute-sanitizer), bench (models of random weights),
# ops (each op), profile (time of each kernel, by ncu); without one: all. Logs go
# to FOLDER/logs, what counts to FOLDER/report.txt too.
set -euo pipefail

# Subtests of the suite that are a process each: an error of the device ends its process.
parts='memory embed rmsnorm add_rmsnorm add matmul gated_matmul rope append_kv attention gather sample uniform record misuse'
shapes=${SHAPES:-llama-1b llama-8b} types=${TYPES:-BF16 Q8_0 Q4_K_M}

# start NAME LIMIT COMMAND... runs a command beside others; finish says how all ended.
start() {
	local name=$1 limit=$2
	shift 2
	{ timeout -k 5 "$limit" "$@" >"logs/$name.log" 2>&1 && echo ok >"logs/$name.end" || echo "failed ($?)" >"logs/$name.end"; } &
}

finish() {
	wait
	local end name
	for end in logs/*.end; do
		name=$(basename "$end" .end)
		printf '%-28s %s\n' "$name" "$(<"$end")"
		grep -q ok "$end" || { status=1; grep -E -- '--- FAIL|panic:|Error:|ERROR SUMMARY|cuda:|goroutine .*running' "logs/$name.log" | head -8 || true; }
		rm "$end"
	done
}

check() {
	start driver 60 ./driver.test -test.v
	finish
	start memory-count 60 ./cuda.test -test.v -test.run 'TestPlan|TestMemory'
	finish
	for part in $parts; do
		start "suite-$part" 150 ./cuda.test -test.v -test.run "TestConformance/^$part\$"
	done
	for part in matmul attention record sizes types; do
		start "hopper-$part" 150 ./cuda.test -test.v -test.run "TestHopperConformance/^$part\$"
	done
	start rest 150 ./cuda.test -test.v -test.run 'Workspace|TestBadIndex|TestRecordedSteps|TestEngineInvariance|TestGoldens'
	start cpu 150 ./cpu.test -test.v -test.short
	finish
}

sanitize() {
	command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer"; return; }
	for tool in memcheck racecheck synccheck; do
		for part in $parts; do
			start "$tool-$part" 150 compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda.test -test.short -test.run "TestConformance/^$part\$"
		done
		for part in matmul attention; do
			start "$tool-hopper-$part" 150 compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda.test -test.short -test.run "TestHopperConformance/^$part\$"
		done
		finish
	done
}

bench() {
	./cuda.test -test.run '^$' -test.bench 'Copy|Launch' -test.benchtime 0.2s || status=1
	./trona bench demo --device cuda -p 64,512 -n 64 -r 2 || status=1
	for shape in $shapes; do
		for type in $types; do
			timeout 90 ./trona bench "random:shapes/$shape:$type" --device cuda -p 512 -n 64 -b 1,8,32 -r 2 || status=1
		done
	done
}

ops() {
	timeout 120 ./cuda.test -test.run '^$' -test.bench "${BENCH:-Ops|Usual}" -test.benchtime 0.05s || status=1
}

profile() {
	command -v ncu >/dev/null || { echo "no ncu"; return; }
	local metrics=gpu__time_duration.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,sm__throughput.avg.pct_of_peak_sustained_elapsed
	for test in '-p 0 -n 2' '-p 512 -n 0'; do
		timeout 120 ncu --clock-control none --csv --page raw --metrics $metrics --launch-count 400 \
			./trona bench random:shapes/llama-1b:Q4_K_M --device cuda $test -r 1 >"logs/profile${test// /}.csv" 2>&1 || status=1
	done
}

case ${1:-} in
build)
	root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
	mkdir -p "$2"
	folder=$(cd "$2" && pwd)
	cd "$root"
	export CGO_ENABLED=0
	for package in kernels/cuda kernels/cuda/driver kernels/cpu; do
		go test -c -ldflags '-s -w' -o "$folder/$(basename $package).test" "./$package"
	done
	go build -trimpath -ldflags '-s -w' -o "$folder/trona" ./cmd/trona
	cp -r testdata/shapes "${BASH_SOURCE[0]}" "$folder/"
	;;
run)
	cd "$2"
	shift 2
	export TRONA_REAL_GPU=1 REQUIRE_EMULATOR=1
	mkdir -p logs
	{
		status=0
		nvidia-smi || true
		for stage in ${@:-check sanitize bench ops profile}; do
			echo "== $stage"
			$stage
		done
		echo "gpu.sh: status $status"
	} 2>&1 | tee report.txt
	tail -1 report.txt | grep -q 'status 0'
	;;
*)
	sed -n '2,11p' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
