package model_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
	"trona/testdata"
)

// counter counts what a model asks of a device.
type counter struct {
	kernels.Device
	mu    sync.Mutex
	bytes int64
	live  int // allocations not freed
}

func (c *counter) count(n int64, live int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += n
	c.live += live
}

func (c *counter) Alloc(n int64) (uintptr, error) {
	c.count(n, 1)
	return c.Device.Alloc(n)
}

func (c *counter) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	w, err := c.Device.Pack(m)
	if err == nil {
		c.count(w.Bytes, 1)
	}
	return w, err
}

func (c *counter) Free(addr uintptr) {
	c.count(0, -1)
	c.Device.Free(addr)
}

func openCounter(t testing.TB) *counter {
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return &counter{Device: dev}
}

// A plan made from headers is what the loaded model takes, to the byte.
func TestPlanIsExact(t *testing.T) {
	dev := openCounter(t)
	for _, name := range []string{
		"llama-tiny", "llama-tied", "nas-super", "nas-ultra", "llama-tiny-fp8", "llama-tiny-fp8-channel", "llama-tiny-fp8-block",
		"llama-tiny-nvfp4", "llama-tiny-nvfp4-ct", "llama-spm-F16.gguf", "llama-tiny-Q4_K_M.gguf", "llama-tiny-IQ4_XS.gguf",
		"llama-tiny-NVFP4-scaled.gguf", "nas-super-Q8_0-00001-of-00003.gguf", "nas-ultra-Q4_K_M.gguf",
	} {
		t.Run(name, func(t *testing.T) { planIsExact(t, dev, testdata.Shared(t, "models", name)) })
	}
	t.Run("recast", func(t *testing.T) {
		recast, _ := recastFiles(t, testdata.Path(t, "..", "model", "demo", "demo.gguf"))
		planIsExact(t, dev, recast)
		planIsExact(t, dev, joinQKV(t, recast, 0))
	})
	for _, name := range []string{"gptq", "awq", "w4a16-asymmetric", "w8a8"} {
		t.Run(name, func(t *testing.T) { planIsExact(t, dev, testdata.Path(t, "models", "integers", name)) })
	}
	for _, name := range []string{"granite", "granite-untied", "granite4", "minicpm", "phi3", "phi3-partial", "phi3-long", "glm", "glm4", "mistral3", "olmo2", "exaone4", "seed-oss", "smollm3"} {
		t.Run(name, func(t *testing.T) { planIsExact(t, dev, testdata.Path(t, "models", "family", name)) })
	}
	for _, name := range []string{"llama", "qwen2"} {
		t.Run(name+" with biases", func(t *testing.T) { planIsExact(t, dev, testdata.Path(t, "models", "biases", name)) })
	}
}

func planIsExact(t *testing.T, dev *counter, path string) {
	ckpt, err := model.Open(path)
	require.NoError(t, err)
	defer ckpt.Close()
	for _, o := range []model.PlanOptions{
		{MaxModelLen: 1000, MaxNumSeqs: 3, KVType: kernels.F16, MaxRows: 100, MaxLogits: 7},
		{MaxModelLen: 64, MaxNumSeqs: 1, KVType: kernels.I8, MaxRows: 1, MaxLogits: 1},
	} {
		plan, err := model.MakePlan(ckpt, dev, o)
		require.NoError(t, err)
		dev.bytes = 0
		var last, total int64
		m, err := model.Load(ckpt, dev, model.LoadOptions{
			MaxRows: o.MaxRows, MaxLogits: o.MaxLogits,
			Progress: func(done, all int64) {
				require.Greater(t, done, last)
				last, total = done, all
			},
		})
		require.NoError(t, err)
		require.Equal(t, total, last)
		require.Equal(t, plan.Weights+plan.Workspace, dev.bytes)
		require.Equal(t, dev.bytes, m.Bytes())
		kv, err := model.NewKVCache(dev, &ckpt.Config, o.KVType, int(plan.Blocks))
		require.NoError(t, err)
		require.Equal(t, plan.KV, kv.Bytes())
		require.Equal(t, plan.Total, dev.bytes+plan.Scratch)
		kv.Close()
		m.Close()
		require.Zero(t, dev.live, "what was allocated is freed")
	}
}

