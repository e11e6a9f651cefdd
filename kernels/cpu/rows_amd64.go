//go:build !purego

package cpu

//go:noescape
func addAVX2(x, delta *float32, n int)

//go:noescape
func sumSquaresAVX2(x *float32, n int) float64

//go:noescape
func timesAVX2(out, x, weight *float32, scale float32, n int)

//go:noescape
func divideAVX2(out, x *float32, by float32, n int)

//go:noescape
func joinAVX2(x, y *float32, a, b float32, n int)

//go:noescape
func rotateNextAVX2(row, angles *float32, dim int)

//go:noescape
func rotateHalvesAVX2(row, angles *float32, dim int)
