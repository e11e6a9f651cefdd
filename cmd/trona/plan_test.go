package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model"
	"trona/model/modeltest"
)

// planOf returns what `trona plan --json` says.
func planOf(t *testing.T, args ...string) *planResult {
	t.Helper()
	result := new(planResult)
	decoder := json.NewDecoder(strings.NewReader(ok(t, "", append([]string{"plan", "--json"}, args...)...)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(result))
	return result
}

var takes = regexp.MustCompile(`: ([0-9,]+) bytes of weights and workspace, ([0-9,]+) bytes of KV cache \((\w+)\); ([0-9,]+) tokens of context, (\d+) requests`)

// TestPlanIsServed compares the plan with what the engine counts when it runs.
func TestPlanIsServed(t *testing.T) {
	for name, args := range map[string][]string{
		"demo":          {"demo", "--max-model-len", "4096"},
		"many":          {"demo", "--max-model-len", "512", "--max-num-seqs", "700"},
		"safetensors":   {"llama-tiny", "--max-num-seqs", "3"},
		"tied, int8":    {"llama-tied-F32.gguf", "--kv-cache-dtype", "int8", "--max-model-len", "1000"},
		"deci, split":   {"nas-super-Q8_0-00001-of-00003.gguf", "--kv-cache-dtype", "bf16", "--max-num-seqs", "1"},
		"fp8 blocks":    {"llama-tiny-fp8-block", "--max-model-len", "65"},
		"nvfp4":         {"nas-super-nvfp4", "--max-model-len", "64"},
		"SentencePiece": {"llama-spm-F16.gguf"},
		"guesses":       {"llama-tiny-Q8_0.gguf", "--max-num-seqs", "5", "--num-speculative-tokens", "3"},
		"many guesses":  {"demo", "--max-model-len", "64", "--max-num-seqs", "600", "--num-speculative-tokens", "20"},
		"draft model":   {"llama-tiny-F16.gguf", "--speculative-model", "llama-tiny-Q4_0.gguf", "--max-num-seqs", "5", "--max-model-len", "300"},
		"K-quants":      {"nas-ultra-Q4_K_M.gguf", "--threads", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, arg := range args {
				if strings.HasPrefix(arg, "llama-") || strings.HasPrefix(arg, "nas-") {
					args[i] = sharedModel(t, arg)
				}
			}
			plan := planOf(t, args...)
			s := start(t, args...)
			m := takes.FindStringSubmatch(s.log.String())
			require.NotNil(t, m, s.log.String())
			bytes := func(text string) int64 {
				n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
				require.NoError(t, err)
				return n
			}
			require.Equal(t, plan.WeightsBytes+plan.WorkspaceBytes, bytes(m[1]))
			require.Equal(t, plan.KVBytes, bytes(m[2]))
			require.Equal(t, plan.KVCacheDtype, m[3])
			require.EqualValues(t, plan.MaxModelLen, bytes(m[4]))
			require.EqualValues(t, plan.MaxNumSeqs, bytes(m[5]))
			require.Equal(t, plan.TotalBytes, plan.WeightsBytes+plan.WorkspaceBytes+plan.ScratchBytes+plan.KVBytes)
			require.Equal(t, plan.KVBytes, plan.KVBytesPerToken*int64(plan.MaxNumSeqs)*64*int64((plan.MaxModelLen+63)/64))
		})
	}
}

// TestPlanFromHeaders plans for a model whose data is not there, all of it.
func TestPlanFromHeaders(t *testing.T) {
	shape := modeltest.Tiny()
	path := modeltest.GGUF(t, shape)
	before := planOf(t, path)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	sparse := filepath.Join(t.TempDir(), "sparse.gguf")
	file, err := os.Create(sparse)
	require.NoError(t, err)
	_, err = file.Write(data[:len(data)/16]) // the headers, and little more
	require.NoError(t, err)
	require.NoError(t, file.Truncate(int64(len(data))))
	require.NoError(t, file.Close())
	after := planOf(t, sparse)
	before.Model, after.Model = "", ""
	require.Equal(t, before, after)
	inspected := inspection{}
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", "inspect", "--json", sparse)), &inspected))
	require.Len(t, inspected.Layers, len(shape.Layers))
	require.Equal(t, inspectionLayer{Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 64}, inspected.Layers[0])
	require.Equal(t, inspectionLayer{}, inspected.Layers[2])
}

