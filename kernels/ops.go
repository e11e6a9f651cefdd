package kernels

import "fmt"

// Op names an operation of Ops, for messages, profiles and benchmarks.
type Op uint8

// The operations, in the order of Ops; the last is one of Pipeliner.
const (
	OpEmbed Op = iota
	OpRMSNorm
	OpAddRMSNorm
	OpAdd
	OpMatMul
	OpGatedMatMul
	OpAddBias
	OpSwiGLU
	OpRoPEAppendKV
	OpAttention
	OpGather
	OpSample
	OpFeed
	NumOps
)

var opNames = [NumOps]string{
	"embed", "rmsnorm", "add_rmsnorm", "add", "matmul", "gated_matmul", "add_bias", "swiglu",
	"rope_append_kv", "attention", "gather", "sample", "feed",
}

// String returns the op's name, as in "add_rmsnorm".
func (o Op) String() string { return opNames[o] }

// Cost is what an op has to move and to compute at least: each operand read
// once, each result written once, a multiply-add counted as two.
type Cost struct {
	Bytes, Flops int64
}

// misuse panics. It stands inside an if, so that a right call allocates nothing.
func (o Op) misuse(format string, args ...any) {
	panic(fmt.Sprintf("kernels: %s: ", o) + fmt.Sprintf(format, args...))
}

// matrix demands F32 [n, d].
func (o Op) matrix(name string, t Tensor, n, d int64) {
	if t.Type != F32 || t.Rank() != 2 || t.Shape[0] != n || t.Shape[1] != d {
		o.misuse("%s is %v, want F32[%d %d]", name, t, n, d)
	}
}

// vector demands [n] of a type.
func (o Op) vector(name string, t Tensor, typ DType, n int64) {
	if t.Type != typ || t.Rank() != 1 || t.Shape[0] != n {
		o.misuse("%s is %v, want %v[%d]", name, t, typ, n)
	}
}

// heads demands F32 [n, heads, dim] and returns heads and dim.
func (o Op) heads(name string, t Tensor, n int64) (heads, dim int64) {
	if t.Type != F32 || t.Rank() != 3 || t.Shape[0] != n || t.Shape[2]%2 != 0 {
		o.misuse("%s is %v, want F32[%d heads dim], dim even", name, t, n)
	}
	return t.Shape[1], t.Shape[2]
}

// CheckEmbed panics unless out is F32 [n, cols of table] and ids I32 [n].
func CheckEmbed(out Tensor, table Weight, ids Tensor) {
	n := out.Shape[0]
	OpEmbed.vector("ids", ids, I32, n)
	OpEmbed.matrix("out", out, n, table.Cols)
}

// EmbedCost returns the cost of Embed.
func EmbedCost(out Tensor, table Weight) Cost {
	return Cost{Bytes: out.Bytes() + out.Shape[0]*(4+table.Bytes/max(1, table.Rows))}
}

// CheckRMSNorm panics unless out and x are F32 [n, d] and weight F32 [d].
func CheckRMSNorm(out, x, weight Tensor) {
	OpRMSNorm.matrix("x", x, out.Shape[0], out.Shape[1])
	OpRMSNorm.matrix("out", out, x.Shape[0], x.Shape[1])
	OpRMSNorm.vector("weight", weight, F32, x.Shape[1])
}

// RMSNormCost returns the cost of RMSNorm.
func RMSNormCost(x Tensor) Cost {
	return Cost{Bytes: 2*x.Bytes() + 4*x.Cols(), Flops: 4 * x.Len()}
}

// CheckAddRMSNorm panics unless out, x and delta are F32 [n, d] and weight F32 [d].
func CheckAddRMSNorm(out, x, delta, weight Tensor) {
	OpAddRMSNorm.matrix("x", x, out.Shape[0], out.Shape[1])
	OpAddRMSNorm.matrix("out", out, x.Shape[0], x.Shape[1])
	OpAddRMSNorm.matrix("delta", delta, x.Shape[0], x.Shape[1])
	OpAddRMSNorm.vector("weight", weight, F32, x.Shape[1])
}

