package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"trona/model/modeltest"
)

// A device that never ends a step is given up: what waits for it is told, and closing does not wait.
func TestDeviceIsLost(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for _, l := range []lateness{lazy, busy} {
		synctest.Test(t, func(t *testing.T) { // in which only sleep takes time
			h := newHooks()
			e := rig{path: path, threads: 1, wrap: h.wrap, late: l, Options: Options{StallTimeout: time.Second}}.engine(t)
			complete(t, e, plain([]int32{1, 2, 3}, 5)) // it knows now how long a step takes
			h.hold(t)
			s, err := e.Submit(t.Context(), plain([]int32{1, 2, 3}, 5))
			require.NoError(t, err)
			time.Sleep(6 * time.Second)
			require.NotErrorIs(t, e.Healthy(), ErrFailed, "it may yet end")
			a := read(t.Context(), s)
			require.ErrorIs(t, a.err, ErrFailed)
			require.EqualError(t, a.err, "the device failed: no step has ended for 7s")
			require.Equal(t, FinishError, a.finish)
			require.Equal(t, a.err, e.Wait())
			require.Equal(t, a.err, e.Healthy())
			_, err = e.Submit(t.Context(), plain([]int32{1}, 1))
			require.Equal(t, a.err, err)
			require.NoError(t, e.Close())
			h.release() // it ended after all
			<-e.done
		})
	}
}

// A device that computes on the host's own threads is as slow as they are.
func TestSlowDeviceIsNotLost(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for name, late := range map[string]lateness{"host": inTime, "idle": lazy} {
		synctest.Test(t, func(t *testing.T) {
			h := newHooks()
			e := rig{path: path, threads: 1, wrap: h.wrap, late: late, Options: Options{StallTimeout: time.Second}}.engine(t)
			want := complete(t, e, plain([]int32{1, 2, 3}, 5)).tokens
			if name == "host" {
				h.hold(t)
			}
			s, err := e.Submit(t.Context(), plain([]int32{1, 2, 3}, 5))
			require.NoError(t, err)
			time.Sleep(time.Hour)
			h.release()
			require.Equal(t, want, read(t.Context(), s).tokens)
			require.NoError(t, e.Healthy())
		})
	}
}
