#!/bin/bash
# What a GPU has to confirm, in one command of a few minutes.
#
# Usage: gpu.sh build FOLDER     on a machine with Go: makes FOLDER, to carry along
#        gpu.sh run FOLDER       on the machine with the GPU, which needs nothing else
#
# It runs the suite of all devices and the tests of the device on the real
# driver, the suite again under compute-sanitizer where that is installed, and
# measures every op. All goes to FOLDER/report.txt too.
set -euo pipefail

case ${1:-} in
build)
	root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
	mkdir -p "$2"
	folder=$(cd "$2" && pwd)
	cd "$root"
	export CGO_ENABLED=0
	go test -c -o "$folder/cuda.test" ./kernels/cuda
	go test -c -o "$folder/driver.test" ./kernels/cuda/driver
	go build -trimpath -o "$folder/trona" ./cmd/trona
	cp "${BASH_SOURCE[0]}" "$folder/gpu.sh"
	;;
run)
	cd "$2"
	export TRONA_REAL_GPU=1 REQUIRE_EMULATOR=1
	status=0
	{
		nvidia-smi || true
		./driver.test -test.v || status=1
		./cuda.test -test.v -test.run 'Conformance|Workspace|TestMemory|Hopper' || status=1
		if command -v compute-sanitizer >/dev/null; then
			for tool in memcheck racecheck synccheck; do
				compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda.test -test.short -test.run Conformance || status=1
			done
		fi
		./trona bench demo --device cuda -p 64,512 -n 64 || status=1
		./cuda.test -test.run '^$' -test.bench 'Ops|Copy|Launch' -test.benchtime 0.2s || status=1
		echo "gpu.sh: status $status"
	} 2>&1 | tee report.txt
	tail -1 report.txt | grep -q 'status 0'
	;;
*)
	sed -n '2,10p' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
