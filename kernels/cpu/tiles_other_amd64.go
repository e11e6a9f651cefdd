//go:build !linux && !purego

package cpu

// requestTiles returns false: how other systems are asked is not known here.
func requestTiles() bool { return false }
