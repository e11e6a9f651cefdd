package cuda

import (
	"math"
	"slices"

	"trona/kernels"
)

// factor is a weight that an input is multiplied with, and where the products go.
// gated: out holds those of a gate, and becomes silu(out) times these.
type factor struct {
	*layout
	out   addr
	gated int32
}

// rowAddr is where row `row` of the output begins.
func (f *factor) rowAddr(row int64) addr { return f.out + addr(4*row*int64(f.args.rows)) }

func factorOf(op kernels.Op, out kernels.Tensor, w kernels.Weight) factor {
	return factor{layout: layoutOf(op, w), out: addr(out.Addr)}
}

// MatMul computes Out = x · Wᵀ. The inputs become F16, each row scaled by a power
// of two so that nothing overflows; with an F32 weight all stay floats. Decode
// rows meet the weights' codes as they are, whose scales come afterwards; for
// the others weights are unpacked to F16 in the workspace, some rows at a time.
func (d *Device) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	kernels.CheckMatMul(x, decode, products)
	d.factors = d.factors[:0]
	for i := range products {
		d.factors = append(d.factors, factorOf(kernels.OpMatMul, products[i].Out, products[i].W))
	}
	d.multiply(x, decode, d.factors)
	for i := range products {
		d.overwritten(products[i].Out, x)
	}
}

// GatedMatMul computes out = silu(x · gateᵀ) * (x · upᵀ): the second product
// ends with silu of the first. Both share the converted inputs.
func (d *Device) GatedMatMul(out, x kernels.Tensor, gate, up kernels.Weight, decode int64) {
	kernels.CheckGatedMatMul(out, x, gate, up, decode)
	d.factors = append(d.factors[:0], factorOf(kernels.OpGatedMatMul, out, gate), factorOf(kernels.OpGatedMatMul, out, up))
	d.factors[1].gated = 1
	d.multiply(x, decode, d.factors)
	d.overwritten(out, x)
}

// multiply multiplies x with each of some weights, in order.
func (d *Device) multiply(x kernels.Tensor, decode int64, with []factor) {
	isFloat := func(f factor) bool { return f.kind == kernels.F32 }
	for len(with) > 0 {
		if isFloat(with[0]) {
			d.gemv(x, &with[0])
			with = with[1:]
			continue
		}
		some := with
		if i := slices.IndexFunc(with, isFloat); i >= 0 {
			some = with[:i]
		}
		with = with[len(some):]
		if decode > 0 {
			d.decode(x.Slice(0, decode), some)
		}
		if decode < x.Shape[0] {
			d.prefill(x, decode, some)
		}
	}
}

// gemv multiplies rows in float.
func (d *Device) gemv(x kernels.Tensor, f *factor) {
	for from := int64(0); from < x.Shape[0]; {
		size, tokens := chooseGEMV(x.Shape[0] - from)
		d.launch(&d.kernels.gemv[size], pieces(int64(f.args.rows), gemvRows), 1, warp*gemvWarps, gemvShared(size), words(gemvArgs{
			w: f.args, out: f.rowAddr(from), x: rowAddr(x, from), n: int32(tokens), gated: f.gated,
		}))
		from += tokens
	}
}

// chooseMatmul returns which size of matmul does n tokens.
func chooseMatmul(n int64) int {
	if n <= matmulSizes[0] {
		return 0
	}
	return 1
}

