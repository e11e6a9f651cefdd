package cuda

import (
	"structs"

	"trona/kernels/cuda/driver"
)

// The argument structs of the kernels. These are the single source: the header
// args_gen.h that the .cu files include is made from them (TestArgsHeader), and
// the parameter bytes in the compiled code are compared with them. Every field
// is aligned to its size, in Go as in C. A field's tag is its type in C.

// addr is an address on the device.
type addr uint64

// weightArgs is a weight as Pack lays it out (README.md): row r at data + r*pitch, or,
// of types with panels, the strip of its 8 rows at data + r/8*pitch. A value is code *
// scale[r/scaleRows, c/scaleCols], the product rounded to float; scaleCols is a
// multiple of 32 or at least cols.
type weightArgs struct {
	data                 addr `c:"const u8*"`
	scale                addr `c:"const float*"` // null: 1
	pitch                int64
	rows, cols           int32
	scaleRows, scaleCols int32
	scaleStride          int32 // entries of scale in a row of tiles
	_                    int32
}

// codeTable has what codes mean, as bytes that are 128 too large: 16 whole numbers, or 8.
// Kernels of types that may have a Table read it.
type codeTable struct{ a, b, c, d uint32 }

// embedArgs: out [n, cols] = rows ids [n] of a weight. One block a token.
type embedArgs struct {
	w     weightArgs
	out   addr `c:"float*"`
	ids   addr `c:"const i32*"`
	fault addr `c:"Fault*"`
	table codeTable
}

// inputArgs is where rows stand as products read them: x [n, ld] F16, each row
// divided by a power of two, scale [n], that brings its greatest value to 2^14;
// zeros from the last column to ld. Columns stand in the order of weights. sums16
// [ld/16, stride] and sums32 [ld/32, stride] are those of x over 16 and 32
// columns, by row; null: not wanted.
type inputArgs struct {
	x      addr `c:"u16*"`
	scale  addr `c:"float*"`
	sums16 addr `c:"float*"`
	sums32 addr `c:"float*"`
	ld     int32
	stride int32
}

// rmsnormArgs: out [n, d] = x / sqrt(mean(x²) + eps) * weight [d]; with delta
// [n, d] x becomes x + delta first (add_rmsnorm). to is that of ..._f16_N alone.
// One block a row.
type rmsnormArgs struct {
	out    addr `c:"float*"`
	x      addr `c:"float*"`
	delta  addr `c:"const float*"`
	weight addr `c:"const float*"`
	d      int32
	eps    float32
	to     inputArgs
}

// addArgs: x [n] += delta [n].
type addArgs struct {
	x     addr `c:"float*"`
	delta addr `c:"const float*"`
	n     int64
}

// biasPart is one of the sums of a launch: x [n, d] += bias [d].
type biasPart struct {
	x     addr `c:"float*"`
	bias  addr `c:"const float*"`
	d     int32
	first int32 // of its spans among those of the launch; beyond all: no part
}

// addBiasArgs: a block does a span of FLAT_ITEMS columns of a row.
type addBiasArgs struct {
	parts [biasParts]biasPart
}

// swigluArgs: gate [n, d] = silu(gate + gateBias [d]) * (up [n, d] + upBias [d]).
type swigluArgs struct {
	gate     addr `c:"float*"`
	gateBias addr `c:"const float*"`
	up       addr `c:"const float*"`
	upBias   addr `c:"const float*"`
	d        int32
	_        int32
}

// gatherArgs: out [m, d] = rows [m] of x [n, d]. One block a row. Of feed: gather.cu.
type gatherArgs struct {
	out   addr `c:"float*"`
	x     addr `c:"const float*"`
	rows  addr `c:"const i32*"`
	fault addr `c:"Fault*"`
	n, d  int32
}

