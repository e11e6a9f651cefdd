// Package kernels is the contract between the forward pass and the devices
// that run it: tensors, the operations a Llama-family model needs, and what
// each of them costs. The devices stand in packages below this one; one suite
// (kerneltest) holds them all to the same answers.
//
// # Why do ops return no error?
//
// A launch is asynchronous, so an error would come late anyway, and a dozen
// checks a layer would bury the architecture. The first device error sticks
// and comes back from Sync. Misuse (shapes, types) panics at the call with
// both sides named: it is a programmer's error.
//
// # Which arithmetic does a row get?
//
// A device may round differently when it decodes (one token a sequence) and
// when it prefills. So that the same request always gives the same tokens, the
// choice belongs to the row and never to the shape of the batch: the first
// `decode` rows of a batch get decode arithmetic, the others prefill
// arithmetic. Within either, a row's result depends on that row alone: not on
// its neighbours, its place, the chunk size or the number of threads.
package kernels

import "errors"

// ErrNoDevice is returned by the Open function of a device that this machine lacks.
var ErrNoDevice = errors.New("no such device on this machine")

// BlockSize is the number of positions in one block of the KV cache.
const BlockSize = 64

// Info describes a device.
type Info struct {
	Name     string  // "cpu", "cuda:0"
	Detail   string  // for a person: processor, instruction set, threads
	Memory   int64   // bytes that may be allocated, in total
	KVTypes  []DType // cache types it supports, the preferred one first: but see Int16
	Features []string
	// StepRows is how many rows of a step use the device well: prompts are read that many
	// tokens at a time.
	StepRows int
	// Tables is the most blocks that the tables of a step may have, all together; 0: no limit.
	Tables int
	// Uniform: decode and prefill arithmetic give the same bits, always. What
	// decoding put into the cache then serves prompts too.
	Uniform bool
	// Lazy: memory of Alloc is backed as it is first written, page by page.
	Lazy bool
	// Int8 lists the weight types whose products round activations to 8 bits.
	Int8 []DType
	// Int16: attention over a cache of I16 is in products of 16 bits, which is faster than
	// any other, for heads of a multiple of 16: see InCodes.
	Int16 bool
	// BF16 lists the weight types whose products round activations to BF16.
	BF16 []DType
	// Tiles lists the weight types that prefill rows are multiplied with in tiles of BF16, as
	// they are with keys and values of 32, 64 ... dimensions; none: the device has no tiles.
	Tiles []DType
}

// InCodes reports whether attention over a cache of type t, with heads of size dim, is in
// products of 16 bits.
func (i *Info) InCodes(t DType, dim int64) bool { return i.Int16 && t == I16 && dim%16 == 0 }

// Device is one device: memory, and the operations of a model. Ops queue in
// call order and may return before they ran. Activations are F32 unless said
// otherwise. A Device is used by one goroutine at a time.
type Device interface {
	Info() Info

	// Alloc returns the address of zeroed memory, aligned to 64 bytes. It is
	// called while a model loads, never afterwards.
	Alloc(bytes int64) (uintptr, error)
	// Free returns memory of Alloc or of Pack.
	Free(addr uintptr)
	// Upload copies to the device. src may be reused when it returns.
	Upload(dst Tensor, src []byte)
	// Download copies from the device, after all ops queued before it.
	Download(dst []byte, src Tensor)

	// PackedBytes returns exactly what Pack(m) will allocate. m.Data may be nil, and of
	// m.Scale it counts only whether it is.
	PackedBytes(m *Matrix) int64
	// Pack copies a weight to the device in the layout it likes. It may be
	// called from several goroutines at once. m.Data and m.Fill are not used afterwards.
	Pack(m *Matrix) (Weight, error)

	// ScratchBytes returns the most that ops take while they run steps as large as s, beside
	// what Alloc and Pack gave out and what the device took when it was opened.
	ScratchBytes(s *Steps) int64

	// Sync waits for all queued ops and returns the first error since the
	// device was opened. After an error the device is of no further use.
	Sync() error
	// Close frees everything. It is called once, last.
	Close() error

	Ops
}