// AddRMSNormCost returns the cost of AddRMSNorm.
func AddRMSNormCost(x Tensor) Cost {
	return Cost{Bytes: 4*x.Bytes() + 4*x.Cols(), Flops: 5 * x.Len()}
}

// CheckAdd panics unless x and delta are F32 [n, d].
func CheckAdd(x, delta Tensor) {
	OpAdd.matrix("x", x, delta.Shape[0], delta.Shape[1])
	OpAdd.matrix("delta", delta, x.Shape[0], x.Shape[1])
}

// AddCost returns the cost of Add.
func AddCost(x Tensor) Cost { return Cost{Bytes: 3 * x.Bytes(), Flops: x.Len()} }

// CheckMatMul panics unless x is F32 [n, W.Cols] and Out F32 [n, W.Rows] of each
// product, of which there is one at least, and decode at most n.
func CheckMatMul(x Tensor, decode int64, products []Product) {
	if len(products) == 0 {
		OpMatMul.misuse("no product")
	}
	for i := range products {
		OpMatMul.product(products[i].Out, x, products[i].W, decode)
	}
}

func (o Op) product(out, x Tensor, w Weight, decode int64) {
	n := x.Shape[0]
	o.matrix("x", x, n, w.Cols)
	o.matrix("out", out, n, w.Rows)
	if decode < 0 || decode > n {
		o.misuse("decode is %d of %d rows", decode, n)
	}
}

// MatMulCost returns the cost of MatMul with some weights.
func MatMulCost(x Tensor, weights ...Weight) Cost {
	n := x.Shape[0]
	c := Cost{Bytes: x.Bytes()}
	for i := range weights {
		w := &weights[i]
		c.Bytes += w.Bytes + 4*n*w.Rows
		c.Flops += 2 * n * w.Rows * w.Cols
	}
	return c
}

// CheckGatedMatMul panics unless gate and up have one shape, for which x and out
// fit MatMul.
func CheckGatedMatMul(out, x Tensor, gate, up Weight, decode int64) {
	OpGatedMatMul.product(out, x, gate, decode)
	if up.Rows != gate.Rows || up.Cols != gate.Cols {
		OpGatedMatMul.misuse("gate is [%d %d], up [%d %d]", gate.Rows, gate.Cols, up.Rows, up.Cols)
	}
}

// GatedMatMulCost returns the cost of GatedMatMul, an exponential counted as 8
// flops.
func GatedMatMulCost(x Tensor, gate, up Weight) Cost {
	n := x.Shape[0]
	return Cost{
		Bytes: gate.Bytes + up.Bytes + 4*n*(gate.Rows+gate.Cols),
		Flops: n * gate.Rows * (4*gate.Cols + 12),
	}
}

// CheckAddBias panics unless each X is F32 [n, d] and its Bias F32 [d], of which
// there is one at least.
func CheckAddBias(sums []Biased) {
	if len(sums) == 0 {
		OpAddBias.misuse("no sum")
	}
	for i := range sums {
		OpAddBias.biased("x", "bias", sums[i], sums[0].X.Shape[0])
	}
}

// biased demands F32 [n, d] and F32 [d].
func (o Op) biased(x, bias string, b Biased, n int64) {
	o.matrix(x, b.X, n, b.X.Shape[1])
	o.vector(bias, b.Bias, F32, b.X.Shape[1])
}

// AddBiasCost returns the cost of AddBias.
func AddBiasCost(sums []Biased) (c Cost) {
	for i := range sums {
		c.Bytes += 2*sums[i].X.Bytes() + sums[i].Bias.Bytes()
		c.Flops += sums[i].X.Len()
	}
	return c
}

// CheckSwiGLU panics unless X of both is F32 [n, d] and Bias F32 [d].
func CheckSwiGLU(gate, up Biased) {
	OpSwiGLU.biased("gate", "bias of gate", gate, gate.X.Shape[0])
	OpSwiGLU.biased("up", "bias of up", up, gate.X.Shape[0])
	if up.X.Shape != gate.X.Shape {
		OpSwiGLU.misuse("gate is %v, up %v", gate.X, up.X)
	}
}

