#!/bin/bash
# What a GPU has to confirm, in one command of less than ten minutes.
#
# Usage: gpu.sh build FOLDER            on a machine with Go: makes FOLDER, to carry along
#        gpu.sh run FOLDER [STAGE...]   on the machine with the GPU, which needs nothing else
#
# Stages: check (all tests of the device, on the real driver), bench (models of
# random weights), ops (each kernel), sanitize (the suite of all devices under
# compute-sanitizer), profile (time of each kernel, by ncu); without one: all.
# What a stage has no time for is named, and runs when the stage is named alone
# and BUDGET=SECONDS gives it more. Other variables: SHAPES and TYPES of bench,
# BENCH of ops, and for build MODELS, names of checkpoints with known answers
# ("*": all that are there). Logs go to FOLDER/logs, what counts to FOLDER/report.txt too.
set -euo pipefail

# Seconds of each stage.
declare -A budgets=([check]=170 [bench]=190 [ops]=85 [sanitize]=80 [profile]=45)

# Subtests of the suite that are a process each: an error of the device ends its process.
parts='memory embed rmsnorm add_rmsnorm add matmul gated_matmul add_bias swiglu rope_append_kv attention gather sample uniform record misuse'
shapes=${SHAPES:-llama-8b super-49b} types=${TYPES:-Q4_K_M BF16 FP8 NVFP4 Q8_0}

# within LIMIT prints what is left of it before the stage ends.
within() {
	local left=$((stage_end - SECONDS))
	echo $((left < $1 ? left : $1))
}

# failed NAME CODE says how a command ended. Being slow is a failure of tests alone.
failed() {
	if ((($2 == 124 || $2 == 137) && patient)); then
		echo "$1: not done in its time"
		unfinished=$((unfinished + 1))
	else
		echo "$1: failed ($2)"
		status=1
	fi
}

# try NAME LIMIT COMMAND... runs a command; the stage goes on however it ends.
try() {
	local name=$1 limit
	limit=$(within "$2")
	shift 2
	echo "-- $name"
	((limit > 0)) || { failed "$name" 124; return; }
	timeout -k 5 "$limit" "$@" || failed "$name" $?
}

# start NAME LIMIT COMMAND... runs a command beside others; finish says how all ended.
start() {
	local name=$1 limit
	limit=$(within "$2")
	shift 2
	((limit > 0)) || { echo 124 >"logs/$name.end"; return; }
	{ timeout -k 5 "$limit" "$@" >"logs/$name.log" 2>&1 && echo 0 >"logs/$name.end" || echo $? >"logs/$name.end"; } &
}