// Ops are the operations of a forward pass. Check them with the Check
// functions of ops.go, which state the shapes. n is the number of rows (tokens)
// of the batch, d the hidden size.
type Ops interface {
	// Embed: out [n, d] = rows ids [n] (I32) of table [vocab, d].
	Embed(out Tensor, table Weight, ids Tensor)
	// RMSNorm: out [n, d] = x / sqrt(mean(x²) + eps) * weight [d], which comes by Upload.
	RMSNorm(out, x, weight Tensor, eps float32)
	// AddRMSNorm: x [n, d] += delta [n, d]; out = RMSNorm(x).
	AddRMSNorm(out, x, delta, weight Tensor, eps float32)
	// Add: x [n, d] += delta [n, d].
	Add(x, delta Tensor)
	// MatMul: for each product Out [n, rows] = x [n, cols] · Wᵀ. The first decode
	// rows of x get decode arithmetic. A product's bits do not depend on those beside
	// it, and no Out overlaps another, or x where there are several. products may
	// change when it returns.
	MatMul(x Tensor, decode int64, products []Product)
	// GatedMatMul: out [n, rows] = silu(x · gateᵀ) * (x · upᵀ), the gated unit of
	// Llama (Shazeer, arXiv 2002.05202); x is [n, cols].
	GatedMatMul(out, x Tensor, gate, up Weight, decode int64)
	// AddBias: each X [n, d] += Bias [d]. n is the same for all, and no X overlaps
	// another. sums may change when it returns.
	AddBias(sums []Biased)
	// SwiGLU: gate.X [n, d] = silu(gate.X + gate.Bias) * (up.X + up.Bias), the gated unit
	// of products that have biases. What up.X is afterwards is undefined.
	SwiGLU(gate, up Biased)
	// RoPEAppendKV rotates q [n, heads, dim] in place and k [n, kvHeads, dim] by
	// their positions [n] (I32), and stores the rotated k and v [n, kvHeads, dim] at slots [n]
	// (I32): slot block*BlockSize + offset; -1 stores nothing. What k is afterwards is
	// undefined. Positions, slots and r.Inv come by Upload.
	RoPEAppendKV(cache KV, q, k, v, positions, slots Tensor, r Rotary)
	// Attention: out [n, heads, dim] = softmax(q kᵀ / sqrt(dim)) v over each
	// row's own sequence up to and including its own position, from the cache: the
	// last window positions (Mistral, arXiv 2310.06825); 0: all.
	Attention(out, q Tensor, cache KV, window int64, plan *AttentionPlan)
	// Gather: out [m, d] = rows [m] (I32) of x [n, d].
	Gather(out, x, rows Tensor)
	// Sample draws one token for every row of logits [m, vocab]; dst is valid
	// after Sync, rows and their lists may change when it returns. It may
	// overwrite logits.
	Sample(dst []Sampled, logits Tensor, rows []SampleRow)
}

// Product is one of those that an input has with several weights.
type Product struct {
	Out Tensor
	W   Weight
}

// Steps says how large the steps of a model are at most.
type Steps struct {
	Rows, Decode int64     // of a step, and those that decode
	Vocab        int64     // numbers of a row of logits
	Weights      []*Matrix // those that rows are multiplied with; Data may be nil
	// Of all layers the most: KV heads, heads that share one, and their dimensions.
	KVHeads, Share, Dim int64
}

// Biased is X [n, d], to each row of which Bias [d] is added. Bias comes by Upload.
type Biased struct{ X, Bias Tensor }

// Recorder is a Device that can keep ops and queue them again, all at once and
// faster than one by one. What the ops read on the device (token ids,
// positions, slots) may change in between; addresses, shapes and windows stay.
type Recorder interface {
	// Record keeps the ops that f queues, without doing them. f uses Ops alone
	// but not Sample, for how to draw may not be known when the others are queued,
	// and one plan for all Attention, of which the numbers of rows and of Decode count.
	Record(f func()) (Recording, error)
	// Replay queues recorded ops. Attention is by plan, whose rows are the first
	// of those recorded; what it leaves of the others is undefined.
	Replay(r Recording, plan *AttentionPlan)
	// Forget frees a recording.
	Forget(r Recording)
}

// Recording names what a Recorder keeps.
type Recording uintptr

// Pipeliner is a Device on which the host can be a step ahead: it queues the ops
// of a step before it knows what the step before draws.
type Pipeliner interface {
	// Feed: ids [n] (I32): ids[i] becomes the token that row rows[i] (I32 [n]) of
	// the last Sample drew, 0 where none could be. It stays where rows[i] is negative.
	Feed(ids, rows Tensor)
	// Mark ends a step. Until Await there is no other Sample.
	Mark()
	// Await waits for the ops queued before Mark, and not for those behind it.
	// What Sample drew is valid then. It returns errors as Sync does.
	Await() error
}

// Rotary says how positions turn into angles (RoFormer, arXiv 2104.09864).
type Rotary struct {
	// Inv is F32 [dim/2]: the angle of pair i at position p is p*Inv[i], after
	// any scaling of the frequencies. The device computes it with enough
	// precision for positions up to 2^20: absolute error below 1e-5 rad.
	Inv Tensor
	// Interleaved: pairs are (2i, 2i+1), as in GGUF files of Llama; otherwise
	// (i, i+dim/2), as in Hugging Face's.
	Interleaved bool
	// Scale is what sines and cosines are multiplied with (YaRN, arXiv 2309.00071);
	// 0: 1.
	Scale float32
}

// Scaled returns the factor that Scale means.
func (r Rotary) Scaled() float32 {
	if r.Scale == 0 {
		return 1
	}
	return r.Scale
}

// KV is the cache of one attention layer. K and V are [blocks, kvHeads,
// BlockSize, dim], one (block, head) contiguous. F8E4M3 stores values as they are,
// those beyond 448 as 448. With types I8 and I16 each position and head has a scale, F32
// [blocks, kvHeads, BlockSize]: value = code * scale. Codes of I16 stand in pairs that are
// multiplied together: in a block and head, K is [dim/2, BlockSize, 2], of two columns,
// and V [BlockSize/2, dim, 2], of two positions.
type KV struct {
	K, V           Tensor
	KScale, VScale Tensor // I8 and I16 only
}

// AttentionPlan says which rows of a batch belong to which sequence. It is made
// once a step and used by every layer.
type AttentionPlan struct {
	// Decode is the number of leading rows that get decode arithmetic.
	Decode int64
	Seqs   []AttentionSeq
}

// AttentionSeq is a run of rows of one sequence at consecutive positions.
type AttentionSeq struct {
	Row, Rows int64   // rows [Row, Row+Rows) of the batch; one AttentionSeq never spans AttentionPlan.Decode
	Position  int64   // of the first row
	Blocks    []int32 // block table: position p lives in Blocks[p/BlockSize]
}
