package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

func TestBench(t *testing.T) {
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", "bench", "-p", "16,80", "-n", "4", "-d", "0,64", "-b", "1,2", "-r", "2", "-t", "1", "-o", "json")), &rows))
	require.Len(t, rows, 3*2*2)
	seen := map[[4]float64]bool{}
	for _, row := range rows {
		for _, name := range []string{"avg_ts", "gb_per_s", "share_of_bandwidth", "share_of_compute", "bandwidth_ceiling_gb_per_s", "compute_ceiling_gflop_per_s"} {
			require.Positive(t, row[name], name)
		}
		require.GreaterOrEqual(t, row["stddev_ts"], 0.0)
		require.Len(t, row["samples_ts"], 2)
		require.EqualValues(t, 1, row["n_threads"])
		require.Less(t, row["share_of_compute"], 1.5)
		seen[[4]float64{row["n_prompt"].(float64), row["n_gen"].(float64), row["n_depth"].(float64), row["batch"].(float64)}] = true
	}
	require.Len(t, seen, len(rows))
	require.True(t, seen[[4]float64{80, 0, 64, 2}])
}

// TestBenchOps: all of a step's time is that of some op, or lies between them.
func TestBenchOps(t *testing.T) {
	var rows []benchRow
	args := []string{"bench", "-p", "16", "-n", "4", "-r", "2", "-t", "1", "--ops"}
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", append(args, "-o", "json")...)), &rows))
	require.Len(t, rows, 2)
	for _, row := range rows {
		share, ms, moved := 0.0, 0.0, 0.0
		calls, weights := map[string]float64{}, int64(0)
		for _, o := range row.Ops {
			require.GreaterOrEqual(t, o.MS, 0.0, o.Op)
			share, ms, calls[o.Op] = share+o.Share, ms+o.MS, calls[o.Op]+o.Calls
			weights += int64(o.Calls) * o.Weights
			moved += o.GBPerS * o.MS
		}
		require.InEpsilon(t, row.GBPerS*ms, moved, 1e-6, "an op that has a cost is not timed")
		require.InDelta(t, 1, share, 1e-6)
		require.Positive(t, ms)
		require.Equal(t, "between", row.Ops[len(row.Ops)-1].Op)
		require.Equal(t, [2]float64{1, calls["rope_append_kv"]}, [2]float64{calls["embed"], calls["attention"]})
		require.InEpsilon(t, row.Bytes, weights, 0.2, "all weights but norms and those that tokens are looked up in")
	}
	text := ok(t, "", args...)
	require.Contains(t, text, "\nops of a step of pp16, batch 1:\n")
	require.Contains(t, text, "\nops of a step of tg4, batch 1:\n")
	for _, with := range [][]string{{"--engine"}, {"--peer", "none"}} {
		r := trona(t, "", append(args, with...)...)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.err, "--ops: not with --engine or --peer")
	}
}

// TestBenchEngine: through the engine the speed alone is known.
func TestBenchEngine(t *testing.T) {
	var rows []benchRow
	args := []string{"bench", "-p", "16", "-n", "8", "-d", "0,70", "-b", "3", "-r", "2", "-t", "1", "--engine"}
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", append(args, "-o", "json")...)), &rows))
	require.Len(t, rows, 2*2)
	for _, row := range rows {
		require.True(t, row.Engine)
		require.Len(t, row.Samples, 2)
		for _, v := range row.Samples {
			require.Positive(t, v)
		}
		require.Zero(t, row.GBPerS)
	}
	require.Contains(t, ok(t, "", args...), "through the engine")
}

// The speed of prompts is that until all have their first token, the speed of
// answers that from then on.
func TestEngineSpeed(t *testing.T) {
	start := time.Now()
	at := func(seconds ...int) (s outcome) {
		for _, n := range seconds {
			s.arrivals = append(s.arrivals, start.Add(time.Duration(n)*time.Second))
		}
		s.read = 10
		return s
	}
	list := []outcome{at(1, 2, 3, 4), at(2, 4, 6)}
	speed, err := (&benchRow{NPrompt: 8}).speed(list, start)
	require.NoError(t, err)
	require.InDelta(t, 20.0/2, speed, 1e-9)
	speed, err = (&benchRow{NGen: 8}).speed(list, start)
	require.NoError(t, err)
	require.InDelta(t, 4.0/4, speed, 1e-9, "of 2 + 2 tokens in 4 s")
	_, err = (&benchRow{NGen: 8}).speed([]outcome{at(1, 2), at(2)}, start)
	require.ErrorContains(t, err, "-n must be greater")
	list[1].err = io.EOF
	_, err = (&benchRow{NGen: 8}).speed(list, start)
	require.ErrorIs(t, err, io.EOF)
}