// decode multiplies rows with decode arithmetic, as many at a time as their
// inputs have room in the workspace.
func (d *Device) decode(x kernels.Tensor, with []factor) {
	cols := x.Shape[1]
	most := mostInputs(d.work, cols)
	if most <= 0 {
		d.fail(errWorkspace(kernels.OpMatMul, d.work))
		return
	}
	sums := slices.ContainsFunc(with, func(f factor) bool { return layouts[f.kind].readsSums() })
	for from := int64(0); from < x.Shape[0]; from += most {
		n := min(most, x.Shape[0]-from)
		size := chooseMatmul(n)
		to := decodeInputs(d.at(0), n, cols, sums)
		in := d.convert(to, converted{x: rowAddr(x, from), n: n, cols: cols, decode: true, sums: sums})
		a := matmulArgs{
			x: to.x, xScale: to.scale, sums16: to.sums16, sums32: to.sums32, ld: int64(to.ld), n: int32(n), stride: to.stride,
		}
		for rest := with; len(rest) > 0; {
			some := oneLaunch(rest)
			d.matmul(some, from, size, a)
			rest = rest[len(some):]
		}
		d.converted = in
	}
}

// mostBlocks is the limit of a grid's second dimension.
const mostBlocks = 65535

// oneLaunch returns the first of some factors that one launch multiplies: of one
// type and table, and a gate with what it gates where their tiles of scales are as wide. A
// grid has room for the tiles of all.
func oneLaunch(with []factor) []factor {
	n, first := 1, &with[0]
	alike := func(f *factor) bool { return f.kind == first.kind && f.table == first.table }
	tiles := func(f *factor) int64 { return pieces(int64(f.args.rows), matmulRows) }
	for all := tiles(first); n < min(len(with), matmulParts) && alike(&with[n]) && with[n].gated == 0; n++ {
		if all += tiles(&with[n]); all > mostBlocks {
			break
		}
	}
	if second := &with[min(1, len(with)-1)]; n == 1 && first.gated < second.gated &&
		alike(second) && first.args.tileCols() == second.args.tileCols() && pieces(int64(first.args.rows), matmulRows/2) <= mostBlocks {
		n = 2
	}
	return with[:n]
}

// matmul multiplies converted rows from `from` on in one launch.
func (d *Device) matmul(with []factor, from int64, size int, a matmulArgs) {
	a.gated, a.table = with[0].gated, with[0].table
	if with[len(with)-1].gated > a.gated {
		a.pair = 1
	}
	for i := range a.parts {
		a.parts[i].first = math.MaxInt32
		if i >= len(with) {
			continue
		}
		f := &with[i]
		a.parts[i] = matmulPart{w: f.args, out: f.rowAddr(from), first: a.tiles}
		a.tiles += int32(pieces(int64(f.args.rows), matmulRows))
	}
	if a.pair == 1 {
		a.tiles = int32(pieces(int64(with[0].args.rows), matmulRows/2))
	}
	kind := with[0].kind
	if d.sm90Matmul(kind, a) {
		return
	}
	d.launch(&d.kernels.matmul[kind][size], pieces(int64(a.n), matmulSizes[size]), int64(a.tiles),
		warp*matmulWarps, matmulShared(size), words(a))
}

func rowAddr(t kernels.Tensor, row int64) addr { return addr(t.Addr) + addr(4*row*t.Shape[1]) }

// chooseGEMV returns which size of gemv does the next rows of n that are left,
// and how many rows it does.
func chooseGEMV(n int64) (size int, tokens int64) {
	for i, most := range gemvSizes {
		if n <= most {
			return i, n
		}
	}
	last := len(gemvSizes) - 1
	return last, gemvSizes[last]
}

// chooseTile returns which of some sizes, in tokens, of tiles of `high` out-features
// multiplies n tokens by so many rows soonest, if a tile takes as long as it reads,
// and processors take one each at a time. A larger size reads less in all; a
// smaller one wastes less and leaves fewer processors idle. A row has the same
// bits in every size.
func chooseTile(sizes []int64, high, n, rows, processors int64) (best int) {
	least := int64(math.MaxInt64)
	for i, size := range sizes {
		tiles := pieces(rows, high) * pieces(n, size)
		if cost := pieces(tiles, processors) * (size + high); cost <= least {
			best, least = i, cost
		}
	}
	return best
}

// gemmAlign is what the rows of gemm's inputs are padded to, in elements.
const gemmAlign = unit