// kvArgs is the cache of one layer: k, v [blocks, kvHeads, 64, dim]; scales
// [blocks, kvHeads, 64], of i8 only.
type kvArgs struct {
	k       addr `c:"u8*"`
	v       addr `c:"u8*"`
	kScale  addr `c:"float*"`
	vScale  addr `c:"float*"`
	blocks  int32
	kvHeads int32
	dim     int32
	_       int32
}

// ropeAppendKvArgs rotates q [n, heads, dim] in place and k [n, kvHeads, dim], pair
// i of a head by positions[row] * inv[i], times scale, and stores k so and v at
// slots [n]. Pairs are (2i, 2i+1) if interleaved, else (i, i+dim/2).
type ropeAppendKvArgs struct {
	cache       kvArgs
	q           addr `c:"float*"`
	k           addr `c:"const float*"`
	v           addr `c:"const float*"`
	positions   addr `c:"const i32*"`
	slots       addr `c:"const i32*"`
	inv         addr `c:"const float*"`
	fault       addr `c:"Fault*"`
	scale       float32
	interleaved int32
	heads       int32
	rotating    int32 // blocks of a row that do q and k
}

// attentionArgs: out [n, heads, dim] = softmax(scale q kᵀ) v. Position p of an
// item's sequence lives in block table[item.table + p/64].
type attentionArgs struct {
	cache kvArgs
	out   addr `c:"float*"`
	q     addr `c:"const float*"`
	items addr `c:"const AttentionItem*"`
	count addr `c:"const i32*"` // items that exist
	table addr `c:"const i32*"`
	// What decoding finds of each item's splits [items, DECODE_SPLITS]: sums
	// [heads, dim], then greatest score and sum of weights [heads, 2].
	parts addr `c:"float*"`
	heads int32
	scale float32
	first int32 // of the items that this launch does
	// A row sees as many positions at most, the last up to its own.
	window int32
}

// decodeArgs: to is what rows become beside out, null: nothing. arrived [items,
// groups of heads + 1], zeros before and after, counts the parts of each item that are there.
type decodeArgs struct {
	a       attentionArgs
	to      inputArgs
	arrived addr  `c:"u32*"`
	items   int32 // that this launch does, at most
	_       int32
}

// attentionItem is rows [row, row+rows) of the batch, at positions from
// position; one row where it decodes.
type attentionItem struct {
	row, rows int32
	position  int32
	table     int32
}

// convertArgs: x [n, cols] to `to`. As many blocks a row as the grid is high.
type convertArgs struct {
	to   inputArgs
	x    addr `c:"const float*"`
	cols int32
	_    int32
}

// dequantArgs: out [rows, ld] and scale [rows] are those of inputArgs, of rows
// [first, first+rows) of w. most is the greatest magnitude in the table.
type dequantArgs struct {
	w           weightArgs
	out         addr `c:"u16*"`
	scale       addr `c:"float*"`
	first, rows int32
	ld          int32
	most        float32
	table       codeTable
}

// matmulPart is one of the products of a launch: out [n, rows] = x [n, cols] · wᵀ.
type matmulPart struct {
	w     weightArgs
	out   addr  `c:"float*"`
	first int32 // of its tiles among those of the launch; beyond all: no part
	_     int32
}

// matmulArgs: products of one x, whose weights have one type, table and number of columns; x,
// xScale and sums are those of inputArgs. A tile is 16 out-features of a part. With
// pair it is 8 of a gate, the first part, and the same 8 of the second: the first
// part's out becomes silu(gate) times these. gated (here and below): out has a gate's
// products, and becomes silu(out) times these.
type matmulArgs struct {
	parts  [matmulParts]matmulPart
	x      addr `c:"const u16*"`
	xScale addr `c:"const float*"`
	sums16 addr `c:"const float*"`
	sums32 addr `c:"const float*"`
	ld     int64
	n      int32
	stride int32
	tiles  int32
	pair   int32
	gated  int32
	_      int32
	table  codeTable
}