// TestBenchPeer compares with a peer whose speeds are known: each test is done in every
// round, and medians count.
func TestBenchPeer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the peer is a script of a Unix shell")
	}
	peer := filepath.Join(t.TempDir(), "peer")
	script := `#!/bin/sh
echo "$@" >&2
n=$(cat "$0.n" 2>/dev/null || echo 1)
echo $((n + 1)) >"$0.n"
echo "[{\"avg_ts\": $(echo 0.5 2 9 9 3.25 7 | cut -d ' ' -f "$n")}]"
`
	require.NoError(t, os.WriteFile(peer, []byte(script), 0o700))
	r := trona(t, "", "bench", "demo", "-p", "8", "-n", "2", "-r", "3", "-t", "1", "--peer", peer)
	require.Equal(t, exitDone, r.code, r.err)
	round := "-m demo -o json -r 1 -t 1 -p 8 -n 0 -d 0\n-m demo -o json -r 1 -t 1 -p 0 -n 2 -d 0\n"
	require.Contains(t, r.err, strings.Repeat(round, 3))
	require.Contains(t, r.out, "| 3.25 ")
	require.Contains(t, r.out, "| 7.00 ")
	require.Equal(t, 4, strings.Count(r.out, "\n"), r.out)
	require.NoError(t, os.WriteFile(peer, []byte("#!/bin/sh\necho '[]'\n"), 0o700))
	r = trona(t, "", "bench", "demo", "-p", "8", "-n", "0", "-r", "1", "-t", "1", "--peer", peer)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "avg_ts")
}

// A product in 8 bits is held to what can be done in 8 bits.
func TestShare(t *testing.T) {
	top := ceilings{Compute: 100, Int8: 400, BF16: 1000}
	done := func(all int64, int8, bf16 float64) *tally {
		return &tally{total: kernels.Cost{Flops: all}, int8: int8, bf16: bf16}
	}
	require.InDelta(t, 0.5, top.share(done(100, 0, 0), 2), 1e-9)
	require.InDelta(t, 0.5, top.share(done(450, 400, 0), 3), 1e-9)
	require.InDelta(t, 0.5, top.share(done(1450, 400, 1000), 5), 1e-9)
	both := done(450, 200, 0)
	both.int16 = 200
	require.InDelta(t, 0.5, top.share(both, 4), 1e-9)
	top.Int8 = 0 // no instructions for them: they are done as others are
	require.InDelta(t, 1.5, top.share(done(450, 400, 0), 3), 1e-9)
}

func TestMeanDeviation(t *testing.T) {
	mean, deviation := meanDeviation([]float64{1, 2, 3, 4})
	require.InDelta(t, 2.5, mean, 1e-12)
	require.InDelta(t, 1.2909944487358056, deviation, 1e-12)
	_, deviation = meanDeviation([]float64{7})
	require.Zero(t, deviation)
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	require.InDelta(t, 3.0, median([]float64{9, 1, 3}), 0)
}

// opDevice does nothing.
type opDevice struct{ kernels.Device }

func (opDevice) Info() kernels.Info                              { return kernels.Info{} }
func (opDevice) MatMul(kernels.Tensor, int64, []kernels.Product) {}
func (opDevice) Add(kernels.Tensor, kernels.Tensor)              {}

func (opDevice) Attention(kernels.Tensor, kernels.Tensor, kernels.KV, int64, *kernels.AttentionPlan) {
}

// opRecorder records nothing.
type opRecorder struct {
	opDevice
	replays int
}