finish() {
	wait
	local end name code
	for end in logs/*.end; do
		name=$(basename "$end" .end) code=$(<"$end")
		rm "$end"
		((code)) || { echo "$name: ok"; continue; }
		failed "$name" "$code"
		grep -sE -- '--- FAIL|panic:|Error:|========= [A-Z]|cuda:|goroutine .*running' "logs/$name.log" | head -8 || true
	done
}

check() {
	patient=0
	start driver 60 ./driver.test -test.v
	finish
	# Alone: it counts the GPU's free memory.
	start memory-count 60 ./cuda.test -test.v -test.run 'TestPlan|TestMemory|TestRecordedSteps'
	finish
	for part in $parts; do
		start "suite-$part" 150 ./cuda.test -test.v -test.run "TestConformance/^$part\$"
	done
	for part in matmul gated_matmul attention sizes types; do
		start "hopper-$part" 150 ./cuda.test -test.v -test.run "TestHopperConformance/^$part\$"
	done
	start rest 150 ./cuda.test -test.v -test.run 'Workspace|TestBadIndex|TestEngineInvariance|TestUsual|TestPair|TestGreatestWeights|TestPackedValues|TestFar'
	start wrappers 60 ./cuda.test -test.v -test.run 'TestWrappers$' -record logs/wrappers.txt
	start goldens 150 ./cuda.test -test.v -test.run 'TestGoldens|TestDemoGoldens'
	start cpu 150 ./cpu.test -test.v -test.short
	finish
	grep -hE '^    --- (PASS|SKIP): TestGoldens' logs/goldens.log || true
}

# fits MODEL asks whether a model and the cache of its test fit the GPU.
fits() { ./trona plan "$1" --device cuda --max-model-len 1024 --max-num-seqs 32 --json | awk '/"fits"/ && !n++ { yes = /true/ } END { exit !yes }'; }

bench() {
	try 'copy on the device' 30 ./cuda.test -test.run '^$' -test.bench 'Copy|Launch' -test.benchtime 0.2s
	try 'demo model' 20 ./trona bench demo --device cuda -p 64,512 -n 64 -r 2
	local shape type model sizes first=1
	for shape in $shapes; do
		sizes='-p 512 -n 64 -b 1,8,32'
		[[ $shape == llama-8b ]] || sizes='-p 512 -n 32 -b 1,8'
		for type in $types; do
			model="random:$TRONA_TESTDATA/shapes/$shape:$type"
			fits "$model" || { echo "-- $shape in $type: does not fit this GPU"; continue; }
			try "$shape in $type" 90 ./trona bench "$model" --device cuda $sizes -r 1
			[[ $shape == llama-8b ]] || continue
			try "$shape in $type, usual kernels" 60 env TRONA_CUDA=usual ./trona bench "$model" --device cuda -p 512 -n 64 -r 1
			((first)) || continue
			first=0
			try "$shape in $type, a long prompt" 60 ./trona bench "$model" --device cuda -p 2048 -n 0 -r 1
			try "$shape in $type, engine" 60 ./trona bench "$model" --device cuda -p 512 -n 64 -b 1,8 -r 1 --engine
			try "$shape in $type, engine, synchronous" 60 ./trona bench "$model" --device cuda -p 512 -n 64 -b 1,8 -r 1 --engine --synchronous
		done
	done
}

# Prints, for lines "ROWS COLS TOKENS", what the machine's library makes of such a
# product in bf16: the line and its TFLOP/s.
library='
import sys, torch
for line in sys.stdin:
    rows, cols, tokens = map(int, line.split())
    w = torch.randn(rows, cols, dtype=torch.bfloat16, device="cuda")
    x = torch.randn(tokens, cols, dtype=torch.bfloat16, device="cuda")
    for _ in range(5): torch.matmul(x, w.t())
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    for _ in range(20): torch.matmul(x, w.t())
    end.record()
    torch.cuda.synchronize()
    print(rows, cols, tokens, 2 * rows * cols * tokens * 20 / begin.elapsed_time(end) / 1e9)
'

# table COPY LIBRARY BENCH writes a benchmark as a table, with shares of what a copy
# on the device and the library do.
table() {
	awk '
	FILENAME == ARGV[1] { for (i = 2; i <= NF; i++) if ($i == "GB/s") copy = $(i - 1); next }
	FILENAME == ARGV[2] { library[$1 "x" $2 " " $3] = $4; next }
	!/^Benchmark.*ns\/op/ { next }
	!header++ { print "| kernel | us | GB/s | of copy | TFLOP/s | of library |\n|---|---|---|---|---|---|" }
	{
		name = $1; sub(/^Benchmark[^\/]*\//, "", name); sub(/-[0-9]+$/, "", name); gsub(/_/, " ", name)
		for (i = 3; i <= NF; i++) v[$i] = $(i - 1)
		part = split(name, p, "/"); tokens = p[part]; sub(/n=/, "", tokens)
		other = part > 1 ? library[p[part - 1] " " tokens] : 0; tflops = v["GFLOP/s"] / 1000
		printf "| %s | %.1f | %.0f | %s | %.1f | %s |\n", name, v["ns/op"] / 1000, v["GB/s"],
			copy ? sprintf("%.0f %%", 100 * v["GB/s"] / copy) : "-", tflops, other ? sprintf("%.0f %%", 100 * tflops / other) : "-"
	}' "$@"
}

ops() {
	local bench=${BENCH:-Large}
	: >logs/library.log
	try 'copy on the device' 20 ./cuda.test -test.run '^$' -test.bench Copy -test.benchtime 0.2s >logs/copy.log
	try kernels 60 ./cuda.test -test.run '^$' -test.bench "$bench" -test.benchtime 0.02s >logs/ops.log
	grep -hv '^Benchmark' logs/copy.log logs/ops.log || true
	# Names end in ROWSxCOLS/n=TOKENS.
	if python3 -c 'import torch; torch.cuda.get_device_name(0)' 2>/dev/null; then
		sed -nE 's|^Benchmark.*/([0-9]+)x([0-9]+)/n=([0-9]+)[^0-9].*|\1 \2 \3|p' logs/ops.log | sort -u >logs/products.txt
		try 'products of the library' 30 python3 -c "$library" <logs/products.txt >logs/library.log
		grep '^products' logs/library.log || true
	else
		echo "no PyTorch that finds the GPU: no library to compare with"
	fi
	table logs/copy.log logs/library.log logs/ops.log
}