// SwiGLUCost returns the cost of SwiGLU, an exponential counted as 8 flops.
func SwiGLUCost(gate Biased) Cost {
	return Cost{Bytes: 3*gate.X.Bytes() + 2*gate.Bias.Bytes(), Flops: 14 * gate.X.Len()}
}

// check panics unless c is a cache of kvHeads heads of size dim.
func (c KV) check(o Op, kvHeads, dim int64) {
	blocks := c.K.Shape[0]
	if c.K.Rank() != 4 || c.K.Shape != [4]int64{blocks, kvHeads, BlockSize, dim} {
		o.misuse("cache is %v, want [blocks %d %d %d]", c.K, kvHeads, BlockSize, dim)
	}
	if c.V.Shape != c.K.Shape || c.V.Type != c.K.Type {
		o.misuse("cache K is %v, V is %v", c.K, c.V)
	}
	switch c.K.Type {
	case F32, F16, BF16, F8E4M3:
	case I8, I16:
		want := Tensor{Type: F32, Shape: [4]int64{blocks, kvHeads, BlockSize}}
		if c.KScale.Type != F32 || c.KScale.Shape != want.Shape || c.VScale.Type != F32 || c.VScale.Shape != want.Shape {
			o.misuse("cache scales are %v and %v, want %v", c.KScale, c.VScale, want)
		}
	default:
		o.misuse("no cache of type %v", c.K.Type)
	}
}

// CheckRoPEAppendKV panics unless q is F32 [n, heads, dim], k and v F32 [n,
// kvHeads, dim], positions and slots I32 [n], r.Inv F32 [dim/2] and the cache fits
// k and v.
func CheckRoPEAppendKV(cache KV, q, k, v, positions, slots Tensor, r Rotary) {
	n := q.Shape[0]
	_, dim := OpRoPEAppendKV.heads("q", q, n)
	kvHeads, kdim := OpRoPEAppendKV.heads("k", k, n)
	if dim != kdim {
		OpRoPEAppendKV.misuse("q is %v, k is %v: their head sizes differ", q, k)
	}
	if v.Shape != k.Shape || v.Type != F32 {
		OpRoPEAppendKV.misuse("k is %v, v is %v", k, v)
	}
	OpRoPEAppendKV.vector("positions", positions, I32, n)
	OpRoPEAppendKV.vector("slots", slots, I32, n)
	OpRoPEAppendKV.vector("inv", r.Inv, F32, dim/2)
	cache.check(OpRoPEAppendKV, kvHeads, dim)
}

// RoPEAppendKVCost returns the cost of RoPEAppendKV.
func RoPEAppendKVCost(cache KV, q, k Tensor) Cost {
	return Cost{
		Bytes: 2*q.Bytes() + 2*(k.Bytes()+cache.K.Type.RowBytes(k.Len())),
		Flops: 3 * (q.Len() + k.Len()),
	}
}

// CheckAttention panics unless out and q are F32 [n, heads, dim], the cache
// fits them, window is not negative, and the plan's sequences cover all n rows in
// order, none of them spanning plan.Decode, with block tables that reach their last
// position.
func CheckAttention(out, q Tensor, cache KV, window int64, plan *AttentionPlan) {
	n := q.Shape[0]
	heads, dim := OpAttention.heads("q", q, n)
	if out.Shape != q.Shape || out.Type != F32 {
		OpAttention.misuse("out is %v, q is %v", out, q)
	}
	kvHeads := cache.K.Shape[1]
	cache.check(OpAttention, kvHeads, dim)
	if heads%kvHeads != 0 {
		OpAttention.misuse("%d heads do not share %d KV heads", heads, kvHeads)
	}
	if window < 0 {
		OpAttention.misuse("window is %d", window)
	}
	plan.Check(n, cache.K.Shape[0])
}

// FirstSeen returns the first position that a row at a position sees through a window, as
// Attention takes it.
func FirstSeen(position, window int64) int64 {
	if window == 0 {
		return 0
	}
	return max(0, position-window+1)
}

