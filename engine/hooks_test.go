package engine

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// hooks makes a device do what a test wants.
type hooks struct {
	kernels.Device
	sync   atomic.Pointer[error]
	panics atomic.Bool
	// poisonFrom is the position from which poisonSeed makes NaN.
	poisonFrom atomic.Int64
	poison     atomic.Bool // rows with poisonSeed, and those that score the token 0, become NaN

	mu    sync.Mutex // guards what follows
	moved sync.Cond  // on mu
	shut  bool       // steps do not end
	let   int        // so many do all the same
	held  int        // steps that wait to end
}

const poisonSeed = 666

func newHooks() *hooks {
	h := new(hooks)
	h.moved.L = &h.mu
	return h
}

func (h *hooks) wrap(dev kernels.Device) kernels.Device {
	h.Device = dev
	return h
}

// hold keeps the next step, or the one in progress, from ending: until release,
// or the end of a test that fails before.
func (h *hooks) hold(t testing.TB) {
	t.Cleanup(h.release) // before the engine closes, which was there before
	h.move(func() { h.shut = true })
}

func (h *hooks) release() { h.move(func() { h.shut, h.let = false, 0 }) }

// await waits for a step to be held.
func (h *hooks) await(t testing.TB) {
	t.Helper()
	eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.held > h.let
	}, "no step is held")
}

// first lets one step end, of which s gets its first token, and waits for the
// next to be held.
func (h *hooks) first(t testing.TB, s *Stream) {
	t.Helper()
	h.move(func() { h.let++ })
	event, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, FinishNone, event.Finish)
	h.await(t)
}

func (h *hooks) move(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.moved.Broadcast()
}

// pass returns when a step may end.
func (h *hooks) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held++
	for h.shut && h.let == 0 {
		h.moved.Wait()
	}
	h.held--
	h.let = max(0, h.let-1)
}

func (h *hooks) Sync() error {
	h.pass()
	if err := h.sync.Load(); err != nil {
		return *err
	}
	return h.Device.Sync()
}

func (h *hooks) Sample(dst []kernels.Sampled, logits kernels.Tensor, rows []kernels.SampleRow) {
	if h.panics.Load() {
		panic("a mistake")
	}
	for i, row := range rows {
		if h.poison.Load() && (row.Seed == poisonSeed && row.Position >= h.poisonFrom.Load() || len(row.Bias) == 1 && row.Bias[0].Token == 0) {
			at := logits.Addr + uintptr(4*(int64(i)*logits.Cols()+17))
			*(*float32)(*(*unsafe.Pointer)(unsafe.Pointer(&at))) = float32(math.NaN())
		}
	}
	h.Device.Sample(dst, logits, rows)
}

// settle waits until an engine holds nothing.
func settle(t testing.TB, e *Engine) {
	t.Helper()
	eventually(t, func() bool { s := e.Stats(); return s.Running+s.Waiting+s.BlocksUsed == 0 })
}

// cancelled waits until an engine knows that the contexts of all but so many
// requests have ended.
func cancelled(t testing.TB, e *Engine, but int) {
	t.Helper()
	eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.open-len(e.cancelled) == but
	})
}

// eventually waits for what must come, however slow the machine is.
func eventually(t testing.TB, is func() bool, message ...any) {
	t.Helper()
	require.Eventually(t, is, time.Minute, time.Millisecond, message...)
}
