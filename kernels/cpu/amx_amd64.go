//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// hasAMX reports whether the processor has tiles of BF16 and what else their loops
// need beside VNNI.
func hasAMX() bool {
	x := &cpu.X86
	return x.HasAMXTile && x.HasAMXBF16 && x.HasAVX512BF16 && x.HasBMI2 && x.HasOSXSAVE
}

// tileState are the bits of XCR0 for the configuration and the data of tiles.
const tileState = 3 << 17

// permitAMX asks the system for the use of tiles.
func permitAMX() bool { return xcr0()&tileState == tileState && requestTiles() }

// tilesAMX adds products in tiles.
func tilesAMX(v variant) variant {
	v.name = "amxbf16-int8"
	v.tiles = &tiles{roundTilesAMX, pairTilesAMX, pairPackedAMX, multiplyTilesAMX, softmaxTilesAMX}
	return v
}

// xcr0 returns what register state the system saves.
//
//go:noescape
func xcr0() uint64

//go:noescape
func roundTilesAMX(dst *uint16, x *float32, blocks int)

//go:noescape
func pairTilesAMX(dst *uint16, panel *float32, stride, n int)

//go:noescape
func pairPackedAMX(dst *uint16, src unsafe.Pointer, n int)

//go:noescape
func multiplyTilesAMX(p *tileProduct)

//go:noescape
func softmaxTilesAMX(p *tilesSoftmax)