// Check panics unless the sequences cover n rows in order, none of them spans
// p.Decode, and all block tables reach their last position in a pool of blocks.
func (p *AttentionPlan) Check(n, blocks int64) {
	if p.Decode < 0 || p.Decode > n {
		OpAttention.misuse("decode is %d of %d rows", p.Decode, n)
	}
	row := int64(0)
	for i := range p.Seqs {
		s := &p.Seqs[i]
		if s.Row != row || s.Rows <= 0 {
			OpAttention.misuse("sequence %d has %d rows from %d, want them to begin at %d", i, s.Rows, s.Row, row)
		}
		row += s.Rows
		if s.Row < p.Decode && row > p.Decode {
			OpAttention.misuse("sequence %d spans row %d, where decoding ends", i, p.Decode)
		}
		s.check(i, blocks)
	}
	if row != n {
		OpAttention.misuse("sequences cover %d of %d rows", row, n)
	}
}

// check panics unless every position up to the last has a block of the pool.
func (s *AttentionSeq) check(i int, blocks int64) {
	need := (s.Position + s.Rows + BlockSize - 1) / BlockSize
	if s.Position < 0 || int64(len(s.Blocks)) < need {
		OpAttention.misuse("sequence %d has %d blocks, position %d needs %d", i, len(s.Blocks), s.Position+s.Rows-1, need)
	}
	for _, b := range s.Blocks[:need] {
		if b < 0 || int64(b) >= blocks {
			OpAttention.misuse("sequence %d names block %d of %d", i, b, blocks)
		}
	}
}

// AttentionCost returns the cost of Attention: a sequence's K and V are read
// once for all its rows.
func AttentionCost(q Tensor, cache KV, window int64, plan *AttentionPlan) Cost {
	heads, dim := q.Shape[1], q.Shape[2]
	perPosition := 2 * cache.K.Shape[1] * cache.K.Type.RowBytes(dim)
	if cache.K.Type.Coded() {
		perPosition += 2 * cache.K.Shape[1] * 4
	}
	c := Cost{Bytes: 2 * q.Bytes()}
	for _, s := range plan.Seqs {
		c.Bytes += (s.Position + s.Rows - FirstSeen(s.Position, window)) * perPosition
		c.Flops += 4 * s.seen(window) * heads * dim
	}
	return c
}

// seen returns how many positions the rows see, all together.
func (s *AttentionSeq) seen(window int64) int64 {
	all := s.Rows // that see all: row r sees Position+r+1 positions
	if window > 0 {
		all = min(max(0, window-s.Position), s.Rows)
	}
	return all*s.Position + all*(all+1)/2 + (s.Rows-all)*window
}

// CheckGather panics unless x is F32 [n, d], rows I32 [m] and out F32 [m, d].
func CheckGather(out, x, rows Tensor) {
	OpGather.matrix("x", x, x.Shape[0], x.Shape[1])
	OpGather.vector("rows", rows, I32, out.Shape[0])
	OpGather.matrix("out", out, out.Shape[0], x.Shape[1])
}

// GatherCost returns the cost of Gather.
func GatherCost(out Tensor) Cost { return Cost{Bytes: 2*out.Bytes() + 4*out.Shape[0]} }

// CheckSample panics unless logits are F32 [m, vocab] and dst and rows have m entries.
func CheckSample(dst []Sampled, logits Tensor, rows []SampleRow) {
	m := int64(len(rows))
	if int64(len(dst)) != m {
		OpSample.misuse("%d results for %d rows", len(dst), m)
	}
	OpSample.matrix("logits", logits, m, logits.Shape[1])
}

// CheckFeed panics unless ids and rows are I32 [n].
func CheckFeed(ids, rows Tensor) {
	OpFeed.vector("ids", ids, I32, rows.Shape[0])
	OpFeed.vector("rows", rows, I32, ids.Shape[0])
}

// SampleCost returns the cost of a greedy Sample.
func SampleCost(logits Tensor) Cost { return Cost{Bytes: logits.Bytes(), Flops: logits.Len()} }