// gemvArgs: out [n, rows] = x [n, cols] · wᵀ for n up to 8 tokens, in float.
type gemvArgs struct {
	w   weightArgs
	out addr `c:"float*"`
	x   addr `c:"const float*"`
	n   int32

	gated int32
}

// gemmArgs: out[t*ldOut + r] = x[t] · w[r] times their scales, for n tokens and
// rows out-features; x is F16, w F16 or BF16, the sums are float. ldX and ldW
// are multiples of 128, and cols is one of 64; the order of columns is any.
type gemmArgs struct {
	out      addr  `c:"float*"`
	x        addr  `c:"const u16*"`
	w        addr  `c:"const u16*"`
	xScale   addr  `c:"const float*"`
	wScale   addr  `c:"const float*"` // null: 1
	ldX, ldW int64 // elements
	ldOut    int64
	n, rows  int32
	cols     int32
	gated    int32
}

// gemmSm90Args is gemmArgs for Hopper: w [rows, cols] in boxes of 128 rows, x
// [n, cols] in boxes of as many tokens as a block does.
type gemmSm90Args struct {
	w, x    driver.TensorMap
	out     addr `c:"float*"`
	xScale  addr `c:"const float*"`
	wScale  addr `c:"const float*"` // null: 1
	ldOut   int64
	n, rows int32
	cols    int32
	gated   int32
	_, _    int64 // to a multiple of 64, as C has it
}

// attentionSm90Args is attentionArgs for Hopper: the cache's keys and values as
// rows [blocks * kvHeads * 64, dim], in boxes of a block of 64.
type attentionSm90Args struct {
	k, v driver.TensorMap
	a    attentionArgs
	_, _ int64 // to a multiple of 64, as C has it
}

// sampleArgs draws a token for each row of logits [m, vocab], as
// kernels.SampleRow says. What the kernels tell each other holds anything before.
type sampleArgs struct {
	logits   addr `c:"const float*"`
	rows     addr `c:"const SampleRow*"`
	ids      addr `c:"const i32*"` // what the lists of rows point into
	out      addr `c:"Sampled*"`
	top      addr `c:"TokenLogprob*"` // [m, maxTop], the likeliest first
	adjusted addr `c:"float*"`        // [m, vocab]
	list     addr `c:"u64*"`          // [m, vocab]: keys of candidates
	keys     addr `c:"u64*"`          // [m, 2, groups]: the best of each, of raw logits and of adjusted ones
	pieces   addr `c:"SamplePiece*"`  // [m, pieces]
	bins     addr `c:"u64*"`          // [m, SAMPLE_BINS]: probability by logit
	vocab    int32
	maxTop   int32
}

// samplePiece is what blocks find in a piece of a row: the best keys of raw and of
// adjusted logits, the sum of e^(raw logit - the greatest), and the token that wins the draw.
type samplePiece struct {
	_             structs.HostLayout // the device alone reads the fields
	rawBest, best uint64
	sum           float64
	most          uint64 // of the token: z + noise, as a whole number in the same order
	token         int32
	bad           int32 // a list of the row has a token that is not in the vocabulary
}

// sampleRow is kernels.SampleRow. A list is [begin, end) of ids; bias has
// pairs of a token and the bits of a float.
type sampleRow struct {
	seed                            uint64
	position                        int64
	temperature, topP, minP         float32
	presence, frequency, repetition float32
	topK                            int32
	logprob, logprobs               int32
	masked                          int32 // mask is there: bit i%32 of word i/32
	prompt, generated, bias         [2]int32
	banned, mask                    [2]int32
}

// sampled is kernels.Sampled without Top.
type sampled struct {
	token   int32
	logprob float32
	tops    int32 // entries of top
	invalid int32
}

// tokenLogprob is kernels.TokenLogprob.
type tokenLogprob struct {
	token   int32
	logprob float32
}

// fault is what a kernel reports of its own accord: the first stays. It lies
// in memory of the device.
type fault struct {
	code  uint32 // a faultCode; 0: none
	index int32  // the bad value
}
