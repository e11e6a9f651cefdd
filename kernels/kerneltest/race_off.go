//go:build !race

package kerneltest

// Race: the race detector allocates on its own and is slow.
const Race = false
