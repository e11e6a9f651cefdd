// Package cpu is the device that every machine has: plain Go, with assembly
// where the processor allows. All activations are F32.
//
// # How exact is a product?
//
// Weights of floats are widened to F32, and so are quantised ones in the exact
// variants: the answers are as exact as F32 sums are. The variants whose names
// end in "-int8" round the input of a product with a quantised weight to 8 bits,
// every 32 columns on their own, and multiply integers (int8.go, superblock.go):
// several times faster, with an error below that of the weights themselves. Those with "bf16"
// multiply some numbers rounded to BF16, in pairs (matmul16.go) or in tiles (tiles.go), the
// fastest of all where the processor has them.
//
// # Why does a row's result not depend on the batch?
//
// Every output of a product is computed by one rule, whoever computes it. The in-features are
// taken in chunks of 256; each chunk is one chain of multiply-adds in ascending order, and the
// chunks are added in order. Scales beside a tensor multiply sums, and where they change along
// a row, a chunk ends. In 8 bits it is one chain over all groups of columns or super-blocks,
// in pairs two chains for each chunk, in tiles two for every 32 columns. Attention does the
// same with blocks of 64 positions, in tiles of 256. Threads, tiles and token blocks decide
// only who computes an output. Decode and prefill arithmetic are therefore the same on this
// device, except that a variant with tiles uses them for all rows that prefill and for no
// others.
//
// # Which instruction sets are there?
//
// Open picks the last variant of Variants; Options.Variant or the environment
// variable TRONA_CPU name another one, or "exact", the best one without
// rounding. The build tag purego removes all assembly. Variants round
// differently, within the tolerances of kerneltest.
package cpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"trona/kernels"
)

// Options configures Open. The zero value is right for most.
type Options struct {
	Threads int    // 0: as many as Go may use at a time (GOMAXPROCS, which knows cgroup limits)
	Variant string // one of Variants, or "exact"; "": that of TRONA_CPU, else the default
}

// Device is a kernels.Device. Its ops have run when they return.
type Device struct {
	pool   *pool
	kern   *variant
	whole  int64 // bytes of machineMemory, which reads many files
	mem    memory
	failed error // the first error; sticky

	mu sync.Mutex // guards what Pack, called in parallel, touches

	jobs    jobs
	rope    ropeTable
	rounded []block8 // the input of a product in 8 bits
	halves  []uint16 // the same in BF16
	tiled   []uint16 // the same in tiles of BF16
	inputs  inputs
}

// jobs holds the arguments of each op's parallel part, so that ops allocate
// nothing.
type jobs struct {
	embed     embedJob
	norm      normJob
	add       addJob
	bias      biasJob
	swiglu    swigluJob
	matmul    matmulJob
	up        matmulJob // of a gated product
	matmul8   matmul8Job
	matmul16  matmul16Job
	tiles     tilesJob
	rope      ropeJob
	appendKV  appendKVJob
	attention attentionJob
	sample    sampleJob
}

// Variants returns the names of the instruction sets that this machine can
// run, the default last: "generic", "avx2", "avx2-int8".
func Variants() []string {
	var names []string
	for _, v := range variants() {
		names = append(names, v.name)
	}
	return names
}

// Open starts the device and its threads.
func Open(o Options) (kernels.Device, error) {
	v, err := choose(o.Variant)
	if err != nil {
		return nil, err
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("cpu: %d threads", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return &Device{kern: v, whole: machineMemory(), pool: newPool(o.Threads, machineNodes())}, nil
}

func choose(name string) (*variant, error) {
	all := variants()
	if name == "" {
		name = os.Getenv("TRONA_CPU")
	}
	if name == "" {
		return &all[len(all)-1], nil
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].name == name || name == "exact" && all[i].exact() {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("cpu: instruction set %q: %w (there are %v)", name, kernels.ErrNoDevice, Variants())
}

// stepRows are so many that weights, unpacked once a step, cost little beside products.
const stepRows = 512

// Info describes the device.
func (d *Device) Info() kernels.Info {
	where := ""
	if n := len(d.pool.nodes()); n > 0 {
		where = fmt.Sprintf(" on %d NUMA nodes", n)
	}
	return kernels.Info{
		Name:     "cpu",
		Detail:   fmt.Sprintf("%s, %s, %d threads%s%s", runtime.GOARCH, d.kern.name, len(d.pool.workers), where, d.kern.note),
		Memory:   d.whole,
		KVTypes:  []kernels.DType{kernels.F16, kernels.F32, kernels.BF16, kernels.I16, kernels.I8},
		Features: []string{d.kern.name},
		StepRows: stepRows,
		Uniform:  d.kern.tiles == nil, // no other op looks at how many rows decode
		Lazy:     true,
		Int8:     d.kern.int8(),
		Int16:    d.kern.attention16 != nil && d.kern.tiles == nil,
		BF16:     d.kern.bf16(),
		Tiles:    d.kern.tiled(),
	}
}

// Alloc returns zeroed memory outside the Go heap.
func (d *Device) Alloc(bytes int64) (uintptr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	addr, err := d.mem.alloc(bytes)
	if err == nil {
		interleave(bytesOf(addr, bytes), d.pool.nodes())
	}
	return addr, err
}

// Free returns memory of Alloc or of Pack.
func (d *Device) Free(addr uintptr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail(d.mem.free(addr))
}

// Upload copies src to dst.
func (d *Device) Upload(dst kernels.Tensor, src []byte) {
	b := bytesOf(dst.Addr, dst.Bytes())
	if len(b) != len(src) {
		panic(fmt.Sprintf("cpu: upload of %d bytes to %v, which has %d", len(src), dst, len(b)))
	}
	copy(b, src)
}

// Download copies src to dst.
func (d *Device) Download(dst []byte, src kernels.Tensor) {
	b := bytesOf(src.Addr, src.Bytes())
	if len(b) != len(dst) {
		panic(fmt.Sprintf("cpu: download of %d bytes from %v, which has %d", len(dst), src, len(b)))
	}
	copy(dst, b)
}

// Sync returns the first error.
func (d *Device) Sync() error { return d.failed }

// Close stops the threads and frees all memory.
func (d *Device) Close() error {
	d.pool.stop()
	return errors.Join(d.failed, d.mem.freeAll())
}

func (d *Device) fail(err error) {
	if d.failed == nil {
		d.failed = err
	}
}

// run does pieces 0 to n-1 of a job on all threads; few says that they are not
// worth waking others for.
func (d *Device) run(op kernels.Op, j job, n int64, few bool) {
	if d.failed != nil {
		return
	}
	if err := d.pool.run(j, n, few); err != nil {
		d.fail(fmt.Errorf("cpu: %s: %w", op, err))
	}
}
