package cpu

import "unsafe"

// rowLoops are loops over rows that take whole vectors of 8.
type rowLoops struct {
	add          func(x, delta *float32, n int)
	sumSquares   func(x *float32, n int) float64
	times        func(out, x, weight *float32, scale float32, n int)
	divide       func(out, x *float32, by float32, n int)
	join         func(x, y *float32, a, b float32, n int)
	rotateNext   func(head, angles *float32, dim int)
	rotateHalves func(head, angles *float32, dim int) // dim is a multiple of 16
}

// setRows sets them, and plain Go for rows of other lengths.
func (v *variant) setRows(l rowLoops) {
	v.add = func(x, delta *float32, n int) {
		if n%8 != 0 {
			addGeneric(x, delta, n)
			return
		}
		l.add(x, delta, n)
	}
	v.sumSquares = func(x *float32, n int) float64 {
		if n%8 != 0 {
			return sumSquaresGeneric(x, n)
		}
		return l.sumSquares(x, n)
	}
	v.times = func(out, x, weight *float32, scale float32, n int) {
		if n%8 != 0 {
			timesGeneric(out, x, weight, scale, n)
			return
		}
		l.times(out, x, weight, scale, n)
	}
	v.divide = func(out, x *float32, by float32, n int) {
		if n%8 != 0 {
			divideGeneric(out, x, by, n)
			return
		}
		l.divide(out, x, by, n)
	}
	v.join = func(x, y *float32, a, b float32, n int) {
		if n%8 != 0 {
			joinGeneric(x, y, a, b, n)
			return
		}
		l.join(x, y, a, b, n)
	}
	v.rotate = func(head, angles *float32, dim int, interleaved bool) {
		switch {
		case interleaved && dim%8 == 0:
			l.rotateNext(head, angles, dim)
		case !interleaved && dim%16 == 0:
			l.rotateHalves(head, angles, dim)
		default:
			rotateGeneric(head, angles, dim, interleaved)
		}
	}
}

// widenRows returns variant.widen of a loop over whole vectors of 8.
func widenRows(loop, rest func(dst *float32, src unsafe.Pointer, n int)) func(dst *float32, src unsafe.Pointer, n int) {
	return func(dst *float32, src unsafe.Pointer, n int) {
		whole := n &^ 7
		if whole > 0 {
			loop(dst, src, whole)
		}
		if n > whole {
			rest(floatAt(dst, whole), unsafe.Add(src, 2*whole), n-whole)
		}
	}
}

// narrowRows returns variant.narrow of one.
func narrowRows(loop, rest func(dst unsafe.Pointer, src *float32, n int)) func(dst unsafe.Pointer, src *float32, n int) {
	return func(dst unsafe.Pointer, src *float32, n int) {
		whole := n &^ 7
		if whole > 0 {
			loop(dst, src, whole)
		}
		if n > whole {
			rest(unsafe.Add(dst, 2*whole), floatAt(src, whole), n-whole)
		}
	}
}

// widenRowsI8 returns variant.widenI8 of one.
func widenRowsI8(loop func(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)) func(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int) {
	return func(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int) {
		if dim%8 != 0 {
			widenI8Generic(dst, src, scale, rows, dim)
			return
		}
		loop(dst, src, scale, rows, dim)
	}
}
