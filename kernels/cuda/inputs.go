package cuda

import "trona/kernels"

// decodeInputs lays out what products with decode arithmetic read of n rows.
// Sums, where they are wanted, stand by whole tiles of tokens.
func decodeInputs(at addr, n, cols int64, sums bool) inputArgs {
	ld, stride := align(cols, unit), align(n, matmulSizes[chooseMatmul(n)])
	a := inputArgs{x: at, ld: int32(ld), stride: int32(stride)}
	a.scale = a.x + addr(align(2*n*ld, 256))
	if sums {
		a.sums16 = a.scale + addr(align(4*n, 256))
		a.sums32 = a.sums16 + addr(4*stride*ld/16)
	}
	return a
}

// inputBytes is the room that inputs of n rows take at most.
func inputBytes(n, cols int64) int64 {
	ld := align(cols, unit)
	return n*(2*ld+4) + (n+matmulSizes[len(matmulSizes)-1])*(4*ld/16+4*ld/32) + 1024
}

// mostInputs is the number of rows whose inputs fit a workspace.
func mostInputs(work, cols int64) int64 {
	return (work - inputBytes(0, cols)) / (inputBytes(1, cols) - inputBytes(0, cols))
}

// earlyRows is up to how many rows the op that makes them converts them, too, for the
// product that is likely to follow.
const earlyRows = 32

// convertsEarly reports whether the op that makes rows converts them: inputs.h needs whole
// groups of columns, and aligned addresses, which are joined in `at`.
func (d *Device) convertsEarly(n, cols int64, at addr) bool {
	return n <= min(earlyRows, mostInputs(d.work, cols)) && cols%4 == 0 && at%16 == 0
}

// converted says what the inputs in the workspace were made of, for the next product of
// the same input. Any other op forgets it.
type converted struct {
	x       addr
	scale   addr // of the inputs: where it is depends on the number of rows
	n, cols int64
	decode  bool
	sums    bool
}

// serve reports whether c are the inputs that are wanted, perhaps with sums that are not.
func (c converted) serve(wanted converted) bool {
	wanted.sums = wanted.sums || c.sums
	return c == wanted
}

// convert makes inputs of products, unless they are in the workspace, and returns what is
// there then. Few rows are shared by several blocks each, no more than there are processors.
func (d *Device) convert(to inputArgs, in converted) converted {
	in.scale = to.scale
	if d.converted.serve(in) {
		return d.converted
	}
	parts := max(1, min(pieces(int64(to.ld), convertColumns), int64(d.info.Processors)/in.n))
	d.launch(&d.kernels.convert, in.n, parts, convertThreads, convertShared, words(convertArgs{to: to, x: in.x, cols: int32(in.cols)}))
	return in
}

// convertEarly returns where the op that makes rows at x is to write their inputs, and what
// is in the workspace then.
func (d *Device) convertEarly(x addr, n, cols int64) (to inputArgs, in converted) {
	in = converted{x: x, n: n, cols: cols, decode: true, sums: d.sums.Load()}
	to = decodeInputs(d.at(0), n, cols, in.sums)
	in.scale = to.scale
	return to, in
}

// overwritten forgets the inputs made of x where out overlaps it.
func (d *Device) overwritten(out, x kernels.Tensor) {
	if out.Addr < x.Addr+uintptr(x.Bytes()) && x.Addr < out.Addr+uintptr(out.Bytes()) {
		d.converted = converted{}
	}
}