sanitize() {
	command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer on this machine"; return; }
	local tool part before=$status
	try 'does it run here?' 60 compute-sanitizer --error-exitcode 1 ./cuda.test -test.short -test.run 'TestConformance/^add$'
	((status == before)) || return 0
	for tool in memcheck synccheck racecheck; do # the last takes much longer
		for part in $parts; do
			start "$tool-$part" 60 compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda.test -test.short -test.run "TestConformance/^$part\$"
		done
		for part in matmul attention; do
			start "$tool-hopper-$part" 60 compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda.test -test.short -test.run "TestHopperConformance/^$part\$"
		done
		finish
	done
}

# ncu failed where 400 launches were asked for, and did 60.
profile() {
	command -v ncu >/dev/null || { echo "no ncu on this machine"; return; }
	local metrics=gpu__time_duration.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,sm__throughput.avg.pct_of_peak_sustained_elapsed
	local model=random:$TRONA_TESTDATA/shapes/llama-1b:Q4_K_M log=logs/profile
	start profile-answer 40 ncu --clock-control none --csv --page raw --metrics $metrics --launch-count 60 ./trona bench "$model" --device cuda -p 0 -n 2 -r 1
	finish
	start profile-prompt 40 ncu --clock-control none --csv --page raw --metrics $metrics --launch-count 60 ./trona bench "$model" --device cuda -p 512 -n 0 -r 1
	finish
	wc -l $log-answer.log $log-prompt.log || true
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
	cp kernels/cuda/gpu.sh "$folder/"
	# As tests find them: testdata.go.
	rm -rf "$folder/repository" "$folder/shared"
	mkdir -p "$folder/repository" "$folder/shared/fixtures/models"
	cp -r testdata "$folder/repository/"
	rm -rf "$folder/repository/testdata/clients"
	models=$root/../shared/fixtures/models
	if [[ -d $models ]]; then
		cp -r "$models/golden" "$folder/shared/fixtures/models/"
		(
			cd "$models"
			for path in ${MODELS:-*}; do
				[[ $path == golden || $path == *.py || $path == *.cpp ]] || cp -r "$path" "$folder/shared/fixtures/models/"
			done
		)
	fi
	;;
run)
	cd "$2"
	shift 2
	export TRONA_REAL_GPU=1 REQUIRE_EMULATOR=1 TRONA_TESTDATA=$PWD/repository/testdata
	mkdir -p logs
	rm -f logs/*.end
	{
		status=0 unfinished=0
		nvidia-smi || true
		for stage in ${@:-check bench ops sanitize profile}; do
			echo "== $stage"
			[[ -v budgets[$stage] ]] || { failed "there is no such stage" 2; continue; }
			patient=1 stage_end=$((SECONDS + ${BUDGET:-${budgets[$stage]}}))
			$stage
		done
		echo "gpu.sh: status $status, $unfinished not done in their time, $SECONDS s"
	} 2>&1 | tee report.txt
	tail -1 report.txt | grep -q 'status 0'
	;;
*)
	sed -n '/^#!/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
