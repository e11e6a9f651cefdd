#!/bin/bash
# Builds the emulated driver.
#
# Usage: build.sh FOLDER [FILE.cu ...]
#
# FOLDER gets libcuda.so.1 with the kernels of the files named, or of all files
# of kernels/cuda. Only what changed is compiled again; objects stand beside
# FOLDER, for all that is built there. CXX and CXXFLAGS may be set.
set -euo pipefail

out=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out" "$out/../objects"
out=$(cd "$out" && pwd)
cache=$(cd "$out/../objects" && pwd)
(($#)) || set -- "$here"/../*.cu

# -march=native makes fused products and half floats fast; contraction of
# products and sums stays off, as on the device.
compile=("${CXX:-g++}" -std=c++17 -O2 -march=native -ffp-contract=off -fno-math-errno -fPIC -fvisibility=hidden
	-Wall -Wextra -MMD -pthread ${CXXFLAGS:-} -I "$here/..")

# One builder at a time; others find the result.
exec 9>"$cache/lock"
flock 9

# fresh OBJECT: no file that it was made from is newer.
fresh() {
	local made_from
	[[ -f $1 && -f ${1%.o}.d ]] || return 1
	for made_from in "$here/build.sh" $(sed -e 's/^[^:]*://' -e 's/\\$//' "${1%.o}.d"); do
		[[ -f $made_from && ! $made_from -nt $1 ]] || return 1
	done
}

objects=() stale=()
for file in "$here"/*.cpp "$@"; do
	name=$(basename "$file")
	object=$cache/$name.o
	objects+=("$object")
	fresh "$object" || stale+=("$file" "$object")
done

if ((${#stale[@]})); then
	printf '%s\n' "${stale[@]}" | xargs -P "$(nproc)" -n 2 "$BASH" -c \
		'"${@:2:$#-3}" -x c++ -c "${@: -2:1}" -o "${@: -1}"' "$0" -- "${compile[@]}"
fi
relink=
for object in "${objects[@]}"; do
	[[ $object -nt $out/libcuda.so.1 ]] && relink=1
done
if [[ $relink || $(cat "$out/linked" 2>/dev/null) != "${objects[*]}" ]]; then
	"${CXX:-g++}" -shared -pthread -Wl,-soname,libcuda.so.1 -Wl,-z,now "${objects[@]}" -ldl -o "$out/libcuda.so.new"
	mv "$out/libcuda.so.new" "$out/libcuda.so.1"
	ln -sf libcuda.so.1 "$out/libcuda.so"
	echo "${objects[*]}" >"$out/linked"
fi