// TestPlanMemory looks at what fits.
func TestPlanMemory(t *testing.T) {
	plan := planOf(t, "--max-model-len", "8192", "--max-num-seqs", "4")
	require.True(t, plan.Fits)
	total := strconv.FormatInt(plan.TotalBytes, 10)
	require.True(t, planOf(t, "--max-model-len", "8192", "--max-num-seqs", "4", "--device-memory", total).Fits)
	less := strconv.FormatInt(plan.TotalBytes-1, 10)
	require.False(t, planOf(t, "--max-model-len", "8192", "--max-num-seqs", "4", "--device-memory", less).Fits)
	text := ok(t, "", "plan", "--max-model-len", "8192", "--device-memory", "100MiB")
	require.Contains(t, text, "does not fit into 100.0 MiB")
	require.Contains(t, text, "MiB*")
	for _, row := range plan.Table {
		if row.Context == 8192 && row.Concurrency == 4 {
			require.Equal(t, plan.TotalBytes, row.TotalBytes)
		}
	}
}

func TestBudget(t *testing.T) {
	const block = 1000 * kernels.BlockSize
	plan := func(length, sequences int) *model.Plan {
		return &model.Plan{
			Options: model.PlanOptions{MaxModelLen: length, MaxNumSeqs: sequences}, Weights: 4_000_000, Workspace: 1_000_000, Scratch: 1_000_000,
			KVBytesPerToken: 1000, Blocks: int64(sequences) * blocksOf(length),
		}
	}
	for name, test := range map[string]struct {
		budget         budget
		plan           *model.Plan
		given          int // --max-model-len
		blocks, tokens int
		err            string
	}{
		"unknown memory":     {budget{}, plan(131072, 16), 0, 16 * 2048, 131072, ""},
		"plenty":             {budget{free: 10 << 30}, plan(8192, 4), 8192, 4 * 128, 8192, ""},
		"fewer at once":      {budget{free: 20_000_000}, plan(8192, 4), 8192, 9_000_000 / block, 8192, ""},
		"shorter":            {budget{free: 20_000_000}, plan(131072, 16), 0, 9_000_000 / block, 140 * 64, ""},
		"room for the rest":  {budget{free: 200 << 20}, plan(131072, 16), 0, (168<<20 - 6_000_000) / block, 131072, ""},
		"more of much":       {budget{free: 1000 << 20}, plan(131072, 16), 0, (900<<20 - 6_000_000) / block, 131072, ""},
		"too long":           {budget{free: 10_000_000}, plan(8192, 4), 8192, 0, 0, "KV cache of 7.8 MiB"},
		"nearly":             {budget{free: 15_000_000}, plan(8192, 4), 8192, 0, 0, "14.3 MiB are free, of which 3.6 MiB stay for the rest of the program"},
		"too little":         {budget{free: 8_000_000}, plan(131072, 16), 0, 0, 0, "a lower --max-model-len"},
		"weights alone":      {budget{free: 4_000_000}, plan(131072, 16), 0, 0, 0, "trona quantize"},
		"given":              {budget{free: 1 << 30, cache: 100 * block}, plan(1000, 2), 1000, 100, 1000, ""},
		"given, less":        {budget{free: 1 << 30, cache: 10*block - 1}, plan(131072, 2), 0, 9, 576, ""},
		"given, too small":   {budget{free: 1 << 30, cache: 10 * block}, plan(1000, 2), 1000, 0, 0, "--kv-cache-memory"},
		"given, not a block": {budget{free: 1 << 30, cache: 10}, plan(131072, 2), 0, 0, 0, "--kv-cache-memory"},
		"given, too large":   {budget{free: 10_000_000, cache: 100 * block}, plan(1000, 2), 1000, 0, 0, "lower --kv-cache-memory"},
		"many":               {budget{}, plan(math.MaxInt32, 1000), 0, math.MaxInt32 / 64, math.MaxInt32 / 64 * 64, ""},
	} {
		t.Run(name, func(t *testing.T) {
			grants, err := test.budget.share([]*model.Plan{test.plan}, test.given)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []grant{{test.blocks, test.tokens}}, grants)
			if free := test.budget.free; free > 0 { // never more than there is
				require.LessOrEqual(t, test.plan.Weights+test.plan.Workspace+test.plan.Scratch+int64(grants[0].blocks)*block, free)
			}
		})
	}
	none := plan(4096, 2)
	none.KVBytesPerToken = 0 // no layer has attention
	grants, err := budget{free: 1}.share([]*model.Plan{none}, 4096)
	require.NoError(t, err)
	require.Equal(t, []grant{{128, 4096}}, grants)
}

