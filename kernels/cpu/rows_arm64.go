//go:build !purego

package cpu

import "unsafe"

//go:noescape
func addNEON(x, delta *float32, n int)

//go:noescape
func sumSquaresNEON(x *float32, n int) float64

//go:noescape
func timesNEON(out, x, weight *float32, scale float32, n int)

//go:noescape
func divideNEON(out, x *float32, by float32, n int)

//go:noescape
func joinNEON(x, y *float32, a, b float32, n int)

//go:noescape
func rotateNextNEON(head, angles *float32, dim int)

//go:noescape
func rotateHalvesNEON(head, angles *float32, dim int)

//go:noescape
func scaleNEON(rows, factors *float32, n int)

//go:noescape
func narrowF16NEON(dst unsafe.Pointer, src *float32, n int)

//go:noescape
func narrowBF16NEON(dst unsafe.Pointer, src *float32, n int)

//go:noescape
func widenI8NEON(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)
