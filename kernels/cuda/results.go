package cuda

import (
	"fmt"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// results is what kernels tell the host: a fault, and drawn tokens. One copy
// brings it all, at Mark or Sync.
type results struct {
	device driver.Memory // fault, then what take gave out
	host   uintptr       // the same bytes after collect
	used   int64
	marked bool         // a copy is under way
	copied driver.Event // when it has ended
}

const (
	resultsBytes = 4 << 20
	faultBytes   = 64 // the fault, and what aligns the rest
)

func (r *results) open(t *thread) (err error) {
	if r.device, err = t.Alloc(resultsBytes); err != nil {
		return err
	}
	if r.host, err = t.HostAlloc(resultsBytes); err != nil {
		return err
	}
	if r.copied, err = t.NewEvent(); err != nil {
		return err
	}
	r.used = faultBytes
	return t.Fill(r.device, 0, faultBytes, t.main)
}

func (r *results) close(t *thread) {
	if r.device != 0 {
		t.Free(r.device)
	}
	if r.host != 0 {
		t.HostFree(r.host)
	}
	if r.copied != 0 {
		t.DestroyEvent(r.copied)
	}
}

// fault is where kernels report a bad index.
func (r *results) fault() addr { return addr(r.device) }

// take returns the offset of n bytes that come to the host with the next Sync,
// or false where there is no room for them before that.
func (r *results) take(n int64) (offset int64, ok bool) {
	if n > resultsBytes-r.used {
		return 0, false
	}
	offset = r.used
	r.used += (n + 15) &^ 15
	return offset, true
}

// collect waits for all work, brings the results and returns the first error.
func (r *results) collect(t *thread) error {
	if t.failed == nil {
		t.fail(t.CopyOut(r.host, r.device, r.used, t.main))
	}
	if t.failed == nil {
		t.fail(t.Wait(t.main))
	}
	return r.end(t)
}

// await waits for the copy that was marked and returns the first error.
func (r *results) await(t *thread) error {
	if t.failed == nil {
		t.fail(t.WaitFor(r.copied))
	}
	return r.end(t)
}

// end takes a copy's fault, after which there is room for other results.
func (r *results) end(t *thread) error {
	r.used, r.marked = faultBytes, false
	if t.failed == nil {
		t.fail(hostSlice[fault](r.host, 1)[0].err())
	}
	return t.failed
}

// err says what a kernel reported.
func (f fault) err() error {
	switch f.code {
	case 0:
		return nil
	case faultToken:
		return fmt.Errorf("%s: token %d is not in the vocabulary", kernels.OpEmbed, f.index)
	case faultSlot:
		return fmt.Errorf("%s: slot %d is not in the cache", kernels.OpRoPEAppendKV, f.index)
	case faultRow:
		return fmt.Errorf("%s or %s: row %d is not in the input", kernels.OpGather, kernels.OpFeed, f.index)
	}
	return fmt.Errorf("a kernel reported fault %d for %d", f.code, f.index)
}
