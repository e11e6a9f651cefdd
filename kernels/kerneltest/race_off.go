//go:build !race

package kerneltest

// raceEnabled: the race detector allocates on its own and is slow.
const raceEnabled = false
