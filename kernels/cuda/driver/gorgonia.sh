#!/bin/bash
# Runs a command with the binding of gorgonia.org/cu, on the emulated driver.
#
# Usage: gorgonia.sh go test -tags gorgonia ./kernels/cuda/...
#
# cgo needs a C compiler, the header cuda.h, which pip fetches, and a libcuda to
# link, which is the emulated one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
headers=$root/build/cuda-headers
if [[ ! -f $headers/cuda.h ]]; then
	temporary=$(mktemp -d)
	trap 'rm -rf "$temporary"' EXIT
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		-d "$temporary" -r "$here/gorgonia.txt"
	python3 -m zipfile -e "$temporary"/*.whl "$temporary/wheel"
	mkdir -p "$headers"
	cp -r "$temporary/wheel/nvidia/cuda_runtime/include/." "$headers"
fi
"$here/../emulator/build.sh" "$root/build/emulator"

export CGO_ENABLED=1 CGO_CFLAGS=-I$headers CGO_LDFLAGS=-L$root/build/emulator
export LD_LIBRARY_PATH=$root/build/emulator TRONA_EMULATED=1
"$@"