// TestRestrain: Go's heap keeps to what no plan counts, unless the user says otherwise.
func TestRestrain(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	budget{}.restrain(0)
	require.EqualValues(t, math.MaxInt64, debug.SetMemoryLimit(-1))
	b := budget{free: 100 << 20}
	b.restrain(0)
	limit := debug.SetMemoryLimit(-1)
	require.Greater(t, limit, b.spare()/4*3)
	require.Less(t, limit, b.spare()/4*3+1<<30)
	debug.SetMemoryLimit(math.MaxInt64)
	b.restrain(1 << 20)
	require.InDelta(t, limit+1<<20, debug.SetMemoryLimit(-1), 1<<20-1, "room for what the device still takes")
	limit = debug.SetMemoryLimit(-1)
	budget{free: 1 << 40}.restrain(0)
	require.Equal(t, limit, debug.SetMemoryLimit(-1))
	require.Equal(t, b, b.host(kernels.Info{Name: "cpu"}))
	gpu := budget{free: 1 << 50}.host(kernels.Info{Name: "cuda:0"})
	require.Less(t, gpu.free, int64(1<<50), "memory of the host")
}

// TestBudgetOfSeveral parts memory between models.
func TestBudgetOfSeveral(t *testing.T) {
	plan := func(perToken int64, length, sequences int) *model.Plan {
		return &model.Plan{
			Options: model.PlanOptions{MaxModelLen: length, MaxNumSeqs: sequences}, Weights: 5_000_000, Workspace: 1_000_000,
			KVBytesPerToken: perToken, Blocks: int64(sequences) * blocksOf(length),
		}
	}
	small, large, none := plan(100, 6400, 2), plan(1000, 12800, 1), plan(0, 640, 3)
	for name, test := range map[string]struct {
		budget budget
		plans  []*model.Plan
		given  int
		grants []grant
		err    string
	}{
		"plenty":   {budget{free: 1 << 30}, []*model.Plan{small, large}, 0, []grant{{200, 6400}, {200, 12800}}, ""},
		"unknown":  {budget{}, []*model.Plan{large, none}, 0, []grant{{200, 12800}, {30, 640}}, ""},
		"too much": {budget{free: 12_000_000}, []*model.Plan{small, large}, 0, nil, "the 2 models do not fit together"},
		// Of 64000 bytes to spare beyond 16 blocks each (of 6400 and 64000 bytes)
		// the models get 184 * 6400 and 184 * 64000 parts.
		"a bit beyond": {budget{cache: 1 << 20}, []*model.Plan{small, large}, 1024, nil, "--kv-cache-memory 1.0 MiB"},
		"in the ratio": {budget{cache: 16*70_400 + 704_000}, []*model.Plan{small, large}, 1024, []grant{{26, 1664}, {26, 1664}}, ""},
		"alike":        {budget{free: 200_000_000, cache: 2 * 6400 * 100}, []*model.Plan{small, small}, 0, []grant{{100, 6400}, {100, 6400}}, ""},
		"all have all": {budget{cache: 64_000 * 401}, []*model.Plan{plan(1000, 12800, 1), large}, 12800, []grant{{200, 12800}, {200, 12800}}, ""},
		"shorter":      {budget{free: 200_000_000}, []*model.Plan{plan(100, 640, 1), large}, 6400, []grant{{10, 640}, {200, 12800}}, ""},
		"no room":      {budget{free: 20_000_000, cache: 10_000_000}, []*model.Plan{small, large}, 0, nil, "lower --kv-cache-memory"},
	} {
		t.Run(name, func(t *testing.T) {
			grants, err := test.budget.share(test.plans, test.given)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.grants, grants)
		})
	}
}

