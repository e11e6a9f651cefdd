package engine

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/model/modeltest"
)

// Engines that share a processor run their steps one at a time, and who waits
// for its turn is well.
func TestTurns(t *testing.T) {
	path, turn, h := tiny(t, modeltest.Shape{}), new(sync.Mutex), newHooks()
	o := Options{Turn: turn, StallTimeout: 20 * time.Millisecond}
	first := rig{path: path, wrap: h.wrap, Options: o}.engine(t)
	second := rig{path: path, Options: o}.engine(t)
	rng := rand.New(rand.NewPCG(41, 0))
	requests := []Request{babbler(rng, randomTokens(rng, 20), 50), babbler(rng, randomTokens(rng, 30), 50)}
	complete(t, first, requests[0]) // it knows now how long a step takes

	h.hold()
	held, err := first.Submit(t.Context(), requests[0])
	require.NoError(t, err)
	release := sync.OnceFunc(h.release)
	defer release()
	h.await(t)
	waiting, err := second.Submit(t.Context(), requests[1])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return first.Healthy() != nil }, 10*time.Second, time.Millisecond)
	time.Sleep(3 * o.StallTimeout)
	require.NoError(t, second.Healthy(), "it only waits")
	require.Zero(t, second.Stats().Steps)
	require.False(t, turn.TryLock())
	release()

	alone := rig{path: path}.engine(t)
	for i, s := range []*Stream{held, waiting} {
		require.Equal(t, complete(t, alone, requests[i]).tokens, read(t.Context(), s).tokens)
	}
	require.Eventually(t, turn.TryLock, 10*time.Second, time.Millisecond, "nobody keeps it")
	turn.Unlock()
}

// An engine that fails, or closes, lets the others go on.
func TestTurnOfTheDead(t *testing.T) {
	path, turn, h := tiny(t, modeltest.Shape{}), new(sync.Mutex), newHooks()
	broken := rig{path: path, wrap: h.wrap, Options: Options{Turn: turn}}.engine(t)
	well := rig{path: path, Options: Options{Turn: turn}}.engine(t)
	rng := rand.New(rand.NewPCG(42, 0))
	r := babbler(rng, randomTokens(rng, 20), 5)
	h.panics.Store(true)
	require.ErrorIs(t, complete(t, broken, r).err, ErrFailed)
	require.NoError(t, complete(t, well, r).err)
	require.NoError(t, broken.Close())
	require.NoError(t, complete(t, well, r).err)
}
