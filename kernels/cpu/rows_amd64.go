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
}

//go:noescape
func addAVX2(x, delta *float32, n int)

//go:noescape
func sumSquaresAVX2(x *float32, n int) float64

//go:noescape
func timesAVX2(out, x, weight *float32, scale float32, n int)

//go:noescape
func divideAVX2(out, x *float32, by float32, n int)