// fit makes DeviceMemory matter.
func TestPlanTable(t *testing.T) {
	ckpt, err := model.Open(modeltest.GGUF(t, modeltest.Tiny()))
	require.NoError(t, err)
	defer ckpt.Close()
	dev := openCounter(t)
	plan, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxNumSeqs: 2, KVType: kernels.F16})
	require.NoError(t, err)
	require.Equal(t, ckpt.Config.ContextLength, plan.Options.MaxModelLen)
	require.Equal(t, plan.Blocks*kernels.BlockSize*plan.KVBytesPerToken, plan.KV)
	require.Equal(t, int64(2*157), plan.Blocks)
	require.True(t, plan.Fits)
	require.Equal(t, dev.Info().StepRows, plan.Options.MaxRows)
	many, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxNumSeqs: dev.Info().StepRows, Drafts: 3})
	require.NoError(t, err)
	require.Equal(t, dev.Info().StepRows+3, many.Options.MaxRows, "a row for each sequence and draft")
	tight, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxNumSeqs: 2, KVType: kernels.F16, DeviceMemory: plan.Total - 1})
	require.NoError(t, err)
	require.False(t, tight.Fits)
	fits := map[bool]int{}
	for _, r := range tight.Table {
		require.Equal(t, r.Total <= plan.Total-1, r.Fits)
		own, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxModelLen: r.Context, MaxNumSeqs: r.Concurrency, KVType: kernels.F16})
		require.NoError(t, err)
		require.Equal(t, own.Total, r.Total, "a row is a plan")
		require.Equal(t, plan.Weights+r.Workspace+r.Scratch+r.KV, r.Total)
		fits[r.Fits]++
	}
	require.Positive(t, fits[true])
	require.Positive(t, fits[false])
	for _, o := range []model.PlanOptions{{MaxRows: -1}, {MaxNumSeqs: 1 << 20}, {KVType: kernels.Q4_0}, {MaxModelLen: 1 << 40}} {
		_, err := model.MakePlan(ckpt, dev, o)
		require.Error(t, err)
	}
}

// nemotron writes a folder whose headers are those of a released model and
// whose data is a hole.
func nemotron(t *testing.T, name string) string {
	config, err := os.ReadFile(testdata.Shared(t, "nemotron", "config-"+name+".json"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	var want map[string]struct {
		Hidden int64   `json:"hidden_size"`
		Heads  []int64 `json:"head_count"`
		KV     []int64 `json:"head_count_kv"`
		FFN    []int64 `json:"feed_forward_length"`
	}
	arrays, err := os.ReadFile(testdata.Path(t, "nemotron", "expected-layer-arrays.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(arrays, &want))
	w := want[name]
	h := &header{entries: map[string]any{}}
	d := w.Hidden
	h.add("model.embed_tokens.weight", 128256, d)
	h.add("lm_head.weight", 128256, d)
	h.add("model.norm.weight", d)
	for i := range w.Heads {
		p := fmt.Sprintf("model.layers.%d.", i)
		if q, kv := w.Heads[i]*128, w.KV[i]*128; q != 0 {
			h.add(p+"input_layernorm.weight", d)
			h.add(p+"self_attn.q_proj.weight", q, d)
			h.add(p+"self_attn.k_proj.weight", kv, d)
			h.add(p+"self_attn.v_proj.weight", kv, d)
			h.add(p+"self_attn.o_proj.weight", d, q)
		}
		if f := w.FFN[i]; f != 0 {
			h.add(p+"post_attention_layernorm.weight", d)
			h.add(p+"mlp.gate_proj.weight", f, d)
			h.add(p+"mlp.up_proj.weight", f, d)
			h.add(p+"mlp.down_proj.weight", d, f)
		}
	}
	h.write(t, filepath.Join(dir, "model.safetensors"))
	return dir
}

// header builds the header of a safetensors file of bf16 tensors.
type header struct {
	entries map[string]any
	end     int64
}

func (h *header) add(name string, shape ...int64) {
	bytes := int64(2)
	for _, n := range shape {
		bytes *= n
	}
	h.entries[name] = map[string]any{"dtype": "BF16", "shape": shape, "data_offsets": []int64{h.end, h.end + bytes}}
	h.end += bytes
}

func (h *header) write(t *testing.T, path string) {
	text, err := json.Marshal(h.entries)
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	require.NoError(t, err)
	if err := f.Truncate(8 + int64(len(text)) + h.end); err != nil {
		t.Skipf("this file system holds no file of %d bytes: %v", h.end, err)
	}
	require.NoError(t, f.Close())
}

func TestNemotronFromHeaders(t *testing.T) {
	dev := openCounter(t)
	for name, want := range map[string]struct{ parameters, kv int64 }{
		"super-49b-v1":  {49_867_145_216, 200_704},
		"ultra-253b-v1": {253_401_268_224, 262_144},
	} {
		t.Run(name, func(t *testing.T) {
			dir := nemotron(t, name)
			start := time.Now()
			ckpt, err := model.Open(dir)
			require.NoError(t, err)
			defer ckpt.Close()
			require.Equal(t, want.parameters, ckpt.Parameters())
			plan, err := model.MakePlan(ckpt, dev, model.PlanOptions{KVType: kernels.BF16, MaxNumSeqs: 4})
			require.NoError(t, err)
			t.Logf("opened and planned in %v", time.Since(start))
			require.Equal(t, want.kv, plan.KVBytesPerToken)
			require.Equal(t, 4*131072*want.kv, plan.KV)
			require.Greater(t, plan.Weights, 2*want.parameters)
			require.Less(t, plan.Workspace, int64(600<<20), "wide FFNs run in tiles")
			require.Len(t, ckpt.Digest(), 64)
			largest := int64(0)
			for _, tensor := range ckpt.Tensors() {
				largest = max(largest, tensor.Bytes/2)
			}
			if strings.HasPrefix(name, "ultra") {
				require.Equal(t, int64(425_984*16_384), largest, "over 2^32 elements")
			}
		})
	}
}