// TestBudgetNeverExceeds parts random memories: what is given is never more than
// there is, and never less than a request needs.
func TestBudgetNeverExceeds(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 0))
	given := 0
	for range 2000 {
		var plans []*model.Plan
		for range 1 + rng.IntN(4) {
			length, sequences := 1+rng.IntN(1<<17), 1+rng.IntN(64)
			plans = append(plans, &model.Plan{
				Options: model.PlanOptions{MaxModelLen: length, MaxNumSeqs: sequences}, Weights: rng.Int64N(1 << 38), Workspace: rng.Int64N(1 << 30), Scratch: rng.Int64N(1 << 26),
				KVBytesPerToken: rng.Int64N(1 << 20), Blocks: int64(sequences) * blocksOf(length),
			})
		}
		b := budget{free: 1 + rng.Int64N(1<<41)}
		if rng.IntN(2) == 0 {
			b.cache = 1 + rng.Int64N(1<<40)
		}
		grants, err := b.share(plans, rng.IntN(2)*rng.IntN(1<<17))
		if err != nil {
			continue
		}
		given++
		total, cache := int64(0), int64(0)
		for i, p := range plans {
			bytes := int64(grants[i].blocks) * p.KVBytesPerToken * kernels.BlockSize
			total, cache = total+p.Weights+p.Workspace+p.Scratch+bytes, cache+bytes
			require.Positive(t, grants[i].tokens)
			require.LessOrEqual(t, grants[i].tokens, min(grants[i].blocks*kernels.BlockSize, p.Options.MaxModelLen))
		}
		require.LessOrEqual(t, total, b.free)
		if b.cache > 0 {
			require.LessOrEqual(t, cache, b.cache)
		}
	}
	require.Greater(t, given, 500)
}

// TestPlanOfSeveral adds up models.
func TestPlanOfSeveral(t *testing.T) {
	args := []string{"plan", "--model", "a=demo", "--model", "b=" + sharedModel(t, "llama-tiny-Q8_0.gguf"), "--max-model-len", "20000"}
	var got plansResult
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", append(args, "--json")...)), &got))
	require.Len(t, got.Models, 2)
	require.Equal(t, 20000, got.Models[0].MaxModelLen)
	require.Equal(t, 16384, got.Models[1].MaxModelLen, "all that it declares")
	require.Equal(t, got.Models[0].TotalBytes+got.Models[1].TotalBytes, got.TotalBytes)
	require.True(t, got.Fits)
	require.Contains(t, ok(t, "", append(args, "--device-memory", strconv.FormatInt(got.TotalBytes-1, 10))...), "does not fit into")
	require.Regexp(t, `all 2 models: [0-9,]+ bytes, [0-9.]+ GiB, fits into`, ok(t, "", append(args, "--device-memory", strconv.FormatInt(got.TotalBytes, 10))...))
}

// TestDoesNotFit asks for more than the machine has.
func TestDoesNotFit(t *testing.T) {
	for _, args := range [][]string{{"--kv-cache-memory", "1000TiB"}, {"--kv-cache-memory", "1MiB", "--max-model-len", "100000"}} {
		s := begin(t, args...)
		require.Equal(t, exitFailed, s.exit(t))
		lines := strings.Split(strings.TrimSuffix(s.log.String(), "\n"), "\n")
		require.Len(t, lines, 2, s.log)
		require.Regexp(t, "does not fit|--kv-cache-memory", lines[1])
	}
}
