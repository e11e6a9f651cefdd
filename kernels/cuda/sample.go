package cuda

import (
	"math"
	"slices"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// sampling is what Sample keeps between calls.
type sampling struct {
	sent    []int32 // rows, then their lists
	pending []drawn
	tokens  int64 // offset in results of those of the last call
	n       int64 // how many these are
}

// drawn are tokens that the device draws: where they will lie in results, and
// where they go.
type drawn struct {
	dst          []kernels.Sampled
	tokens, tops int64 // offsets in results
	most         int64 // entries of Top that a row has room for
}

// Sample draws a token for each row, as kernels.SampleRow says. Rows whose
// lists or results do not fit at once go one after another.
func (d *Device) Sample(dst []kernels.Sampled, logits kernels.Tensor, rows []kernels.SampleRow) {
	kernels.CheckSample(dst, logits, rows)
	if d.results.marked {
		panic("cuda: sample between Mark and Await")
	}
	tokens, ok := d.sampleResults(0, int64(len(rows)), int64(unsafe.Sizeof(sampled{})))
	if !ok {
		d.fail(errWorkspace(kernels.OpSample, resultsBytes))
		return
	}
	d.sampling.tokens, d.sampling.n = tokens, int64(len(rows))
	for len(rows) > 0 {
		n := int64(len(rows))
		for !d.sampleRows(dst[:n], tokens, logits.Slice(0, n), rows[:n]) {
			if n == 1 {
				d.fail(errWorkspace(kernels.OpSample, d.work))
				return
			}
			n = (n + 1) / 2
		}
		if int64(len(rows)) == n {
			return
		}
		dst, rows, logits = dst[n:], rows[n:], logits.Slice(n, logits.Shape[0])
		tokens += n * int64(unsafe.Sizeof(sampled{}))
	}
}

// sampleRows draws for rows that fit the workspace and the results; false if
// they do not. Their tokens are to lie at an offset in the results.
func (d *Device) sampleRows(dst []kernels.Sampled, tokens int64, logits kernels.Tensor, rows []kernels.SampleRow) bool {
	s := &d.sampling
	m, vocab, most := int64(len(rows)), logits.Shape[1], int64(0)
	s.encode(rows)
	for i := range rows {
		most = max(most, min(int64(rows[i].Logprobs), vocab))
	}
	n, groups := pieces(vocab, pieceTokens), pieces(vocab, sampleGroup)
	var at [6]addr
	size := int64(0)
	for i, bytes := range [len(at)]int64{
		4 * int64(len(s.sent)),
		4 * m * vocab, 8 * m * vocab, 8 * m * 2 * groups, m * n * int64(unsafe.Sizeof(samplePiece{})), 8 * m * sampleBins,
	} {
		at[i] = d.at(size)
		size += align(bytes, 256)
	}
	if size > d.work {
		return false
	}
	end := d.sampling.tokens + d.sampling.n*int64(unsafe.Sizeof(sampled{}))
	tops, ok := d.sampleResults(end, m, most*int64(unsafe.Sizeof(tokenLogprob{})))
	if !ok {
		return false
	}
	d.send(driver.Memory(at[0]), bytesOf(s.sent))
	args := words(sampleArgs{
		logits: addr(logits.Addr), rows: at[0], ids: at[0], adjusted: at[1], list: at[2], keys: at[3], pieces: at[4], bins: at[5],
		out: addr(d.results.device) + addr(tokens), top: addr(d.results.device) + addr(tops),
		vocab: int32(vocab), maxTop: int32(most),
	})
	scan, draw, pick := &d.kernels.sampling[0], &d.kernels.sampling[1], &d.kernels.sampling[2]
	d.launch(scan, m, n, sampleThreads, sampleAdjusting, args)
	if slices.ContainsFunc(rows, func(r kernels.SampleRow) bool { return r.Temperature > 0 }) {
		d.launch(draw, m, n, sampleThreads, sampleShared, args)
	}
	d.launch(pick, m, 1, sampleThreads, sampleShared, args)
	s.pending = append(s.pending, drawn{dst: dst, tokens: tokens, tops: tops, most: most})
	return true
}

// sampleResults takes room for results of m rows. Where there is none it brings
// home those that wait, and keeps the room before an offset.
func (d *Device) sampleResults(keep, m, bytes int64) (offset int64, ok bool) {
	for range 2 {
		if offset, ok = d.results.take(m * bytes); ok {
			return offset, true
		}
		d.Sync() // its error sticks
		d.results.used = max(d.results.used, keep)
	}
	return 0, false
}

// finish writes all drawn tokens to where they go.
func (s *sampling) finish(r *results) {
	for i := range s.pending {
		p := &s.pending[i]
		tokens := hostSlice[sampled](r.host+uintptr(p.tokens), int64(len(p.dst)))
		for k, t := range tokens {
			p.dst[k] = kernels.Sampled{Token: t.token, Logprob: t.logprob}
			if t.invalid != 0 {
				p.dst[k] = kernels.Sampled{Token: -1, Invalid: true}
				continue
			}
			if t.tops > 0 {
				p.dst[k].Top = make([]kernels.TokenLogprob, t.tops)
				for j, top := range hostSlice[tokenLogprob](r.host+uintptr(p.tops)+uintptr(8*int64(k)*p.most), int64(t.tops)) {
					p.dst[k].Top[j] = kernels.TokenLogprob{Token: top.token, Logprob: top.logprob}
				}
			}
		}
		*p = drawn{}
	}
	s.pending = s.pending[:0]
}

// encode writes rows as kernels read them, and all lists behind them: one copy brings both.
func (s *sampling) encode(rows []kernels.SampleRow) {
	const words = int(unsafe.Sizeof(sampleRow{}) / 4)
	s.sent = slices.Grow(s.sent[:0], words*len(rows))[:words*len(rows)]
	for i := range rows {
		row := s.encodeRow(&rows[i]) // which may move what is sent
		*(*sampleRow)(unsafe.Pointer(&s.sent[words*i])) = row
	}
}

// encodeRow returns a row whose lists lie behind those of the rows before. Lists that
// nothing reads stay at home.
func (s *sampling) encodeRow(r *kernels.SampleRow) sampleRow {
	repeats := r.Repetition != 0 && r.Repetition != 1
	e := sampleRow{
		seed: r.Seed, position: r.Position, temperature: r.Temperature, topP: r.TopP, minP: r.MinP,
		presence: r.Presence, frequency: r.Frequency, repetition: r.Repetition, topK: r.TopK, logprobs: int32(r.Logprobs),
	}
	if r.Logprob {
		e.logprob = 1
	}
	if repeats {
		e.prompt = s.list(r.Prompt)
	}
	if repeats || r.Presence != 0 || r.Frequency != 0 {
		e.generated = s.list(r.Generated)
	}
	begin := int32(len(s.sent))
	for _, b := range r.Bias {
		s.sent = append(s.sent, b.Token, int32(math.Float32bits(b.Bias)))
	}
	e.bias = [2]int32{begin, int32(len(s.sent))}
	e.banned = s.list(r.Banned)
	if r.Mask != nil {
		e.masked = 1
		begin = int32(len(s.sent))
		for _, w := range r.Mask {
			s.sent = append(s.sent, int32(w))
		}
		e.mask = [2]int32{begin, int32(len(s.sent))}
	}
	return e
}

// list appends a list and returns where it lies.
func (s *sampling) list(ids []int32) [2]int32 {
	begin := int32(len(s.sent))
	s.sent = append(s.sent, ids...)
	return [2]int32{begin, int32(len(s.sent))}
}

// bytesOf views values as bytes.
func bytesOf[T any](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), uintptr(len(x))*unsafe.Sizeof(*new(T)))
}