func (r *opRecorder) Record(f func()) (kernels.Recording, error)       { f(); return 7, nil }
func (r *opRecorder) Replay(kernels.Recording, *kernels.AttentionPlan) { r.replays++ }
func (r *opRecorder) Forget(kernels.Recording)                         {}

// TestCosts adds the costs of ops up.
func TestCosts(t *testing.T) {
	d := &costDevice{Device: opDevice{}, info: kernels.Info{Int8: []kernels.DType{kernels.Q8_0}}}
	x := kernels.View(64, kernels.F32, 2, 32)
	w := kernels.Weight{Addr: 64, Type: kernels.F32, Rows: 8, Cols: 32, Bytes: 1024}
	product := func(w kernels.Weight) []kernels.Product {
		return []kernels.Product{{Out: kernels.View(64, kernels.F32, 2, 8), W: w}}
	}
	d.MatMul(x, 0, product(w))
	d.Add(x, x)
	want := kernels.MatMulCost(x, w)
	require.Equal(t, int64(2*2*8*32), want.Flops)
	require.Equal(t, want.Bytes+kernels.AddCost(x).Bytes, d.total.Bytes)
	require.Equal(t, want.Flops+kernels.AddCost(x).Flops, d.total.Flops)
	require.Zero(t, d.int8)
	w.Type = kernels.Q8_0
	d.MatMul(x, 0, product(w))
	require.Equal(t, float64(want.Flops), d.int8)
	d.info.BF16 = []kernels.DType{kernels.BF16}
	w.Type = kernels.BF16
	d.MatMul(x, 1, product(w))
	require.Equal(t, [2]float64{float64(want.Flops), float64(want.Flops)}, [2]float64{d.int8, d.bf16})
	w.Type = kernels.Q8_0
	d = &costDevice{Device: opDevice{}, info: kernels.Info{Int8: d.info.Int8, Tiles: d.info.Int8}}
	d.MatMul(x, 1, product(w))
	require.Equal(t, [2]float64{float64(want.Flops) / 2, float64(want.Flops) / 2}, [2]float64{d.int8, d.bf16})
	d.bf16 = 0
	kv32 := kernels.KV{K: kernels.View(64, kernels.F16, 1, 2, kernels.BlockSize, 32)}
	d.Attention(x, kernels.View(64, kernels.F32, 3, 4, 32), kv32, 0, &kernels.AttentionPlan{
		Decode: 1, Seqs: []kernels.AttentionSeq{{Rows: 1, Position: 40}, {Row: 1, Rows: 2, Position: 7}},
	})
	require.EqualValues(t, 4*(8+9)*4*32, d.bf16)
	require.Zero(t, d.int16)
	d.info = kernels.Info{Int16: true}
	kv32.K.Type = kernels.I16
	d.Attention(x, kernels.View(64, kernels.F32, 1, 4, 32), kv32, 0, &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{{Rows: 1, Position: 7}}})
	require.EqualValues(t, 4*8*4*32, d.int16)

	// A recording costs what its ops do, when it is replayed.
	q := kernels.View(64, kernels.F32, 2, 4, 8)
	kv := kernels.KV{K: kernels.View(64, kernels.F16, 1, 2, kernels.BlockSize, 8)}
	plan := kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{{Rows: 1, Position: 40}}}
	r := &opRecorder{}
	d, dev := counted(r)
	kept, err := dev.(kernels.Recorder).Record(func() {
		dev.Add(x, x)
		dev.Attention(q, q, kv, 0, &kernels.AttentionPlan{Seqs: make([]kernels.AttentionSeq, 2)})
	})
	require.NoError(t, err)
	require.Zero(t, d.total)
	attention := kernels.AttentionCost(q, kv, 0, &plan)
	for n := range int64(2) {
		dev.(kernels.Recorder).Replay(kept, &plan)
		require.Equal(t, (n+1)*(kernels.AddCost(x).Bytes+attention.Bytes), d.total.Bytes)
		require.Equal(t, (n+1)*(kernels.AddCost(x).Flops+attention.Flops), d.total.Flops)
	}
	require.Equal(t, 2, r.replays)
	dev.(kernels.Recorder).Forget(kept)
	require.Empty(t, dev.(*costRecorder).kept)
}
