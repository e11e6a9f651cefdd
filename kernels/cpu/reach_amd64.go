//go:build !purego

package cpu

// reach is how many bytes ahead of their use loops prefetch a weight, to the second-level
// cache and to the first. 0 prefetches what is being used, which costs next to nothing.
type reach struct{ far, near int }

// reaches are those of loops that read packed weights: with VNNI of one or two tokens, of more
// with blocks of 32 columns and with blocks of 256; with AVX2 of one or two. Assembly knows
// them by their places.
//
//lint:ignore U1000 assembly reads it
var reaches = reachesOf(madeByAMD())

// reachesOf returns what was measured on Zen 3 and Zen 4, and on a Xeon with AMX. AMD's own
// prefetch goes further than ours, and what of ours finds no buffer of the first-level cache
// is dropped; with AVX2 the near prefetch passes by the second-level cache, where nobody
// looks for the line again. On the Xeon lines came too late from where AMD's are, and from
// whole pages ahead.
func reachesOf(amd bool) [4]reach {
	if amd {
		return [4]reach{{1024, 0}, {3072, 3072}, {4096, 0}, {0, 1024}}
	}
	return [4]reach{{4608, 2048}, {5376, 2560}, {5376, 2560}, {5376, 2560}}
}