// prefillPlan says how a product is cut so that its F16 inputs fit the
// workspace: at most `tokens` tokens at a time, and weights, where they are
// unpacked, `rows` rows at a time. After the inputs stand their scales.
type prefillPlan struct {
	tokens, rows                 int64
	ld                           int64 // elements of a row of either
	scales, weights, weightScale int64 // offsets in the workspace
}

// planPrefill gives activations a quarter of the workspace, and at least one
// row of each its place.
func planPrefill(n, rows, cols, workspace int64) (p prefillPlan, ok bool) {
	p.ld = align(cols, gemmAlign)
	rowBytes := 2*p.ld + 4
	p.tokens = min(n, max(1, workspace/4/rowBytes))
	p.scales = align(2*p.tokens*p.ld, 256)
	p.weights = p.scales + align(4*p.tokens, 256)
	p.rows = min(rows, (workspace-p.weights-256)/rowBytes)
	if p.rows > gemmRows {
		p.rows = p.rows / gemmRows * gemmRows
	}
	p.weightScale = p.weights + align(2*p.rows*p.ld, 256)
	return p, p.rows > 0
}

// prefill multiplies rows from `first` on with prefill arithmetic.
func (d *Device) prefill(x kernels.Tensor, first int64, with []factor) {
	n, cols := x.Shape[0], x.Shape[1]
	rows := int32(0)
	for i := range with {
		rows = max(rows, with[i].args.rows)
	}
	p, ok := planPrefill(n-first, int64(rows), cols, d.work)
	if !ok {
		d.fail(errWorkspace(kernels.OpMatMul, d.work))
		return
	}
	for from := first; from < n; from += p.tokens {
		tokens := min(p.tokens, n-from)
		in := converted{x: rowAddr(x, from), n: tokens, cols: cols}
		in = d.convert(inputArgs{x: d.at(0), scale: d.at(p.scales), ld: int32(p.ld)}, in)
		for i := range with {
			d.products(with[i].rowAddr(from), tokens, &with[i], p)
		}
		d.converted = in
	}
}

// at returns an address in the workspace.
func (d *Device) at(offset int64) addr { return addr(d.workspace) + addr(offset) }

// products multiplies converted tokens with all rows of a weight.
func (d *Device) products(out addr, tokens int64, f *factor, p prefillPlan) {
	w := &f.args
	a := gemmArgs{
		x: d.at(0), xScale: d.at(p.scales), ldX: p.ld, ldOut: int64(w.rows), n: int32(tokens), cols: int32(p.ld), gated: f.gated,
	}
	kind, step := f.kind, int64(w.rows)
	direct := (kind == kernels.F16 || kind == kernels.BF16) && w.scale == 0
	if !direct {
		kind, step = kernels.F16, p.rows
	}
	for first := int64(0); first < int64(w.rows); first += step {
		rows := min(step, int64(w.rows)-first)
		a.out, a.rows = out+addr(4*first), int32(rows)
		a.w, a.ldW = w.data+addr(first*w.pitch), w.pitch/2
		if !direct {
			a.w, a.wScale, a.ldW = d.at(p.weights), d.at(p.weightScale), p.ld
			d.launch(&d.kernels.dequant[f.kind], pieces(rows, rowThreads/warp), 1, rowThreads, 0, words(dequantArgs{
				w: f.args, out: a.w, scale: a.wScale, first: int32(first), rows: int32(rows), ld: int32(p.ld),
				most: f.most, table: f.table,
			}))
		}
		if d.hopper != nil {
			d.sm90GEMM(kind, a)
			continue
		}
		size := chooseTile(gemmSizes[:], gemmRows, tokens, rows, int64(d.info.Processors))
		d.launch(&d.kernels.gemm[kind][size], pieces(rows, gemmRows), pieces(tokens, gemmSizes[size]), gemmThreads, gemmShared[size], words(a))
	}
}
