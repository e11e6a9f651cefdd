package model

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"trona/kernels"
	"trona/model/mmap"
)

// Model is a checkpoint's weights on a device, ready to run. It is used by one
// goroutine at a time.
type Model struct {
	Config Config
	weights

	dev          kernels.Device
	rotary       kernels.Rotary
	noRoPE       kernels.Rotary // of angle 0
	unscaledRoPE kernels.Rotary // without scaling
	eps          float32        // of norms of the residual stream
	ws           *workspace
	staging      []byte  // what is uploaded to ws.ints
	tables       []int32 // block tables of a step, as the device numbers blocks
	step         step
	// products are those of one op, here so that a call allocates nothing.
	products [3]kernels.Product
	biased   [3]kernels.Biased

	recorded recorded

	packed  []kernels.Weight
	vectors uintptr // norm weights, biases and rotary frequencies
	work    uintptr // the workspace
	bytes   int64
}

// LoadOptions says what a model is loaded for.
type LoadOptions struct {
	MaxRows   int // most rows (tokens) of a step
	MaxLogits int // most rows of a step whose logits are wanted
	// Context is the most positions of a sequence, by which "longrope" chooses its
	// factors; 0: all that the checkpoint declares.
	Context int
	// Progress, if set, is called after every weight with the bytes of the
	// checkpoint packed so far, and of all; from one goroutine at a time.
	Progress func(done, total int64)
}

// Load packs a checkpoint's weights for a device and allocates the workspace.
// Nothing is allocated on the device afterwards. Pages of the file are read
// once and need not stay resident.
func Load(ckpt *Checkpoint, dev kernels.Device, o LoadOptions) (*Model, error) {
	if o.MaxRows < 1 || o.MaxLogits < 1 || o.MaxLogits > o.MaxRows {
		return nil, fmt.Errorf("load for %d rows and %d logits: both must be positive, and rows the larger", o.MaxRows, o.MaxLogits)
	}
	m := &Model{Config: ckpt.Config, dev: dev, eps: ckpt.Config.streamEps()}
	err := mmap.Guard(func() error { return m.load(ckpt, o) })
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("load %s: %w", ckpt.Path, err)
	}
	return m, nil
}

func (m *Model) load(ckpt *Checkpoint, o LoadOptions) error {
	parts := m.weights.parts(&m.Config, ckpt.names)
	if err := ckpt.readDivisors(&m.Config.Rotary); err != nil {
		return err
	}
	m.Config.Rotary.settle(cmp.Or(o.Context, m.Config.ContextLength))
	if err := m.loadVectors(ckpt, parts); err != nil {
		return err
	}
	if err := m.pack(ckpt, parts, o.Progress); err != nil {
		return err
	}
	if m.Config.TiedEmbedding {
		m.weights.head = m.embedding
	}
	_, size := newWorkspace(&m.Config, 0, o.MaxRows, o.MaxLogits)
	addr, err := m.alloc(size)
	if err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	m.work = addr
	m.ws, _ = newWorkspace(&m.Config, addr, o.MaxRows, o.MaxLogits)
	m.staging = make([]byte, m.ws.ints.Bytes())
	return nil
}

func (m *Model) alloc(bytes int64) (uintptr, error) {
	addr, err := m.dev.Alloc(bytes)
	if err == nil {
		m.bytes += bytes
	}
	return addr, err
}

// frequencies are the rotary frequencies of layers, F32 [dim/2] each; those that no layer
// has are absent.
type frequencies struct{ scaled, none, unscaled kernels.Tensor }

// layVectors lays out norm weights, biases and rotary frequencies at base and returns
// the frequencies and the size of all.
func layVectors(c *Config, parts []part, base uintptr) (f frequencies, size int64) {
	a := &arena{base: base}
	for _, p := range parts {
		if p.vector != nil {
			*p.vector = a.take(kernels.F32, p.cols)
		}
	}
	half := int64(c.Rotary.Dim / 2)
	f.scaled = a.take(kernels.F32, half)
	if c.noRoPE() {
		f.none = a.take(kernels.F32, half)
	}
	if c.unscaledRoPE() {
		f.unscaled = a.take(kernels.F32, half)
	}
	return f, a.size
}

