package engine

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"trona/model/modeltest"
)

// turnstile is a lock that who waits for leaves the clock of a bubble go on.
type turnstile chan struct{}

func (s turnstile) Lock()   { s <- struct{}{} }
func (s turnstile) Unlock() { <-s }

// Engines that share a processor run their steps one at a time, and who waits
// for its turn is well.
func TestTurns(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	synctest.Test(t, func(t *testing.T) { // in which only sleep takes time
		turn, h := make(turnstile, 1), newHooks()
		first := rig{path: path, threads: 1, wrap: h.wrap, Options: Options{Turn: turn}}.engine(t)
		second := rig{path: path, threads: 1, Options: Options{Turn: turn}}.engine(t)
		rng := rand.New(rand.NewPCG(41, 0))
		requests := []Request{babbler(rng, randomTokens(rng, 20), 50), babbler(rng, randomTokens(rng, 30), 50)}
		complete(t, first, requests[0]) // it knows now how long a step takes

		h.hold(t)
		held, err := first.Submit(t.Context(), requests[0])
		require.NoError(t, err)
		synctest.Wait()
		waiting, err := second.Submit(t.Context(), requests[1])
		require.NoError(t, err)
		time.Sleep(defaultStall + 1)
		require.Error(t, first.Healthy())
		require.NoError(t, second.Healthy(), "it only waits")
		require.Zero(t, second.Stats().Steps)
		require.Len(t, turn, 1)
		h.release()

		alone := rig{path: path, threads: 1}.engine(t)
		for i, s := range []*Stream{held, waiting} {
			require.Equal(t, complete(t, alone, requests[i]).tokens, read(t.Context(), s).tokens)
		}
		synctest.Wait()
		require.Empty(t, turn, "nobody keeps it")
	})
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
