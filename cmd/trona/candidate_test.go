package main

import (
	"io"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/demo"
	"trona/server"
	"trona/tokenizer"
)

// TestFingerprint: what may answer differently has another fingerprint, and nothing else.
func TestFingerprint(t *testing.T) {
	made := func(change func(*candidate), tokens int) string {
		l := &loader{sources: []source{{path: demo.Name}}, cache: cacheFlags{kvFlags: kvFlags{"f16"}, MaxNumSeqs: 1}, device: deviceFlags{Device: "cpu"}}
		c, err := l.candidate(l.sources[0])
		require.NoError(t, err)
		defer func() { require.NoError(t, c.close()) }()
		change(c)
		return c.fingerprint(grant{blocks: 1, tokens: tokens})
	}
	longrope := func(c *candidate) {
		c.ckpt.Config.Rotary.Scaling, c.ckpt.Config.Rotary.OriginalContext = "longrope", 128
	}
	template, err := tokenizer.NewTemplate("another")
	require.NoError(t, err)
	plain := made(func(*candidate) {}, 128)
	require.Equal(t, plain, made(func(c *candidate) { c.plans.own.Options.MaxNumSeqs = 7 }, 256))
	short := made(longrope, 128)
	require.Equal(t, short, made(longrope, 64))
	seen := []string{plain, short}
	for _, other := range []string{
		made(longrope, 129),
		made(func(c *candidate) { c.kv = kernels.BF16 }, 128),
		made(func(c *candidate) { c.model.Template = template }, 128),
	} {
		require.NotContains(t, seen, other)
		seen = append(seen, other)
	}
	t.Setenv("TRONA_CPU", "generic")
	require.NotContains(t, seen, made(func(*candidate) {}, 128))
}

// TestLoaderCollections: what loading changes of collections is as before when it is over,
// however it ends, and nothing is changed that the user chose.
func TestLoaderCollections(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for chosen, meanwhile := range map[string]int{"": 800, "100": 100} {
		t.Setenv("GOGC", chosen)
		l := loader{sources: []source{{path: demo.Name}, {path: "none"}}, cache: cacheFlags{kvFlags: kvFlags{"auto"}, MaxNumSeqs: 1}, device: deviceFlags{Device: "cpu"}}
		l.opened = func(*server.Model) error {
			require.Equal(t, meanwhile, debug.SetGCPercent(meanwhile))
			return nil
		}
		_, err := l.load(newProgress(io.Discard, ""))
		require.ErrorContains(t, err, "none")
		require.Equal(t, 100, debug.SetGCPercent(100))
	}
}