// loadVectors uploads what a device keeps in float32: norm weights, biases and
// rotary frequencies.
func (m *Model) loadVectors(ckpt *Checkpoint, parts []part) error {
	_, size := layVectors(&m.Config, parts, 0)
	addr, err := m.alloc(size)
	if err != nil {
		return err
	}
	m.vectors = addr
	f, _ := layVectors(&m.Config, parts, addr)
	for _, p := range parts {
		if p.vector == nil {
			continue
		}
		w, err := ckpt.read(ckpt.stored[p.tensor()])
		if err != nil {
			return err
		}
		values, err := floats(w.Type.String(), w.Data)
		if err != nil {
			return fmt.Errorf("%s: %w", p.tensor(), err)
		}
		for i := range values {
			values[i] *= cmp.Or(p.factor, 1)
		}
		m.dev.Upload(*p.vector, floatBytes(p.partial.vector(values)))
	}
	m.loadRotations(&f)
	return m.dev.Sync()
}

// loadRotations uploads frequencies and sets the rotations of layers that have them.
func (m *Model) loadRotations(f *frequencies) {
	r := &m.Config.Rotary
	load := func(inv kernels.Tensor, values []float32, scale float64) kernels.Rotary {
		m.dev.Upload(inv, floatBytes(values))
		return kernels.Rotary{Inv: inv, Interleaved: r.Interleaved, Scale: m.Config.rotaryScale(scale)}
	}
	m.rotary = load(f.scaled, r.Frequencies(), r.Scale)
	if !f.none.Absent() {
		m.noRoPE = load(f.none, make([]float32, r.Dim/2), 0)
	}
	if !f.unscaled.Absent() {
		base := Rotary{Theta: r.Theta, Dim: r.Dim, Rotated: r.Rotated}
		m.unscaledRoPE = load(f.unscaled, base.Frequencies(), 0)
	}
}

// floatBytes returns values in the byte order of every supported device.
func floatBytes(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// pack gives every matrix to the device, on all cores. The largest come first: then
// all cores end at about the same time, and memory is at its most when little is
// held twice.
func (m *Model) pack(ckpt *Checkpoint, parts []part, progress func(done, total int64)) error {
	var (
		queue       = make(chan *part)
		workers     sync.WaitGroup
		mu          sync.Mutex // guards what follows, m.packed and m.bytes
		done, total int64
		failed      error
	)
	parts = slices.DeleteFunc(parts, func(p part) bool { return p.weight == nil })
	size := func(p part) int64 { return ckpt.bytes(ckpt.stored[p.tensor()]) }
	for _, p := range parts {
		total += size(p)
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(size(b), size(a)) })
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for p := range queue {
				err := mmap.Guard(func() error { return m.packPart(ckpt, p) })
				mu.Lock()
				failed = errors.Join(failed, err)
				if err == nil {
					m.packed = append(m.packed, *p.weight)
					m.bytes += p.weight.Bytes
				}
				if done += size(*p); progress != nil && failed == nil {
					progress(done, total)
				}
				mu.Unlock()
			}
		})
	}
	for i := range parts {
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		queue <- &parts[i]
	}
	close(queue)
	workers.Wait()
	return failed
}

// packPart gives one matrix to the device.
func (m *Model) packPart(ckpt *Checkpoint, p *part) error {
	w, err := ckpt.read(ckpt.stored[p.tensor()])
	if err != nil {
		return err
	}
	p.prepare(w)
	*p.weight, err = m.dev.Pack(w)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	ckpt.release(ckpt.stored[p.tensor()])
	return nil
}

// Bytes returns the device memory that the model holds, its workspace included.
func (m *Model) Bytes() int64 { return m.bytes }

// MaxRows and MaxLogits return what the model was loaded for.
func (m *Model) MaxRows() int   { return int(m.ws.rows) }
func (m *Model) MaxLogits() int { return int(m.ws.logitRows) }

// Close frees the model's memory on the device.
func (m *Model) Close() {
	m.forget()
	for _, w := range m.packed {
		m.dev.Free(w.Addr)
	}
	for _, addr := range []uintptr{m.vectors, m.work} {
		if addr != 0 {
			m.dev.Free(addr)
		}
	}
	m.packed, m.vectors, m.work = nil, 0, 0
}
