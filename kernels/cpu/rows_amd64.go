//go:build !purego

package cpu

// rowsAVX2 sets the loops over rows, which take whole vectors.
func rowsAVX2(v *variant) {
	v.add = func(x, delta *float32, n int) {
		if n%8 != 0 {
			addGeneric(x, delta, n)
			return
		}
		addAVX2(x, delta, n)
	}
	v.sumSquares = func(x *float32, n int) float64 {
		if n%8 != 0 {
			return sumSquaresGeneric(x, n)
		}
		return sumSquaresAVX2(x, n)
	}
	v.times = func(out, x, weight *float32, scale float32, n int) {
		if n%8 != 0 {
			timesGeneric(out, x, weight, scale, n)
			return
		}
		timesAVX2(out, x, weight, scale, n)
	}
	v.divide = func(out, x *float32, by float32, n int) {
		if n%8 != 0 {
			divideGeneric(out, x, by, n)
			return
		}
		divideAVX2(out, x, by, n)
	}
	v.join = func(x, y *float32, a, b float32, n int) {
		if n%8 != 0 {
			joinGeneric(x, y, a, b, n)
			return
		}
		joinAVX2(x, y, a, b, n)
	}
	v.rotate = func(head, angles *float32, dim int, interleaved bool) {
		switch {
		case interleaved && dim%8 == 0:
			rotateNextAVX2(head, angles, dim)
		case !interleaved && dim%16 == 0:
			rotateHalvesAVX2(head, angles, dim)
		default:
			rotateGeneric(head, angles, dim, interleaved)
		}
	}
}

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
